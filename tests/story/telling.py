"""What the story's machine is made of: a shop, the model of what it owes, and the promises that hold between the two
after every step."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from chalicelib.codec import to_time
from chalicelib.playbook.business_time import Hours
from chalicelib.playbook.parts import Tier
from chalicelib.playbook.policy import Playbook
from chalicelib.reading.guards import guarded
from tests.story.owed import Asked, Owed, Where
from tests.story.shop import Sent, ShopWorld
from tests.world import APPS, PAGE, comment, delivery, message, playbook

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
Person = tuple[str, str, str]
"""Product, account, customer."""

OTHER = "999"  # the page of another app
APP_OF = {PAGE: "main", OTHER: "other"}
TEXTS = {
    "common": "Do you ship to Canada?",
    "odd": "hm, and what about the other one?",
    "refund": "I want my money back for this coat",
    "urgent": "your lamp caught fire and burned my child, my lawyer will call you",
    "stop": "stop",
}
STARTS = (
    datetime(2026, 11, 23, 10, 0, tzinfo=UTC),  # a Monday morning
    datetime(2026, 11, 20, 17, 15, tzinfo=UTC),  # a Friday, when the office is about to close
    datetime(2026, 10, 24, 18, 40, tzinfo=UTC),  # the evening before the clocks go back
    datetime(2027, 3, 27, 19, 40, tzinfo=UTC),  # and forward, between two public holidays
)
OFFICE = Hours("Europe/London", ((((9 * 60, 17 * 60 + 30),),) * 5) + ((), ()), "GB-ENG")
SECRETS = ("k" * 48, *(s for a in APPS.apps for s in (*a.secrets, *(c.token for c in a.accounts))))
PATIENCE = 2 * MINUTE  # P2
GATHERED, DIGESTED = MINUTE, 16 * MINUTE  # what a group, and a digest, may wait
SOON_AGAIN = 14 * MINUTE  # after a process has ended or an e-mail's fate is not known
AT_ONCE = 3  # urgent calls about one conversation within AGAIN; the next waits
OPEN_LADDERS = 6  # promises of a kind that one conversation keeps apart


def policies(bundled: bool) -> tuple[Playbook, Playbook]:
    """The shop's playbook, and what it becomes mid-way: shorter waits, other tiers."""
    base = playbook()
    slack = {"slack": "https://hooks.example.com/slack", "webhook": "https://hooks.example.com/own"}
    returns = replace(
        base.teams["returns"], hours=OFFICE, channels=slack, webhook_secret="whsec_" + "MDEyMzQ1Njc4OWFiY2RlZg" * 2
    )
    bundling = replace(base.bundling, questions=2, emails_per_hour=3) if bundled else base.bundling
    calm = replace(bundling, emails_per_hour=bundling.emails_per_hour if bundled else 10_000)
    automatic = replace(base.automatic, apps=frozenset({"777"}))
    first = replace(base, teams={**base.teams, "returns": returns}, bundling=calm, automatic=automatic)
    tiers = tuple(
        Tier(after, tier.team) for after, tier in zip((20 * MINUTE, 2 * HOUR), first.later_tiers, strict=True)
    )
    shut = replace(returns, hours=replace(OFFICE, closed=frozenset({"2026-11-25", "2027-03-31"})))
    other = replace(first, teams={**first.teams, "returns": shut}, later_tiers=tiers)
    return first, replace(other, tell_after=5 * MINUTE, answer_within=40 * MINUTE)


class Telling(RuleBasedStateMachine):
    """The shop and its model, and P1–P7 between them."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False

    @initialize(start=st.sampled_from(STARTS), bundled=st.booleans(), timers=st.booleans())
    def begin(self, start: datetime, bundled: bool, timers: bool) -> None:
        self.start, self.bundled = start, bundled
        first, self.other_policy = policies(bundled)
        self.world = ShopWorld(first, start)
        self.world.aws.timers = timers
        midnight = start.replace(hour=0, minute=0)
        self.owed = Owed(first, midnight - timedelta(days=1))
        self.bodies: list[tuple[str, bytes]] = []
        self.ids: set[str] = set()
        self.count = 0
        self.shaky: list[tuple[datetime, datetime]] = []
        self.excused: list[tuple[datetime, datetime]] = []  # what was due in that time may come at its end
        self.broken: list[str] = []  # promises that were broken while something ran
        self.told: dict[str, list[Sent]] = defaultdict(list)
        self.bounced: set[int] = set()
        self.handed: Counter[tuple[Where, str]] = Counter()
        self.forgotten: dict[tuple[str, str], datetime] = {}
        self.erased: list[tuple[datetime, frozenset[str]]] = []
        self.erasures: list[tuple[str, str, datetime]] = []  # account, customer, and when they asked to be forgotten
        self.posted_at: list[datetime] = []
        self.words: dict[Person, tuple[datetime, bool]] = {}  # who said when that they want none, or some again
        self.linked: set[frozenset[Person]] = set()  # who is known to be one
        self.within = False  # between two calls of another worker
        self.unwritable: set[Where] = set()  # conversations whose writes fail
        self.world.mail_room.seen = self._mailed
        self.world.mail_room.failed = self.uncertain
        self.world.heard = self._heard
        self.world.wire.stand_in.on_event = self._posted
        self.begun = True

    # --- the means of rules ---

    def now(self) -> datetime:
        return self.world.virtual_clock.now

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def tick(self, time: timedelta) -> None:
        """Time passes, as long as the calendar of the model reaches."""
        if self.now() + time < self.start + timedelta(days=12):
            self.world.run(time)
            self.after_run()

    def after_run(self) -> None:
        """What may have become of a process that ended."""
        if self.world.breaks.broke:
            self.world.breaks.broke = ""
            self.uncertain()

    def uncertain(self, time: timedelta = SOON_AGAIN) -> None:
        self.shaky.append((self.now() - 3 * MINUTE, self.now() + time))

    def deliver(self, body: bytes, account: str, *, keep: bool = True, times: int = 1) -> None:
        app = APP_OF[account]
        if keep:
            self.bodies.append((account, body))
        for _ in range(times):
            self.world.deliver(body, app)
        self.world.run(timedelta() if self.within else SECOND)
        self.after_run()

    def is_quiet(self, person: Person) -> bool:
        """Whether the newest word under any of their names is "stop"."""
        names = {person}.union(*(pair for pair in self.linked if person in pair))
        return max((self.words[n] for n in names if n in self.words), default=(self.start, False))[1]

    def some(self, data: st.DataObject, wanted: Callable[[Asked], bool]) -> Asked | None:
        found = [a for a in self.owed.asked.values() if wanted(a)]
        return data.draw(st.sampled_from(found)) if found else None

    def is_steady(self) -> bool:
        """Whether nothing is on its way again because a process ended."""
        return all(until < self.now() for _, until in self.shaky)

    def reads(self, text: str) -> str | None:
        """The intent that the shipped model reads; whether it is the right one is tested elsewhere."""
        r = self.world.services.responder
        return r.intent(guarded(r.model.read(text), text, (r.playbook.shop.name, "Example Shop")))

    def body_of(self, a: Asked, **more: Any) -> bytes:
        _, account, thread, customer = a.where
        if a.private:
            return message(a.id, a.text, author=customer, at=a.at)
        parent = None if thread == a.id else thread
        post = f"{account}_77"
        return delivery(comment(a.id, a.text, author=customer, at=a.at, parent=parent, post=post, **more), page=account)

    # --- what is heard while it runs ---

    def _mailed(self, sent: Sent) -> None:
        for mark in sent.marks:
            self.told[mark.partition("v")[0]].append(sent)
        if any(secret in part for secret in SECRETS for part in (sent.text, sent.html, sent.subject)):
            self.broken.append("P6: a secret in an e-mail")
        for path in sent.links:
            where = self.where(path)
            if self.is_steady() and not self.owed.open_in(where):
                self.broken.append(f"{sent.to} is told of {where}, where nothing is open")

    def where(self, path: str) -> Where:
        k = self.world.key_of(path)
        return k.product, k.account, k.thread, k.customer

    def _heard(self, row: dict[str, Any]) -> None:
        if row["type"] == "escalation" and self.is_steady():
            self._is_due(row)

    def _is_due(self, row: dict[str, Any]) -> None:
        """Nobody is called before their time, nor while somebody is on it."""
        product, account, thread, customer = row["conversation"].partition("~")[0].split(":")
        tier, now = int(row["tier"]), self.now()
        for a in self.owed.open_in((product, account, thread, customer)):
            held = None if a.urgent and tier == 1 else self.owed.until(a)
            times = [replace_urgent(self.owed, a)] if a.urgent else [self.owed.due(a)]
            due = [t[tier - 1] for t in times if len(t) >= tier]
            early = a.private and not a.urgent and tier > 1  # tiers are pressed together before a window closes
            if due and (early or due[0] - MINUTE <= now) and not (held and held > now):
                return
        self.broken.append(f"tier {tier} of {row['conversation']} is called before its time")

    def _posted(self, event: Any) -> None:
        self.posted_at.append(self.now())
        if not hasattr(event, "text") or event.text.startswith("Kim "):
            return
        if not self.is_steady():
            return
        if event.product == "messenger":
            where = ("messenger", PAGE, event.target, event.target)
            meant = self.owed.open_in(where)
        else:
            meant = [a for a in self.owed.asked.values() if a.id == event.target and a.open]
            where = meant[0].where if meant else ("", "", "", "")
        if self.owed.policy.stopped_altogether:
            self.broken.append(f"P3: an automatic reply to {event.target}, while they are stopped")
        elif self.is_quiet((where[0], where[1], where[3])):
            self.broken.append(f"P3: an automatic reply to {event.target}, who has said stop")
        elif not meant:
            self.broken.append(f"P3/P4: an automatic reply to {event.target}, where nothing is open")
        elif all(a.urgent or a.late or self.now() - a.at > 11 * MINUTE for a in meant):
            self.broken.append(f"P3: an automatic reply to {event.target}, which is late or urgent")
        elif any(
            where in s.wheres or any(a.mark in s.marks for a in self.owed.of(where)) for s in self.owed.said.values()
        ):
            self.broken.append(f"P3: an automatic reply to {event.target}, where a person speaks")

    # --- what has to be true ---

    @invariant()
    def nothing_was_broken_on_the_way(self) -> None:
        if self.begun:
            assert not self.broken, self.broken
            assert not self.world.quarantined

    @invariant()
    def p1_every_interaction_is_stored_once(self) -> None:
        if self.begun and self.is_steady():
            stored = Counter(i.id for i in self.world.interactions())
            assert self.ids <= set(stored), self.ids - set(stored)
            assert max(stored.values(), default=0) <= 1

    @invariant()
    def what_is_open_is_open(self) -> None:
        if not (self.begun and self.is_steady()):
            return
        questions = {i: q for c in self.world.conversations() for i, q in c.questions.items()}
        for a in self.owed.asked.values():
            assert (a.id in questions and questions[a.id].pending) == a.open, (a, questions.get(a.id))

    @invariant()
    def p2_whoever_waits_is_told_of_in_time(self) -> None:
        if not self.begun:
            return
        for a in self.owed.asked.values():
            if (
                a.open
                and a.where not in self.unwritable
                and len({o.since for o in self.owed.open_in(a.where)}) <= OPEN_LADDERS
            ):
                for tier, by in enumerate(self.owed.calls(a), start=1):
                    if self.now() > self.latest(a, by):
                        boxes = self.owed.mailboxes(a, tier)
                        assert self.was_told([a], boxes, a.opened_at), (f"tier {tier} by {by}", a, self.told[a.id])

    @invariant()
    def p2_whoever_is_told_at_once_is(self) -> None:
        if not self.begun:
            return
        for duty in list(self.owed.duties):
            if not all(a.open and a.opened_at <= duty.by and a.where not in self.unwritable for a in duty.asked):
                self.owed.duties.remove(duty)
            elif self.now() > self.latest(duty.asked[0], duty.by, bundles=False):
                assert self.was_told(duty.asked, duty.mailboxes, duty.start), duty
                self.owed.duties.remove(duty)

    def latest(self, a: Asked, by: datetime, *, bundles: bool = True) -> datetime:
        """The last moment at which that is kept, with what may come between."""
        by += PATIENCE
        if a.urgent:
            others = [o for o in self.owed.of(a.where) if o.urgent]
            if sum(abs(a.urgent_at - o.urgent_at) < 16 * MINUTE for o in others) > AT_ONCE:
                by += 16 * MINUTE
        elif bundles:
            by += DIGESTED + GATHERED if self.bundled else GATHERED
        again = DIGESTED if bundles and self.bundled and not a.urgent else timedelta()  # it waits for others once more
        for since, until in sorted((*self.shaky, *self.excused)):
            if since <= by:
                by = max(by, until + again)
        return by

    def was_told(self, asked: Iterable[Asked], boxes: Iterable[str], since: datetime) -> bool:
        mailboxes = set(boxes)
        return any(
            m.to in mailboxes and m.at >= since - SECOND and id(m) not in self.bounced
            for a in asked
            for m in self.told[a.id]
        )

    @invariant()
    def p3_and_p4_one_automatic_reply_at_most_and_none_to_the_brand(self) -> None:
        if not self.begun:
            return
        ours = [(p, at) for p, at in zip(self.world.wire.stand_in.posted, self.posted_at, strict=False)]
        automatic = [p for p, _ in ours if not p.text.startswith("Kim ")]
        public = Counter(p.target for p in automatic if p.product == "facebook")
        assert max(public.values(), default=0) <= 1, public
        assert not {t for t in public if t[0] != "q"}, public
        tokens = Counter(p.token for p in automatic if p.token)
        assert max(tokens.values(), default=0) <= 1, tokens
        people = Counter(p.text for p, _ in ours if p.text.startswith("Kim "))
        assert max(people.values(), default=0) <= 1, people

    @invariant()
    def p5_one_email_for_each_conversation_and_tier(self) -> None:
        if not self.begun:
            return
        calls = Counter((r["conversation"], r["tier"], self._era(r)) for r in self.world.records("escalation"))
        assert max(calls.values(), default=0) <= 1, calls.most_common(1)
        mails: Counter[tuple[Any, ...]] = Counter()
        for m in self.world.mail_room.sent:
            for path in m.links:
                link = self.world.link_of(path)
                if self.where(path) not in self.unwritable:  # where nothing can be recorded, twice is better than never
                    era = self.era(link.key.account, link.key.customer, m.at)
                    mails[link.key, link.via, m.tags["to"], era] += 1
        assert max(mails.values(), default=0) <= 1, mails.most_common(1)
        channels = Counter(self.world.wire.channels)
        assert max(channels.values(), default=0) <= 1

    def era(self, account: str, customer: str, at: datetime) -> int:
        """How often the customer had been forgotten by then: what they ask afterwards is nobody's second question."""
        return sum(e[:2] == (account, customer) and e[2] < at for e in self.erasures)

    def _era(self, row: dict[str, Any]) -> int:
        _, account, _, customer = row["conversation"].partition("~")[0].split(":")
        return self.era(account, customer, to_time(row["at"]))

    @invariant()
    def p7_what_was_erased_is_gone_and_stays_gone(self) -> None:
        if not (self.begun and self.erased and self.is_steady()):
            return
        kept = repr([(i.key, i.doc) for i in self.world.store.table.everything()])
        for at, marks in self.erased:
            if self.now() > at + 17 * MINUTE:
                assert not [m for m in marks if m in kept], marks

    @invariant()
    def conversations_stay_small(self) -> None:
        if self.begun:
            assert all(len(c.questions) <= 100 and len(c.ladders) <= 13 for c in self.world.conversations())


def replace_urgent(owed: Owed, a: Asked) -> list[datetime]:
    """When the tiers of an urgent matter may come at the earliest: it may have been asked before it became urgent."""
    return [a.since + tier.after for tier in owed.policy.urgency.tiers]
