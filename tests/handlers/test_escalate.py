"""Escalating: nothing that one conversation is or does keeps another from being escalated in time."""

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.aws.client import AwsError
from chalicelib.codec import dump
from chalicelib.conversations.conversation import Conversation, Deed, State
from chalicelib.conversations.staff_rules import Wish, act, shown, undo
from chalicelib.storage.item_keys import is_conversation
from chalicelib.storage.store import ConversationKey
from chalicelib.storage.table import Item
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, done_by_staff, message, playbook

MINUTE = timedelta(minutes=1)
DYNAMODB_ITEM = 400_000  # bytes
URGENT = "your lamp caught fire and burned my child, my lawyer will call you"
STRANGE = "hm, and what about the other one?"


class Bounded:
    """A table that refuses what DynamoDB refuses."""

    def __init__(self, table: Any) -> None:
        self._table, self.largest, self.puts = table, 0, 0

    def put(self, item: Item) -> Item:
        size = len(str(dump(item.doc)))
        self.largest, self.puts = max(self.largest, size), self.puts + 1
        if size > DYNAMODB_ITEM:
            raise RuntimeError("ValidationException: Item size has exceeded the maximum allowed size")
        return self._table.put(item)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def escalations(world: MemoryWorld) -> list[tuple[str, int, str]]:
    return [(row["conversation"], row["tier"], row["team"]) for row in world.records("escalation")]


def test_two_thousand_messages_of_one_customer_stay_within_bounds_and_another_is_escalated() -> None:
    world = MemoryWorld()
    table = world.services.store.table = Bounded(world.store.table)
    for n in range(2000):
        at = NOW + n * timedelta(seconds=1)
        world.virtual_clock.now = at
        world.post(message(f"m{n}", f"{STRANGE} {n}", at=at))
        world.run()
    world.post(message("other", STRANGE, author="psid-2", at=world.services.now()))
    world.run(timedelta(hours=5), sweep=True)
    flooded, other = sorted(world.conversations(), key=lambda c: c.customer)
    assert table.largest < DYNAMODB_ITEM / 4
    assert len(flooded.questions) < 60 and flooded.unlisted > 1900
    assert {"m0", "m1999"} <= set(flooded.questions)
    assert [tier for id, tier, _ in escalations(world) if id == other.id] == [1, 2, 3]
    first = [tier for id, tier, _ in escalations(world) if id.startswith(flooded.id_of(1)) and "~" not in id]
    assert first == [1, 2, 3]
    answer = message("r1", "Here is your answer.", is_echo=True, at=world.services.now())
    world.post(answer)
    world.run()
    flooded = next(c for c in world.conversations() if c.customer == "psid-1")
    assert (flooded.state, flooded.unlisted) == (State.ANSWERED, 0)


def test_a_question_alone_on_its_ladder_in_the_middle_of_many_is_told_to_the_end() -> None:
    """Before it and after it dozens were asked, each lot with a call of its own."""
    world = MemoryWorld()
    for lot, many in (("a", 30), ("alone", 1), ("b", 30)):
        for n in range(many):
            world.virtual_clock.now += timedelta(seconds=1)
            world.post(message(f"{lot}{n}", f"{STRANGE} {n}", at=world.services.now()))
            world.run()
        world.run(15 * MINUTE, sweep=True)  # its first tier
    (c,) = world.conversations()
    assert "alone0" in c.questions and c.unlisted
    alone = c.questions["alone0"].round
    assert len(c.waiting_on(alone)) == 1
    world.run(timedelta(hours=6), sweep=True)
    (c,) = world.conversations()
    told = {name for name, n in c.notices.items() if n.round == alone}
    assert {f"{alone}.{tier}" for tier in (1, 2, 3)} <= told


@pytest.mark.parametrize("again", [0, 25, 49])
@pytest.mark.parametrize("how", ["answered", "closed", "closed all at once"])
def test_what_was_settled_among_many_and_comes_again_is_not_told_again(how: str, again: int) -> None:
    world, messages = MemoryWorld(), [message(f"m{n}", f"{STRANGE} {n}", at=NOW + n * MINUTE) for n in range(50)]
    for n, body in enumerate(messages):
        world.virtual_clock.now = NOW + n * MINUTE
        world.post(body)
        world.run()
        if how == "answered":
            world.virtual_clock.now += 30 * timedelta(seconds=1)
            world.post(message(f"r{n}", "Yes.", is_echo=True, at=world.services.now()))
            world.run()
        elif how == "closed" or n == 49:
            (c,) = world.conversations()
            at = world.services.now()
            key = ConversationKey.of(c)
            world.store.update_conversation(key, lambda c, at=at: done_by_staff(c, Deed.CLOSE, at), at)
    world.run(2 * MINUTE, sweep=True)
    (before,) = world.conversations()
    assert before.state is not State.OPEN
    world.post(messages[again])
    world.run(timedelta(hours=3), sweep=True)
    assert world.conversations() == [before] and len(world.interactions()) in (50, 100)
    world.post(edited("m0", "and what about the green one?", at=world.services.now()))
    world.run(timedelta(hours=1), sweep=True)
    assert world.conversations()[0].state is State.OPEN and world.emails  # what is new is not what comes again


@pytest.mark.parametrize("before", ["nothing", "thanks that are kept", "thanks that are not kept"])
def test_thanks_that_are_rewritten_to_a_question_are_asked_when_they_are_rewritten(before: str) -> None:
    """Its people get their time to answer; who comes after them is not called within the hour."""
    world = MemoryWorld()
    if before != "nothing":
        ask(world, "c0", "Thank you!")
    id = "c0" if before == "thanks that are kept" else "c1"
    if id == "c1":
        ask(world, id, "Thank you!", parent="c0")
    world.run(timedelta(days=2), sweep=True)
    at = world.services.now()
    world.post(delivery(comment(id, STRANGE, verb="edited", parent="c0" if id == "c1" else None, entry_at=at)))
    world.run(timedelta(hours=7), sweep=True)
    called = [datetime.fromisoformat(row["at"]) - at for row in world.records("escalation")]
    assert called == [10 * MINUTE, 90 * MINUTE, timedelta(hours=5)]


def edited(id: str, text: str, *, at: datetime) -> bytes:
    """The customer rewrites a private message."""
    body = json.loads(message(id, text, at=at))
    part = body["entry"][0]["messaging"][0]
    del part["message"]
    part["message_edit"] = {"mid": id, "text": text}
    return json.dumps(body).encode()


def test_messages_that_need_no_answer_cost_no_write_while_nothing_is_open() -> None:
    world = MemoryWorld()
    world.post(message("m1", "Thank you!"))
    world.run()
    table = world.services.store.table = Bounded(world.store.table)
    for n in range(2, 50):
        world.post(message(f"m{n}", "Thank you!", at=NOW + n * MINUTE))
        world.run()
    assert table.puts == 48  # each interaction itself, and no conversation
    assert len(world.conversations()[0].questions) == 1


def test_an_urgent_message_among_thousands_reaches_its_people_at_once() -> None:
    world = MemoryWorld()
    for n in range(300):
        text = URGENT if n == 150 else f"{STRANGE} {n}"
        world.post(message(f"m{n}", text, at=NOW + n * timedelta(milliseconds=10)))
    world.run(MINUTE)
    assert [team for _, _, team in escalations(world)] == ["pr"]
    assert "m150" in world.conversations()[0].questions


def test_a_conversation_that_cannot_be_worked_on_is_set_aside_counted_and_keeps_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = MemoryWorld()
    for n in range(4):
        world.post(message(f"m{n}", STRANGE, author=f"psid-{n}"))
    world.run()
    broken = ConversationKey("messenger", PAGE, "psid-0", "psid-0")
    plain = world.services.store.table

    class Breaks(Bounded):
        def put(self, item: Item) -> Item:
            if is_conversation(item.key) and item.doc["customer"] == "psid-0":
                raise ValueError(STRANGE)
            return super().put(item)

    world.services.store.table = Breaks(plain)
    with caplog.at_level(logging.DEBUG):
        world.run(timedelta(minutes=30), sweep=True)
    assert {id.rsplit(":", 1)[1] for id, _, _ in escalations(world)} == {"psid-1", "psid-2", "psid-3"}
    assert world.outcomes.counts["conversations set aside: ValueError"] >= 2
    assert STRANGE not in caplog.text
    assert broken in world.store.aside(world.services.now())
    world.services.store.table = plain
    world.run(timedelta(hours=7), sweep=True)  # mended, and its turn came again
    assert "messenger:" + PAGE + ":psid-0:psid-0" in {id for id, _, _ in escalations(world)}


# --- each promise has a ladder of its own ----------------------------------------------------------------------------


def ask(world: MemoryWorld, id: str, text: str = STRANGE, **more: Any) -> None:
    world.post(delivery(comment(id, text, at=world.services.now(), **more)))
    world.run()


def test_a_question_after_the_first_tier_has_a_promise_of_its_own_and_the_first_ladder_goes_on() -> None:
    world = MemoryWorld()
    ask(world, "c1")
    world.run(timedelta(minutes=60))
    ask(world, "c2", parent="c1")
    world.run(timedelta(hours=7))
    told = [
        (row["conversation"].rpartition("5001")[2], row["tier"], row["at"][11:16])
        for row in world.records("escalation")
    ]
    assert told == [
        *(("", 1, "10:10"), ("~2", 1, "11:10"), ("", 2, "11:30"), ("~2", 2, "12:30")),
        *(("", 3, "15:00"), ("~2", 3, "16:00")),
    ]
    assert world.conversations()[0].questions["c2"].promised_by == NOW + timedelta(hours=2)


@pytest.mark.parametrize("wait", [5, 60, 400], ids=["before anybody was called", "after tier 1", "after the last tier"])
@pytest.mark.parametrize("how", ["message", "edit", "correction"])
def test_an_urgent_matter_reaches_the_press_office_at_once_whatever_is_open(how: str, wait: int) -> None:
    world = MemoryWorld()
    ask(world, "c1")
    world.run(wait * MINUTE)
    before, now = len(escalations(world)), world.services.now()
    if how == "message":
        ask(world, "c2", URGENT, parent="c1")
    elif how == "edit":
        world.post(delivery(comment("c1", URGENT, verb="edited", entry_at=now)))
        world.run()
    else:
        key = ConversationKey.of(world.conversations()[0])
        world.store.update_conversation(key, lambda c: done_by_staff(c, Deed.CORRECT, now, "legal_safety"), now)
        world.services.escalator.sweep(world.services.now)
    called = escalations(world)[before:]
    assert [(tier, team) for _, tier, team in called] == [(1, "pr")]
    assert world.records("escalation")[-1]["at"][:16] == f"{now:%Y-%m-%dT%H:%M}"
    world.run(timedelta(hours=5), sweep=True)
    urgent = called[0][0]
    assert [tier for id, tier, _ in escalations(world) if id == urgent] == [1, 2, 3]


def test_urgent_calls_about_one_conversation_do_not_become_a_flood() -> None:
    world = MemoryWorld()
    for n in range(60):
        ask(world, f"c{n}", f"{URGENT} {n}", **({"parent": "c0"} if n else {}))
        world.run(timedelta(seconds=30))
    world.run(MINUTE)
    pressed = [row for row in world.records("escalation") if row["team"] == "pr"]
    assert 3 <= len(pressed) <= 6
    assert [row["at"][11:16] for row in pressed[:3]] == ["10:00", "10:00", "10:01"]


def test_every_tier_has_at_most_one_email_however_much_a_customer_writes() -> None:
    world = MemoryWorld()
    for n in range(40):
        ask(world, f"c{n}", f"{STRANGE} {n}", **({"parent": "c0"} if n else {}))
        world.run(timedelta(minutes=11))
    calls = [(row["conversation"], row["tier"]) for row in world.records("escalation")]
    assert len(calls) == len(set(calls))
    open_ = [ladder for ladder in world.conversations()[0].ladders.values()]
    assert len(open_) <= 7
    world.run(timedelta(hours=24), sweep=True)
    assert {tier for _, tier in [(r["conversation"], r["tier"]) for r in world.records("escalation")]} == {1, 2, 3}


# --- the playbook changes under open conversations -------------------------------------------------------------------


@pytest.mark.parametrize(("tell_after", "expected"), [(timedelta(minutes=3), 5), (timedelta(minutes=25), 25)])
def test_a_changed_wait_reaches_open_conversations_at_the_next_sweep(tell_after: timedelta, expected: int) -> None:
    world = MemoryWorld()
    ask(world, "c1")
    world.run(4 * MINUTE)
    world.services.playbook = replace(playbook(), tell_after=tell_after)
    world.run(timedelta(hours=1), sweep=True)
    row = world.records("escalation")[0]
    late = int(row["at"][14:16])
    assert expected <= late <= expected + 5


@pytest.mark.parametrize("minutes", [0, 1, 3])
@pytest.mark.parametrize("becomes", ["urgent", "told sooner"])
def test_what_a_process_took_in_by_the_playbook_before_a_change_is_planned_by_the_new_one_too(
    becomes: str, minutes: int
) -> None:
    """A change is live within five minutes: each process asks for the playbook every four."""
    old = playbook()
    slow = replace(old, tell_after=timedelta(hours=5), answer_within=timedelta(hours=7))
    urgency = replace(old.urgency, intents=frozenset({*old.urgency.intents, "refund"}))
    new = replace(slow, urgency=urgency) if becomes == "urgent" else replace(slow, tell_after=10 * MINUTE)
    world = MemoryWorld(slow)
    world.run(2 * MINUTE, sweep=True)
    changed_at = world.services.now()
    world.services.playbook = new
    world.run(minutes * MINUTE, sweep=True)
    world.services.playbook = slow
    ask(world, "c1", "I want my money back for this coat")
    world.services.playbook = new
    world.run(timedelta(hours=1), sweep=True)
    told = datetime.fromisoformat(world.records("email")[0]["at"])
    assert told <= changed_at + timedelta(minutes=8 if becomes == "urgent" else 15)
    writes = world.store.table.everything
    before = {item.key: item.rev for item in writes()}
    world.run(10 * MINUTE, sweep=True)
    assert {item.key: item.rev for item in writes()} == before  # and that is the end of it


def test_a_sweep_that_plans_anew_goes_on_where_it_was_stopped_and_ends() -> None:
    world = MemoryWorld()
    for n in range(30):
        world.post(message(f"m{n}", STRANGE, author=f"psid-{n}"))
    world.run()
    world.services.escalator.sweep(world.services.now)
    world.services.playbook = replace(playbook(), tell_after=timedelta(minutes=5))
    looks = 0
    for _ in range(40):
        left = iter([True] * 4)
        looks += 1
        if world.services.escalator.sweep(world.services.now, lambda left=left: next(left, False)):  # type: ignore[misc]
            break
    assert 3 < looks < 30
    assert {c.due_at for c in world.conversations()} == {NOW + 5 * MINUTE}


def test_a_sweep_that_is_throttled_while_it_plans_anew_leaves_nobody_with_the_longer_wait() -> None:
    world = MemoryWorld()
    for n in range(6):
        world.post(message(f"m{n}", STRANGE, author=f"psid-{n}"))
    world.run()
    world.services.escalator.sweep(world.services.now)
    plain, left = world.services.store.table, [3]

    class Throttled(Bounded):
        def put(self, item: Item) -> Item:
            left[0] -= is_conversation(item.key)
            if is_conversation(item.key) and left[0] in (0, -1):
                raise AwsError("ThrottlingException")
            return super().put(item)

    world.services.store.table = Throttled(plain)
    world.services.playbook = replace(playbook(), tell_after=timedelta(minutes=5))
    looks = [world.services.escalator.sweep(world.services.now) for _ in range(4)]
    assert looks == [False, False, True, True] and not world.store.aside(world.services.now())
    assert {c.due_at for c in world.conversations()} == {NOW + 5 * MINUTE}


def test_the_promise_that_a_customer_was_told_stays_what_it_was() -> None:
    world = MemoryWorld()
    ask(world, "c1", "Do you ship to Canada?")
    assert len(world.platforms.posted) == 1
    world.services.playbook = replace(playbook(), answer_within=timedelta(hours=3))
    world.run(5 * MINUTE, sweep=True)
    assert world.conversations()[0].questions["c1"].promised_by == NOW + timedelta(hours=1)


@pytest.mark.parametrize("by", ["a correction", "an edit", "a correction that is undone"])
@pytest.mark.parametrize("told", [True, False])
def test_a_promise_that_was_told_outlives_what_else_the_question_is_read_to_be(by: str, told: bool) -> None:
    """It stands under the customer's words: e-mail and report go by it. One that nobody was told is made anew."""
    policy = playbook()
    slow = replace(policy.teams["customer_service"], answer_within=timedelta(hours=4))
    own = replace(policy.teams["stores"], answer_within=timedelta(hours=2))
    world = MemoryWorld(
        replace(policy, stopped_altogether=not told, teams={**policy.teams, "customer_service": slow, "stores": own})
    )
    ask(world, "c1", "What are your opening hours on Sunday?")
    assert len(world.platforms.posted) == told
    key = ConversationKey("facebook", PAGE, "c1", "5001")
    at = NOW + 5 * MINUTE
    if by == "an edit":
        world.post(delivery(comment("c1", "I complain about the shop, rude staff!", verb="edited", entry_at=at)))
        world.run(MINUTE)
    else:
        wish = Wish("w", Deed.CORRECT, "Kim", shown(world.store.conversation(key)), intent="complaint")
        rule = world.services.playbook
        world.store.update_conversation(key, lambda c: act(c, wish, rule, at), at)
        if "undone" in by:
            world.store.update_conversation(key, lambda c: undo(c, "w", rule, at + MINUTE), at + MINUTE)
    (c,) = world.conversations()
    undone = "undone" in by
    assert (c.questions["c1"].intent == "store_info") is undone
    promised = 2 if told or undone else 4
    assert c.questions["c1"].promised_by == NOW + timedelta(hours=promised)


def test_what_waits_longer_than_the_retention_is_still_there_when_it_falls_due() -> None:
    world = MemoryWorld()
    world.services.store._kept = timedelta(days=1)
    world.services.playbook = replace(playbook(), tell_after=timedelta(days=3), answer_within=timedelta(days=4))
    ask(world, "c1")
    (conversation,) = world.conversations()
    due = conversation.due_at
    assert due and due > NOW + timedelta(days=1)
    kept = {item.key.pk[0]: item.expires_at for item in world.store.table.everything() if item.key.pk[0] in "it"}
    assert all(at and at > due for at in kept.values()) and set(kept) == {"i", "t"}


def conversation_of(world: MemoryWorld) -> Conversation:
    (found,) = world.conversations()
    return found


# --- the overdue index ------------------------------------------------------------------------------------------------


def test_a_notice_that_goes_out_moves_its_entry_once_and_one_that_does_not_is_found_again() -> None:
    """The entry stays where it was while the notice is on its way: moving it costs twice what the conversation does."""
    world = MemoryWorld()
    ask(world, "c1")
    (due,) = (c.due_at for c in world.conversations())
    assert due
    moved = []
    for seconds, queued in ((0, 1), (30, 0), (70, 0), (121, 1)):
        world.virtual_clock._heap.clear()  # whatever was queued got lost
        world.virtual_clock.now = due + timedelta(seconds=seconds)
        before = len(world.virtual_clock._heap)
        assert world.services.escalator.sweep(world.services.now)
        sent = [row for row in world.virtual_clock._heap[before:] if row.name == "escalations"]
        assert len(sent) == queued, seconds
        (item,) = (i for i in world.store.table.everything() if is_conversation(i.key))
        moved.append((item.rev, item.wake_at))
    first, again, later, once_more = moved
    assert first == (2, due) and again == first  # nothing is written while it is on its way
    assert later == (3, due + 2 * MINUTE)  # by then it had gone out
    assert once_more[0] == 4
    world.run(5 * MINUTE)
    assert len(world.emails) == 1
    (item,) = (i for i in world.store.table.everything() if is_conversation(i.key))
    (after,) = (c.due_at for c in world.conversations())
    assert item.wake_at == after and after and after > due
