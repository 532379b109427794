"""Four weeks ahead: statsmodels' methods, chosen by rolling-origin back-test against seasonal naive.

Every method forecasts the logarithm of a day's count (plus one), so that weekdays, seasons and holidays multiply. The
intervals are the method's own recent errors in the back-test, by week of the horizon, not a formula's (`intervals.py`);
`python -m infra.reports.backtest` counts how many days lay within. A method that does not beat seasonal naive is not
used.

Sources: R. Hyndman, G. Athanasopoulos, "Forecasting: principles and practice", 5.8 and 5.10 (back-test), 5.2 (seasonal
naive); V. Assimakopoulos, K. Nikolopoulos, "The theta model", 2000.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, exp, log1p
from typing import Any, Final

import numpy as np

from chalicelib.reports.intervals import LEAST_ERRORS, Array, Tried, Widths, covered, learnt, recent

HORIZON: Final = 28
NOTHING: Final = "nothing"  # has been asked yet
NOT_RUN: Final = "not_run"  # the nightly forecast
DAYS: Final = "days"  # more of questions are needed
LEAST: Final = 21  # days of history without which nothing is forecast
FIRST_ORIGIN: Final = 14  # days that a back-test's first forecast knows
ORIGINS: Final = 52  # at most, a week apart
WEEK: Final = 7  # days between two origins, fewer where the history is short
TWO_YEARS: Final = 730
_CLIP: Final = 0.7  # an error in the log beyond this is a spike or an outage: it does not move the level


@dataclass(frozen=True, slots=True)
class Score:
    """A method's back-test: the mean absolute error in questions a day, and beside that of seasonal naive (below 1:
    better); `covered80` and `covered95` are shares of days within the intervals that earlier errors gave."""

    method: str
    error: float
    ratio: float
    covered80: float | None
    covered95: float | None
    forecasts: int


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    expected: float
    low80: float
    high80: float
    low95: float
    high95: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`days` is empty when there is too little history: `why` is the reason (NOTHING, NOT_RUN, DAYS), `missing` how
    many days of questions it takes until there can be one."""

    days: tuple[Day, ...]
    method: str
    scores: tuple[Score, ...]
    why: str = ""
    missing: int = 0

    @property
    def total(self) -> float:
        return sum(d.expected for d in self.days)


@dataclass(frozen=True, slots=True)
class Series:
    """Questions a day from `start`. `special` are days with a factor of their own that is known beforehand: holidays,
    campaigns; they may lie in the future."""

    start: date
    counts: Array
    special: Mapping[str, frozenset[date]]

    @classmethod
    def of(cls, days: Sequence[tuple[date, int]], special: Mapping[str, frozenset[date]]) -> "Series":
        """The series of days that follow each other; at least one."""
        return cls(days[0][0], np.array([n for _, n in days], dtype=float), special)

    def until(self, days: int) -> "Series":
        return Series(self.start, self.counts[:days], self.special)


Method = Callable[[Series, int], Array]
"""(series, horizon) → the expected logarithm of each day's count plus one."""


def seasonal_naive(series: Series, horizon: int) -> Array:
    """The same weekday of the last week."""
    known = np.log1p(series.counts[-7:])
    return np.asarray([known[h % 7] for h in range(horizon)])


def theta(series: Series, horizon: int) -> Array:
    # start-up time: a second and more, and only the forecast's layer holds it
    from statsmodels.tsa.forecasting.theta import ThetaModel

    fitted = ThetaModel(_frame(series), period=7, deseasonalize=True, use_test=False).fit()
    return np.asarray(fitted.forecast(horizon), dtype=float)


def smoothing(series: Series, horizon: int) -> Array:
    """Exponential smoothing with a damped trend and the week's season: ETS(A,Ad,A) of the logarithm."""
    # start-up time: a second and more, and only the forecast's layer holds it
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    model = ETSModel(
        _frame(series).tail(400), error="add", trend="add", damped_trend=True, seasonal="add", seasonal_periods=7
    )
    return np.asarray(model.fit(disp=0, maxiter=60).forecast(horizon), dtype=float)


def seasons(series: Series, horizon: int) -> Array:
    """Robust regression on weekday, trend, the year's waves and special days, with the level of the last weeks."""
    # start-up time: a second and more, and only the forecast's layer holds it
    from statsmodels.robust.norms import HuberT
    from statsmodels.robust.robust_linear_model import RLM

    n = len(series.counts)
    x, y = _design(series, n + horizon), np.log1p(series.counts)
    fitted = RLM(y, x[:n], M=HuberT()).fit(maxiter=8)
    errors = np.clip(y - x[:n] @ fitted.params, -_CLIP, _CLIP)
    level = 0.0
    for error in errors[-120:]:
        level = 0.06 * error + 0.94 * level
    return np.asarray(x[n:] @ fitted.params + level * 0.98 ** np.arange(horizon))


METHODS: Final[Mapping[str, tuple[Method, int]]] = {
    "seasonal naive": (seasonal_naive, 7),
    "Theta": (theta, 21),
    "exponential smoothing": (smoothing, 35),
    "regression on seasons": (seasons, 56),
}
"""Each method and the days of history that it needs."""


def forecast(
    series: Series, *, horizon: int = HORIZON, origins: int = ORIGINS, tell: Callable[[str], None] | None = None
) -> Forecast:
    """The next `horizon` days by the method that did best in the back-test; `tell` hears of each method's score."""
    n = len(series.counts)
    if n < LEAST:
        return Forecast((), "", (), DAYS, LEAST - n)
    scores, errors = {}, {}
    for name, (method, needs) in METHODS.items():
        if n < needs + 7:
            continue
        found = backtest(series, method, needs, horizon, origins)
        if not found:
            continue
        errors[name] = found
        scores[name] = score(name, found, _error(backtest(series, seasonal_naive, needs, horizon, origins)))
        if tell:
            tell(f"{name}: off by {scores[name].error:.1f} questions a day, {scores[name].ratio:.2f} × seasonal naive")
    best = min(scores.values(), key=lambda s: (s.ratio, s.method != "seasonal naive")).method
    expected = _quietly(METHODS[best][0], series, horizon)
    ended, widths = recent(errors[best], n), learnt(errors[best], n)
    logs = [[e for f in ended for e in f.errors(week)] for week in range(ceil(horizon / 7))]
    days = tuple(
        _day(series.start + timedelta(n + h), float(expected[h]), *_known(logs, h // 7, widths)) for h in range(horizon)
    )
    return Forecast(days, best, tuple(scores.values()))


def backtest(
    series: Series,
    method: Method,
    needs: int,
    horizon: int,
    origins: int,
    *,
    first: int | None = None,
    step: int = WEEK,
) -> list[Tried]:
    """Forecasts from up to `origins` days, the newest a week ago, each knowing only what came before it: rolling
    origin, oldest first. `step` days lie between two, fewer where the history is short; `first` is the earliest,
    without it half of the history, at most two years."""
    n = len(series.counts)
    first = max(FIRST_ORIGIN, needs, min(TWO_YEARS, n // 2) if first is None else first, n - 7 - step * origins)
    step = min(step, max(1, ceil((n - 7 - first) / origins)))
    y = np.log1p(series.counts)
    found = []
    for origin in range(first, n - 6, step):
        came = y[origin : origin + horizon]
        found.append(Tried(origin, _quietly(method, series.until(origin), len(came)), came))
    return found


def score(name: str, tried: Sequence[Tried], naive: float) -> Score:
    """The back-test's error and coverage."""
    found, error = list(covered(tried)), _error(tried)
    shares = [sum(c) / len(found) if found else None for c in ([d.in80 for d in found], [d.in95 for d in found])]
    return Score(name, error, error / naive if naive else 1.0, shares[0], shares[1], len(tried))


def _error(tried: Sequence[Tried]) -> float:
    return float(np.mean(np.concatenate([np.abs(np.expm1(t.came) - np.expm1(t.expected)) for t in tried])))


def _known(logs: Sequence[Sequence[float]], week: int, widths: Widths) -> tuple[float, ...]:
    """The bounds of this week of the horizon, lows and highs of 80 % and 95 %; where the history is too short for them,
    those of the last week that has enough, wider by the square root of how much farther ahead it lies."""
    near = next((w for w in range(week, 0, -1) if len(logs[w]) >= LEAST_ERRORS), 0)
    wider = ((week + 1) / (near + 1)) ** 0.5
    return tuple(bound * wider for both in widths.bounds(near, logs[near]) for bound in both)


def _day(day: date, expected: float, *bounds: float) -> Day:
    return Day(day, *(max(0.0, exp(expected + e) - 1) for e in (0.0, *bounds)))


def _quietly(method: Method, series: Series, horizon: int) -> Array:
    """A fit that does not converge still forecasts, and the back-test says how well: its warning is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = method(series, horizon)
    ceiling = log1p(float(series.counts.max(initial=0.0)) * 5 + 10)
    return np.clip(np.nan_to_num(found, nan=0.0, posinf=ceiling, neginf=0.0), 0.0, ceiling)


def _frame(series: Series) -> Any:
    # start-up time: a second and more, and only the forecast's layer holds it
    import pandas as pd

    return pd.Series(np.log1p(series.counts), index=pd.date_range(series.start, periods=len(series.counts), freq="D"))


def _design(series: Series, length: int) -> Array:
    """Columns: level, weekdays, trend, waves of the year (from two years of history on), special days."""
    number = np.arange(length)
    weekday = (series.start.weekday() + number) % 7
    columns = [np.ones(length), *(np.asarray(weekday == d, dtype=float) for d in range(1, 7))]
    known = len(series.counts)
    if known >= TWO_YEARS:  # in less, a season looks like a trend and would be drawn out for ever
        columns.append(number / 365.25)
        for wave in (1, 2, 3):
            columns += [np.sin(2 * np.pi * wave * number / 365.25), np.cos(2 * np.pi * wave * number / 365.25)]
    days = [series.start + timedelta(int(n)) for n in number]
    for special in series.special.values():
        column = np.array([d in special for d in days], dtype=float)
        if column[:known].any():
            columns.append(column)
    return np.column_stack(columns)
