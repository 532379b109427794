"""The report as one page: HTML by Jinja with its pictures inside, no script and nothing from elsewhere."""

import csv
import io
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from chalicelib.reports.asked import Asked
from chalicelib.reports.charts import Picture, pictures, svg
from chalicelib.reports.first import figures
from chalicelib.reports.forecast import LEAST
from chalicelib.reports.ledger import STELLA, STELLA_BEST_S, VERY_RESPONSIVE, WITHIN, conversations
from chalicelib.reports.quality import UNSURE
from chalicelib.reports.questions import Questions, script
from chalicelib.reports.report import Report
from chalicelib.reports.say import say_in
from chalicelib.reports.teams import SHOWN, priorities

ROWS: Final = 15  # of a group's table; more stand in the JSON
PARTS: Final = (
    *(("change", "change"), ("ledger", "ledger"), ("waits", "waits"), ("earshot", "earshot")),
    *(("teams", "teams_heading"), ("volume", "volume"), ("people", "plan"), ("quality", "quality")),
    *(("customers", "customers"), ("campaigns", "campaigns"), ("questions", "worth"), ("lists", "lists")),
)
"""The parts of the page with the line that heads each."""


def page(report: Report, language: str | None = None) -> str:
    """The whole page in `language`, in that of the report's policy where none is named."""
    say = say_in(language or report.policy.language, report.policy.zone, report.policy.teams)
    zone = report.policy.zone
    view: dict[str, Any] = {
        "r": report,
        "say": say,
        "since": report.since.astimezone(zone),
        "last": report.last.astimezone(zone),
        "figures": () if report.empty else figures(report, say),
        "parts": [(id, key) for id, key in PARTS if id != "campaigns" or report.campaigns],
        "advice": [say.advice(a) for a in report.advice],
        "pictures": {p.name: _figure(p) for p in pictures(report, say)},
        "lists": {(x.by, x.value): f"list-{n}" for n, x in enumerate(report.listed, 1)},
        "rows": ROWS,
        "shown": SHOWN,
        "bars": [bar for bar, _ in WITHIN],
        "stella": STELLA,
        "stella_best": STELLA_BEST_S,
        "very_responsive": VERY_RESPONSIVE,
        "least": LEAST,
        "unsure": UNSURE,
    }
    return str(_template("report.html").render(view))


def _figure(picture: Picture) -> dict[str, str]:
    return {"says": picture.says, "wide": svg(picture, wide=True), "narrow": svg(picture, wide=False)}


_FAQ_TITLES: Final = {
    "en": "questions and answers",
    "de": "Fragen und Antworten",
    "fr": "questions et réponses",
    "es": "preguntas y respuestas",
}


def faq_page(shop: str, questions: Questions) -> str:
    """The questions worth answering once as a page of their own, with its FAQPage JSON-LD, for the shop's web site."""
    title = _FAQ_TITLES.get(questions.language, _FAQ_TITLES["en"])
    view = {"shop": shop, "title": title, "language": questions.language, "questions": questions.answered}
    return str(_template("faq.html").render(**view, ld=script(questions.answered)))


def conversations_csv(asked: Asked) -> str:
    """One row a conversation, for a spreadsheet. Cells that a spreadsheet would take for a formula are quoted."""
    return _csv(*conversations(asked))


def priorities_csv(asked: Asked) -> str:
    """What waits, the one to look at first before the others; the columns are those of `Priority`."""
    return _csv(*priorities(asked))


def _csv(names: list[str], rows: Sequence[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@cache
def _template(name: str) -> Any:
    # start-up time: the functions that make no page have no Jinja in their way
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("chalicelib.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
