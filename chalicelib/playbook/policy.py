"""The playbook: the retailer's policy, validated. Who answers what by when, and what may be said automatically.

Pure decisions, no clock and no storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.conversations.why import Why
from chalicelib.guards import GUARDS, most
from chalicelib.playbook.business_time import Hours, Span, within
from chalicelib.playbook.wording import Wording, chosen, placed

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
    for nobody. `private_text` is said instead where it goes into a direct message."""

    text: str
    place: Place
    resolves: bool
    rung: Rung = Rung.OWN
    private_text: str = ""


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
    confidence from which it needs no answer. `acknowledge` allows its own reply, `general` a plainer one."""

    team: str | None = None
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


Bars = Mapping[Rung, float | None]
"""By rung, how sure it has to be above the model's own threshold; None: switched off."""

DIRECT_MESSAGES: Final = frozenset(
    {"facebook", "instagram", "x"}
)  # public, and the customer can write to the shop alone
_NO_POLICY: Final = IntentPolicy()
_NO_LIMITS: Final = ProductPolicy()


@dataclass(frozen=True, slots=True)
class Playbook:
    """The whole policy. `languages` are served, the first being the shop's own, `unserved` those that have texts all
    the same; `stopped` are "product:account". `topics` are replies by topic and language. `urgent_reply`: an urgent
    message gets the general reply, else none."""

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
    topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bars: Bars = field(default_factory=dict)
    urgent_reply: bool = False
    formal: bool = True
    unserved: tuple[str, ...] = ()

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
        """The intent that makes it skip the wait (safety, law, fraud), even when the model is far from sure of it."""
        if reading is None:
            return None
        chances = {**reading.chances, reading.intent: reading.confidence}
        chances[URGENT] = reading.urgent or chances.get(URGENT, 0.0)
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
        asked_at: datetime,
        by: datetime | None,
        seed: str = "",
    ) -> Answer | Silence:
        """What to say automatically to an interaction, or why nothing is said.

        `asked_at` is the platform's time of the question, `by` when a person will have answered; `private` says that it
        is a direct message, answered in place. `seed` chooses among texts that say the same.
        """
        if self.stopped_altogether or f"{product}:{account}" in self.stopped:
            return Silence(Why.KILL_SWITCH)
        if now - asked_at > self.caps.max_age:
            return Silence(Why.TOO_OLD)
        if reading is None:
            return Silence(Why.NOT_SURE)
        limits = self.products.get(product, _NO_LIMITS)
        rungs = self._rungs(reading, limits)
        if isinstance(rungs, Silence):
            return rungs
        words = self.wording.get(reading.language or "")
        if words is None:
            return Silence(Why.LANGUAGE)
        place = Place.PRIVATE if private else self._place(self._intent(reading.intent), product)
        if self._quiet(place, now):
            return Silence(Why.QUIET_HOURS)
        direct = product in DIRECT_MESSAGES if limits.direct_messages is None else limits.direct_messages
        zone = limits.name_zone or reading.language != self.languages[0]
        seed = seed if limits.vary else ""
        for rung in rungs:
            resolves = rung is Rung.OWN and self._intent(reading.intent).resolves
            promise = words.resolved if resolves else self._promise(words, by, now, named=zone)
            reply = self._reply(rung, reading, words, seed)
            texts = [
                words.compose(placed(reply, private=inside, direct_messages=direct), promise, seed)
                for inside in (place is Place.PRIVATE, True)
            ]
            if reply and all(limits.allows(text) for text in texts):
                return Answer(texts[0], place, resolves, rung, texts[1])
        return Silence(Why.NO_TEXT)

    def _rungs(self, reading: Reading, limits: ProductPolicy) -> Sequence[Rung] | Silence:
        """What may be said, the fullest first, by the model, the guards and this playbook."""
        policy = self._intent(reading.intent)
        if self.urgent(reading):
            general = self.urgent_reply and reading.intent not in NEED_NO_ANSWER
            return (Rung.GENERAL,) if general else Silence(Why.URGENT, reading.guards)
        if not (policy.acknowledge or policy.general):
            return Silence(Why.INTENT)
        bars = {**self.bars, **limits.bars}
        best = next((rung for rung in Rung if self._sure(rung, reading, policy, bars.get(rung, 0.0))), None)
        if best is None:
            return Silence(Why.NOT_SURE)
        least = most([GUARDS[name] for name in reading.guards if name in GUARDS], best)
        if least is None:
            return Silence(Why.GUARD, reading.guards)
        if reading.intent == APOLOGY and policy.acknowledge:  # an apology says no more than a general reply
            least = best
        ladder = list(Rung)  # who may say more may also say less
        usable = [r for r in ladder[ladder.index(least) :] if bars.get(r, 0.0) is not None]
        left = [r for r in usable if r is Rung.OWN or policy.general]
        return left or Silence(Why.GUARD if reading.guards else Why.NOT_SURE, reading.guards)

    def _sure(self, rung: Rung, reading: Reading, policy: IntentPolicy, bar: float | None) -> bool:
        """Whether the model's own threshold and the playbook's bars on top are met; of complaints the model never says
        that it is sure."""
        if bar is None:
            return False
        if rung is not Rung.OWN:
            return policy.general and rung in reading.allowed and reading.rungs.get(rung, 0.0) >= bar
        return (
            policy.acknowledge
            and (reading.accepted or reading.intent == APOLOGY)
            and reading.confidence >= max(bar, self.minimum_confidence, policy.minimum_confidence)
            and reading.margin >= max(self.minimum_margin, policy.minimum_margin)
        )

    def _reply(self, rung: Rung, reading: Reading, words: Wording, seed: str) -> str:
        language = reading.language or ""
        if rung is Rung.OWN:
            return self._intent(reading.intent).replies.get(language, "")
        if rung is Rung.TOPIC:
            topic = reading.topic or next((t for t, intents in TOPICS.items() if reading.intent in intents), "")
            return self.topics.get(topic, {}).get(language, "")
        return chosen(words.received, seed, "received")

    def _promise(self, words: Wording, by: datetime | None, now: datetime, *, named: bool) -> Sequence[str]:
        if by is None or by <= now:
            return words.promise_soon
        when = words.when(by, now, ZoneInfo(self.shop.timezone), named=named)
        return [way.replace("{when}", when) for way in words.promise]

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
