"""`python -m infra.reports.backtest`: the forecast on the past of invented shops: how far off, and how many days lay
within its intervals, year by year.

Each shop has five years with weeks, seasons, a trend, holidays, ten campaigns and five outages of its own; every week
four weeks are forecast. The shops are others than those that the intervals were made on (seeds 5,000 to 5,011, and
from 800,000, 900,000, 1,000,000, 1,100,000 and 1,300,000 on).
"""

import argparse
import sys
from collections import defaultdict
from datetime import date

import numpy as np

from chalicelib.playbook.business_time import public_holidays
from chalicelib.reports.forecast import HORIZON, METHODS, Series, backtest, seasonal_naive
from chalicelib.reports.intervals import Covered, Tried, covered
from infra.given_numbers import whole
from infra.reports.synthetic import Shape

YEARS = 5
SEEDS = 1_400_000
START = date(2021, 1, 1)
HOLIDAYS = frozenset(d for year in range(2021, 2028) for d in public_holidays("GB-ENG", year))
CAMPAIGN = (1.0, 0.8, 0.6)  # how much of it is left on its days
LEARNT = 120  # days of history with which the first forecast is made
ALWAYS = 260  # origins: all weeks of five years


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.reports.backtest", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--shops", type=whole(1), default=12)
    parser.add_argument("--methods", nargs="+", default=["Theta", "regression on seasons"], choices=[*METHODS])
    options = parser.parse_args(arguments)
    print(f"{'':<24}{'year':>6}{'× seasonal naive':>18}{'within 80 %':>14}{'within 95 %':>14}{'shops off by > 3':>18}")
    worst = 0.0
    for method in options.methods:
        shops = [year_by_year(shop(SEEDS + n), method) for n in range(options.shops)]
        for year in range(YEARS):  # of the first only its second half, where there are errors to learn from
            days = [one[year].days for one in shops]
            ratio = sum(one[year].error for one in shops) / sum(one[year].naive for one in shops)
            in80, in95 = share([d for some in days for d in some])
            off = sum(abs(share(some)[0] - 0.80) > 0.03 or abs(share(some)[1] - 0.95) > 0.03 for some in days)
            worst = max(worst, abs(in80 - 0.80), abs(in95 - 0.95))
            row = f"{ratio:>18.2f}{in80:>14.1%}{in95:>14.1%}{f'{off} of {len(shops)}':>18}"
            print(f"{method:<24}{year + 1:>6}{row}", flush=True)
    print(f"over the shops, a year is at most {worst * 100:.1f} points off; wanted: 3 or fewer")
    return 0 if worst <= 0.03 else 1


class Year:
    """One year of a shop: its days within intervals or not; the sums of absolute errors, and of seasonal naive's."""

    def __init__(self) -> None:
        self.days: list[Covered] = []
        self.error = self.naive = 0.0


def year_by_year(series: Series, method: str) -> dict[int, Year]:
    """What forecasts every week would have been worth, by the year (from 0) in which the days lie or they began."""
    forecaster, needs = METHODS[method]
    tried = backtest(series, forecaster, needs, HORIZON, ALWAYS, first=LEARNT)
    naive = {t.origin: t for t in backtest(series, seasonal_naive, needs, HORIZON, ALWAYS, first=LEARNT)}
    found: dict[int, Year] = defaultdict(Year)
    for day in covered(tried):
        found[day.day // 365].days.append(day)
    for one in tried:
        found[one.origin // 365].error += off(one)
        found[one.origin // 365].naive += off(naive[one.origin])
    return found


def off(one: Tried) -> float:
    """The sum of absolute errors in questions."""
    return float(np.abs(np.expm1(one.came) - np.expm1(one.expected)).sum())


def share(days: list[Covered]) -> tuple[float, float]:
    """Shares of days within the 80 % and the 95 % interval."""
    n = max(1, len(days))
    return sum(d.in80 for d in days) / n, sum(d.in95 for d in days) / n


def shop(seed: int) -> Series:
    """An invented shop's five years; holidays are known, campaigns and outages are not."""
    random, days = np.random.default_rng(seed), YEARS * 365
    campaigns: dict[int, float] = {}
    outages: dict[int, float] = {}
    for year in range(YEARS):
        outages[365 * year + int(random.integers(20, 340))] = float(random.uniform(0.1, 0.4))
        for _ in range(2):
            first, factor = 365 * year + int(random.integers(20, 340)), random.uniform(1.6, 2.6)
            campaigns |= {first + n: 1 + (factor - 1) * left for n, left in enumerate(CAMPAIGN)}
    shape = Shape(
        start=START,
        days=days,
        per_day=float(random.choice([8, 20, 60, 150, 500])),
        trend=float(random.uniform(-0.1, 0.4)),
        yearly=float(random.uniform(0.1, 0.4)),
        noise=float(random.uniform(0.03, 0.15)),
        holidays=HOLIDAYS,
        campaigns=campaigns,
        outages=outages,
    )
    return Series(START, shape.counts(random).astype(float), {"holidays": HOLIDAYS})


if __name__ == "__main__":
    sys.exit(main())
