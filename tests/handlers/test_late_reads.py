"""Reads at half the price may tell how things stood a moment ago: whatever is read so, what comes of it is the same."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.aws.client import LeanAws, Service
from chalicelib.conversations.conversation import Outcome
from tests.aws_world import AwsWorld
from tests.metered import MIX, MeteredAws, Shop
from tests.quick_aws import Attributes, State
from tests.world import NOW, PAGE, QUESTION, comment, delivery


@dataclass
class LaggingAws(LeanAws):
    """`inner`, whose eventually consistent reads are always one write of each item behind: what was written once is not
    there yet, what was changed stands as it stood before."""

    inner: LeanAws
    state: State
    before: dict[tuple[str, str], Attributes | None] = field(default_factory=dict)
    behind: int = 0
    """How many reads told less than what stands there."""

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if action in ("PutItem", "UpdateItem", "DeleteItem"):
            self._keep(parameters)
        answer = self.inner.call(service, action, parameters)
        late = not parameters.get("ConsistentRead") and "IndexName" not in parameters
        if action == "GetItem" and late:
            return self._late(_at(parameters["Key"]), answer)
        if action == "Query" and late:
            items = (self._late(_at(item), {"Item": item}).get("Item") for item in answer["Items"])
            return {**answer, "Items": [item for item in items if item]}
        return answer

    def _keep(self, parameters: Mapping[str, Any]) -> None:
        key = _at(parameters.get("Item") or parameters["Key"])
        stands = self.state.tables.get(parameters["TableName"], {}).get(key)
        self.before[key] = deepcopy(stands)

    def _late(self, key: tuple[str, str], answer: dict[str, Any]) -> dict[str, Any]:
        if key not in self.before or self.before[key] == answer.get("Item"):
            return answer
        self.behind += 1
        old = self.before[key]
        return {"Item": old} if old else {}


def _at(attributes: Attributes) -> tuple[str, str]:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def played(*, late: bool) -> tuple[Shop, int]:
    """The mix of `make costs`, and how many reads were behind."""
    shop = Shop(MIX)
    metered: MeteredAws = shop.world.services.lean_aws  # type: ignore[assignment]
    lagging = LaggingAws(metered.inner, shop.world.aws)
    if late:
        metered.inner = lagging
    shop.play()
    return shop, lagging.behind


@pytest.fixture(scope="module")
def usual() -> Shop:
    return played(late=False)[0]


@pytest.fixture(scope="module")
def late() -> Shop:
    shop, behind = played(late=True)
    assert behind > 50
    return shop


def test_every_customer_is_answered_and_told_of_as_if_no_read_were_late(usual: Shop, late: Shop) -> None:
    for one, other in zip(_conversations(usual), _conversations(late), strict=True):
        assert one == other
    assert late.world.platforms.texts() == usual.world.platforms.texts()
    assert [_subject(mail) for mail in late.world.emails] == [_subject(mail) for mail in usual.world.emails]


def test_ses_s_word_finds_every_notice_recorded_once(late: Shop) -> None:
    notices = [n for c in late.world.conversations() for n in c.notices.values()]
    assert len(notices) == len(late.world.emails)
    assert all(n.state is Outcome.SENT and len(n.emails) == 1 for n in notices)


def test_what_the_brand_answers_to_is_found_although_a_late_read_does_not_show_it_yet() -> None:
    """Two customers in one thread: the reply below the second one's words answers the second one alone."""
    world = AwsWorld()
    lean = world.services.__dict__["lean_aws"]
    lagging = world.services.__dict__["lean_aws"] = LaggingAws(lean, world.aws)
    asked = comment("c1", "Where is my parcel?", author="5001"), comment("c2", QUESTION, author="5002", parent="c1")
    answer = comment("r1", "Yours comes on Friday.", author=PAGE, parent="c2", at=NOW + timedelta(minutes=3))
    for change in (*asked, answer):
        world.deliver(delivery(change))
        world.work()
    open_ones = {c.customer for c in world.conversations() if any(q.pending for q in c.questions.values())}
    assert open_ones == {"5001"}
    assert lagging.behind


def _conversations(shop: Shop) -> list[Any]:
    """What became of each: its questions, its replies and who was called, without the tokens of claims."""
    return sorted(
        (
            c.id,
            c.questions,
            {id: (a.id, a.state) for id, a in c.acknowledgements.items()},
            [(name, n.tier, n.state, n.due_at, n.sent_at) for name, n in c.notices.items()],
            c.wake_at,
        )
        for c in shop.world.conversations()
    )


def _subject(mail: dict[str, Any]) -> tuple[str, ...]:
    content = mail["Content"]["Simple"]
    return (*mail["Destination"]["ToAddresses"], content["Subject"]["Data"])
