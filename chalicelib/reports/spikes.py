"""Spikes: hours in which far more is asked than in such an hour of a usual week, and the post that brought it about.

An hour is a spike when so many questions, or more, would come in it less often than once in QUIET weeks by chance.
Counts of hours vary more than Poisson's, so the chance is that of a negative binomial whose spread is the hours' own.
What caused it is the post under which most of what is more than usual was asked.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, lgamma, log
from types import MappingProxyType
from typing import Final

QUIET: Final = 2  # weeks with one false alarm, as it is set; `python -m infra.reports.quiet` counts them
WINDOWS: Final[Mapping[int, float]] = MappingProxyType({15: 60.0, 30: 30.0, 60: 12.0})
"""The last minutes that each look counts, and the same for them: a look every five minutes sees each many times."""
LEAST: Final = 8  # questions in an hour, below which nothing is a spike
MINIMUM_WEEKS: Final = 2  # of hours before it, to know what is usual
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
    """`id` is its pseudonym, where somebody needs it."""

    asked_at: datetime
    post: str | None
    intent: str
    id: str = ""


def spikes(questions: Iterable[Question], since: datetime, until: datetime, known_from: datetime) -> list[Spike]:
    """The spikes in the whole hours of [`since`, `until`); `questions` go back to `known_from`, which tells what is
    usual: each hour is held only against the hours before it."""
    by_hour: dict[int, list[Question]] = defaultdict(list)
    for q in questions:
        by_hour[hour_of(q.asked_at)].append(q)
    counts = {hour: len(found) for hour, found in by_hour.items()}
    runs = busy_hours(counts, hour_of(since), hour_of(until), hour_of(known_from))
    return [described(run, by_hour) for run in runs]


def busy_hours(
    counts: Mapping[int, int], since: int, until: int, known_from: int, left_out: Iterable[int] = ()
) -> list[list[tuple[int, float]]]:
    """The runs of hours (as `hour_of` numbers them) in [`since`, `until`) that are spikes, each hour with what is usual
    in it. `counts` go back to `known_from`; an hour that is missing had none. `left_out`
    are hours that are no part of what is usual: spikes of before, or not known."""
    found: list[tuple[int, float]] = []
    excluded = set(left_out)
    spread = spread_of(counts, known_from, since)
    for hour in range(max(since, known_from + MINIMUM_WEEKS * WEEK), until):
        count = counts.get(hour, 0)
        if count < LEAST:
            continue
        usual = usual_of(counts, hour, known_from, excluded)
        if count >= threshold(usual, spread):
            excluded.add(hour)  # it is no part of what is usual
            found.append((hour, usual))
    return _runs(found)


def busy_now(
    counts: Mapping[int, int],
    last: Mapping[int, int],
    hour: int,
    part: float,
    known_from: int,
    left_out: Iterable[int] = (),
) -> list[tuple[int, float]]:
    """The run of `hour`, of which `part` (0–1) is over, and where it reaches so far back of the hour before, when what
    came in one of the WINDOWS (`last`: minutes → questions) is a spike; else none. What began in the middle of an hour
    is not seen by the clock's hours alone, and what is strong is seen by the short windows long before."""
    if max(last.values(), default=0) < LEAST or hour - 1 < known_from + MINIMUM_WEEKS * WEEK:
        return []
    excluded = set(left_out)
    before, now = (usual_of(counts, h, known_from, excluded) for h in (hour - 1, hour))
    spread = spread_of(counts, known_from, hour - 1)
    for minutes, count in sorted(last.items(), reverse=True):  # the longest tells most of it
        earlier, later = shares(minutes, part)
        usual = earlier * before + later * now
        if count >= LEAST and count >= threshold(usual, spread, WINDOWS[minutes]):
            return [(hour - 1, earlier * before)] * (earlier > 0) + [(hour, later * now)]
    return []


def shares(minutes: int, part: float) -> tuple[float, float]:
    """How much of the hour before and of this one, of which `part` is over, lies in the last `minutes`."""
    later = min(part, minutes / 60)
    return minutes / 60 - later, later


def threshold(usual: float, spread: float, quiet: float = QUIET) -> int:
    """The smallest count of an hour that is a spike, where `usual` questions come with variance `usual` + `spread` ×
    `usual`²: more than chance brings once in `quiet` weeks of hours."""
    chance, count, tail = 1 / (quiet * WEEK), 0, 1.0
    while tail > chance:
        tail -= _probability(count, usual, spread)
        count += 1
    return max(count, LEAST)


def _probability(count: int, mean: float, spread: float) -> float:
    """The negative binomial's; with next to no spread it is Poisson's."""
    if mean <= 0:
        return 1.0 if count == 0 else 0.0
    if spread < 1e-6:
        return exp(count * log(mean) - mean - lgamma(count + 1))
    size = 1 / spread
    logged = lgamma(count + size) - lgamma(size) - lgamma(count + 1)
    return exp(logged + size * log(size / (size + mean)) + count * log(mean / (size + mean)))


def usual_of(counts: Mapping[int, int], hour: int, first: int, excluded: Collection[int]) -> float:
    """The mean of such an hour: the same hour of up to eight weeks before with its neighbours, brought to the level of
    the last two days' same hours where these were busier."""
    weeks = [hour - WEEK * n for n in range(1, 9) if hour - WEEK * n - 1 >= first]
    same = [counts.get(h, 0) for w in weeks for h in (w - 1, w, w, w + 1) if h not in excluded] or [0]
    days = [counts.get(hour - 24 * n, 0) for n in (1, 2) if hour - 24 * n not in excluded]
    return max(sum(same) / len(same), sum(days) / len(days) if days else 0.0, 0.25)


def spread_of(counts: Mapping[int, int], first: int, until: int) -> float:
    """How much more than Poisson's the hours vary, from each hour and the same one a week later: their half squared
    difference is the variance. Pairs that are spikes themselves are left out."""
    more = squares = 0.0
    for hour in range(first, until - WEEK):
        one, other = counts.get(hour, 0), counts.get(hour + WEEK, 0)
        mean = (one + other) / 2
        if abs(one - other) <= 6 * (mean + 1) ** 0.5:
            more += (one - other) ** 2 / 2 - mean
            squares += mean**2
    return min(0.5, max(0.01, more / squares if squares else 0.0)) + 0.02


def _runs(found: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Hours that follow each other are one spike."""
    runs: list[list[tuple[int, float]]] = []
    for hour, usual in found:
        if runs and runs[-1][-1][0] == hour - 1:
            runs[-1].append((hour, usual))
        else:
            runs.append([(hour, usual)])
    return runs


def described(run: Sequence[tuple[int, float]], by_hour: Mapping[int, Sequence[Question]]) -> Spike:
    """The spike of a run of hours, from the questions of these hours and of the same ones a week before."""
    asked = [q for hour, _ in run for q in by_hour[hour]]
    before = Counter(q.post for hour, _ in run for q in by_hour.get(hour - WEEK, []))
    posts = Counter(q.post for q in asked if q.post)
    more = {post: n - before[post] for post, n in posts.items()}
    post = max(more, key=lambda p: (more[p], p), default=None)
    if post is not None and more[post] * 3 < len(asked) - sum(usual for _, usual in run):
        post = None  # no post brought a third of what is more than usual: something else did
    intents = tuple(i for i, _ in Counter(q.intent for q in asked if post is None or q.post == post).most_common(3))
    began = datetime.fromtimestamp(run[0][0] * 3600, asked[0].asked_at.tzinfo)
    return Spike(began, len(run), len(asked), sum(usual for _, usual in run), post, posts[post] if post else 0, intents)


def hour_of(at: datetime) -> int:
    """Hours since 1970."""
    return int(at.timestamp() // 3600)
