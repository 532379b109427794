"""`python -m infra.reports.scale`: a year of a million questions through facts, compaction and report: seconds, memory,
and whether every figure equals the truth; beside it a year of ten thousand, for what grows with the volume.

Each year runs in a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.reports.asked import Asked
from chalicelib.reports.forecast import Forecast
from chalicelib.reports.lake import Lake
from chalicelib.reports.page import page
from chalicelib.reports.policy import Policy
from chalicelib.reports.report import build
from infra.reports.made import expected
from infra.reports.synthetic import Shape, draw

YEAR = date(2025, 1, 1)
REVISIONS = 3  # rows that the stream writes of a question in its life


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.reports.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measured(options.questions[0])))
        return 0
    rows = []
    for questions in options.questions:
        print(f"a year of {questions:,} questions …", flush=True)
        command = [sys.executable, "-m", "infra.reports.scale", "--one", "--questions", str(questions)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(table(rows))
    return 0 if all(row["wrong"] == 0 for row in rows) else 1


def measured(questions: int) -> dict[str, Any]:
    """Seconds of each step, the peak of memory in MB, and how many figures differ from the truth."""
    took: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        lake_folder = Path(folder)
        truth, took["write"] = _drawn(questions, lake_folder)
        began = monotonic()
        took["questions"] = Lake(lake_folder).compact()
        took["compact"] = monotonic() - began
        took["MB of Parquet"] = sum(f.stat().st_size for f in lake_folder.rglob("*.parquet")) / 1e6
        since, until = datetime(YEAR.year, 1, 1, tzinfo=UTC), datetime(YEAR.year + 1, 1, 1, tzinfo=UTC)
        policy, lake = Policy("Scale", ZoneInfo("UTC")), Lake(lake_folder)
        began = monotonic()
        ahead: Forecast = expected(Asked(lake, since, until, until, policy.zone), policy)
        took["forecast"] = monotonic() - began
        page_times = []
        for _ in range(3):  # the least of three: the first one loads matplotlib's fonts
            began = monotonic()
            made, _ = build(Lake(lake_folder), policy, since=since, until=until, now=until, forecast=ahead)
            html = page(made)
            page_times.append(monotonic() - began)
        took["page"], took["KB of page"] = min(page_times), len(html) / 1e3
        month = until - timedelta(days=28)
        began = monotonic()
        page(build(Lake(lake_folder), policy, since=month, until=until, now=until, forecast=ahead)[0])
        took["page of 28 days"] = monotonic() - began
        told = {
            "asked": made.ledger.total.asked, **made.ledger.total.ended, "met": made.ledger.total.met,
            **{f"intent {line.name}": line.asked for line in made.ledger.groups["intent"]},
        }  # fmt: skip
        took["wrong"] = sum(1 for name in {*told, *truth} if told.get(name, 0) != truth.get(name, 0))
    took["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return took


def _drawn(questions: int, folder: Path) -> tuple[dict[str, int], float]:
    """Draws and writes the year month by month, as a shop lives it; the truth, and the seconds of writing."""
    truth: Counter[str] = Counter()
    seconds = 0.0
    for month in range(12):
        first = date(YEAR.year, month + 1, 1)
        after = date(YEAR.year + (month == 11), month % 12 + 2 if month < 11 else 1, 1)
        days = (after - first).days
        drawn = draw(Shape(start=first, days=days, per_day=questions / 365.0, trend=0.0, yearly=0.0), seed=month)
        known = drawn.truth()
        if month < 11:  # what was still in time then is late by the end of the year
            known["ended"]["overdue"] += known["ended"].pop("waiting")
        truth.update({"asked": known["asked"], **known["ended"], "met": known["met"]})
        truth.update({f"intent {name}": n for name, n in known["by_intent"].items()})
        began = monotonic()
        drawn.write(folder, revisions=REVISIONS, form="json")
        seconds += monotonic() - began
    return dict(truth), seconds


def table(rows: list[dict[str, Any]]) -> str:
    """The measures side by side, with how many times more the last one takes than the first."""
    lines = [f"{'':<22}" + "".join(f"{row['questions']:>14,}" for row in rows) + f"{'ratio':>10}"]
    for name in rows[0]:
        if name != "questions":
            first, last = rows[0][name], rows[-1][name]
            unit = " s" if name in ("write", "compact", "forecast") or name.startswith("page") else "  "
            ratio = f"{last / first:>9.2f}×" if first else ""
            lines.append(f"{name:<22}" + "".join(f"{row[name]:>12,.1f}{unit}" for row in rows) + ratio)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
