"""What the intervals of a forecast are made of: a method's own recent errors, as many of them as proved to be needed.

Conformal intervals hold where errors stay alike. A forecast's do not: they grow before the first Christmas, and shrink
once a method has seen two years. So each interval takes more of the errors after days that lay outside it, and less
after days that lay within.

Sources: V. Vovk et al., "Algorithmic learning in a random world", 2005 (conformal intervals); I. Gibbs, E. Candès,
"Adaptive conformal inference under distribution shift", 2021.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RECENT: Final = 48 * 7  # days back, whose errors make the intervals
STEP: Final = 0.1  # how fast an interval follows what lay within it
WIDEST: Final = 2.0  # times as wide as all errors together
LEAST_FORECASTS: Final = 4
LEAST_ERRORS: Final = 20


@dataclass(frozen=True, slots=True)
class Tried:
    """One forecast of the back-test: made after `origin` days, beside what came (both logarithms)."""

    origin: int
    expected: Array
    came: Array

    @property
    def ended(self) -> int:
        """The day from which on all that came is known."""
        return self.origin + len(self.came)

    def errors(self, week: int) -> list[float]:
        """What came minus what was expected in this week of the horizon, in the logarithm."""
        span = slice(7 * week, 7 * week + 7)
        return [float(e) for e in self.came[span] - self.expected[span]]


@dataclass(frozen=True, slots=True)
class Covered:
    """Whether what came on a `day` (of the series, from 0) lay within the intervals of one forecast."""

    day: int
    in80: bool
    in95: bool


@dataclass(slots=True)
class Widths:
    """The shares of the errors that the intervals of each week of the horizon take, learnt from what lay within."""

    _shares: dict[tuple[int, float], float] = field(default_factory=dict)
    _later: list[tuple[int, int, float, float]] = field(default_factory=list)

    def bounds(self, week: int, errors: Sequence[float]) -> tuple[tuple[float, float], tuple[float, float]]:
        """The 80 % and the 95 % interval, which holds the former."""
        narrow, wide = self._share(week, 0.80), self._share(week, 0.95)
        return _bounds(errors, narrow), _bounds(errors, max(narrow, wide))

    def tell(self, known: int, week: int, in80: float, in95: float) -> None:
        """How much of a week lay within its intervals, which is `known` from that day on."""
        self._later += [(known, week, 0.80, in80), (known, week, 0.95, in95)]

    def learn(self, now: int) -> None:
        """From all that is known after `now` days."""
        for known, week, wanted, within in self._later:
            if known <= now:
                share = self._share(week, wanted) + STEP * (wanted - within)
                self._shares[week, wanted] = min(WIDEST, max(0.0, share))
        self._later = [one for one in self._later if one[0] > now]

    def _share(self, week: int, wanted: float) -> float:
        return self._shares.get((week, wanted), wanted)


def covered(tried: Sequence[Tried], widths: Widths | None = None) -> Iterator[Covered]:
    """Each day of each forecast of a back-test against the intervals that were known then. `widths` is given to be read
    afterwards."""
    widths = widths or Widths()
    for number, one in enumerate(tried):
        widths.learn(one.origin)
        ended = recent(tried[:number], one.origin)
        if len(ended) < LEAST_FORECASTS:
            continue
        for week in range(ceil(len(one.came) / 7)):
            known = [e for t in ended for e in t.errors(week)]
            if len(known) < LEAST_ERRORS:
                continue
            (low80, high80), (low95, high95) = widths.bounds(week, known)
            errors = one.errors(week)
            within = [(low80 <= e <= high80, low95 <= e <= high95) for e in errors]
            widths.tell(one.ended, week, *(sum(w) / len(errors) for w in zip(*within, strict=True)))
            yield from (Covered(one.origin + 7 * week + n, *both) for n, both in enumerate(within))


def learnt(tried: Sequence[Tried], now: int) -> Widths:
    """The widths that a whole back-test teaches."""
    widths = Widths()
    for _ in covered(tried, widths):
        pass
    widths.learn(now)
    return widths


def recent(tried: Sequence[Tried], now: int) -> list[Tried]:
    """The forecasts that ended lately, whose errors make the intervals of one after `now` days."""
    return [t for t in tried if now - RECENT < t.ended <= now]


def _bounds(errors: Sequence[float], share: float) -> tuple[float, float]:
    """The conformal interval: the quantiles of the errors with the (n + 1) correction for a finite sample; of more than
    all errors, as much wider than they are."""
    n = len(errors)
    tail = (1 - min(1.0, share)) / 2
    low, high = max(0.0, tail * (n + 1) / n - 1 / n), min(1.0, (1 - tail) * (n + 1) / n)
    found = np.quantile(np.asarray(errors), [low, high])
    beyond = float(found[1] - found[0]) * max(0.0, share - 1) / 2
    return float(found[0]) - beyond, float(found[1]) + beyond
