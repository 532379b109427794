"""What the brand says in a thread that one customer has for themself is kept with their conversation: one write for the
reply and for what it answers. What came before any question, and what a release before noted, stands in the thread."""

from datetime import timedelta

import pytest

from chalicelib.conversations import rules
from chalicelib.conversations.answers import said
from chalicelib.conversations.conversation import BrandReply, Conversation, State, Thread
from chalicelib.operations.passes import _after
from chalicelib.storage.item_keys import is_thread, own_conversation
from tests.world import NOW, PAGE, MemoryWorld, message

MINUTE = timedelta(minutes=1)
CUSTOMER = "psid-1"
PLACE = own_conversation("messenger", PAGE, CUSTOMER)


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def threads(world: MemoryWorld) -> int:
    return sum(is_thread(item.key) for item in world.store.table.everything())


def ask(world: MemoryWorld, id: str, at: int = 0, text: str = "I have written to you twice now") -> None:
    world.virtual_clock.now = NOW + at * MINUTE
    world.post(message(id, text, at=NOW + at * MINUTE))
    world.run()


def reply(world: MemoryWorld, id: str, at: int, text: str = "Hello, here you are.") -> None:
    world.post(message(id, text, at=NOW + at * MINUTE, is_echo=True))
    world.run()


def only(world: MemoryWorld) -> Conversation:
    (found,) = world.conversations()
    return found


def test_a_reply_is_one_write_with_what_it_answers(world: MemoryWorld) -> None:
    ask(world, "m1")
    before = world.store.table.get(PLACE)
    reply(world, "a1", 5)
    after = world.store.table.get(PLACE)
    assert before and after and after.rev == before.rev + 1
    assert threads(world) == 0
    assert only(world).state is State.ANSWERED
    assert only(world).questions["m1"].answered_by == "a1"


def test_what_the_brand_says_first_waits_in_the_thread_for_the_question(world: MemoryWorld) -> None:
    reply(world, "a1", 5)
    assert threads(world) == 1 and world.conversations() == []
    ask(world, "m1")
    assert only(world).state is State.ANSWERED


def test_a_reply_that_is_taken_back_opens_its_question_again(world: MemoryWorld) -> None:
    ask(world, "m1")
    reply(world, "a1", 5)
    world.post(message("a1", "", at=NOW + 6 * MINUTE, is_echo=True, is_deleted=True))
    world.run()
    assert only(world).replies["a1"].deleted
    assert only(world).state is State.OPEN and only(world).due_at


def test_a_question_after_a_person_spoke_gets_no_automatic_reply(world: MemoryWorld) -> None:
    ask(world, "m1")
    reply(world, "a1", 5)
    ask(world, "m2", 6, "Can I return this dress?")
    assert only(world).questions["m2"].silence == "person_wrote"
    assert only(world).state is State.OPEN


def test_what_a_release_before_noted_in_the_thread_still_counts_and_the_newer_word_wins(world: MemoryWorld) -> None:
    ask(world, "m1")
    old = {"a1": BrandReply(NOW + MINUTE), "a0": BrandReply(NOW - MINUTE)}
    world.store.change_thread("messenger", PAGE, CUSTOMER, lambda t: Thread("messenger", PAGE, CUSTOMER, old), NOW)
    ask(world, "m2", 2)
    assert only(world).questions["m1"].answered_by == "a1"
    assert only(world).questions["m2"].pending
    world.post(message("a1", "", at=NOW + MINUTE, is_echo=True, is_deleted=True))
    world.run()
    assert only(world).questions["m1"].pending
    known = said(only(world), world.store.thread("messenger", PAGE, CUSTOMER))
    assert set(known) == {"a0", "a1"} and known["a1"].deleted


def test_the_newest_replies_are_kept_and_the_one_that_was_told_of_now(world: MemoryWorld) -> None:
    c = Conversation("messenger", PAGE, CUSTOMER, CUSTOMER, private=True)
    for n in range(30):
        c = rules.note_reply(c, f"a{n:02}", BrandReply(NOW + n * MINUTE))
    assert list(c.replies) == [f"a{n}" for n in range(30 - rules.NOTED, 30)]
    back = rules.note_reply(c, "a03", BrandReply(NOW + 3 * MINUTE, deleted=True))
    assert back.replies["a03"].deleted and len(back.replies) == rules.NOTED
    assert rules.note_reply(back, "a03", back.replies["a03"]) == back


def test_an_erasure_leaves_no_reply_to_what_was_forgotten(world: MemoryWorld) -> None:
    ask(world, "m1")
    reply(world, "a1", 5)
    ask(world, "m2", 10)
    reply(world, "a2", 15)
    left = _after(only(world), NOW + 7 * MINUTE)
    assert left and set(left.questions) == {"m2"} and set(left.replies) == {"a2"}
