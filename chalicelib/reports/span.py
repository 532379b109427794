"""Which days a report is about, and what it takes from the playbook and the registrations."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.apps import Apps
from chalicelib.playbook.business_time import public_holidays
from chalicelib.playbook.policy import Playbook
from chalicelib.reports.policy import HANDLING, Policy

_USUAL = 4  # weeks that an hour has to be open in most of, to be one in which people usually work


def policy_of(
    playbook: Playbook,
    now: datetime,
    *,
    apps: Apps | None = None,
    handling: timedelta | None = None,
    share: float = 0.9,
    years: Iterable[int] = (),
) -> Policy:
    """The report's policy: the default team's hours and promise; `handling` None: the assumption, and said so."""
    team = playbook.teams[playbook.default_team]
    zone = ZoneInfo(playbook.shop.timezone)
    monday = _midnight(now.astimezone(zone).date() - timedelta(days=now.astimezone(zone).weekday()), zone)
    hours = tuple(
        sum(team.hours.is_open(_plus(monday, hour, week, zone)) for week in range(_USUAL)) * 2 > _USUAL
        for hour in range(168)
    )
    region = team.hours.region
    holidays = frozenset(d for year in years for d in public_holidays(region, year)) if region else frozenset()
    return Policy(
        shop=playbook.shop.name,
        zone=zone,
        within=team.answer_within or playbook.answer_within,
        share=share,
        handling=handling or HANDLING,
        stated=handling is None,
        open_hours=() if all(hours) else hours,
        resolving=frozenset(name for name, intent in playbook.intents.items() if intent.resolves),
        accounts={f"{a.product}:{a.id}": a.name for app in (apps.apps if apps else ()) for a in app.accounts if a.name},
        language=language_of(playbook),
        teams={key: team.titles for key, team in playbook.teams.items() if team.titles},
        special={"public holidays": holidays} if holidays else {},
    )


def language_of(playbook: Playbook) -> str:
    """The language of the report: that of the team that gets it every week, else the shop's first."""
    lead = playbook.teams.get(playbook.weekly_report_to)
    return lead.language if lead else playbook.languages[0]


def whole_days(first: datetime, last: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """[since, until): the local days from that of `first` to that of `last`, in UTC."""
    after = last.astimezone(zone).date() + timedelta(days=1)
    return _midnight(first.astimezone(zone).date(), zone), _midnight(after, zone)


def last_days(days: int, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """[since, until): the `days` whole local days that ended before `now`."""
    today = now.astimezone(zone).date()
    return _midnight(today - timedelta(days=days), zone), _midnight(today, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _plus(monday: datetime, hour: int, week: int, zone: ZoneInfo) -> datetime:
    """The middle of an hour of a week, by the wall clock."""
    local = monday.astimezone(zone).replace(tzinfo=None) + timedelta(weeks=week, hours=hour, minutes=30)
    return local.replace(tzinfo=zone)
