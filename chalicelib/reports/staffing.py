"""How many people an hour needs to keep the promise: Erlang C, fifteen lines, held against published values."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp

from chalicelib.reports.volume import Heat


def waiting_probability(agents: int, load: float) -> float:
    """The probability that a question finds everybody busy (M/M/c). `load` is arrivals × handling time, in erlangs; 1.0
    when the load is not below the agents.

    Source: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic
    telephone exchanges", 1917, by way of the recursion for Erlang B, which no factorial overflows.
    """
    if load <= 0:
        return 0.0
    if agents <= load:
        return 1.0
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return agents * blocked / (agents - load * (1 - blocked))


def attained(agents: int, per_hour: float, handling_s: float, within_s: float) -> float:
    """The share of questions that somebody takes up within `within_s` seconds; 0.0 where the queue grows for ever."""
    load = per_hour * handling_s / 3600
    if load <= 0:
        return 1.0
    if agents <= load:
        return 0.0
    return 1 - waiting_probability(agents, load) * exp(-(agents - load) * within_s / handling_s)


def people(per_hour: float, handling_s: float, within_s: float, share: float) -> int:
    """The fewest people with whom at least `share` of the questions are taken up within `within_s`; 0 for no work.

    Raises ValueError for a share outside 0–1 (exclusive) or times that are not positive.
    """
    if not 0 < share < 1 or handling_s <= 0 or within_s < 0:
        raise ValueError("a share between 0 and 1, a handling time above 0 and a target of at least 0 are needed")
    if per_hour <= 0:
        return 0
    agents = max(1, ceil(per_hour * handling_s / 3600))
    while attained(agents, per_hour, handling_s, within_s) < share:
        agents += 1
    return agents


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the week that is planned: `fewer` is the share attained with one person less."""

    weekday: int
    hour: int
    per_hour: float
    people: int
    attained: float
    fewer: float


@dataclass(frozen=True, slots=True)
class Plan:
    """People needed in each hour of a week, Monday 00:00 first, so that `share` of questions is taken up within
    `within_s`, when each takes `handling_s`; `stated` says that the handling time is an assumption, not measured."""

    hours: tuple[Hour, ...]
    handling_s: float
    within_s: float
    share: float
    stated: bool

    @property
    def person_hours(self) -> int:
        return sum(h.people for h in self.hours)

    @property
    def peak(self) -> Hour:
        return max(self.hours, key=lambda h: (h.people, h.per_hour))

    @property
    def tightest(self) -> Hour:
        """Where one person fewer costs most attainment, among hours with work for more than one."""
        return max(self.hours, key=lambda h: (h.people > 1, h.attained - h.fewer, h.per_hour))


def plan(
    heat: Heat,
    *,
    scale: float,
    handling_s: float,
    within_s: float,
    share: float,
    open_hours: Sequence[bool] = (),
    stated: bool,
) -> Plan:
    """The plan for a week like those of `heat`, `scale` times as busy. `open_hours` (168 flags, Monday 00:00 first) are
    when people work: what comes at other times is taken up in the next open hour."""
    arrivals = [n * scale for day in heat.cells for n in day]
    flags = list(open_hours) if any(open_hours) else [True] * 168
    work = [0.0] * 168
    for hour, n in enumerate(arrivals):
        work[next(h % 168 for h in range(hour, hour + 168) if flags[h % 168])] += n
    hours = []
    for index, n in enumerate(work):
        needed = people(n, handling_s, within_s, share)
        fewer = attained(needed - 1, n, handling_s, within_s) if needed else 1.0
        hours.append(Hour(index // 24 + 1, index % 24, n, needed, attained(needed, n, handling_s, within_s), fewer))
    return Plan(tuple(hours), handling_s, within_s, share, stated)
