"""A customer's profile: what was asked before, how long it waited, and nothing of anybody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.conversations.conversation import Conversation, Question
from chalicelib.conversations.profile import profile
from tests.world import QUESTION, MemoryWorld, comment, delivery

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def asked(ago: timedelta, intent: str = "order_status", **more: Any) -> Question:
    at = NOW - ago
    return Question(at, at, at, intent, **more)


def of(*questions: Question) -> Conversation:
    return Conversation("facebook", "1", "t", "5001", questions={str(n): q for n, q in enumerate(questions)})


def test_the_third_question_this_month_and_the_last_one_waited_two_days() -> None:
    old = asked(40 * DAY, answered_at=NOW - 39 * DAY)
    first = asked(9 * DAY, "refund", answered_at=NOW - 8 * DAY)
    second = asked(5 * DAY, "complaint", answered_at=NOW - 3 * DAY)
    found = profile([of(old, first), of(second), of(asked(timedelta(0)))], NOW)
    assert (found.questions, found.recent, found.last_wait, found.last_unheard) == (4, 3, 2 * DAY, False)
    assert (found.intents[0], found.complaints, found.since) == ("order_status", 1, NOW - 40 * DAY)


def test_who_was_left_without_an_answer_is_known() -> None:
    found = profile([of(asked(4 * DAY), asked(timedelta(0)))], NOW)
    assert (found.last_unheard, found.last_wait) == (True, 4 * DAY)


def test_what_was_deleted_or_needed_no_answer_counts_for_nothing() -> None:
    found = profile([of(asked(DAY, deleted=True), asked(DAY, "praise", needs_answer=False), asked(timedelta(0)))], NOW)
    assert (found.questions, found.returning, found.last_wait) == (1, False, None)
    assert profile([], NOW).since is None


def test_only_this_customers_conversations_of_this_account_are_read() -> None:
    world = MemoryWorld()
    for number, author in enumerate(("5001", "5001", "6001")):
        assert world.post(delivery(comment(f"c{number}", QUESTION, author=author))) == 200
    world.run()
    found = world.services.store.conversations_of("facebook", "100200300400500", "5001")
    assert {c.customer for c in found} == {"5001"} and len(found) == 2
