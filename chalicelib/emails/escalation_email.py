"""The escalation e-mail: what a person needs to answer a customer.

In this order: what is asked, what to do, what was promised and when the window closes, what was said, who acted.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.conversations.changed import swift
from chalicelib.emails.known import Known
from chalicelib.emails.safe_text import first_words, name


class Speaker(StrEnum):
    """Who said a line."""

    CUSTOMER = "customer"
    PERSON = "person"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question."""

    name: str
    text: str
    at: datetime
    attachments: int = 0
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said. `note` is a phrase about its delivery, "" when it arrived; `rung` is how much an
    automatic reply said, "" where that is not known."""

    who: Speaker
    name: str
    text: str
    at: datetime
    attachments: int = 0
    note: str = ""
    rung: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What somebody did about it: the phrase `key` with what it names, `team` as its people call it."""

    who: str
    at: datetime
    key: str
    until: datetime | None = None
    team: str = ""
    intent: str = ""
    note: str = ""
    undone: bool = False


@swift
@dataclass(frozen=True, slots=True)
class EscalationEmail:
    """Everything that an escalation e-mail tells. `page` is the address of the page on which staff act on it, `inbox`
    where the platform shows the conversation, `whom` whom to look for there where it has no address. `promised`: the
    customer was told `answer_by`. `first`: no e-mail of this conversation came before. `tells_answers`: the platform
    says what is answered there. `known` is what there is to tell of the customer."""

    conversation: str
    product: str
    account: str
    shop: str
    timezone: str
    intent: str | None
    tier: int
    tiers: int
    asked: tuple[Asked, ...]
    lines: tuple[Line, ...]
    since: datetime
    answer_by: datetime
    now: datetime
    deeds: tuple[Done, ...] = ()
    promised: bool = False
    urgent: bool = False
    first: bool = True
    more: int = 0
    inbox: str = ""
    whom: str = ""
    window_closes_at: datetime | None = None
    page: str = ""
    by_mail: bool = False
    bounced_from: str = ""
    tells_answers: bool = True
    known: Known | None = None

    @property
    def named(self) -> str:
        """The customer's name; "" where it is not known."""
        return next((name(a.name) for a in self.asked if name(a.name)), "")

    @property
    def first_words(self) -> str:
        """What the first open question begins with."""
        return first_words(self.asked[0].text if self.asked else "")
