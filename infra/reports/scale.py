"""`python -m infra.reports.scale`: a year of a million questions through facts, compaction and report: seconds, memory,
and whether every figure equals the truth; beside it a year of ten thousand, for what grows with the volume.

Drawing the year and working on it are processes of their own, so that the peak of memory is that of the work.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.reports.asked import Asked
from chalicelib.reports.forecast import Forecast
from chalicelib.reports.lake import Lake
from chalicelib.reports.page import page
from chalicelib.reports.policy import Policy
from chalicelib.reports.report import build
from infra.given_numbers import whole
from infra.reports.made import expected

YEAR = date(2025, 1, 1)
REVISIONS = 3  # rows that the stream writes of a question in its life
REPEATED = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.reports.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=whole(1), nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.draw:
        print(json.dumps(drawn(options.questions[0], options.draw)))
        return 0
    if options.measure:
        print(json.dumps(measured(options.measure)))
        return 0
    rows = []
    for questions in options.questions:
        with TemporaryDirectory() as folder:
            print(f"a year of {questions:,} questions: drawing and writing it …", flush=True)
            truth = _apart("--draw", folder, questions)
            print(f"a year of {questions:,} questions: compaction, forecast, report …", flush=True)
            row = _apart("--measure", folder, questions)
        told = row.pop("told")
        row["wrong"] = sum(1 for name in {*told, *truth} if told.get(name, 0) != truth.get(name, 0))
        rows.append(row)
    print(table(rows))
    return 0 if all(row["wrong"] == 0 for row in rows) else 1


def _apart(what: str, folder: str, questions: int) -> dict[str, Any]:
    """What a process of its own prints last: its peak of memory is then that of this step alone."""
    command = [sys.executable, "-m", "infra.reports.scale", what, folder, "--questions", str(questions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _timed(took: dict[str, Any], name: str) -> Iterator[None]:
    """Seconds of CPU and of the clock, both the least of several where a step is done several times."""
    clock, cpu = monotonic(), process_time()
    yield
    for label, spent in ((name, monotonic() - clock), (f"{name}, CPU", process_time() - cpu)):
        took[label] = min(spent, took.get(label, spent))


def measured(folder: Path) -> dict[str, Any]:
    """Seconds of each step, the peak of memory in MB, and what the report tells."""
    took: dict[str, Any] = {"questions": 0}
    with _timed(took, "compact"):
        took["questions"] = Lake(folder).compact()
    took["MB of Parquet"] = sum(f.stat().st_size for f in folder.rglob("*.parquet")) / 1e6
    since, until = datetime(YEAR.year, 1, 1, tzinfo=UTC), datetime(YEAR.year + 1, 1, 1, tzinfo=UTC)
    month = until - timedelta(days=28)
    policy, lake = Policy("Scale", ZoneInfo("UTC")), Lake(folder)
    with _timed(took, "forecast"):
        ahead: Forecast = expected(Asked(lake, since, until, until, policy.zone), policy)
    for _ in range(REPEATED):  # the first one loads matplotlib's fonts
        with _timed(took, "figures of the year"):
            made, _ = build(Lake(folder), policy, since=since, until=until, now=until, forecast=ahead)
        with _timed(took, "page of the year"):
            html = page(made)
        with _timed(took, "28 days, all of it"):
            page(build(Lake(folder), policy, since=month, until=until, now=until, forecast=ahead)[0])
    took["KB of page"] = len(html) / 1e3
    took["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took["told"] = {
        "asked": made.ledger.total.asked, **made.ledger.total.ended, "met": made.ledger.total.met,
        **{f"intent {line.name}": line.asked for line in made.ledger.groups["intent"]},
    }  # fmt: skip
    return took


def drawn(questions: int, folder: Path) -> dict[str, int]:
    """Draws and writes the year month by month, as a shop lives it; the truth."""
    # memory: pandas stays in the process that draws the year
    from infra.reports.synthetic import Shape, draw

    truth: Counter[str] = Counter()
    for month in range(12):
        first = date(YEAR.year, month + 1, 1)
        after = date(YEAR.year + (month == 11), month % 12 + 2 if month < 11 else 1, 1)
        days = (after - first).days
        part = draw(Shape(start=first, days=days, per_day=questions / 365.0, trend=0.0, yearly=0.0), seed=month)
        known = part.truth()
        if month < 11:  # what was still in time then is late by the end of the year
            known["ended"]["overdue"] += known["ended"].pop("waiting")
        truth.update({"asked": known["asked"], **known["ended"], "met": known["met"]})
        truth.update({f"intent {name}": n for name, n in known["by_intent"].items()})
        part.write(folder, revisions=REVISIONS, form="json")
    return dict(truth)


def table(rows: list[dict[str, Any]]) -> str:
    """The measures side by side, with how many times more the last one takes than the first."""
    lines = [f"{'':<22}" + "".join(f"{row['questions']:>14,}" for row in rows) + f"{'ratio':>10}"]
    for name in rows[0]:
        if name != "questions":
            first, last = rows[0][name], rows[-1][name]
            unit = "  " if name in ("peak MB", "MB of Parquet", "KB of page", "wrong") else " s"
            ratio = f"{last / first:>9.2f}×" if first else ""
            lines.append(f"{name:<22}" + "".join(f"{row[name]:>12,.1f}{unit}" for row in rows) + ratio)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
