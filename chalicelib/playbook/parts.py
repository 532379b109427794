"""What a playbook states, part by part, as the retailer wrote it; policy.py decides by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypedDict

from chalicelib.conversations.interaction import Rung
from chalicelib.conversations.why import Why
from chalicelib.playbook.business_time import Hours, Span
from chalicelib.playbook.campaigns import Promoted
from chalicelib.registry import PRODUCTS

INTENTS: Final = (
    *("order_status", "delivery_late", "shipping_info", "international_shipping", "return", "refund", "exchange"),
    *("cancel_order", "damaged_or_wrong", "warranty_repair", "stock", "price", "discount_code", "payment", "invoice"),
    *("account_login", "store_info", "size_fit", "product_question", "gift_card", "loyalty", "sustainability", "jobs"),
    *("complaint", "legal_safety", "human_please", "praise", "closing", "spam", "other"),
)  # models/utterances/README.md says what each of them means
NEVER_ACKNOWLEDGED: Final = frozenset({"complaint", "legal_safety", "human_please", "spam", "other"})
APOLOGY: Final = "complaint"  # the one of them that may get an apology with a promise, when the retailer says so
NEED_NO_ANSWER: Final = frozenset({"praise", "closing", "spam"})
URGENT: Final = "legal_safety"  # how urgent a message sounds is read apart from its intent: Reading.urgent


class PlaybookError(ValueError):
    """The playbook is wrong; one line for each mistake: `file:line: what is wrong; what to write instead`."""


class Place(StrEnum):
    """Where the automatic reply to a public interaction goes."""

    PUBLIC = "public"
    PRIVATE = "private"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and where, and which rung of the ladder it is; `resolves`: the question is answered by it and waits
    for nobody. `private_text` is said instead where it goes into a direct message; `promoted` are the same with the
    line of a campaign that fits, the first in the playbook first; `campaign` is whose line was put into the texts."""

    text: str
    place: Place
    resolves: bool
    rung: Rung = Rung.OWN
    private_text: str = ""
    promoted: tuple[Promoted, ...] = ()
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is said; the timer covers the customer. `guards` are the names of those that forbade it."""

    why: Why
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shop:
    name: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Team:
    """A mailbox and when its people work. `language` is the one that its e-mails are written in; `answer_within` and
    `tell_after` are its own clocks, where it has some. `channels` are addresses by kind (slack, teams, webhook).
    `titles` are what people call it, by language ("" for every other one)."""

    name: str
    email: str
    fallback_email: str
    language: str
    hours: Hours
    answer_within: timedelta | None = None
    tell_after: timedelta | None = None
    channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    webhook_secret: str = field(default="", repr=False)
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundling:
    """When e-mails become one: more than `questions` under one post that fall due for one team `within` that time, and
    what comes after `emails_per_hour` to one mailbox. Such an e-mail waits `wait` for more to come."""

    questions: int = 5
    within: timedelta = timedelta(minutes=15)
    emails_per_hour: int = 20
    wait: timedelta = timedelta(seconds=45)  # short enough for the promise of two minutes


@dataclass(frozen=True, slots=True)
class Tier:
    """A later step of the escalation: so much of the team's working time after the promise; of an urgent one, so much
    time after the question. `team` None: the intent's own team."""

    after: timedelta
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Urgency:
    """What skips the wait: any reading of `intents` from `confidence` on."""

    intents: frozenset[str]
    confidence: float
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of automatic replies: one an author and thread in so many hours, so many a post and an account an hour,
    and none to an interaction older than `max_age`."""

    author_per_thread_hours: int = 24
    post_per_hour: int = 20
    account_per_hour: int = 200
    max_age: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class IntentPolicy:
    """What happens to an intent. `replies` are by language, `places` by platform or "default"; `closes_at` is the
    confidence from which it needs no answer. `acknowledge` allows its own reply, `general` a plainer one."""

    team: str | None = None
    answer_within: timedelta | None = None
    acknowledge: bool = False
    general: bool = False
    resolves: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)
    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0
    closes_at: float = 0.95
    replies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProductPolicy:
    """What a platform's replies may be: `longest` in characters (None: no limit), `links` allowed, usual `place`, and
    the `bars` of the rungs. `vary`: equal replies are said in different ways, for a platform that refuses repetition;
    `name_zone`: its readers may have another clock. `direct_messages`: whether customers can write one there."""

    longest: int | None = None
    links: bool = True
    place: Place | None = None
    bars: "Bars" = field(default_factory=dict)
    vary: bool = False
    name_zone: bool = False
    direct_messages: bool | None = None

    def allows(self, text: str) -> bool:
        """Whether `text` may be posted there."""
        return (self.longest is None or len(text) <= self.longest) and (self.links or "://" not in text)


@dataclass(frozen=True, slots=True)
class Automatic:
    """What the platforms' and other tools' machines say in the brand's name: `apps` are the ids of theirs, `phrases`
    what their texts contain; `people` are the ids of apps in which people write, however quickly. In a private
    conversation whatever comes `within` so short a time of the customer's first message counts as a machine's."""

    apps: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    people: frozenset[str] = frozenset()
    within: timedelta = timedelta(seconds=3)


Bars = Mapping[Rung, float | None]
"""By rung, how sure it has to be above the model's own threshold; None: switched off."""

# Public, and the customer can write to the shop alone
DIRECT_MESSAGES: Final = frozenset(name for name, product in PRODUCTS.items() if product.direct)


class SpokenBy(TypedDict):
    """Who wrote what the brand said."""

    automatic: bool
    person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """The section `replies`: `stopped` are "product:account", `stopped_at` where each stands in the file.
    `urgent_reply`: an urgent message gets the general reply, else none."""

    caps: Caps = field(default_factory=Caps)
    products: Mapping[str, ProductPolicy] = field(default_factory=dict)
    place: Place = Place.PUBLIC
    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0
    stopped_altogether: bool = False
    stopped: frozenset[str] = frozenset()
    stopped_at: Mapping[str, str] = field(default_factory=dict)
    quiet_hours: Mapping[Place, Span] = field(default_factory=dict)
    bars: Bars = field(default_factory=dict)
    urgent_reply: bool = False
    formal: bool = True
