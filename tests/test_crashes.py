"""P1–P5 under failure: a crash, a death right after, a lost answer and a repeated call at every AWS call and every
reply call of receive, respond, escalate and notify. The calls are found by recording a run without faults."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from chalicelib.conversations.conversation import State
from tests.aws_world import AwsWorld, Faults
from tests.story import staffed, troubled
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, comment, delivery

SECOND = timedelta(seconds=1)

# One question that is acknowledged and never answered, one that a person answers, one that nobody is sure about, in a
# batch, each twice; and one that is urgent.
BATCH = delivery(comment("c1", COMMON), comment("c2", "hm, and what about the other one?", author="5002"))
URGENT = delivery(comment("c3", "your lamp caught fire and burned my child, my lawyer will call you", author="5003"))
QUESTION = delivery(comment("c4", "how do i return a dress i bought online", author="5004", post=f"{PAGE}_78"))
REPLY = delivery(comment("r4", "Hi, use the label in the parcel.", author=PAGE, parent="c4", at=NOW + 60 * SECOND))


def story(faults: Faults | None = None) -> AwsWorld:
    """What happens to a shop in an hour and a half."""
    world = AwsWorld(faults)
    for body in (BATCH, QUESTION, QUESTION, URGENT):
        world.deliver(body)
        world.work()
    world.deliver(REPLY)
    world.work()
    world.deliver(BATCH)
    world.work()
    world.pass_time(5, 65, 70, 85)
    return world


def assert_promises(world: AwsWorld) -> None:
    assert sorted(i.id for i in world.interactions()) == ["c1", "c2", "c3", "c4", "r4"]  # P1
    states = {c.thread: c.state for c in world.conversations()}
    assert states == {"c1": State.OPEN, "c2": State.OPEN, "c3": State.OPEN, "c4": State.ANSWERED}
    escalated = {c.thread: c.tier for c in world.conversations()}
    assert escalated["c1"] == escalated["c2"] == 1  # P2
    assert escalated["c3"] >= 1
    assert escalated["c4"] == 0
    replies = Counter(url.split("/")[-2] for url, _ in world.platforms.posted)
    assert max(replies.values(), default=0) <= 1  # P3
    assert set(replies) <= {"c1", "c4"}  # P4
    mails = Counter(tag["Value"] for mail in world.emails for tag in mail["EmailTags"] if tag["Name"] == "notice")
    assert set(mails.values()) == {1}  # P5: at most one …
    assert len(mails) == sum(escalated.values())  # … and none lost


def test_a_run_without_faults_keeps_every_promise() -> None:
    world = story()
    assert_promises(world)
    assert len(world.platforms.posted) == 2


MODES = ("crash", "dies", "lost", "twice")


def broken_at_every_call(mode: str) -> None:
    """The story once for each way to a call, which fails there."""
    recorded = story().faults
    expected = {"sqs.SendMessage", "dynamodb.PutItem", "states.StartExecution", "sesv2.send_email", "reply"}
    assert expected <= set(recorded.names)
    seen = set()
    for at, place in enumerate(recorded.places, start=1):
        if place in seen:  # the same line of code, reached in the same way, was broken before
            continue
        seen.add(place)
        try:
            assert_promises(story(Faults(at, mode)))
        except AssertionError as error:
            raise AssertionError(f"{mode} at call {at}: {' < '.join(place)}") from error
    assert len(seen) > 25


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_call_loses_nothing_and_doubles_nothing(mode: str) -> None:
    broken_at_every_call(mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_call_of_what_staff_do_loses_nothing_and_doubles_nothing(mode: str) -> None:
    staffed.broken_at_every_call(mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_call_while_something_else_goes_wrong_loses_nothing_and_doubles_nothing(mode: str) -> None:
    troubled.broken_at_every_call(mode)


EACH = (broken_at_every_call, staffed.broken_at_every_call, troubled.broken_at_every_call)
CHECKS = [partial(check, mode) for check in EACH for mode in MODES]
