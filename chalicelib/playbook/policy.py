"""The playbook: the retailer's policy, validated. Who answers what by when, and what may be said automatically.

Pure decisions, no clock and no storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib.conversations.interaction import Reading
from chalicelib.conversations.why import Why
from chalicelib.playbook.business_time import Hours, Span, within
from chalicelib.playbook.wording import Wording

INTENTS: Final = (
    *("order_status", "delivery_late", "shipping_info", "international_shipping", "return", "refund", "exchange"),
    *("cancel_order", "damaged_or_wrong", "warranty_repair", "stock", "price", "discount_code", "payment", "invoice"),
    *("account_login", "store_info", "size_fit", "product_question", "gift_card", "loyalty", "sustainability", "jobs"),
    *("complaint", "legal_safety", "human_please", "praise", "closing", "spam", "other"),
)  # models/utterances/README.md says what each of them means
NEVER_ACKNOWLEDGED: Final = frozenset({"complaint", "legal_safety", "human_please", "spam", "other"})
APOLOGY: Final = "complaint"  # the one of them that may get an apology with a promise, when the retailer says so
NEED_NO_ANSWER: Final = frozenset({"praise", "closing", "spam"})


class PlaybookError(ValueError):
    """The playbook is wrong; one line for each mistake: `file:line: what is wrong; what to write instead`."""


class Place(StrEnum):
    """Where the automatic reply to a public interaction goes."""

    PUBLIC = "public"
    PRIVATE = "private"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and where; `resolves`: the question is answered by it and waits for nobody."""

    text: str
    place: Place
    resolves: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is said; the timer covers the customer."""

    why: Why


@dataclass(frozen=True, slots=True)
class Shop:
    name: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Team:
    """A mailbox and when its people work. `language` is the one that its e-mails are written in."""

    name: str
    email: str
    fallback_email: str
    language: str
    hours: Hours


@dataclass(frozen=True, slots=True)
class Bundling:
    """When e-mails become one: more than `questions` under one post that fall due for one team `within` that time, and
    what comes after `emails_per_hour` to one mailbox."""

    questions: int = 5
    within: timedelta = timedelta(minutes=15)
    emails_per_hour: int = 20


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of the escalation: after so much of the team's working time. `team` None: the intent's own team."""

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
    confidence from which it needs no answer."""

    team: str | None = None
    acknowledge: bool = False
    resolves: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)
    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0
    closes_at: float = 0.95
    replies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProductPolicy:
    """What a platform's replies may be: `longest` in characters (None: no limit), `links` allowed, usual `place`."""

    longest: int | None = None
    links: bool = True
    place: Place | None = None

    def allows(self, text: str) -> bool:
        """Whether `text` may be posted there."""
        return (self.longest is None or len(text) <= self.longest) and (self.links or "://" not in text)


_NO_POLICY: Final = IntentPolicy()
_NO_LIMITS: Final = ProductPolicy()


@dataclass(frozen=True, slots=True)
class Playbook:
    """The whole policy. `languages` are served, the first being the shop's own; `stopped` are "product:account"."""

    shop: Shop
    languages: tuple[str, ...]
    teams: Mapping[str, Team]
    default_team: str
    tiers: tuple[Tier, ...]
    urgency: Urgency
    before_window_closes: timedelta
    intents: Mapping[str, IntentPolicy]
    wording: Mapping[str, Wording]
    caps: Caps = Caps()
    products: Mapping[str, ProductPolicy] = field(default_factory=dict)
    place: Place = Place.PUBLIC
    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0
    stopped_altogether: bool = False
    stopped: frozenset[str] = frozenset()
    quiet_hours: Mapping[Place, Span] = field(default_factory=dict)
    bundling: Bundling = Bundling()
    staff: frozenset[str] = frozenset()

    def due(
        self, intent: str | None, received_at: datetime, tier: int, window_closes_at: datetime | None = None
    ) -> datetime | None:
        """When `tier` (from 1) falls due for a question received then, in UTC; None when there is no such tier.

        Counted in the working time of the tier's team, never before `received_at` nor before a lower tier. It comes a
        margin before the messaging window closes, while there is one.
        """
        tiers = self._tiers(intent)
        if not 1 <= tier <= len(tiers):
            return None
        start = received_at.astimezone(UTC)
        due = start
        for number, step in enumerate(tiers[:tier], start=1):
            if step.after:
                due = max(due, self.team(intent, number).hours.after(start, step.after))
        if window_closes_at is not None:
            due = min(due, max(start, window_closes_at.astimezone(UTC) - self.before_window_closes))
        return due

    def team(self, intent: str | None, tier: int) -> Team:
        """Whose mailbox gets the e-mail of `tier`; beyond the last tier it is the last one's."""
        tiers = self._tiers(intent)
        step = tiers[min(max(tier, 1), len(tiers)) - 1]
        return self.teams[step.team or self._intent(intent).team or self.default_team]

    def needs_answer(self, reading: Reading | None, bounds: Mapping[str, float]) -> bool:
        """Whether a person has to see it: not for praise, thanks or spam from the playbook's and the model's bound on.

        `bounds` are the model's, by intent; an intent that is not among them closes nothing.
        """
        if reading is None or reading.intent not in NEED_NO_ANSWER or reading.intent not in bounds:
            return True
        return reading.confidence < max(self._intent(reading.intent).closes_at, bounds[reading.intent])

    def urgent(self, reading: Reading | None) -> str | None:
        """The intent that makes it skip the wait (safety, law, press), even when the model is far from sure of it."""
        if reading is None:
            return None
        chances = {**reading.chances, reading.intent: reading.confidence}
        likely = [i for i in self.urgency.intents if chances.get(i, 0.0) >= self.urgency.confidence]
        return max(likely, key=chances.__getitem__, default=None)

    def acknowledgement(
        self,
        reading: Reading | None,
        *,
        product: str,
        account: str,
        private: bool,
        now: datetime,
        received_at: datetime,
        by: datetime | None,
    ) -> Answer | Silence:
        """What to say automatically to an interaction, or why nothing is said.

        `by` is when a person will have answered; `private` says that it is a direct message, answered in place.
        """
        if self.stopped_altogether or f"{product}:{account}" in self.stopped:
            return Silence(Why.KILL_SWITCH)
        if now - received_at > self.caps.max_age:
            return Silence(Why.TOO_OLD)
        if reading is None:
            return Silence(Why.NOT_SURE)
        policy = self._intent(reading.intent)
        if not policy.acknowledge or self.urgent(reading):
            return Silence(Why.INTENT)
        if not self._sure(reading, policy):
            return Silence(Why.NOT_SURE)
        words = self.wording.get(reading.language or "")
        if words is None:
            return Silence(Why.LANGUAGE)
        place = Place.PRIVATE if private else self._place(policy, product)
        if self._quiet(place, now):
            return Silence(Why.QUIET_HOURS)
        limits = self.products.get(product, _NO_LIMITS)
        for reply, resolves in self._choices(reading, policy, words):
            text = words.compose(reply, self._promise(words, by, now) if not resolves else words.resolved)
            if reply and limits.allows(text):
                return Answer(text, place, resolves)
        return Silence(Why.NO_TEXT)

    def _choices(self, reading: Reading, policy: IntentPolicy, words: Wording) -> Sequence[tuple[str, bool]]:
        """The intent's own reply, and where that does not fit the platform the general one, which resolves nothing."""
        own = policy.replies.get(reading.language or "", ""), policy.resolves
        return (own,) if reading.intent in NEED_NO_ANSWER else (own, (words.received, False))

    def _promise(self, words: Wording, by: datetime | None, now: datetime) -> str:
        if by is None or by <= now:
            return words.promise_soon
        return words.promise.replace("{when}", words.when(by, now, ZoneInfo(self.shop.timezone)))

    def _sure(self, reading: Reading, policy: IntentPolicy) -> bool:
        """The model's own threshold, and the playbook's on top; of complaints the model never says that it is sure."""
        return (
            (reading.accepted or reading.intent == APOLOGY)
            and reading.confidence >= max(self.minimum_confidence, policy.minimum_confidence)
            and reading.margin >= max(self.minimum_margin, policy.minimum_margin)
        )

    def _place(self, policy: IntentPolicy, product: str) -> Place:
        """The first that is stated: the intent's place on this platform, its usual one, the platform's, the shop's."""
        own = policy.places.get(product) or policy.places.get("default")
        return own or self.products.get(product, _NO_LIMITS).place or self.place

    def _quiet(self, place: Place, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.shop.timezone))
        minute = local.hour * 60 + local.minute
        spans = (self.quiet_hours.get(p) for p in (Place.PUBLIC, Place.PRIVATE) if place in (p, Place.BOTH))
        return any(within(minute, span) for span in spans if span)

    def _tiers(self, intent: str | None) -> Sequence[Tier]:
        return self.urgency.tiers if intent in self.urgency.intents else self.tiers

    def _intent(self, intent: str | None) -> IntentPolicy:
        return self.intents.get(intent or "", _NO_POLICY)
