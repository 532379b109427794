"""P1–P4 on whole stories: duplicates, every order of arrival, interleaved workers; the end is always the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from chalicelib.conversations.conversation import Outcome, State
from chalicelib.platforms.base import hmac_hex
from chalicelib.platforms.http import Answer, NoAnswer
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message

COMMON = "Do you ship to Canada?"  # acknowledged by the shipped model
SECOND = timedelta(seconds=1)

QUESTION = delivery(comment("c1", COMMON))
EDIT = delivery(comment("c1", "do you ship to Canada or to Norway?", verb="edited", entry_at=NOW + 30 * SECOND))
REMOVE = delivery(comment("c1", "", verb="remove", entry_at=NOW + 60 * SECOND))
REPLY = delivery(comment("r1", "Hi Ann, we do.", author=PAGE, parent="c1", at=NOW + 90 * SECOND))


def end_of(world: MemoryWorld) -> tuple[Any, ...]:
    """What must not depend on the order: the interactions, and the conversation's questions and state."""
    (conversation,) = world.conversations()
    interactions = sorted((i.id, i.text, i.deleted, i.hidden, i.brand) for i in world.interactions())
    questions = {i: replace(q, silence="") for i, q in conversation.questions.items()}  # it tells of the first look
    return interactions, questions, conversation.state, conversation.answered_at


@pytest.mark.parametrize("bodies", [(QUESTION, EDIT, REPLY), (QUESTION, EDIT, REMOVE), (QUESTION, EDIT, REMOVE, REPLY)])
def test_every_order_of_arrival_and_any_duplicate_ends_the_same(bodies: tuple[bytes, ...]) -> None:
    ends = []
    for order in permutations(bodies):
        world = MemoryWorld()
        for body in (*order, *order):
            assert world.post(body) == 200
            world.run()
        assert len(world.platforms.posted) <= 1
        ends.append(end_of(world))
        world.run(timedelta(hours=80))
        assert world.emails == []
    assert all(end == ends[0] for end in ends)


def test_a_question_arriving_after_the_agents_later_reply_is_answered_and_not_acknowledged() -> None:
    world = MemoryWorld()
    for body in (REPLY, QUESTION):
        world.post(body)
        world.run()
    assert world.conversations()[0].state is State.ANSWERED
    assert world.platforms.posted == []


def test_an_older_brand_message_that_arrives_late_does_not_close_a_newer_question() -> None:
    world = MemoryWorld()
    world.post(message("m2", "and do you ship to Norway?", at=NOW))
    world.post(message("m1", "Hello!", at=NOW - SECOND, is_echo=True))
    world.run()
    assert world.conversations()[0].state is State.OPEN
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_a_top_level_brand_comment_answers_nobody_under_the_brands_post_but_the_author_of_a_wall_post() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", COMMON)))
    world.post(delivery(comment("r1", "We are closed on Monday.", author=PAGE, at=NOW + SECOND)))
    wall = {"from": {"id": "7", "name": "Bo"}, "item": "status", "verb": "add", "post_id": "wall-1", "message": COMMON}
    world.post(
        delivery(
            {"field": "feed", "value": {**wall, "created_time": int(NOW.timestamp())}, "_at": int(NOW.timestamp())}
        )
    )
    world.post(delivery(comment("r2", "Hi Bo, yes.", author=PAGE, post="wall-1", at=NOW + 5 * SECOND)))
    world.run()
    states = {c.thread: c.state for c in world.conversations()}
    assert states == {"c1": State.OPEN, "wall-1": State.ANSWERED}


def test_a_reply_that_the_brand_takes_back_opens_the_question_again() -> None:
    world = MemoryWorld()
    for body in (
        QUESTION,
        REPLY,
        delivery(comment("r1", "", author=PAGE, parent="c1", verb="remove", at=NOW + 90 * SECOND)),
    ):
        world.post(body)
        world.run()
    assert world.conversations()[0].state is State.OPEN
    world.run(timedelta(hours=1))
    assert len(world.emails) == 1


def test_an_edit_after_the_acknowledgement_reclassifies_and_never_acknowledges_again() -> None:
    world = MemoryWorld()
    for body in (
        QUESTION,
        delivery(comment("c1", "Do you have gift cards?", verb="edited", entry_at=NOW + 9 * SECOND)),
    ):
        world.post(body)
        world.run()
    assert len(world.platforms.posted) == 1
    assert world.interactions()[0].text == "Do you have gift cards?"
    assert world.conversations()[0].questions["c1"].intent == "gift_card"


def test_a_hidden_question_waits_for_nobody_until_it_is_shown_again() -> None:
    world = MemoryWorld()
    hide = delivery(comment("c1", COMMON, verb="hide", entry_at=NOW + 9 * SECOND))
    show = delivery(comment("c1", COMMON, verb="unhide", entry_at=NOW + 99 * SECOND))
    world.post(QUESTION)
    world.post(hide)
    world.run()
    assert world.conversations()[0].state is State.CLOSED
    world.post(show)
    world.run()
    assert world.conversations()[0].state is State.OPEN


def test_a_question_after_an_answered_and_escalated_one_is_escalated_under_an_id_of_its_own() -> None:
    world = MemoryWorld()
    world.post(message("m1", "Do you ship to Canada?"))
    world.run(timedelta(hours=1))
    world.post(message("m2", "We do.", at=NOW + timedelta(hours=1), is_echo=True))
    world.post(message("m3", "Do you ship to Norway?", at=NOW + timedelta(hours=1, minutes=1)))
    world.run(timedelta(hours=1))
    escalated = [(row["conversation"], row["tier"]) for row in world.records("escalation")]
    assert [tier for _, tier in escalated] == [1, 1]
    assert escalated[1][0] == escalated[0][0] + "~2"
    assert len(world.emails) == 2


# --- our own words coming back ---------------------------------------------------------------------------------------


def test_the_echo_of_our_own_comment_is_no_answer_and_gets_no_answer() -> None:
    world = MemoryWorld()
    world.post(QUESTION)
    world.run()
    (text,) = world.platforms.texts()
    world.post(delivery(comment("posted-1", text, author=PAGE, parent="c1", at=NOW + SECOND)))
    world.run()
    assert world.conversations()[0].state is State.OPEN
    assert len(world.platforms.posted) == 1


def test_an_echo_that_comes_before_the_send_returns_settles_an_unknown_outcome() -> None:
    world = MemoryWorld()

    def answer_lost_but_posted() -> Answer:
        raise NoAnswer("timed out")

    world.platforms.answers = [answer_lost_but_posted]
    world.post(QUESTION)
    world.run()
    (conversation,) = world.conversations()
    assert conversation.acknowledgements["c1"].state is Outcome.UNKNOWN
    text = conversation.acknowledgements["c1"].text
    world.post(delivery(comment("echo-9", text, author=PAGE, parent="c1", at=NOW + SECOND)))
    world.run()
    (conversation,) = world.conversations()
    assert conversation.acknowledgements["c1"].state is Outcome.SENT
    assert conversation.acknowledgements["c1"].id == "echo-9"
    assert conversation.state is State.OPEN
    assert world.platforms.posted == []


def test_an_echo_that_overtakes_a_send_whose_answer_is_lost_says_that_it_was_sent() -> None:
    world = MemoryWorld()

    def echoed_and_then_lost() -> Answer:
        text = world.conversations()[0].acknowledgements["c1"].text
        _worker(world, delivery(comment("echo-9", text, author=PAGE, parent="c1", at=NOW + SECOND)))()
        raise NoAnswer("timed out")

    world.platforms.answers = [echoed_and_then_lost]
    world.post(QUESTION)
    world.run()
    (conversation,) = world.conversations()
    assert conversation.acknowledgements["c1"].state is Outcome.SENT
    assert conversation.state is State.OPEN


def test_the_echo_of_another_app_is_a_person_who_answered() -> None:
    world = MemoryWorld()
    world.post(message("m1", COMMON))
    world.post(message("m2", "Hello, we do!", at=NOW + 40 * SECOND, is_echo=True, app_id=777))
    world.run()
    assert world.conversations()[0].state is State.ANSWERED


def test_the_echo_of_our_own_app_is_not() -> None:
    world = MemoryWorld()
    world.post(message("m1", COMMON))
    world.post(message("m2", "Hello, we do!", at=NOW + SECOND, is_echo=True, app_id=424242))
    world.run()
    assert world.conversations()[0].state is State.OPEN


def test_standby_is_kept_and_escalated_and_never_replied_to() -> None:
    world = MemoryWorld()
    body = message("m1", COMMON).replace(b'"messaging"', b'"standby"')
    world.post(body)
    world.run(timedelta(hours=1))
    assert world.platforms.posted == []
    assert len(world.emails) == 1


# --- two workers at once: B runs whole at every step of A ------------------------------------------------------------


class Interleaved:
    """A table that lets something else happen just before its n-th call."""

    def __init__(self, table: Any, at: int, other: Callable[[], None]) -> None:
        self._table, self._at, self._other, self.calls = table, at, other, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._table, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                self._other()
            return method(*args, **kwargs)

        return call


def _worker(world: MemoryWorld, body: bytes) -> Callable[[], None]:
    from chalicelib.handlers.inbox import Envelope

    def work() -> None:
        envelope = Envelope("x", "meta", "main", NOW, body)
        world.services.responder.respond(envelope, world.services.now)

    return work


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (QUESTION, QUESTION),
        (QUESTION, REPLY),
        (REPLY, QUESTION),
        (QUESTION, EDIT),
        (QUESTION, REMOVE),
        (REMOVE, QUESTION),
    ],
    ids=["duplicate", "reply during question", "question during reply", "edit", "remove", "question during remove"],
)
def test_a_worker_that_runs_whole_at_any_step_of_another_changes_nothing_about_the_end(
    first: bytes, second: bytes
) -> None:
    calm = MemoryWorld()
    for body in (first, second):
        _worker(calm, body)()
    calm.run(timedelta(hours=1))
    at = 1
    while True:
        world = MemoryWorld()
        plain = world.services.store.table
        other = _worker(world, second)

        def meanwhile(world: MemoryWorld = world, plain: Any = plain, other: Callable[[], None] = other) -> None:
            watched, world.services.store.table = world.services.store.table, plain
            other()
            world.services.store.table = watched

        watched = world.services.store.table = Interleaved(plain, at, meanwhile)
        _worker(world, first)()
        world.services.store.table = plain
        if watched.calls < at:
            break
        world.run(timedelta(hours=1))
        assert len(world.platforms.posted) <= 1
        assert end_of(world) == end_of(calm)
        assert len(world.emails) == len(calm.emails)
        at += 1
    assert at > 3


# --- verification at the door -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "secret", "path", "status"),
    [
        (QUESTION, "current", "/webhooks/meta/main", 200),
        (QUESTION, "previous", "/webhooks/meta/main", 200),
        (QUESTION, "stolen", "/webhooks/meta/main", 401),
        (QUESTION, "other-secret", "/webhooks/meta/other", 403),
        (QUESTION, "current", "/webhooks/meta/nobody", 404),
        (QUESTION, "current", "/webhooks/myspace/main", 404),
        (b"{", "current", "/webhooks/meta/main", 400),
        (b"[]", "current", "/webhooks/meta/main", 400),
        (b'{"object":"page","entry":7}', "current", "/webhooks/meta/main", 400),
        (b'{"object":"page","entry":[]}' + b" " * 1024 * 1024, "current", "/webhooks/meta/main", 413),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "current", "/webhooks/meta/main", 400),
    ],
)
def test_the_status_tells_the_platform_what_is_wrong(body: bytes, secret: str, path: str, status: int) -> None:
    assert MemoryWorld().post(body, secret=secret, path=path) == status


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature": "sha1=00"}, {"X-Hub-Signature-256": "sha256=é"}])
def test_a_missing_legacy_or_hostile_signature_is_refused(headers: dict[str, str]) -> None:
    assert MemoryWorld().post(QUESTION, headers=headers) == 401


def test_a_compressed_body_is_refused() -> None:
    signed = {"X-Hub-Signature-256": "sha256=" + hmac_hex("current", QUESTION), "Content-Encoding": "gzip"}
    assert MemoryWorld().post(QUESTION, headers=signed) == 415


def test_the_handshake_gives_the_bare_challenge_and_only_for_the_right_token() -> None:
    world = MemoryWorld()
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify-me", "hub.challenge": "1158201444"}
    answer = world.request("GET", "/webhooks/meta/main", query=query)
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert world.request("GET", "/webhooks/meta/main", query=query | {"hub.verify_token": "guess"}).status == 403
    assert world.request("GET", "/webhooks/meta/other", query=query | {"hub.verify_token": ""}).status == 403


def test_a_delivery_with_nothing_to_do_is_answered_and_leaves_no_trace() -> None:
    world = MemoryWorld()
    reaction = comment("c1", "")
    reaction["value"]["item"] = "reaction"
    assert world.post(delivery(reaction)) == 200
    assert world.virtual_clock.next(NOW + timedelta(days=1)) is None


def test_a_poison_entry_is_quarantined_and_the_rest_of_the_batch_goes_on() -> None:
    world = MemoryWorld()
    poison = comment("c1", COMMON)
    poison["value"]["comment_id"] = {"id": ["strange"]}
    assert world.post(delivery(poison, comment("c2", COMMON))) == 200
    world.run()
    assert world.outcomes.counts["quarantined"] == 1
    assert [i.id for i in world.interactions()] == ["c2"]


def test_a_quarantined_delivery_that_is_redriven_is_worked_on_again_and_doubles_nothing() -> None:
    world = MemoryWorld()
    poison = comment("c1", COMMON)
    poison["value"]["comment_id"] = {"id": ["strange"]}
    world.post(delivery(poison, comment("c2", COMMON)))
    world.run()
    (quarantined,) = world.quarantined
    assert json.loads(quarantined)["reasons"] == ["not an id"]
    world.virtual_clock.add(world.services.now(), "inbox", quarantined)
    world.run()
    assert len(world.quarantined) == 2
    assert len(world.platforms.posted) == 1
