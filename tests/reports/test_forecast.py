"""The forecast: tried on the past of synthetic years, better than seasonal naive or replaced by it."""

from datetime import date, timedelta

import numpy as np
import pytest

from chalicelib.playbook.business_time import public_holidays
from chalicelib.reports.forecast import (
    DAYS,
    METHODS,
    Series,
    backtest,
    forecast,
    score,
    seasonal_naive,
    seasons,
)
from chalicelib.reports.intervals import Covered, Widths, covered
from infra.reports.synthetic import Shape

HOLIDAYS = frozenset(d for year in range(2023, 2028) for d in public_holidays("GB-ENG", year))
CAMPAIGNS = {400: 2.2, 401: 1.8, 402: 1.4, 800: 2.5, 801: 1.6, 1200: 2.0, 1201: 1.7}


def shop(seed: int, days: int = 3 * 365) -> Series:
    """Three years with weeks, seasons, a trend, holidays, two campaigns and two outages."""
    shape = Shape(
        days=days,
        per_day=60.0 * (seed + 1),
        trend=0.1 * seed,
        holidays=HOLIDAYS,
        campaigns={
            n: f
            for n, f in {400: 2.2, 401: 1.8, 402: 1.4, 800: 2.5, 801: 1.6, 1200: 2.0, 1201: 1.7}.items()
            if n < days
        },
        outages={n: f for n, f in {300: 0.2, 700: 0.1, 1300: 0.3}.items() if n < days},
    )
    counts = shape.counts(np.random.default_rng(seed)).astype(float)
    return Series(shape.start, counts, {"holidays": HOLIDAYS})


def test_it_beats_seasonal_naive_and_its_bands_cover_what_they_say_by_year() -> None:
    within: dict[int, list[Covered]] = {}
    method, needs = METHODS["regression on seasons"]
    for seed in range(3):
        series = shop(seed, days=4 * 365)
        tried = backtest(series, method, needs, 28, 200, first=needs, step=10)
        naive = backtest(series, seasonal_naive, needs, 28, 200, first=needs, step=10)
        assert score("regression on seasons", tried, score("naive", naive, 0.0).error).ratio < 0.85
        for day in covered(tried):
            within.setdefault(day.day // 365, []).append(day)
    assert within.keys() == {0, 1, 2, 3}
    every = [d for days in within.values() for d in days]
    for days in (every, within[1], within[2], within[3]):  # in the third year the method gets its seasons
        assert np.mean([d.in80 for d in days]) == pytest.approx(0.80, abs=0.03)
        assert np.mean([d.in95 for d in days]) == pytest.approx(0.95, abs=0.03)


def test_an_interval_follows_what_lay_within_it_once_that_is_known() -> None:
    errors, widths = list(np.linspace(-1.0, 1.0, 201)), Widths()
    (low, high), _ = before = widths.bounds(0, errors)
    assert (low, high) == pytest.approx((-0.8, 0.8), abs=0.01)
    widths.tell(128, 0, 0.0, 0.0)
    widths.learn(127)
    assert widths.bounds(0, errors) == before
    widths.learn(128)
    widths.learn(129)  # nothing counts twice
    (low80, high80), (low95, high95) = widths.bounds(0, errors)
    assert (low80, high80) == pytest.approx((-0.88, 0.88), abs=0.02)
    assert (low95, high95) == pytest.approx((-1.045, 1.045))  # wider than all of them
    assert widths.bounds(1, errors) == before  # another week of the horizon
    for day in range(200, 260):
        widths.tell(day, 0, 1.0, 1.0)
    widths.learn(300)
    (low80, high80), (low95, high95) = widths.bounds(0, errors)
    assert low95 <= low80 <= high80 <= high95 and high80 - low80 < 0.1


def test_a_back_test_knows_nothing_of_what_came_later() -> None:
    series = shop(0, days=400)
    changed = Series(series.start, np.concatenate([series.counts[:300], series.counts[300:] * 9]), series.special)
    for method, needs in METHODS.values():
        before = [t for t in backtest(series, method, needs, 28, 3, first=200, step=90) if t.origin <= 300]
        after = [t for t in backtest(changed, method, needs, 28, 3, first=200, step=90) if t.origin <= 300]
        assert before
        for one, other in zip(before, after, strict=True):
            assert np.array_equal(one.expected, other.expected)


def test_where_nothing_beats_seasonal_naive_it_is_used() -> None:
    week = np.array([50.0, 10, 90, 30, 70, 5, 20])
    found = forecast(Series(date(2026, 1, 5), np.tile(week, 12), {}), origins=3)
    assert found.method == "seasonal naive"
    assert [round(d.expected) for d in found.days[:7]] == [50, 10, 90, 30, 70, 5, 20]


@pytest.mark.parametrize("days", [0, 1, 20])
def test_too_little_history_says_how_much_is_missing(days: int) -> None:
    found = forecast(Series(date(2026, 1, 5), np.full(days, 3.0), {}))
    assert (found.days, found.why, found.missing) == ((), DAYS, 21 - days)


@pytest.mark.parametrize("days", [21, 30, 60])
def test_a_month_is_enough_for_four_weeks_ahead(days: int) -> None:
    series = shop(1, days=days)
    found = forecast(series, origins=6)
    assert [d.day for d in found.days] == [series.start + timedelta(days + n) for n in range(28)]
    for d in found.days:
        assert 0 <= d.low95 <= d.low80 <= d.high80 <= d.high95
        assert d.low95 <= d.expected <= d.high95
    assert found.total / 28 == pytest.approx(series.counts.mean(), rel=0.35)


@pytest.mark.parametrize("counts", [np.zeros(60), np.r_[np.zeros(59), 1000.0], np.ones(60)])
def test_days_of_nothing_forecast_something_finite(counts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    found = forecast(Series(date(2026, 1, 5), counts, {}), origins=2)
    assert all(np.isfinite([d.expected, d.low95, d.high95]).all() for d in found.days)


def test_a_holiday_that_is_known_lowers_its_day() -> None:
    series = shop(2)
    christmas = Series(series.start, series.counts[: (date(2025, 12, 20) - series.start).days], series.special)
    expected = np.expm1(seasons(christmas, 14))
    by_day = {christmas.start + timedelta(len(christmas.counts) + n): v for n, v in enumerate(expected)}
    assert by_day[date(2025, 12, 25)] < 0.8 * np.median(expected)
