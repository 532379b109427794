"""The report: everything that is shown, worked out once. Page, pictures, CSV, JSON and e-mail are made from this."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

from chalicelib.reports.advice import Advice, advice
from chalicelib.reports.asked import Asked
from chalicelib.reports.campaigns import Followed, followed
from chalicelib.reports.customers import Customers, customers
from chalicelib.reports.forecast import NOT_RUN, Day, Forecast, Score
from chalicelib.reports.lake import Lake
from chalicelib.reports.ledger import Ledger, ledger
from chalicelib.reports.listed import Listed, listed
from chalicelib.reports.policy import Policy
from chalicelib.reports.quality import Quality, quality
from chalicelib.reports.questions import Questions
from chalicelib.reports.spiked import spikes_of
from chalicelib.reports.spikes import Spike
from chalicelib.reports.staffing import Plan, plan
from chalicelib.reports.teams import Teams, teams
from chalicelib.reports.volume import Volume, volume

NOBODY: Final = Teams()


@dataclass(frozen=True, slots=True)
class Report:
    policy: Policy
    since: datetime
    until: datetime
    made_at: datetime
    ledger: Ledger
    volume: Volume
    forecast: Forecast
    plan: Plan | None
    quality: Quality
    customers: Customers
    questions: Questions
    advice: tuple[Advice, ...]
    listed: tuple[Listed, ...]
    spikes: tuple[Spike, ...] = ()
    campaigns: tuple[Followed, ...] = ()
    teams: Teams = NOBODY

    @property
    def last(self) -> datetime:
        """The last moment of the span: its end is the first one after it."""
        return self.until - timedelta(microseconds=1)

    @property
    def empty(self) -> bool:
        return self.ledger.total.asked == 0


def build(
    lake: Lake,
    policy: Policy,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    forecast: Forecast,
    questions: Questions | None = None,
    stored: Iterable[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> tuple[Report, Asked]:
    """The report of [`since`, `until`) as things stand at `now`, and the questions that it counts."""
    asked = Asked(lake, since, until, now, policy.zone)
    book, came, how = ledger(asked, stored), volume(asked), quality(asked)
    return (
        Report(
            policy=policy,
            since=since,
            until=until,
            made_at=now,
            ledger=book,
            volume=came,
            forecast=forecast,
            plan=_plan(came, forecast, policy),
            quality=how,
            customers=customers(asked, names),
            questions=questions or Questions(),
            advice=advice(book, how, policy.resolving),
            listed=listed(asked),
            spikes=tuple(spikes_of(asked)),
            campaigns=followed(asked),
            teams=teams(asked),
        ),
        asked,
    )


def _plan(came: Volume, forecast: Forecast, policy: Policy) -> Plan | None:
    """People for a week of the forecast (where there is none: for a week as the last ones), by the hours' profile."""
    if not came.heat.total:
        return None
    per_week = sum(d.expected for d in forecast.days[:28]) / len(forecast.days[:28]) * 7 if forecast.days else None
    known = came.total / (len(came.days) / 7) if came.days else 0.0
    return plan(
        came.heat,
        scale=per_week / known if per_week and known else 1.0,
        handling_s=policy.handling.total_seconds(),
        within_s=policy.within.total_seconds(),
        share=policy.share,
        open_hours=policy.open_hours,
        stated=policy.stated,
    )


def forecast_from(document: Any) -> Forecast:
    """The forecast that its function kept as JSON; None: it has not run yet."""
    if document is None:
        return Forecast((), "", (), NOT_RUN)
    days = tuple(Day(**{**d, "day": date.fromisoformat(d["day"])}) for d in document["days"])
    return Forecast(
        days,
        document["method"],
        tuple(Score(**s) for s in document["scores"]),
        document["why"],
        document.get("missing", 0),
    )


def to_json(report: Report) -> str:
    """Everything that the page shows, for machines."""
    return json.dumps(_plain(report), ensure_ascii=False, indent=1)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, (frozenset, set)):
        return sorted(_plain(v) for v in value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, ZoneInfo):
        return value.key
    return value.value if isinstance(value, Enum) else value
