"""The playbook: the retailer's policy, validated. Who answers what by when, and what may be said automatically.

Pure decisions, no clock and no storage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from chalicelib.conversations.answers import plain
from chalicelib.conversations.conversation import Conversation, Ladder, Notice
from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.conversations.why import Why
from chalicelib.playbook.business_time import within
from chalicelib.playbook.campaigns import Campaign, Promoted
from chalicelib.playbook.clocks import Calls, after_call, before_window_closes, calls, urgent_calls
from chalicelib.playbook.parts import (
    APOLOGY,
    DIRECT_MESSAGES,
    NEED_NO_ANSWER,
    URGENT,
    Answer,
    Automatic,
    Bundling,
    IntentPolicy,
    Place,
    ProductPolicy,
    Replies,
    Shop,
    Silence,
    SpokenBy,
    Team,
    Tier,
    Urgency,
)
from chalicelib.playbook.wording import Wording, chosen, on_lines, placed
from chalicelib.reading.guards import GUARDS, NO_THANKS, ONLY_THANKS, most

OPENING: Final = 12  # characters of a disclosure that nobody begins with by chance
_NO_POLICY: Final = IntentPolicy()
_NO_LIMITS: Final = ProductPolicy()


class _To(NamedTuple):
    """Where a reply is said, with what limits, and by when a person will have answered; `seed` chooses among texts that
    say the same. `fits`: whether the platform posts a text, in public or private, as it stands."""

    product: str
    place: Place
    limits: ProductPolicy
    by: datetime | None
    now: datetime
    seed: str
    fits: Callable[[str, bool], bool]

    @property
    def inside(self) -> tuple[bool, bool]:
        """Whether each of an answer's two texts, the one in place and the private one, is said in private."""
        return self.place is Place.PRIVATE, True

    def takes(self, texts: Sequence[str]) -> bool:
        """Whether both texts can be said as they stand."""
        return all(self.limits.allows(t) and self.fits(t, alone) for t, alone in zip(texts, self.inside, strict=True))


def _promoted(campaign: Campaign, plain: Answer, texts: Sequence[str]) -> Promoted:
    """Where a reply goes out twice, in public and in private, the line stands in one of them."""
    return Promoted(campaign, plain.text if plain.place is Place.BOTH else texts[0], texts[1])


@dataclass(frozen=True, kw_only=True)  # without slots, for what is computed once
class Playbook(Replies):
    """The whole policy, with the section of what is said automatically as its base. `languages` are served, the first
    being the shop's own, `unserved` those that have texts all the same. `topics` are replies by topic and language.
    `weekly_report_to` and `spikes_to` are teams, "" for nobody."""

    shop: Shop
    languages: tuple[str, ...]
    teams: Mapping[str, Team]
    default_team: str
    later_tiers: tuple[Tier, ...]
    urgency: Urgency
    before_window_closes: timedelta
    intents: Mapping[str, IntentPolicy]
    wording: Mapping[str, Wording]
    bundling: Bundling = field(default_factory=Bundling)
    staff: frozenset[str] = frozenset()
    topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unserved: tuple[str, ...] = ()
    answer_within: timedelta = timedelta(hours=1)
    tell_after: timedelta = timedelta(minutes=10)
    lead: timedelta = timedelta(minutes=30)
    apart: timedelta = timedelta(minutes=15)
    automatic: Automatic = field(default_factory=Automatic)
    campaigns: tuple[Campaign, ...] = ()
    weekly_report_to: str = ""
    spikes_to: str = ""

    def is_urgent(self, intent: str | None) -> bool:
        """Whether a matter of this intent skips the wait."""
        return intent in self.urgency.intents

    @property
    def automatic_within(self) -> timedelta:
        """What the brand says so soon after a customer's first private message was said by a machine."""
        return self.automatic.within

    def is_ours(self, text: str) -> bool:
        """Whether `text`, however a platform changed it, begins as only our own replies do."""
        said = plain(text)
        openings = (plain(words) for wording in self.wording.values() for words in wording.disclosure)
        return any(len(opening) >= OPENING and said.startswith(opening) for opening in openings)

    def spoken_by(self, app: str | None, text: str) -> SpokenBy:
        """Whose words the brand's `text` is by the playbook's list: a machine's (`automatic`), or a `person`'s however
        quickly it came."""
        said, machines = plain(text), self.automatic
        person = app in machines.people
        automatic = app in machines.apps or any(plain(phrase) in said for phrase in machines.phrases)
        return {"automatic": automatic and not person, "person": person}

    def tiers(self, intent: str | None, *, urgent: bool = False) -> Sequence[Tier]:
        """Every tier of such a question, the first one included."""
        if urgent or self.is_urgent(intent):
            return self.urgency.tiers
        return self._usual_tiers(intent)

    @cached_property
    def _usual_tiers(self) -> Callable[[str | None], Sequence[Tier]]:
        return lru_cache(maxsize=256)(lambda intent: (Tier(self._tell_after(intent)), *self.later_tiers))

    def team(self, intent: str | None, tier: int, *, urgent: bool = False) -> Team:
        """Whose mailbox gets the e-mail of `tier` (from 1); beyond the last tier it is the last one's."""
        return self._team(intent, tier, urgent)

    @cached_property
    def _team(self) -> Callable[[str | None, int, bool], Team]:
        return lru_cache(maxsize=1024)(self._found_team)

    def _found_team(self, intent: str | None, tier: int, urgent: bool) -> Team:
        tiers = self.tiers(intent, urgent=urgent)
        step = tiers[min(max(tier, 1), len(tiers)) - 1]
        return self.teams[step.team or self._intent(intent).team or self.default_team]

    def team_of(self, c: Conversation, notice: Notice) -> Team:
        """Whose mailbox a notice of `c` is for: the team that it was handed to, else its tier's."""
        return self.teams.get(notice.team) or self.team(c.about(notice), notice.tier, urgent=notice.urgent)

    def promise(self, intent: str | None, since: datetime) -> datetime:
        """By when a question that has waited since then is to be answered, in UTC."""
        within = self._answer_within(intent)
        if self.is_urgent(intent):
            return since.astimezone(UTC) + within
        return self._own_team(intent).hours.after(since, within)

    def calls(
        self, intent: str | None, since: datetime, closes_at: datetime | None = None, *, urgent: bool = False
    ) -> Calls:
        """The promise to a question that has waited since then, and when each tier falls due; `closes_at` is the end of
        the messaging window."""
        return self._calls(intent, since, closes_at, urgent)

    @cached_property
    def _calls(self) -> Callable[[str | None, datetime, datetime | None, bool], Calls]:
        """Whatever happens to a question asks for its times again, hours later for the next tier. 16 MB at most."""
        return lru_cache(maxsize=16_384)(self._found_calls)

    def _found_calls(self, intent: str | None, since: datetime, closes_at: datetime | None, urgent: bool) -> Calls:
        within, tell_after = self._answer_within(intent), self._tell_after(intent)
        if urgent or self.is_urgent(intent):
            return urgent_calls(since, within, [tier.after for tier in self.urgency.tiers])
        teams = [self.team(intent, tier).hours for tier in range(1, len(self.later_tiers) + 2)]
        later = [(tier.after, hours) for tier, hours in zip(self.later_tiers, teams[1:], strict=True)]
        found = calls(since, teams[0], within, tell_after, later, self.apart)
        if closes_at is None:
            return found
        return before_window_closes(found, since, closes_at, self.before_window_closes, tell_after, teams)

    def next_call(
        self, intent: str | None, since: datetime, closes_at: datetime | None, ladder: Ladder
    ) -> datetime | None:
        """When the tier after the ladder's last one falls due; None when there is no such tier.

        However late the one before was called, at least `apart` lies between the two (less where the messaging window
        leaves less), and it is called in its team's working time unless it is urgent.
        """
        times = self.calls(intent, since, closes_at, urgent=ladder.urgent).times
        if ladder.tier >= len(times):
            return None
        at = times[ladder.tier]
        if ladder.tier == 0 or ladder.called_at is None:
            return at
        gap = min(self.apart, at - times[ladder.tier - 1])
        if ladder.urgent or gap < self.apart:
            return max(at, ladder.called_at + gap)
        return after_call(at, ladder.called_at, gap, self.team(intent, ladder.tier + 1).hours)

    @cached_property
    def clocks(self) -> str:
        """A fingerprint of all that decides about due times: another one means that open conversations are planned
        anew."""
        teams = [
            (
                t.name,
                t.answer_within,
                t.tell_after,
                t.hours.zone,
                t.hours.week,
                t.hours.region,
                sorted(t.hours.closed),
                t.hours.shut,
            )
            for t in sorted(self.teams.values(), key=lambda t: t.name)
        ]
        intents = [(n, i.team, i.answer_within) for n, i in sorted(self.intents.items())]
        urgent = sorted(self.urgency.intents), self.urgency.tiers
        waits = self.answer_within, self.tell_after, self.apart, self.before_window_closes, self.later_tiers
        said = repr((teams, [t.hours.always for t in self.teams.values()], intents, urgent, waits, self.default_team))
        return sha256(said.encode()).hexdigest()[:16]

    def needs_answer(self, reading: Reading | None, bounds: Mapping[str, float]) -> bool:
        """Whether a person has to see it: not for praise, thanks or spam from the playbook's and the model's bound on,
        nor for what is thanks or praise word for word, unless `closes_at` is 1.

        `bounds` are the model's, by intent; an intent that is not among them closes nothing.
        """
        if reading is None or NO_THANKS.intersection(reading.guards) or self.urgent(reading):
            return True  # "thanks for nothing" is a complaint
        if ONLY_THANKS in reading.guards:
            return self._intent("praise" if reading.intent == "praise" else "closing").closes_at >= 1.0
        if reading.intent not in NEED_NO_ANSWER or reading.intent not in bounds:
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
        fits: Callable[[str, bool], bool] = lambda text, private: True,
    ) -> Answer | Silence:
        """What to say automatically to an interaction, or why nothing is said.

        `asked_at` is the platform's time of the question, `by` when a person will have answered; `private` says that it
        is a direct message, answered in place. `seed` chooses among texts that say the same. `fits`: whether the
        platform posts a text, in public or private, as it stands.
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
        to = _To(product, place, limits, by, now, seed if limits.vary else "", fits)
        answers = (self._answer(rung, reading, words, to) for rung in rungs)
        return next((answer for answer in answers if answer), Silence(Why.NO_TEXT))

    def _answer(self, rung: Rung, reading: Reading, words: Wording, to: _To) -> Answer | None:
        """The reply of one rung with the lines of campaigns that may stand in it; None where there is no text for it,
        or none that its place takes as it stands."""
        resolves = rung is Rung.OWN and self._intent(reading.intent).resolves
        named = to.limits.name_zone or reading.language != self.languages[0]
        promise = words.resolved if resolves else self._promise(words, to.by, to.now, named=named)
        reply = self._reply(rung, reading, words, to.seed)
        direct = self._has_direct_messages(to.product)
        said = [placed(reply, private=alone, direct_messages=direct) for alone in to.inside]
        texts = [words.compose(text, promise, to.seed) for text in said]
        if not (reply and to.takes(texts)):
            return None
        plain, promoted = Answer(texts[0], to.place, resolves, rung, texts[1]), []
        for c in self._campaigns(reading, rung, to.product, to.now):
            longer = [words.compose(text, promise, to.seed, c.texts[reading.language or ""]) for text in said]
            if to.takes(longer):
                promoted.append(_promoted(c, plain, longer))
        return replace(plain, promoted=tuple(promoted))

    def _campaigns(self, reading: Reading, rung: Rung, product: str, now: datetime) -> Iterator[Campaign]:
        """Those whose line fits, the first in the file first."""
        if not self.campaigns or self.urgent(reading):
            return
        zone = ZoneInfo(self.shop.timezone)
        yield from (c for c in self.campaigns if c.runs(now, zone) and c.fits(reading, rung, product))

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
        unheard = ONLY_THANKS if reading.intent in NEED_NO_ANSWER else None
        least = most([GUARDS[name] for name in reading.guards if name in GUARDS and name != unheard], best)
        if least is None:
            return Silence(Why.GUARD, reading.guards)
        if reading.intent == APOLOGY and policy.acknowledge:  # an apology says no more than a general reply
            least = best
        ladder = list(Rung)  # who may say more may also say less
        usable = [r for r in ladder[ladder.index(least) :] if r is best or self._clears(r, reading, bars.get(r, 0.0))]
        left = [r for r in usable if r is Rung.OWN or policy.general]
        return left or Silence(Why.GUARD if reading.guards else Why.NOT_SURE, reading.guards)

    @staticmethod
    def _clears(rung: Rung, reading: Reading, bar: float | None) -> bool:
        """Whether a rung below the best one meets the bar that the retailer set for it; the model's own it does."""
        return bar is not None and max(reading.rungs.get(rung, 0.0), reading.confidence) >= bar

    def own_reply(self, intent: str | None, language: str | None, product: str, *, private: bool) -> str:
        """The intent's own text as it is said in that place, in `language` (None: in the shop's first); "" for none."""
        text = self._intent(intent).replies.get(language or self.languages[0], "")
        return on_lines(placed(text, private=private, direct_messages=self._has_direct_messages(product)))

    def _has_direct_messages(self, product: str) -> bool:
        limits = self.products.get(product, _NO_LIMITS)
        return product in DIRECT_MESSAGES if limits.direct_messages is None else limits.direct_messages

    def _sure(self, rung: Rung, reading: Reading, policy: IntentPolicy, bar: float | None) -> bool:
        """Whether the model's own threshold and the playbook's bars on top are met; of complaints the model never says
        that it is sure, and an apology claims too little to have the own reply's bar."""
        if bar is None:
            return False
        if rung is not Rung.OWN:
            return policy.general and rung in reading.allowed and reading.rungs.get(rung, 0.0) >= bar
        least = max(self.minimum_confidence, policy.minimum_confidence, bar if reading.accepted else 0.0)
        return (
            policy.acknowledge
            and (reading.accepted or reading.intent == APOLOGY)
            and reading.confidence >= least
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

    def _own_team(self, intent: str | None) -> Team:
        return self.teams[self._intent(intent).team or self.default_team]

    def _answer_within(self, intent: str | None) -> timedelta:
        return self._intent(intent).answer_within or self._own_team(intent).answer_within or self.answer_within

    def _tell_after(self, intent: str | None) -> timedelta:
        return self._own_team(intent).tell_after or self.tell_after

    def _intent(self, intent: str | None) -> IntentPolicy:
        return self.intents.get(intent or "", _NO_POLICY)
