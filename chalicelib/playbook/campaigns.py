"""Campaigns: one line of the retailer's, a promotion or a notice, behind a fitting automatic reply. Pure rules.

A line stands only behind the intent's own reply, and never where the message may be a complaint or urgent, where a
guard was tripped, in a second reply, or for somebody who wants no automatic replies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib.conversations.interaction import Reading, Rung

LONGEST: Final = 200  # characters of a line: it is not what was asked for
NOT_LIKELY: Final = frozenset({"complaint", "legal_safety", "human_please"})  # where one of these may be meant as well
NO_PROMOTION: Final = frozenset(
    {"delivery_late", "refund", "damaged_or_wrong", "cancel_order", "warranty_repair", "invoice", "account_login"}
)
"""Who waits for goods or money, or cannot get in, is not advertised to; a notice about it may help."""


class CampaignKind(StrEnum):
    PROMOTION = "promotion"
    NOTICE = "notice"


class Segment(StrEnum):
    """Whom a line is for, by what is known of them at this account."""

    EVERYBODY = "everybody"
    NEW = "new"  # asks for the first time
    RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A line by language, with what it is tied to: `intents`, `platforms` (none: all), the days from `first` to `last`
    on the shop's clock, a `segment`. At most `per_day` a day, and `per_person` for one person as long as it runs."""

    name: str
    kind: CampaignKind
    intents: frozenset[str]
    texts: Mapping[str, str]
    first: date
    last: date
    platforms: frozenset[str] = frozenset()
    segment: Segment = Segment.EVERYBODY
    per_day: int = 500
    per_person: int = 1

    def runs(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether it does at that moment."""
        return self.first <= now.astimezone(zone).date() <= self.last

    def fits(self, reading: Reading, rung: Rung, product: str) -> bool:
        """Whether its line may stand behind a reply of that rung to a message that reads so, on that platform."""
        return (
            rung is Rung.OWN
            and reading.intent in self.intents
            and not reading.guards
            and not NOT_LIKELY.intersection(reading.chances)
            and (not self.platforms or product in self.platforms)
            and (reading.language or "") in self.texts
        )


@dataclass(frozen=True, slots=True)
class Promoted:
    """A reply with the line of a campaign behind it; `private_text` is said where it goes into a direct message."""

    campaign: Campaign = field(repr=False)
    text: str
    private_text: str
