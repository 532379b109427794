"""Makes a report from a folder of facts and writes it: the page, and beside it the same as JSON and CSV."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from chalicelib.reports.asked import Asked
from chalicelib.reports.forecast import Forecast, Series, forecast
from chalicelib.reports.lake import Lake
from chalicelib.reports.page import conversations_csv, page
from chalicelib.reports.questions import Questions
from chalicelib.reports.report import Policy, Report, build, to_json
from chalicelib.reports.volume import history


@dataclass(frozen=True, slots=True)
class Files:
    """Where the report's files lie: NAME.html, and NAME.json and NAME.csv beside it."""

    page: Path

    @property
    def json(self) -> Path:
        return self.page.with_suffix(".json")

    @property
    def csv(self) -> Path:
        return self.page.with_suffix(".csv")


def make(
    folder: Path,
    out: Path,
    policy: Policy,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    stored: Iterable[str] | None = None,
    questions: Questions | None = None,
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Makes the report of [`since`, `until`) from the facts in `folder` and writes it to `out` and beside it."""
    lake, files = Lake(folder), Files(out)
    ahead = expected(Asked(lake, since, until, now, policy.zone), policy, tell)
    report, asked = build(
        lake, policy, since=since, until=until, now=now, forecast=ahead, questions=questions, stored=stored
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    files.page.write_text(page(report), "utf-8")
    files.json.write_text(to_json(report), "utf-8")
    files.csv.write_text(conversations_csv(asked), "utf-8", newline="")
    return report


def expected(asked: Asked, policy: Policy, tell: Callable[[str], None] | None = None) -> Forecast:
    """The forecast from all days that the facts know."""
    days = history(asked)
    if not days:
        return Forecast((), "", (), "nothing has been asked yet")
    counts = np.array([n for _, n in days], dtype=float)
    return forecast(Series(days[0][0], counts, policy.special), tell=tell)
