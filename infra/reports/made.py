"""Makes a report from a folder of facts and writes it: the page, and beside it the same as JSON and CSV."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chalicelib.playbook.policy import Playbook
from chalicelib.reports.asked import Asked as Span
from chalicelib.reports.forecast import NOTHING, Forecast, Series, forecast
from chalicelib.reports.lake import Lake
from chalicelib.reports.page import conversations_csv, faq_page, page, priorities_csv
from chalicelib.reports.policy import Policy
from chalicelib.reports.questions import SHOWN, Asked, Questions, answered, json_ld, unknown
from chalicelib.reports.report import Report, build, to_json
from chalicelib.reports.volume import history
from infra.reports import clusters


@dataclass(frozen=True, slots=True)
class Files:
    """Where the report's files lie: NAME.html, NAME.json and NAME.csv beside it, and what waits, the first to look at
    before the others, as NAME.priorities.csv; the page of questions for the shop's
    web site with its JSON-LD, and the proposals for what the model did not know, which are customers' own words."""

    page: Path

    @property
    def json(self) -> Path:
        return self.page.with_suffix(".json")

    @property
    def faq(self) -> Path:
        return self.page.with_suffix(".faq.html")

    @property
    def json_ld(self) -> Path:
        return self.page.with_suffix(".faq.json")

    @property
    def proposals(self) -> Path:
        return self.page.with_suffix(".proposals.jsonl")

    @property
    def priorities(self) -> Path:
        return self.page.with_suffix(".priorities.csv")

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
    playbook: Playbook | None = None,
    asked: Sequence[Asked] = (),
    names: Callable[[Collection[str]], Mapping[str, str]] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Makes the report of [`since`, `until`) from the facts in `folder` and writes it to `out` and beside it.

    `names` tells what helpful customers are called in public, where that is still stored."""
    lake, files = Lake(folder), Files(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    ahead = expected(Span(lake, since, until, now, policy.zone), policy, tell)
    span = Span(lake, since, until, now, policy.zone)
    questions = worth_answering(span, playbook, asked, files) if playbook else Questions()
    helpers = [who for (who,) in span.rows("SELECT DISTINCT helped_by FROM asked WHERE helped_by IS NOT NULL")]
    report, counted = build(
        lake, policy, since=since, until=until, now=now, forecast=ahead, questions=questions, stored=stored,
        names=names(helpers) if names else None,
    )  # fmt: skip
    files.page.write_text(page(report), "utf-8")
    files.json.write_text(to_json(report), "utf-8")
    files.csv.write_text(conversations_csv(counted), "utf-8", newline="")
    files.priorities.write_text(priorities_csv(counted), "utf-8", newline="")
    return report


def worth_answering(span: Span, playbook: Playbook, asked: Sequence[Asked], files: Files) -> Questions:
    """The questions worth answering once, as a page for the shop's web site, and proposals for what was not known."""
    counts = dict(span.rows("SELECT intent, count(*) FROM asked GROUP BY intent"))
    language = playbook.languages[0]
    found = answered(playbook, counts, asked, language)
    proposed = clusters.proposals(unknown(asked), everything=asked) if asked else []
    if proposed:
        clusters.write(proposed, files.proposals)
    questions = Questions(found, tuple(p.cluster for p in proposed[:SHOWN]), not found, language)
    if found:
        files.faq.write_text(faq_page(playbook.shop.name, questions), "utf-8")
        files.json_ld.write_text(json.dumps(json_ld(found), ensure_ascii=False, indent=1), "utf-8")
    return questions


def expected(asked: Span, policy: Policy, tell: Callable[[str], None] | None = None) -> Forecast:
    """The forecast from all days that the facts know."""
    days = history(asked)
    if not days:
        return Forecast((), "", (), NOTHING)
    return forecast(Series.of(days, policy.special), tell=tell)
