"""Whether a campaign's line is said to this customer now: the caps and the segment, which the store knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.conversations.conversation import Acknowledgement, Conversation, Outcome
from chalicelib.conversations.interaction import Interaction
from chalicelib.keys import Keys
from chalicelib.playbook.campaigns import Campaign, Promoted, Segment
from chalicelib.playbook.parts import Answer
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.people import Person
from chalicelib.storage.store import Store

_DAY = timedelta(days=1)


def is_second_reply(c: Conversation, id: str) -> bool:
    """Whether something automatic was said in this conversation before; `id` is the question at hand."""
    return any(
        name.partition("/")[0] != id and ack.state is not Outcome.PENDING for name, ack in c.acknowledgements.items()
    )


def with_line(answer: Answer, campaign: str) -> Answer:
    """`answer` with the line of `campaign`, where it has one."""
    chosen = next((p for p in answer.promoted if p.campaign.name == campaign), None)
    return replace(answer, text=chosen.text, private_text=chosen.private_text, campaign=campaign) if chosen else answer


@dataclass(frozen=True, slots=True)
class Lines:
    """Chooses and counts lines."""

    store: Store
    playbook: Playbook
    keys: Keys

    def choose(
        self,
        promoted: Sequence[Promoted],
        i: Interaction,
        people: Sequence[Person],
        before: Acknowledgement | None,
        now: datetime,
    ) -> str:
        """The campaign whose line is said to the author of `i`, of the names `people`, "" for none. `before` is an
        earlier attempt at the same reply, which the platform held back: what was counted then is not counted again."""
        if before is not None:
            return before.campaign if before.campaign in {p.campaign.name for p in promoted} else ""
        return next((p.campaign.name for p in promoted if self._is_for(p.campaign, i, people, now)), "")

    def _is_for(self, campaign: Campaign, i: Interaction, people: Sequence[Person], now: datetime) -> bool:
        if campaign.segment is not Segment.EVERYBODY:
            known = self.store.conversations_of(i.product, i.account, i.customer)
            returning = any(q.at < i.at for c in known for id, q in c.questions.items() if id != i.id)
            if returning is not (campaign.segment is Segment.RETURNING):
                return False
        return self._count(campaign, people, now)

    def _count(self, campaign: Campaign, people: Sequence[Person], now: datetime) -> bool:
        """Takes one place of each cap. The person's counter lasts as long as the campaign does. Who has several names
        is counted under the first in order, whichever one they use; what was counted under the others was so before
        somebody said that they are one."""
        zone = ZoneInfo(self.playbook.shop.timezone)
        counter, *others = (
            names.campaign_person(campaign.name, campaign.first, self.keys.named("campaign person", *person))
            for person in sorted(people)
        )
        left = campaign.per_person - sum(self.store.counted(other) for other in others)
        ends = datetime(campaign.last.year, campaign.last.month, campaign.last.day, tzinfo=UTC) + 3 * _DAY - now
        return self.store.count(counter, left, ends, now) and self.store.count(
            names.campaign_day(campaign.name, now.astimezone(zone).date()), campaign.per_day, 2 * _DAY, now
        )
