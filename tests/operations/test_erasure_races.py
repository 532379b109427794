"""An erasure that falls between any two calls of the handlers: nobody is answered twice, nothing comes back to life,
and after the second pass nothing of the customer is left. The calls are found by recording a run without one."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from chalicelib.conversations.customer import Customer
from tests.aws_world import AwsWorld, Faults, way
from tests.world import PAGE, comment, delivery, message

WORDS, NAME = "canarywords", "Ann Example"
PUBLIC, PRIVATE = "88001122", "77001122"
ASKED = delivery(comment("c1", f"Can I return this {WORDS} dress?", author=PUBLIC))
TOLD = message("m1", f"Can I return this {WORDS} hat?", author=PRIVATE)
ANSWERED = delivery(comment("r1", "Dear Ann, yes you can.", author=PAGE, parent="c1"))
ECHO = message("m2", f"Dear Ann, your {WORDS} hat is fine", author=PRIVATE, is_echo=True)
WHO = [Customer("facebook", PAGE, PUBLIC), Customer("messenger", PAGE, PRIVATE)]


def story(at: int = 0) -> AwsWorld:
    """A comment and a message, each twice, answered, and due; before call number `at` both customers are erased."""
    world = AwsWorld()
    inject(world.faults, at, lambda: erase(world))
    for body in (ASKED, TOLD, ASKED, TOLD, ANSWERED, ECHO, ASKED, TOLD):
        world.deliver(body)
        world.work()
    world.pass_time(5, 65, 70)
    return world


def erase(world: AwsWorld) -> None:
    """Another worker's, whole, between two calls of this one."""
    for n, customer in enumerate(WHO):
        world.services.eraser.erase(customer, f"code{n}", world.services.now())


def inject(faults: Faults, at: int, act: Callable[[], None]) -> None:
    busy = [False]

    def call(name: str, do: Callable[[], Any], *given: Any, **more: Any) -> Any:
        if busy[0]:
            return do()
        faults.names.append(name)
        faults.places.append((name, *way()))
        if len(faults.names) == at:
            busy[0] = True
            act()
            busy[0] = False
        return do()

    faults.call = call  # type: ignore[method-assign]


def test_an_erasure_between_any_two_calls_leaves_nothing_and_doubles_nothing() -> None:
    recorded = story().faults
    for at, place in enumerate(recorded.places, start=1):
        world = story(at)
        world.pass_time(90)  # the second passes
        kept = repr(world.items())
        try:
            for canary in (WORDS, NAME, "Dear Ann", PUBLIC, PRIVATE):
                assert canary not in kept, [i for i in world.items() if canary in repr(i)]
            assert not world.conversations()
            posted = Counter(url + str(data.get("recipient", "")) for url, data in world.platforms.posted)
            assert max(posted.values(), default=0) <= 1
            assert set(world.services.eraser.state("code0")) == {"received", "erased"}
        except AssertionError as error:
            raise AssertionError(f"at call {at}: {' < '.join(place)}") from error
    assert len(recorded.places) > 25
