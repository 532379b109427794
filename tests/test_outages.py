"""P2 after an outage: nothing is lost while a service of AWS answers nothing for minutes, and when it does again who
waits is told at once, what is urgent within two minutes; by the handlers over AWS in memory, on a virtual clock."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.client import AwsError
from chalicelib.conversations.conversation import Outcome
from tests.story.shop import ShopWorld
from tests.story.telling import STARTS, TEXTS, policies
from tests.world import message

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
THROTTLED = {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}


class Outage:
    """A service that fails from `begin` on for so long."""

    def __init__(self, world: ShopWorld, service: str, lasts: timedelta) -> None:
        self._world, self._service, self._lasts = world, service, lasts
        self._calls = world.breaks.through
        self.ends: datetime | None = None
        world.breaks.through = self._through  # type: ignore[method-assign]
        world.new_process()

    def begin(self) -> None:
        self.ends = self._world.now() + self._lasts

    def _through(self, name: str, do: Callable[[], Any], lost: Exception | None = None) -> Any:
        if self.ends and self._world.now() < self.ends and name.startswith(self._service):
            raise ClientError(THROTTLED, "SendEmail") if self._service == "ses" else AwsError("ThrottlingException")
        return self._calls(name, do, lost)


@pytest.mark.parametrize("minutes", [1, 9, 25])
@pytest.mark.parametrize("service", ["dynamodb", "sqs", "states", "ses"])
@pytest.mark.parametrize("kind", ["urgent", "odd"])
def test_whoever_waits_out_an_outage_is_told_when_it_is_over(kind: str, service: str, minutes: int) -> None:
    """The urgent message has just been received, the other question is about to fall due."""
    world = ShopWorld(policies(bundled=False)[0], STARTS[0])
    outage = Outage(world, service, minutes * MINUTE)
    world.deliver(message("q1", f"{TEXTS[kind]} (q1v1)", author="88006001", at=world.now()))
    if kind == "odd":
        world.run(10 * MINUTE - SECOND)
    outage.begin()
    assert outage.ends
    world.run(minutes * MINUTE + 30 * MINUTE)  # it says so where a message becomes a dead letter
    told = [m.at for m in world.mail_room.sent if "q1v1" in m.marks]
    assert told and told[0] <= outage.ends + (2 if kind == "urgent" else 3) * MINUTE
    (c,) = world.conversations()
    assert {n.state for n in c.notices.values()} == {Outcome.SENT}
    links = [(world.link_of(path).via, m.tags["to"]) for m in world.mail_room.sent for path in m.links]
    assert len(set(links)) == len(links)  # P5
