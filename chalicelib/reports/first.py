"""The first screen: what a customer-service lead asks first, in six figures. Page and e-mail show these same ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.reports.headings import Headings
from chalicelib.reports.report import Report
from chalicelib.reports.wording import count, percent, span, words


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its name, and what belongs to it."""

    name: str
    value: str
    more: tuple[str, ...] = ()


def figures(report: Report, say: Headings) -> tuple[Figure, ...]:
    """How many asked what and where; who waited too long; what Earshot did about it; what comes, and who it takes."""
    return tuple(Figure(f.name, say.number(f.value), f.more) for f in _figures(report, say))


def _figures(report: Report, say: Headings) -> Iterator[Figure]:
    total, late = report.ledger.total, report.ledger.late
    before = say("before", count=count(report.volume.before)) if report.volume.before else say("no_before")
    yield Figure(say("questions"), count(total.asked), (_mostly(report, say), before))
    yield Figure(
        say("waited"),
        count(late),
        (say("waited_more", decided=count(total.met + total.missed), open=count(total.ended["overdue"])),),
    )
    replied = percent(total.acknowledged / total.asked if total.asked else None)
    told = count(report.ledger.told_late)
    yield Figure(say("with_earshot"), told, (say("with_earshot_more", late=count(late), replied=replied),))
    waits = (say("half", median=span(total.median), p90=span(total.p90)),) if total.median is not None else ()
    yield Figure(say("kept"), percent(total.attainment), (f"{say('first_response')}: {waits[0]}",) if waits else ())
    yield _next(report, say)
    if report.plan:
        peak = report.plan.peak
        yield Figure(say("people"), count(peak.people), (f"{say.weekday(peak.weekday)} {peak.hour:02}:00",))


def _mostly(report: Report, say: Headings) -> str:
    total, groups = report.ledger.total.asked, report.ledger.groups
    what, where = groups["intent"][0], groups["platform"][0]
    return say(
        "mostly",
        what=say.say.label(what.name),
        share=percent(what.asked / total),
        where=words(where.name),
        place=percent(where.asked / total),
    )


def _next(report: Report, say: Headings) -> Figure:
    days = report.forecast.days[:28]
    if not days:
        return Figure(say("next"), "–", (say("no_forecast"),))
    mean, low, high = (
        count(round(sum(getattr(day, name) for day in days) / len(days))) for name in ("expected", "low80", "high80")
    )
    told = say("next_more", mean=mean, low=low, high=high)
    return Figure(say("next"), count(round(sum(day.expected for day in days))), (told,))
