"""The report as one page: HTML by Jinja with its pictures inside, no script and nothing from elsewhere."""

import csv
import io
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from chalicelib.reports import wording
from chalicelib.reports.asked import Asked
from chalicelib.reports.charts import Picture, pictures, svg
from chalicelib.reports.first import figures
from chalicelib.reports.forecast import LEAST
from chalicelib.reports.headings import headings
from chalicelib.reports.ledger import STELLA, STELLA_BEST_S, VERY_RESPONSIVE, WITHIN, conversations
from chalicelib.reports.questions import Questions, script
from chalicelib.reports.report import Report
from chalicelib.reports.teams import priorities


def page(report: Report, language: str = "en") -> str:
    """The whole page, its headings, first figures and advice in `language`."""
    shown = {p.name: _figure(p) for p in pictures(report)}
    say = headings(language, report.policy.zone.key)
    view = {"say": say, "advice": [say.advice(a) for a in report.advice], **_words(report)}
    view["figures"] = () if report.empty else figures(report, say)
    return str(_template("report.html").render(r=report, pictures=shown, **view))


def _figure(picture: Picture) -> dict[str, str]:
    return {"says": picture.says, "wide": svg(picture, wide=True), "narrow": svg(picture, wide=False)}


def _words(report: Report) -> dict[str, Any]:
    return {
        "bars": [bar for bar, _ in WITHIN],
        "stella": {name: hits / of for name, (hits, of) in STELLA.items()},
        "stella_counts": STELLA,
        "stella_best": STELLA_BEST_S,
        "least": LEAST,
        "very_responsive": VERY_RESPONSIVE,
        "days": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    }


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
    environment.filters |= {
        "percent": wording.percent,
        "span": wording.span,
        "count": wording.count,
        "words": wording.words,
        "date": wording.day,
        "stamp": wording.stamp,
        "local": wording.local,
        "moment": wording.moment,
    }
    return environment.get_template(name)
