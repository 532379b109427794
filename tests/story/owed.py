"""What is owed to whom: a plain model of its own. It knows what customers, staff and platforms did, and counts working
time minute by minute; it knows nothing of ladders, claims, tokens or writes."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from chalicelib.playbook.business_time import Hours
from chalicelib.playbook.parts import Team
from chalicelib.playbook.policy import Playbook
from tests.playbook.test_clocks import open_minutes, passed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WINDOW = 24 * HOUR  # of Messenger, after what the customer wrote last

Where = tuple[str, str, str, str]
"""A conversation: product, account, thread, customer."""


@dataclass
class Asked:
    """One question, and what became of it. `text_at` is the platform's time of the version that stands there;
    `since` is from when its promise counts; `opened_at` from when its people have to be told of it (again)."""

    id: str
    where: Where
    private: bool
    at: datetime
    text: str
    intent: str | None
    urgent: bool
    text_at: datetime
    since: datetime
    opened_at: datetime
    urgent_at: datetime
    read_at: datetime | None = None  # when it came to be read as it is
    version: int = 1
    gone: bool = False
    hidden: bool = False
    closed: bool = False
    reopened_at: datetime | None = None
    answered: bool = False
    late: bool = False  # too old for an automatic reply when it came
    ended_at: datetime | None = None
    mended_at: datetime | None = None  # when its punctuation changed last: what was written before that is past

    @property
    def mark(self) -> str:
        """How its version stands in its text."""
        return f"{self.id}v{self.version}"

    @property
    def open(self) -> bool:
        return not (self.gone or self.hidden or self.closed or self.answered)


@dataclass
class Said:
    """What a person of the brand said: under `parent`, to the customers in `wheres`; or from the desk to those who see
    `marks` answered (`known`: it is known to stand on the platform)."""

    id: str
    at: datetime
    parent: str = ""
    wheres: frozenset[Where] = frozenset()
    marks: frozenset[str] = frozenset()
    known: bool = True

    def answers(self, a: Asked) -> bool:
        if not self.known or (a.reopened_at and self.at <= a.reopened_at):
            return False
        if self.marks:
            return a.mark in self.marks
        asked = a.text_at if a.version > 1 else a.at
        if self.parent == a.id:
            return a.version == 1 or self.at >= asked
        return a.where in self.wheres and self.at > asked


@dataclass
class Held:
    """Somebody is on it, or has put it off, until then: the questions that their page had shown."""

    marks: frozenset[str]
    until: datetime
    undone: bool = False


@dataclass
class Duty:
    """A team that is told at once of what waits."""

    mailboxes: frozenset[str]
    asked: tuple[Asked, ...]
    start: datetime
    by: datetime


@dataclass
class Owed:
    """The model. `first` is a day before anything happened; `changed_at` when the policy became another one."""

    policy: Playbook
    first: datetime
    asked: dict[str, Asked] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    duties: list[Duty] = field(default_factory=list)
    changed_at: datetime | None = None

    # --- who ---

    def of(self, where: Where) -> list[Asked]:
        return [a for a in self.asked.values() if a.where == where]

    def open_in(self, where: Where) -> list[Asked]:
        return [a for a in self.of(where) if a.open]

    def seen(self, marks: Iterable[str]) -> list[Asked]:
        """The questions that still read as a page or an e-mail had shown them."""
        return [a for a in self.asked.values() if a.mark in marks]

    def person_speaks(self, where: Where) -> bool:
        """Whether somebody of the brand has answered there."""
        seen = {a.mark for a in self.of(where)}
        return any(where in s.wheres or (s.known and seen & s.marks) for s in self.said.values())

    # --- what happens ---

    def settle(self, now: datetime, *, since: datetime | None = None) -> None:
        """What is answered by what was said so far; what is no longer waits again from now on."""
        for a in self.asked.values():
            was = a.open
            answered = any(s.answers(a) for s in self.said.values())
            if a.answered and not answered:
                a.answered = False
                if a.open:
                    self.opened(a, now, since or now)
            elif answered:
                a.answered = True
                if was:
                    a.ended_at = now

    def opened(self, a: Asked, now: datetime, since: datetime) -> None:
        """It waits (again), on a promise of its own."""
        a.since, a.opened_at, a.ended_at = since, now, None
        a.urgent = self.policy.is_urgent(a.intent)
        a.urgent_at = now

    def edited(self, a: Asked, text: str, intent: str | None, text_at: datetime, now: datetime) -> None:
        """The customer rewrote it."""
        if text_at <= a.text_at:
            return
        was = a.open
        a.text, a.intent, a.text_at, a.read_at = text, intent, text_at, now
        a.closed, a.reopened_at = False, None
        a.answered = any(s.answers(a) for s in self.said.values())
        if not a.open:
            return
        if not was:
            self.opened(a, now, text_at)
        elif self.policy.is_urgent(intent) and not a.urgent:
            a.urgent, a.urgent_at, a.opened_at = True, now, now

    def closing(self, shown: Iterable[str], now: datetime) -> list[Asked]:
        """Staff say that what they see needs no answer."""
        closed = [a for a in self.seen(shown) if a.open]
        for a in closed:
            a.closed, a.ended_at = True, now
        return closed

    def until(self, a: Asked) -> datetime | None:
        return max((h.until for h in self.held if a.mark in h.marks and not h.undone), default=None)

    # --- by when ---

    def team(self, a: Asked) -> Team:
        intent = self.policy.intents.get(a.intent or "")
        return self.policy.teams[(intent and intent.team) or self.policy.default_team]

    def due(self, a: Asked) -> list[datetime]:
        """When each tier falls due, whatever anybody holds back."""
        p, team = self.policy, self.team(a)
        if a.urgent:
            return [a.urgent_at + tier.after for tier in p.urgency.tiers]
        intent = p.intents.get(a.intent or "")
        within = (intent and intent.answer_within) or team.answer_within or p.answer_within
        promise = self._passed(team.hours, a.since, within)
        times = [self._passed(team.hours, a.since, team.tell_after or p.tell_after)]
        times[0] = self._before_window(a, team, times[0])
        for tier in p.later_tiers:
            times.append(self._passed(self._hours(tier.team, team), promise, tier.after))
        return times

    def calls(self, a: Asked) -> list[datetime]:
        """By when the people of each tier have to be told."""
        held, found = self.until(a), list[datetime]()
        teams = [None, *(tier.team for tier in self.policy.later_tiers)]
        for number, at in enumerate(self.due(a)):
            waits = None if a.urgent and not number else held
            at = max(filter(None, (at, waits, a.opened_at, a.read_at, self.changed_at)))
            if found and at < found[-1] + self.policy.apart:
                at = found[-1] + self.policy.apart
                if not a.urgent:
                    at = self._passed(self._hours(teams[number], self.team(a)), at, timedelta())
            found.append(at)
        return found

    def mailboxes(self, a: Asked, tier: int) -> set[str]:
        """Where the e-mail of that tier (from 1) has to arrive, or at the address behind it."""
        tiers = self.policy.urgency.tiers if a.urgent else (None, *self.policy.later_tiers)
        named = tiers[tier - 1]
        if named and named.team:
            team = self.policy.teams[named.team]
        elif a.urgent or (len(self.of(a.where)) == 1 and a.version == 1):
            team = self.team(a)
        else:  # who is called is decided by the oldest question of several, as it read then
            return {address for t in self.policy.teams.values() for address in (t.email, t.fallback_email)}
        return {team.email, team.fallback_email}

    def _hours(self, name: str | None, own: Team) -> Hours:
        return self.policy.teams[name].hours if name else own.hours

    def _before_window(self, a: Asked, team: Team, at: datetime) -> datetime:
        """Early enough to answer while the platform takes answers."""
        if not a.private:
            return at
        closes = max(o.at for o in self.of(a.where)) + WINDOW
        margin, since = self.policy.before_window_closes, a.since
        if closes <= since:
            return at
        tell_after = team.tell_after or self.policy.tell_after
        if team.hours.always:
            return min(at, max(since, closes - margin))
        inside = self._open(team.hours, since, closes)
        if not inside:
            return min(at, since + tell_after, max(since, closes - margin))
        last = inside[-1] + MINUTE - margin
        before = self._open(team.hours, since, last) if last > since else []
        return min(at, (before[-1] + MINUTE) if before else since)

    def _open(self, hours: Hours, start: datetime, end: datetime) -> list[datetime]:
        minutes = _minutes(hours, self.first)
        return minutes[bisect_left(minutes, start) : bisect_left(minutes, end)]

    def _passed(self, hours: Hours, start: datetime, wait: timedelta) -> datetime:
        if hours.always:
            return start + wait
        return passed(_minutes(hours, self.first), start, wait // MINUTE)

    def erase(self, product: str, account: str, customer: str) -> list[Asked]:
        """Whatever the customer had said is forgotten."""
        gone = [a for a in self.asked.values() if (a.where[0], a.where[1], a.where[3]) == (product, account, customer)]
        for a in gone:
            del self.asked[a.id]
        for s in self.said.values():
            s.wheres -= {w for w in s.wheres if (w[0], w[1], w[3]) == (product, account, customer)}
        return gone


def _minutes(hours: Hours, first: datetime) -> list[datetime]:
    return _counted(_Same(hours), first)


class _Same:
    """Hours as a key: equal ones are counted once."""

    def __init__(self, hours: Hours) -> None:
        self.hours, self._key = hours, repr(hours)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _counted(same: _Same, first: datetime) -> list[datetime]:
    return open_minutes(same.hours, first)


def names(teams: Mapping[str, Team]) -> list[str]:
    """The teams that a conversation may be handed over to."""
    return sorted(teams)
