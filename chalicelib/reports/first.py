"""The first screen: what a customer-service lead asks first, in six figures. Page and e-mail show these same ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.reports.report import Report
from chalicelib.reports.say import Say


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its name, what belongs to it, and the part of the page that says more."""

    name: str
    value: str
    more: tuple[str, ...]
    part: str


def figures(report: Report, say: Say) -> tuple[Figure, ...]:
    """How many asked what and where; who waited too long; what Earshot did about it; what comes, and who it takes."""
    return tuple(_figures(report, say))


def _figures(report: Report, say: Say) -> Iterator[Figure]:
    total, late = report.ledger.total, report.ledger.late
    before = say("before", count=say.count(report.volume.before)) if report.volume.before else say("no_before")
    yield Figure(say("questions"), say.count(total.asked), (_mostly(report, say), before), "ledger")
    waited = say("waited_more", decided=say.count(total.met + total.missed), open=say.count(total.ended["overdue"]))
    yield Figure(say("waited"), say.count(late), (waited,), "waits")
    replied = say.percent(total.acknowledged / total.asked if total.asked else None)
    told = say("with_earshot_more", late=say.count(late), replied=replied)
    yield Figure(say("with_earshot"), say.count(report.ledger.told_late), (told,), "earshot")
    half = (say("half", median=say.span(total.median), p90=say.span(total.p90)),) if total.median is not None else ()
    yield Figure(say("kept"), say.percent(total.attainment), half, "waits")
    yield _next(report, say)
    if report.plan:
        peak, hours = report.plan.peak, say.count(report.plan.person_hours)
        when = say("people_more", day=say.weekday(peak.weekday), hour=say.hour(peak.hour), hours=hours)
        yield Figure(say("people"), say.count(peak.people), (when,), "people")


def _mostly(report: Report, say: Say) -> str:
    total, groups = report.ledger.total.asked, report.ledger.groups
    what, where = groups["intent"][0], groups["platform"][0]
    return say(
        "mostly",
        what=say.within("intent", what.name),
        share=say.percent(what.asked / total),
        where=say.within("platform", where.name),
        place=say.percent(where.asked / total),
    )


def _next(report: Report, say: Say) -> Figure:
    days = report.forecast.days[:28]
    if not days:
        return Figure(say("next"), "–", (say("no_forecast"),), "volume")
    mean, low, high = (
        say.count(round(sum(getattr(day, name) for day in days) / len(days)))
        for name in ("expected", "low80", "high80")
    )
    told = say("next_more", mean=mean, low=low, high=high)
    return Figure(say("next"), say.count(round(sum(day.expected for day in days))), (told,), "volume")
