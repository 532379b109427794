""" "Stop" that comes while a reply to the same person is on its way: between any two calls of the worker that makes it,
in public, in private, at another account of theirs. The calls are found by recording a run without one."""

import itertools
from datetime import timedelta

import pytest

from chalicelib.conversations.conversation import Outcome
from chalicelib.platforms.http import Answer as HttpAnswer
from chalicelib.storage.people import link
from tests.aws_world import AwsWorld
from tests.operations.test_erasure_races import inject
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, is_stopped, message

LATER = NOW + timedelta(seconds=1)
PUBLIC, PRIVATE = ("facebook", PAGE, "5001"), ("messenger", PAGE, "psid-1")
IN_PUBLIC, IN_PRIVATE = delivery(comment("c1", COMMON)), message("m1", COMMON)
STOPPED_IN_PUBLIC = delivery(comment("c2", "Stop!", parent="c1", at=LATER))
STOPPED_IN_PRIVATE = message("m2", "stop", at=LATER)


def story(asked: bytes, stop: bytes, at: int, *, linked: bool) -> tuple[AwsWorld, int | None]:
    """A question, during whose call number `at` another worker hears of the stop; and how much had been posted when
    that one was done with it, None where it never came."""
    world, posted = AwsWorld(), list[int]()
    if linked:
        link(world.services.store, PUBLIC, PRIVATE, "Robin", NOW)

    def other_worker() -> None:
        world.deliver(stop)
        world.work()
        posted.append(len(world.platforms.posted))

    world.deliver(asked)
    world.faults.names.clear()
    world.faults.places.clear()
    inject(world.faults, at, other_worker)
    world.work()
    return world, posted[0] if posted else None


CASES = {
    "in public": (IN_PUBLIC, STOPPED_IN_PUBLIC, False),
    "in private": (IN_PRIVATE, STOPPED_IN_PRIVATE, False),
    "at a linked account, in public": (IN_PRIVATE, STOPPED_IN_PUBLIC, True),
    "at a linked account, in private": (IN_PUBLIC, STOPPED_IN_PRIVATE, True),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_posted_once_a_stop_is_known(case: str) -> None:
    asked, stop, linked = CASES[case]
    world, _ = story(asked, stop, 0, linked=linked)
    assert len(world.platforms.posted) == 1
    places = world.faults.places
    last_look = next(n for n, place in enumerate(places, start=1) if any("Acknowledger.stop" in p for p in place))
    reply = world.faults.names.index("reply") + 1
    assert 5 < last_look < reply  # what comes between them is one read and the call itself
    for at in [*range(1, last_look + 1), *range(reply + 1, len(places) + 1)]:
        world, posted = story(asked, stop, at, linked=linked)
        assert posted == len(world.platforms.posted), f"at call {at}: {' < '.join(places[at - 1])}"
        claims = [a.state for c in world.conversations() for a in c.acknowledgements.values()]
        assert claims == [Outcome.SENT] * posted
        silent = [q.silence for c in world.conversations() for id, q in c.questions.items() if id in ("c1", "m1")]
        assert silent == ["" if posted else "opted_out"]


def test_at_an_account_that_nobody_linked_it_is_somebody_else() -> None:
    world, _ = story(IN_PUBLIC, STOPPED_IN_PRIVATE, 6, linked=False)
    assert len(world.platforms.posted) == 1 and is_stopped(world.services.store, *PRIVATE)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_stop_then_start_hold_by_the_platforms_time_in_whatever_order_they_are_delivered(
    order: tuple[int, ...],
) -> None:
    """And a question from before the stop, which comes after it, is a person's to answer."""
    for words, replies in ((("stop", "start"), 1), (("start", "stop"), 0)):
        world = MemoryWorld()
        said = [
            *(message(f"m{n}", word, at=NOW + timedelta(seconds=n)) for n, word in enumerate(words, start=1)),
            message("m0", "start"),
        ]
        for n in order:
            world.post(said[n])
            world.run()
        world.post(message("m9", COMMON, at=NOW - timedelta(seconds=1)))
        world.run(timedelta(minutes=1))
        assert len(world.platforms.posted) == replies, (words, order)


@pytest.mark.parametrize("stop", [STOPPED_IN_PUBLIC, STOPPED_IN_PRIVATE], ids=["in public", "at a linked account"])
def test_a_reply_that_the_platform_held_back_is_not_posted_after_a_stop(stop: bytes) -> None:
    for stops in (False, True):
        world = MemoryWorld()
        link(world.store, PUBLIC, PRIVATE, "Robin", NOW)
        world.platforms.answers = [lambda: HttpAnswer(400, {"error": {"code": 4}}, {})]
        world.post(IN_PUBLIC)
        world.run(timedelta(seconds=2))
        assert len(world.platforms.sent) == 1 and world.platforms.posted == []
        if stops:
            world.post(stop)
        world.run(timedelta(minutes=20))
        assert len(world.platforms.posted) == (0 if stops else 1)


def test_a_message_that_is_rewritten_to_stop_is_a_stop_of_the_time_of_its_rewriting() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", "hm, and the other one?")))
    world.post(delivery(comment("c0", "start", at=NOW + timedelta(seconds=30), parent="c1")))
    world.run(timedelta(minutes=1))
    edited = comment("c1", "stop", verb="edited", at=NOW + timedelta(minutes=1))
    world.post(delivery(edited))
    world.run(timedelta(minutes=1))
    assert is_stopped(world.store, *PUBLIC)
    world.post(delivery(comment("c2", COMMON, at=world.services.now(), post=f"{PAGE}_78")))
    world.run(timedelta(minutes=1))
    assert world.platforms.posted == []
