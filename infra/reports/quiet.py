"""`python -m infra.reports.quiet`: how often the watch is wrong in quiet weeks, and how soon it sees a spike.

Quiet weeks are synthetic: a shop's hours, and days that are better and worse by a fifth without a reason. A spike is
several times what an hour usually brings, under one post, from some minute of the hour on; the watch looks every five
minutes, as on AWS.
"""

import argparse
import sys
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from chalicelib.reports.spikes import (
    LEAST,
    WEEK,
    WINDOWS,
    busy_hours,
    busy_now,
    shares,
    spread_of,
    threshold,
    usual_of,
)
from infra.reports.synthetic import HOURS, Shape

VOLUMES: Final = (5, 20, 100, 500, 1000, 5000)  # questions a day
LOOKS: Final = 5  # minutes between two looks
START: Final = date(2026, 1, 5)  # a Monday
KNOWN: Final = 8  # weeks before it
WEEKS: Final = 10  # that are watched in one run
Minutes = npt.NDArray[np.float64]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.reports.quiet", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weeks", type=int, default=60, help="quiet weeks for each volume")
    parser.add_argument(
        "--times", type=float, default=4.0, help="what a spike multiplies its hour by, at least 12 more"
    )
    options = parser.parse_args(arguments)
    print(f"{'questions a day':>16}{'false alarms a quiet week':>28}{'spikes seen':>14}{'minutes until seen':>21}")
    worst = 0.0
    for per_day in VOLUMES:
        alarms = false_alarms(per_day, options.weeks)
        seen, minutes = found(per_day, options.times)
        worst = max(worst, alarms)
        waits = f"{np.median(minutes):.0f}, at most {max(minutes):.0f}" if minutes else "–"
        print(f"{per_day:>16,}{alarms:>28.2f}{seen:>13.0%} {waits:>20}")
    print(f"at most {worst:.2f} a quiet week; wanted: 1 or fewer")
    return 0 if worst <= 1 else 1


def false_alarms(per_day: float, weeks: int) -> float:
    """Spikes told a week in which nothing happened, by the clock's hours and by the last sixty minutes at each look."""
    told, runs = 0, max(1, weeks // WEEKS)
    for seed in range(runs):
        minutes = quiet(per_day, KNOWN + WEEKS, seed)
        counts = hours_of(minutes)
        since, until = KNOWN * WEEK, (KNOWN + WEEKS) * WEEK
        busy = {hour for run in busy_hours(counts, since, until, 0) for hour, _ in run}
        spread = spread_of(counts, 0, since)
        usual = {hour: usual_of(counts, hour, 0, ()) for hour in range(since - 1, until)}
        ends = np.arange(since * 60, until * 60, LOOKS)
        for window, rare in WINDOWS.items():
            last = np.searchsorted(minutes, ends) - np.searchsorted(minutes, ends - window)
            for end, count in zip(ends.tolist(), last.tolist(), strict=True):
                hour = end // 60
                earlier, later = shares(window, end % 60 / 60)
                mixed = earlier * usual[hour - 1] + later * usual[hour]
                least = mixed + 2 * (mixed + spread * mixed**2) ** 0.5  # of what is rarer than that
                if count >= max(LEAST, least) and count >= threshold(mixed, spread, rare):
                    busy.add(hour)
        told += sum(1 for hour in busy if hour - 1 not in busy)
    return told / (runs * WEEKS)


def quiet(per_day: float, weeks: int, seed: int) -> Minutes:
    """When questions come, in minutes from the start, in order."""
    random = np.random.default_rng(seed)
    shape = Shape(start=START, days=7 * weeks, per_day=per_day, trend=0.0, yearly=0.0, noise=0.2)
    counts = shape.counts(random)
    hours = random.choice(24, int(counts.sum()), p=HOURS / HOURS.sum())
    days = np.repeat(np.arange(7 * weeks), counts)
    return np.sort((24 * days + hours) * 60 + random.uniform(0, 60, len(hours)))


def hours_of(minutes: Minutes) -> dict[int, int]:
    """How many in each hour."""
    hours, counts = np.unique(minutes // 60, return_counts=True)
    return dict(zip(hours.astype(int).tolist(), counts.tolist(), strict=True))


def found(per_day: float, times: float, tries: int = 40) -> tuple[float, list[float]]:
    """(share of spikes seen within the hour after they began, minutes until the look that saw each)."""
    random, waits = np.random.default_rng(7), []
    for n in range(tries):
        hour = KNOWN * WEEK + int(random.integers(7)) * 24 + int(random.choice(np.arange(8, 22)))
        began = hour * 60 + int(random.integers(60))
        usual = per_day * HOURS[hour % 24] / HOURS.sum()
        more = began + random.uniform(0, 60, int(max(12, (times - 1) * usual)))
        minutes = np.sort(np.concatenate([quiet(per_day, KNOWN + 1, 1000 + n), more]))
        for look in range(began - began % LOOKS + LOOKS, began + 61 + LOOKS, LOOKS):
            if _seen(minutes[minutes < look], look):
                waits.append(float(look - began))
                break
    return len(waits) / tries, waits


def _seen(minutes: Minutes, look: int) -> bool:
    counts, hour = hours_of(minutes), look // 60
    last = {window: int((minutes >= look - window).sum()) for window in WINDOWS}
    return bool(busy_hours(counts, hour - 1, hour + 1, 0) or busy_now(counts, last, hour, look % 60 / 60, 0))


if __name__ == "__main__":
    sys.exit(main())
