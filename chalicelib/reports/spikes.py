"""Spikes: hours in which far more is asked than in such an hour of a usual week, and the post that brought it about.

An hour is a spike when so many, or more, would ask in it less often than once in QUIET weeks by chance. Counts of hours
vary more than Poisson's, so the chance is that of a negative binomial whose spread is the hours' own; what the last
hours told of today (a better day) raises what is expected and narrows the spread: the gamma-Poisson model whose memory
fades. Source: A. Harvey, C. Fernandes, "Time series models for count or qualitative observations", Journal of Business
& Economic Statistics 7 (1989). What caused a spike is the post under which most of what is more than usual was asked.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from math import exp, lgamma, log
from types import MappingProxyType
from typing import Final

QUIET: Final = 2.5  # weeks with one false alarm, as it is set; `python -m infra.reports.quiet` counts them
WINDOWS: Final[Mapping[int, float]] = MappingProxyType({15: 60.0, 30: 30.0, 60: QUIET})
"""The last minutes that each look counts, and the same for them: a look every five minutes sees each many times."""
LEAST: Final = 5  # conversations in which somebody asks, below which nothing is a spike
MINIMUM_WEEKS: Final = 2  # of hours before it, to know what is usual
MEMORY: Final = 0.85  # of what an hour told of today is left an hour later
TODAY: Final = 24  # hours after which nothing is left of it
OWN: Final = 0.4  # of the spread is the hour's own, whatever the hours before it told
HOUR: Final = timedelta(hours=1)
WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Spike:
    """`usual` is what such an hour brings, `post` (a pseudonym) where `from_post` of the questions stood; `intents` are
    what most of them were about. `hours` counts the hours in a row."""

    began_at: datetime
    hours: int
    count: int
    usual: float
    post: str | None
    from_post: int
    intents: tuple[str, ...]

    @property
    def id(self) -> str:
        """What it is known by, in facts as well: the hour in which it began."""
        return f"{self.began_at.astimezone(UTC):%Y-%m-%dT%H}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """The questions of [`since`, `until`), of one post where there is one, are those of the spike `id`: what the column
    `spike` of a fact says."""

    id: str
    since: datetime
    until: datetime
    post: str | None

    @classmethod
    def of(cls, spike: Spike) -> "Labelled":
        """The label of `spike`."""
        return cls(spike.id, spike.began_at, spike.began_at + spike.hours * HOUR, spike.post)


@dataclass(frozen=True, slots=True)
class Question:
    """`id` is its pseudonym, where somebody needs it; questions of one `conversation` in one hour count as one: who
    writes ten lines is no crowd."""

    asked_at: datetime
    post: str | None
    intent: str
    id: str = ""
    conversation: str = ""


def by_hour(questions: Iterable[Question]) -> dict[int, list[Question]]:
    """The first question of each conversation in each hour, by hour (as `hour_of` numbers them)."""
    first: dict[tuple[int, str], Question] = {}
    found: dict[int, list[Question]] = defaultdict(list)
    for number, q in enumerate(sorted(questions, key=lambda q: (q.asked_at, q.id))):
        hour = hour_of(q.asked_at)
        if first.setdefault((hour, q.conversation or f"#{number}"), q) is q:
            found[hour].append(q)
    return found


def spikes(
    questions: Iterable[Question], since: datetime, until: datetime, known_from: datetime, zone: tzinfo
) -> list[Spike]:
    """The spikes in the whole hours of [`since`, `until`); `questions` go back to `known_from`, which tells what is
    usual: each hour is held only against the hours before it, by the shop's clock in `zone`."""
    hours = by_hour(questions)
    counts = {hour: len(found) for hour, found in hours.items()}
    usual = Usual(counts, hour_of(known_from), zone)
    return [described(run, hours) for run in busy_hours(usual, hour_of(since), hour_of(until))]


@dataclass(slots=True)
class Usual:
    """What is usual in an hour, from the `counts` of the hours before it, back to `known_from`; one that is missing
    had none. The same hour is that of the wall clock in `zone`. `left_out` are hours that are no part of what is usual:
    spikes of before, or not known."""

    counts: Mapping[int, int]
    known_from: int
    zone: tzinfo
    left_out: set[int] = field(default_factory=set)
    _usual: dict[int, float] = field(default_factory=dict, repr=False)
    _spread: dict[int, float] = field(default_factory=dict, repr=False)

    def of(self, hour: int) -> float:
        """The mean of such an hour: the same hour of up to eight weeks before with its neighbours; at least 0.25."""
        if hour not in self._usual:
            same, week = [], hour
            for _ in range(8):
                week = week_ago(week, self.zone)
                if week <= self.known_from:
                    break
                same += [self.counts.get(h, 0) for h in (week - 1, week, week, week + 1) if h not in self.left_out]
            self._usual[hour] = max(sum(same) / len(same), 0.25) if same else 0.25
        return self._usual[hour]

    def spread(self, until: int) -> float:
        """How much more than Poisson's the hours before `until` vary, from each and the same one a week before: their
        half squared difference is the variance. Pairs that are spikes themselves are left out."""
        if until in self._spread:
            return self._spread[until]
        more = squares = 0.0
        for hour in range(self.known_from + WEEK + 1, until):
            one, other = self.counts.get(hour, 0), self.counts.get(week_ago(hour, self.zone), 0)
            mean = (one + other) / 2
            if abs(one - other) <= 6 * (mean + 1) ** 0.5:
                more += (one - other) ** 2 / 2 - mean
                squares += mean**2
        self._spread[until] = min(0.5, max(0.01, more / squares if squares else 0.0)) + 0.02
        return self._spread[until]

    def today(self, hour: int, spread: float) -> tuple[float, float]:
        """(how many times more than usual the hours up to two before `hour` brought, at least 1; the spread that is
        left now that this is known)."""
        came = expected = 0.0
        for ago in range(TODAY, 1, -1):
            if (before := hour - ago) >= self.known_from and before not in self.left_out:
                came = came * MEMORY + self.counts.get(before, 0)
                expected = expected * MEMORY + self.of(before)
        shape = 1 / spread
        return max(1.0, (shape + came) / (shape + expected)), spread * (OWN + (1 - OWN) * shape / (shape + came))


@lru_cache(maxsize=4096)
def week_ago(hour: int, zone: tzinfo) -> int:
    """The hour at which the clocks of `zone` showed the same a week before."""
    before = datetime.fromtimestamp(hour * 3600, zone).replace(tzinfo=None) - timedelta(weeks=1)
    return hour_of(before.replace(tzinfo=zone))


def busy_hours(usual: Usual, since: int, until: int) -> list[list[tuple[int, float]]]:
    """The runs of hours in [`since`, `until`) that are spikes, each hour with what is usual in it. They are no part of
    what is usual from then on."""
    found: list[tuple[int, float]] = []
    spread = usual.spread(since)
    for hour in range(max(since, usual.known_from + MINIMUM_WEEKS * WEEK), until):
        if usual.counts.get(hour, 0) < LEAST:
            continue
        times, left = usual.today(hour, spread)
        if is_rare(usual.counts[hour], usual.of(hour) * times, left, QUIET):
            usual.left_out.add(hour)
            found.append((hour, usual.of(hour) * times))
    return _runs(found)


def busy_now(usual: Usual, last: Mapping[int, int], hour: int, part: float) -> list[tuple[int, float]]:
    """The run of `hour`, of which `part` (0–1) is over, and where it reaches so far back of the hour before, when what
    came in one of the WINDOWS (`last`: minutes → questions) is a spike; else none. What began in the middle of an hour
    is not seen by the clock's hours alone, and what is strong is seen by the short windows long before."""
    if max(last.values(), default=0) < LEAST or hour - 1 < usual.known_from + MINIMUM_WEEKS * WEEK:
        return []
    times, left = usual.today(hour, usual.spread(hour - 1))
    for minutes, count in sorted(last.items(), reverse=True):  # the longest tells most of it
        earlier, later = shares(minutes, part)
        before, now = earlier * times * usual.of(hour - 1), later * times * usual.of(hour)
        if is_rare(count, before + now, left, WINDOWS[minutes]):
            return [(hour - 1, before)] * (earlier > 0) + [(hour, now)]
    return []


def shares(minutes: int, part: float) -> tuple[float, float]:
    """How much of the hour before and of this one, of which `part` is over, lies in the last `minutes`."""
    later = min(part, minutes / 60)
    return minutes / 60 - later, later


def is_rare(count: int, usual: float, spread: float, quiet: float = QUIET) -> bool:
    """Whether `count` or more come by chance in less than one hour of `quiet` weeks, and are enough to be a spike."""
    return count >= LEAST and chance(count, usual, spread) < 1 / (quiet * WEEK)


def chance(count: int, usual: float, spread: float) -> float:
    """The probability of `count` or more where `usual` (above 0) come with variance `usual` + `spread` × `usual`²: the
    negative binomial's upper tail. 1.0 for what is not more than usual."""
    if count <= usual:
        return 1.0
    size = 1 / spread
    step = usual / (size + usual)
    logged = lgamma(count + size) - lgamma(size) - lgamma(count + 1)
    term, total, n = exp(logged + size * log(1 - step) + count * log(step)), 0.0, count
    while term > total * 1e-12:
        total += term
        term *= (n + size) / (n + 1) * step
        n += 1
    return total


def _runs(found: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Hours that follow each other are one spike."""
    runs: list[list[tuple[int, float]]] = []
    for hour, usual in found:
        if runs and runs[-1][-1][0] == hour - 1:
            runs[-1].append((hour, usual))
        else:
            runs.append([(hour, usual)])
    return runs


def described(run: Sequence[tuple[int, float]], hours: Mapping[int, Sequence[Question]]) -> Spike:
    """The spike of a run of hours, from the questions of these hours, and of the same ones a week before and the hour
    before it, which tell what a post brings anyway."""
    asked = [q for hour, _ in run for q in hours[hour]]
    week_ago = Counter(q.post for hour, _ in run for q in hours.get(hour - WEEK, []))
    just_before = Counter(q.post for q in hours.get(run[0][0] - 1, []))
    posts = Counter(q.post for q in asked if q.post)
    more = {post: n - max(week_ago[post], just_before[post] * len(run)) for post, n in posts.items()}
    post = max(more, key=lambda p: (more[p], p), default=None)
    if post is not None and more[post] * 3 < len(asked) - sum(usual for _, usual in run):
        post = None  # no post brought a third of what is more than usual: something else did
    intents = tuple(i for i, _ in Counter(q.intent for q in asked if post is None or q.post == post).most_common(3))
    began = datetime.fromtimestamp(run[0][0] * 3600, asked[0].asked_at.tzinfo)
    return Spike(began, len(run), len(asked), sum(usual for _, usual in run), post, posts[post] if post else 0, intents)


def hour_of(at: datetime) -> int:
    """Hours since 1970."""
    return int(at.timestamp() // 3600)
