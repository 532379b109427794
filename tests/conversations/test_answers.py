"""What answers a question and what does not: machines, our own words, replies to others, texts that were rewritten."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from chalicelib.apps import Account, App, Apps
from chalicelib.conversations import answers
from chalicelib.conversations.conversation import Acknowledgement, Conversation, Deed, Outcome, State
from chalicelib.conversations.interaction import Interaction, Kind, merge
from chalicelib.conversations.rules import NOTED
from chalicelib.handlers.inbox import Envelope
from chalicelib.playbook.parts import Automatic
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery, done_by_staff, message, playbook

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
COMMON = "Do you ship to Canada?"
STRANGE = "hm, and what about the other one?"


def told(world: MemoryWorld, *bodies: bytes) -> MemoryWorld:
    for body in bodies:
        world.post(body)
        world.run()
    return world


def states(world: MemoryWorld) -> dict[str, State]:
    return {c.customer: c.state for c in world.conversations()}


def state(world: MemoryWorld) -> State:
    (found,) = world.conversations()
    return found.state


def standard(world: MemoryWorld, id: str, kind: Kind = Kind.NEW, text: str = STRANGE, **more: Any) -> None:
    """Something told of a shared thread in the generic intake's words, straight to respond."""
    at = more.pop("at", world.services.now())
    i = Interaction("discourse", "forum", id, kind, at, world.services.now(), text=text, **{"thread": "topic", **more})
    world.services.responder.respond(
        Envelope("d", "discourse", "forum", i.received_at, interaction=i), world.services.now
    )
    world.run()


# --- machines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_comes_within_three_seconds_of_a_customers_first_message_was_said_by_a_machine(after: int) -> None:
    world = told(
        MemoryWorld(),
        message("m1", STRANGE),
        message("m2", "Hi! We will be right with you.", at=NOW + after * SECOND, is_echo=True),
    )
    assert state(world) is State.OPEN
    assert world.outcomes.counts["not acknowledged messenger: automatic"] == 1
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_a_greeting_that_overtakes_its_question_is_one_all_the_same() -> None:
    greeting = message("m2", "Hi! We will be right with you.", at=NOW + SECOND, is_echo=True)
    assert state(told(MemoryWorld(), greeting, message("m1", STRANGE))) is State.OPEN


def test_a_person_in_the_middle_of_a_talk_may_be_quick() -> None:
    world = told(
        MemoryWorld(),
        message("m1", STRANGE),
        message("m2", "and the blue one?", at=NOW + 60 * SECOND),
        message("m3", "Both are in stock.", at=NOW + 62 * SECOND, is_echo=True),
    )
    assert state(world) is State.ANSWERED


def test_the_greeting_of_a_new_talk_the_next_day_answers_neither_question() -> None:
    day = timedelta(days=1)
    world = told(MemoryWorld(), message("m1", STRANGE))
    world.run(day)
    told(world, message("m2", STRANGE, at=NOW + day), message("m3", "Hi!", at=NOW + day + SECOND, is_echo=True))
    (found,) = world.conversations()
    assert [q.answered_at for q in found.questions.values()] == [None, None]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (Automatic(apps=frozenset({"777"})), State.OPEN),
        (Automatic(phrases=("we are closed until monday",)), State.OPEN),
        (Automatic(), State.ANSWERED),
        (Automatic(people=frozenset({"777"}), phrases=("we are closed until monday",)), State.ANSWERED),
    ],
)
def test_the_playbook_says_whose_words_are_a_machines(listed: Automatic, expected: State) -> None:
    world = MemoryWorld(replace(playbook(), automatic=listed))
    told(world, message("m1", STRANGE))
    reply = message("m2", "Sorry, we are closed  until Monday!", at=NOW + MINUTE, is_echo=True, app_id=777)
    assert state(told(world, reply)) is expected


def test_an_app_in_which_people_write_may_be_as_quick_as_it_likes() -> None:
    world = MemoryWorld(replace(playbook(), automatic=Automatic(people=frozenset({"777"}))))
    told(world, message("m1", STRANGE), message("m2", "We do!", at=NOW + SECOND, is_echo=True, app_id=777))
    assert state(world) is State.ANSWERED


# --- our own words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", list(Outcome))
@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text,
        lambda text: "@ann.example " + text,
        lambda text: text.replace("'", "&#39;").replace("&", "&amp;"),
        lambda text: text + "\nhttps://t.co/AbC123",
        lambda text: text[: len(text) // 2] + "…",
        lambda text: "<p>" + text.replace("\n", "<br />") + "</p>",
    ],
    ids=["as they were", "mention", "escaped twice", "something behind", "cut", "rendered"],
)
def test_our_own_words_never_answer_in_whatever_state_their_claim_is(claim: Outcome, changed: Any) -> None:
    world = told(MemoryWorld(), delivery(comment("c1", COMMON)))
    (before,) = world.conversations()
    text = before.acknowledgements["c1"].text

    def as_if(c: Conversation) -> Conversation:
        ack = replace(c.acknowledgements["c1"], state=claim, id=None, token="")
        return replace(c, acknowledgements={"c1": ack})

    from chalicelib.storage.store import ConversationKey

    world.store.update_conversation(ConversationKey.of(before), as_if, NOW)
    echo = delivery(comment("echo-1", changed(text), author=PAGE, parent="c1", at=NOW + 5 * SECOND))
    told(world, echo)
    assert state(world) is State.OPEN
    assert len(world.platforms.posted) == 1
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_links_that_a_platform_shortened_are_the_same_words() -> None:
    ours = "This is an automated reply. You can see where it is here: https://shop.example.com/track & more"
    theirs = "@bo This is an automated reply. You can see where it is here: https://t.co/x1 &amp; more"
    assert answers.same_words(ours, theirs)
    assert not answers.same_words(ours, "You can see where it is here")
    assert not answers.same_words("Hi!", "Hi! I am Kim, it left us today.")


def test_our_words_in_the_thread_that_a_private_reply_opened_answer_nothing_there() -> None:
    world = told(MemoryWorld(), message("m1", STRANGE))
    ours = told(MemoryWorld(), delivery(comment("c1", COMMON))).platforms.texts()[0]
    told(world, message("m2", ours, at=NOW + MINUTE, is_echo=True))
    assert state(world) is State.OPEN


def test_a_message_that_could_not_be_delivered_answers_nothing_and_takes_sent_back() -> None:
    world = told(MemoryWorld(), message("m1", COMMON))
    (before,) = world.conversations()
    reply_id = before.acknowledgements["m1"].id
    assert before.acknowledgements["m1"].state is Outcome.SENT and reply_id
    failed = Interaction(
        "messenger", PAGE, reply_id, Kind.UNDELIVERED, NOW + MINUTE, NOW + MINUTE, thread="psid-1", brand=True
    )
    person = replace(failed, id="m7", kind=Kind.BRAND_REPLY, text="We do.", author=PAGE)
    for i in (failed, person, replace(failed, id="m7")):
        world.services.responder.respond(
            Envelope("d", "meta", "main", NOW, interaction=replace(i, private=True)), world.services.now
        )
    world.run()
    (after,) = world.conversations()
    assert after.acknowledgements["m1"].state is Outcome.REFUSED
    assert after.state is State.OPEN and len(world.platforms.posted) == 1
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_an_answer_that_overtook_its_question_and_was_taken_back_stays_taken_back_whatever_machines_say() -> None:
    """It stands with the thread, since there was no conversation yet; what is noted of it later is noted there."""
    automatic = replace(playbook().automatic, apps=frozenset({"999"}))
    world = MemoryWorld(replace(playbook(), automatic=automatic))
    told(world, message("r1", "It is blue.", at=NOW + 5 * MINUTE, is_echo=True), message("m1", STRANGE))
    assert state(world) is State.ANSWERED
    gone = Interaction("messenger", PAGE, "r1", Kind.DELETE, NOW, NOW, thread="psid-1", brand=True, private=True)
    world.services.responder.respond(Envelope("d", "meta", "main", NOW, interaction=gone), world.services.now)
    assert state(world) is State.OPEN
    for n in range(NOTED + 2):
        world.run(6 * MINUTE)
        told(world, message(f"a{n}", "Did you know our stores?", at=world.services.now(), is_echo=True, app_id=999))
    assert state(world) is State.OPEN and len(world.emails) >= 1


def test_a_persons_answer_is_not_forgotten_behind_what_machines_say() -> None:
    """Another one is taken back: the question stays answered by the first."""
    automatic = replace(playbook().automatic, apps=frozenset({"999"}))
    world = told(MemoryWorld(replace(playbook(), automatic=automatic)), message("m1", STRANGE))
    for id in ("r1", "r2"):
        world.run(6 * MINUTE)
        told(world, message(id, "It is blue.", at=world.services.now(), is_echo=True))
    for n in range(NOTED + 2):
        world.run(6 * MINUTE)
        told(world, message(f"a{n}", "Did you know our stores?", at=world.services.now(), is_echo=True, app_id=999))
    gone = Interaction("messenger", PAGE, "r1", Kind.DELETE, NOW, NOW, thread="psid-1", brand=True, private=True)
    world.services.responder.respond(Envelope("d", "meta", "main", NOW, interaction=gone), world.services.now)
    assert state(world) is State.ANSWERED
    (c,) = world.conversations()
    assert len(c.replies) <= NOTED and c.questions["m1"].answered_by == "r2"


# --- replies to others -----------------------------------------------------------------------------------------------


def test_the_page_answers_one_of_two_customers_under_a_comment_and_the_other_still_waits() -> None:
    world = told(
        MemoryWorld(),
        delivery(comment("c1", STRANGE, author="5001")),
        delivery(comment("c2", STRANGE, author="5002", parent="c1", at=NOW + SECOND)),
        delivery(comment("r1", "Hi Ann, it is.", author=PAGE, parent="c1", at=NOW + MINUTE)),
    )
    assert states(world) == {"5001": State.ANSWERED, "5002": State.OPEN}
    told(world, delivery(comment("r2", "And yours too.", author=PAGE, parent="c2", at=NOW + 2 * MINUTE)))
    assert states(world)["5002"] is State.ANSWERED


FORUM = Apps((*APPS.apps, App("discourse", "forum", accounts=(Account("forum", "discourse", "Forum", ""),))))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"to": "21"}, {"21": State.ANSWERED, "22": State.OPEN}),
        ({"parent": "p2"}, {"21": State.OPEN, "22": State.ANSWERED}),
        ({}, {"21": State.ANSWERED, "22": State.OPEN}),
    ],
    ids=["named", "stands under", "to the topic: to whoever began it"],
)
def test_in_a_shared_thread_a_reply_answers_its_addressee(reply: dict[str, str], expected: dict[str, State]) -> None:
    world = MemoryWorld(apps=FORUM)
    standard(world, "p1", author="21", begins=True)
    standard(world, "p2", author="22", begins=False)
    later = NOW + MINUTE
    standard(world, "p3", Kind.BRAND_REPLY, "Here is how.", author="1", brand=True, at=later, **reply)
    assert states(world) == expected


# --- time ------------------------------------------------------------------------------------------------------------


def test_in_the_same_second_only_a_reply_to_this_very_question_answers_it() -> None:
    to_it = delivery(comment("r1", "Yes.", author=PAGE, parent="c1", at=NOW))
    assert state(told(MemoryWorld(), delivery(comment("c1", STRANGE)), to_it)) is State.ANSWERED
    world = told(MemoryWorld(), delivery(comment("c1", STRANGE)), delivery(comment("c2", STRANGE, parent="c1")))
    told(world, delivery(comment("r1", "Yes.", author=PAGE, parent="c1", at=NOW)))
    (found,) = world.conversations()
    assert [i for i, q in found.questions.items() if q.pending] == ["c2"]


def test_a_text_rewritten_after_the_answer_is_open_again_with_a_due_time_of_its_own() -> None:
    world = told(MemoryWorld(), delivery(comment("c1", STRANGE)))
    world.run(timedelta(hours=8))  # every tier was called
    now = world.services.now()
    told(world, delivery(comment("r1", "It is blue.", author=PAGE, parent="c1", at=now)))
    assert state(world) is State.ANSWERED
    world.run(timedelta(hours=1))
    edit = delivery(comment("c1", STRANGE + "!!", verb="edited", entry_at=world.services.now()))
    assert state(told(world, edit)) is State.ANSWERED  # punctuation
    complaint = "This broke on the first day, I want my money back"
    told(world, delivery(comment("c1", complaint, verb="edited", entry_at=world.services.now() + SECOND)))
    before = len(world.emails)
    (found,) = world.conversations()
    assert found.state is State.OPEN and found.due_at and found.due_at > world.services.now()
    world.run(timedelta(hours=2))
    assert len(world.emails) > before


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_edit_after_the_answer_opens_it_in_every_order_of_arrival(order: tuple[int, ...]) -> None:
    bodies = [
        delivery(comment("c1", STRANGE)),
        delivery(comment("r1", "It is blue.", author=PAGE, parent="c1", at=NOW + MINUTE)),
        delivery(comment("c1", "I want my money back", verb="edited", entry_at=NOW + 2 * MINUTE)),
    ]
    world = MemoryWorld()
    told(world, *(bodies[n] for n in order))
    assert state(world) is State.OPEN


def test_what_was_hidden_and_is_shown_again_after_the_last_tier_is_told_again() -> None:
    world = told(MemoryWorld(), delivery(comment("c1", STRANGE)))
    world.run(timedelta(hours=8))
    told(world, delivery(comment("c1", STRANGE, verb="hide", entry_at=world.services.now())))
    before = len(world.emails)
    told(world, delivery(comment("c1", STRANGE, verb="unhide", entry_at=world.services.now() + SECOND)))
    world.run(timedelta(hours=1))
    assert len(world.emails) == before + 1


def test_a_post_that_was_removed_and_is_recovered_is_open_again() -> None:
    world = MemoryWorld(apps=FORUM)
    standard(world, "p1", author="21", begins=True)
    standard(world, "p1", Kind.DELETE, "", author="21", deleted_at=NOW + MINUTE)
    assert state(world) is State.DELETED
    world.run(timedelta(hours=1))
    assert world.emails == []
    back = world.services.now()
    standard(world, "p1", author="21", begins=True, at=NOW, text_at=back, recovered_at=back)
    assert state(world) is State.OPEN
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_an_answer_that_is_taken_back_after_the_last_tier_calls_people_again_from_now_on() -> None:
    world = told(MemoryWorld(), delivery(comment("c1", STRANGE)))
    world.run(timedelta(hours=8))
    now = world.services.now()
    told(world, delivery(comment("r1", "It is.", author=PAGE, parent="c1", at=now)))
    told(world, delivery(comment("r1", "", author=PAGE, parent="c1", verb="remove", at=now)))
    (found,) = world.conversations()
    assert found.state is State.OPEN and found.due_at == now + 10 * MINUTE


# --- deliveries that come late ---------------------------------------------------------------------------------------


def test_what_comes_late_is_due_by_the_time_it_was_asked_and_gets_no_automatic_reply() -> None:
    world = told(MemoryWorld(), delivery(comment("c1", COMMON, at=NOW - timedelta(minutes=30))))
    assert world.platforms.posted == []
    (found,) = world.conversations()
    assert found.questions["c1"].promised_by == NOW + 30 * MINUTE
    assert [row["at"][11:16] for row in world.records("escalation")] == ["10:00"]


@pytest.mark.parametrize(("age", "emails"), [(timedelta(hours=2), 1), (timedelta(days=3), 0)])
def test_an_edit_of_something_never_seen_gets_no_reply_and_an_old_one_asks_nothing(age: timedelta, emails: int) -> None:
    body = delivery(comment("c1", COMMON, verb="edited", at=NOW - age, entry_at=NOW))
    world = told(MemoryWorld(), body)
    world.run(10 * MINUTE)
    assert world.platforms.posted == []
    assert len(world.emails) == emails


def test_nor_does_an_edit_that_comes_moments_after_words_of_which_nobody_told_and_people_are_called_in_time() -> None:
    """Somebody may have answered the words that it replaced."""
    world = told(MemoryWorld(), delivery(comment("c1", COMMON, verb="edited", at=NOW - MINUTE, entry_at=NOW)))
    assert world.outcomes.counts["not acknowledged facebook: edit_of_something_never_seen"] == 1
    world.run(timedelta(hours=1))
    assert world.platforms.posted == [] and len(world.emails) == 1


def test_a_duplicate_after_a_correction_or_a_close_changes_nothing() -> None:
    from chalicelib.storage.store import ConversationKey

    question = delivery(comment("c1", STRANGE))
    world = told(MemoryWorld(), question)
    key = ConversationKey.of(world.conversations()[0])
    world.store.update_conversation(key, lambda c: done_by_staff(c, Deed.CORRECT, NOW, "exchange"), NOW)
    assert told(world, question).conversations()[0].questions["c1"].intent == "exchange"
    world.store.update_conversation(key, lambda c: done_by_staff(c, Deed.CLOSE, NOW), NOW)
    assert state(told(world, question)) is State.CLOSED


def test_closing_leaves_open_what_was_still_on_its_way() -> None:
    from chalicelib.storage.store import ConversationKey

    world = told(MemoryWorld(), message("m1", STRANGE))
    world.post(message("m2", "and the blue one?", at=NOW))  # on the inbox, written before staff pressed the button
    key = ConversationKey.of(world.conversations()[0])
    world.store.update_conversation(key, lambda c: done_by_staff(c, Deed.CLOSE, NOW + SECOND), NOW)
    world.run()
    (found,) = world.conversations()
    assert [i for i, q in found.questions.items() if q.pending] == ["m2"]


# --- the author becomes known ----------------------------------------------------------------------------------------


class Dies(Exception):
    """The process ends here."""


@pytest.mark.parametrize("at", range(1, 8))
def test_a_process_that_ends_while_the_author_becomes_known_leaves_nobody_waiting_twice(at: int) -> None:
    world = MemoryWorld()
    unknown = Interaction("facebook", PAGE, "c1", Kind.MENTION, NOW, NOW, thread="c1", text=STRANGE)
    known = replace(unknown, author="5001")
    plain = world.store.table
    respond = world.services.responder.respond
    respond(Envelope("d", "meta", "main", NOW, interaction=unknown), world.services.now)
    assert merge(None, unknown).customer == "unknown-c1"

    class Ends:
        calls = 0

        def __getattr__(self, name: str) -> Any:
            method = getattr(plain, name)

            def call(*args: Any, **named: Any) -> Any:
                Ends.calls += 1
                if Ends.calls == at:
                    raise Dies
                return method(*args, **named)

            return call

    world.services.store.table = Ends()
    try:
        world.services.responder.respond(Envelope("d", "meta", "main", NOW, interaction=known), world.services.now)
    except Dies:
        world.services.store.table = plain
        world.services.responder.respond(Envelope("d", "meta", "main", NOW, interaction=known), world.services.now)
    world.services.store.table = plain
    assert states(world) == {"unknown-c1": State.DELETED, "5001": State.OPEN}


def test_what_turns_out_to_stand_in_another_thread_gets_no_second_reply_there() -> None:
    world = MemoryWorld()
    told_first = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, "t1", parent="t1", author="5001", text=COMMON)
    for i in (told_first, replace(told_first, thread="t2", parent="t2")):
        world.services.responder.respond(Envelope("d", "meta", "main", NOW, interaction=i), world.services.now)
        world.run(MINUTE)
    assert {c.thread: c.state for c in world.conversations()} == {"t1": State.DELETED, "t2": State.OPEN}
    assert len(world.platforms.posted) == 1


# --- which of our own replies came back, and whom a reply is for -----------------------------------------------------


def claimed(customer: str, **more: Any) -> Conversation:
    """A conversation whose question `q-customer` has an automatic reply that says what all of them say."""
    ack = Acknowledgement(Outcome.UNKNOWN, NOW, f"token-{customer}", "Thank you, a colleague will answer.", **more)
    return Conversation("discourse", "forum", "topic", customer, acknowledgements={f"q-{customer}": ack})


def echo(**more: Any) -> Interaction:
    return Interaction("discourse", "forum", "r1", Kind.BRAND_REPLY, NOW, NOW, brand=True, **more)


@pytest.mark.parametrize("more", [{"id": "r1"}, {}])
def test_our_reply_is_known_by_its_id_or_its_token_alone_whatever_the_platform_made_of_its_words(more: Any) -> None:
    conversation = claimed("ann", **more)
    back = echo(text="[the text was replaced]", token=None if more else "token-ann")
    assert answers.our_reply([claimed("bob"), conversation], back) == (conversation, "q-ann")
    assert answers.our_reply([claimed("bob")], back) is None


@pytest.mark.parametrize("customer", ["ann", "bob"])
def test_of_several_that_said_the_same_the_one_came_back_under_whose_question_it_stands(customer: str) -> None:
    several = [claimed("ann"), claimed("bob")]
    found = answers.our_reply(several, echo(text="Thank you, a colleague will answer.", parent=f"q-{customer}"))
    assert found and found[0].customer == customer


def test_of_several_that_said_the_same_one_that_is_known_already_is_not_taken_again() -> None:
    several = [claimed("ann", id="r0"), claimed("bob")]
    found = answers.our_reply(several, echo(text="Thank you, a colleague will answer."))
    assert found and found[0].customer == "bob"


def test_a_reply_below_words_of_which_nobody_told_answers_nobody_else_in_the_thread() -> None:
    world = MemoryWorld(apps=FORUM)
    standard(world, "topic", author="ann")
    reply: dict[str, Any] = {"kind": Kind.BRAND_REPLY, "brand": True, "author": "forum", "text": "Yes, it does."}
    standard(world, "r1", parent="never-told", at=NOW + MINUTE, **reply)
    assert states(world) == {"ann": State.OPEN}
    standard(world, "r2", parent="topic", at=NOW + MINUTE, **reply)
    assert states(world) == {"ann": State.ANSWERED}
