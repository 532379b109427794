"""The two clocks: due times against an independent count of minutes, the worked examples of the design, windows."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.conversations.conversation import Ladder
from chalicelib.playbook.business_time import Hours, public_holidays
from chalicelib.playbook.clocks import before_window_closes, calls
from chalicelib.playbook.closures import read_closures
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook

TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
SHOP = load_playbook(TEXT)
LONDON = ZoneInfo("Europe/London")
MINUTE = timedelta(minutes=1)
ZONES = (
    *("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"),
    *("Pacific/Auckland", "Asia/Kolkata", "UTC"),
)
CHANGES = (
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 4, 5),
    date(2026, 10, 4),
    date(2026, 3, 8),
    date(2026, 11, 1),
)
OTHER_DAYS = (date(2026, 12, 24), date(2026, 12, 31), date(2026, 6, 12))
HORIZON = 16  # days that are counted minute by minute


@dataclass(frozen=True)
class Closure:
    """A closure of so many days from a local day on, or of so many minutes from a local time on, on the clock of `zone`
    ("" for the team's own); weekly `times` times, but not in the week `without`."""

    start: datetime
    days: int
    minutes: int
    zone: str
    times: int
    without: int

    def ical(self) -> str:
        """As a calendar writes it."""
        zone = f";TZID={self.zone}" if self.zone else ""
        end = self.start + timedelta(days=self.days, minutes=self.minutes)
        if self.days:
            rows = [f"DTSTART;VALUE=DATE:{self.start:%Y%m%d}", f"DTEND;VALUE=DATE:{end:%Y%m%d}"]
            left_out = f"EXDATE;VALUE=DATE:{self.start + timedelta(weeks=self.without):%Y%m%d}"
        else:
            rows = [f"DTSTART{zone}:{self.start:%Y%m%dT%H%M%S}", f"DTEND{zone}:{end:%Y%m%dT%H%M%S}"]
            left_out = f"EXDATE{zone}:{self.start + timedelta(weeks=self.without):%Y%m%dT%H%M%S}"
        rows += [f"RRULE:FREQ=WEEKLY;COUNT={self.times}", left_out] if self.times > 1 else []
        return "\r\n".join(("BEGIN:VEVENT", f"UID:{id(self)}", *rows, "END:VEVENT"))

    def weeks(self) -> list[datetime]:
        """When it begins, each time, on its own clock."""
        return [self.start + timedelta(weeks=n) for n in range(self.times) if self.times == 1 or n != self.without]

    def closes_day(self, day: date) -> bool:
        return any(0 <= (day - start.date()).days < self.days for start in self.weeks())

    def closes(self, at: datetime, own_zone: str) -> bool:
        """Whether the minute that begins `at` is closed."""
        zone = ZoneInfo(self.zone or own_zone)
        begins = (start.replace(tzinfo=zone).astimezone(UTC) for start in self.weeks())
        ends = (
            (start + timedelta(minutes=self.minutes)).replace(tzinfo=zone).astimezone(UTC) for start in self.weeks()
        )
        return any(begin <= at < end for begin, end in zip(begins, ends, strict=True))


def some_closures(rng: random.Random, day: date) -> list[Closure]:
    """A few around `day`."""
    found = []
    for _ in range(rng.choice((0, 1, 2, 4))):
        start = datetime(day.year, day.month, day.day) + timedelta(days=rng.randrange(-9, 9))
        times = rng.choice((1, 1, 3))
        if rng.random() < 0.4:
            found.append(Closure(start, rng.randrange(1, 4), 0, "", times, rng.randrange(3)))
        else:
            at = start + timedelta(minutes=rng.randrange(0, 1440, 5))
            zone = rng.choice(("", "", *ZONES[:-1]))
            found.append(Closure(at, 0, rng.randrange(10, 600, 5), zone, times, rng.randrange(3)))
    return found


@cache
def wall(zone: str, first: datetime) -> list[tuple[datetime, date, int]]:
    """Every minute with what the clock on the wall shows: its day, and the minute of that."""
    shown = ((at, at.astimezone(ZoneInfo(zone))) for at in (first + n * MINUTE for n in range(HORIZON * 1440)))
    return [(at, local.date(), local.hour * 60 + local.minute) for at, local in shown]


def open_minutes(hours: Hours, first: datetime, closures: Sequence[Closure] = ()) -> list[datetime]:
    """The minutes in which a team works, one by one."""
    holidays: set[date] = set()
    if hours.region:
        holidays = {d for year in (2025, 2026, 2027) for d in public_holidays(hours.region, year)}

    @cache
    def begun_on(day: date) -> set[int]:
        text = day.isoformat()
        if day in holidays or text in hours.closed or text[5:] in hours.closed:
            return set()
        if any(closure.closes_day(day) for closure in closures):
            return set()
        return {minute for opens, closes in hours.week[day.weekday()] for minute in range(opens, closes)}

    return [
        at
        for at, day, minute in wall(hours.zone, first)
        if (minute in begun_on(day) or minute + 1440 in begun_on(day - timedelta(days=1)))
        and not any(closure.minutes and closure.closes(at, hours.zone) for closure in closures)
    ]


def with_calendar(hours: Hours, closures: list[Closure], folder: Path, today: date) -> Hours:
    """`hours` with what the library makes of the calendar that has these closures."""
    events = "".join(f"{closure.ical()}\r\n" for closure in closures)
    (folder / "closures.ics").write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n", newline="")
    found = read_closures("closures.ics", folder, hours.zone, today)
    return replace(hours, closed=hours.closed | found.days, shut=found.times)


def passed(open_: list[datetime], start: datetime, minutes: int) -> datetime:
    """When so many open minutes have passed; for none, the next open one."""
    at = bisect_left(open_, start)
    return open_[at + minutes - 1] + MINUTE if minutes else open_[at]


def some_hours(rng: random.Random, zone: str) -> Hours:
    def spans() -> tuple[tuple[int, int], ...]:
        ends = sorted(rng.sample(range(0, 30 * 60, 15), rng.choice((2, 2, 4, 4, 6))))
        return tuple((a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < 1440)

    week = [spans() if rng.random() < 0.8 else () for _ in range(7)]
    week[rng.randrange(7)] = ((9 * 60, 17 * 60),)
    week[rng.randrange(7)] = ((22 * 60, 30 * 60),)
    closed = frozenset(rng.sample(("12-24", "12-31", "2026-10-25", "2026-03-29", "06-12"), rng.randrange(3)))
    return Hours(zone, tuple(week), rng.choice(("", "", "GB-ENG", "DE-BY", "US")), closed)


def test_due_times_equal_those_of_a_count_of_minutes_on_the_clock_on_the_wall(tmp_path: Path) -> None:
    rng, compared, shut = random.Random(20261126), 0, 0
    for n in range(60):
        zone, day = ZONES[n % len(ZONES)], rng.choice(CHANGES + OTHER_DAYS)
        first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=3)
        own, other = some_hours(rng, zone), some_hours(rng, rng.choice(ZONES))
        closures, others = some_closures(rng, day), some_closures(rng, day)
        open_, open_other = open_minutes(own, first, closures), open_minutes(other, first, others)
        own, other = with_calendar(own, closures, tmp_path, day), with_calendar(other, others, tmp_path, day)
        shut += len(own.shut) + len(other.shut)
        for _ in range(20):
            since = first + rng.randrange(5 * 1440) * MINUTE
            tell, within, after, apart = (rng.randrange(1, most) for most in (45, 240, 200, 90))
            found = calls(since, own, within * MINUTE, tell * MINUTE, [(after * MINUTE, other)] * 2, apart * MINUTE)
            try:
                promised_by, expected = passed(open_, since, within), [passed(open_, since, tell)]
                for _ in range(2):
                    at, earliest = passed(open_other, promised_by, after), expected[-1] + apart * MINUTE
                    expected.append(at if at >= earliest else passed(open_other, earliest, 0))
            except IndexError:
                continue  # beyond what was counted
            assert (found.promised_by, list(found.times)) == (promised_by, expected), (own, other, since)
            compared += 1
    assert compared >= 1000 and shut >= 60


def local(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%a %H:%M}"


@pytest.mark.parametrize(
    ("asked", "promised", "told"),
    [
        ("2026-11-23T10:00", "Mon 11:00", ["Mon 10:10", "Mon 11:30", "Mon 15:00"]),
        ("2026-11-23T19:55", "Tue 08:55", ["Tue 08:05", "Tue 09:25", "Tue 12:55"]),
        ("2026-11-23T21:00", "Tue 09:00", ["Tue 08:10", "Tue 09:30", "Tue 13:00"]),
        ("2026-12-24T11:00", "Sun 09:00", ["Sun 08:10", "Sun 09:30", "Sun 13:00"]),  # closed, and public holidays
        ("2026-03-28T19:30", "Sun 08:30", ["Sat 19:40", "Sun 09:00", "Sun 12:30"]),  # the clocks go forward
        ("2026-10-24T19:30", "Sun 08:30", ["Sat 19:40", "Sun 09:00", "Sun 12:30"]),  # and back
    ],
)
def test_the_defaults_worked_through(asked: str, promised: str, told: list[str]) -> None:
    found = SHOP.calls("order_status", datetime.fromisoformat(asked).replace(tzinfo=LONDON))
    assert local(found.promised_by) == promised
    assert [local(at) for at in found.times] == told


def test_what_is_urgent_is_told_at_once_and_climbs_at_any_hour() -> None:
    found = SHOP.calls("legal_safety", datetime(2026, 11, 28, 22, 0, tzinfo=LONDON))
    assert [local(at) for at in found.times] == ["Sat 22:00", "Sat 23:00", "Sun 02:00"]
    assert [SHOP.team("legal_safety", tier).name for tier in (1, 2, 3)] == ["pr", "team_lead", "head_of_service"]


def office() -> Playbook:
    """The shop, with people in the office from Monday to Friday until 17:30."""
    teams = {name: replace(team, hours=SHOP.teams["pr"].hours) for name, team in SHOP.teams.items()}
    hours = Hours("Europe/London", ((((9 * 60, 17 * 60 + 30),),) * 5) + ((), ()))
    return replace(SHOP, teams={name: replace(team, hours=hours) for name, team in teams.items()})


def test_a_team_that_does_not_work_inside_the_window_is_told_at_once_and_the_promise_says_monday() -> None:
    friday = datetime(2026, 11, 20, 18, 0, tzinfo=LONDON)
    found = office().calls(None, friday, friday + timedelta(hours=24))
    assert local(found.promised_by) == "Mon 10:00"
    assert [local(at) for at in found.times] == ["Fri 18:10", "Mon 10:30", "Mon 14:00"]


def test_a_team_that_goes_home_before_the_window_closes_is_told_before_it_does() -> None:
    friday = datetime(2026, 11, 20, 17, 25, tzinfo=LONDON)
    assert local(office().calls(None, friday, friday + timedelta(hours=24)).times[0]) == "Fri 17:25"


def test_a_long_window_changes_nothing_and_a_short_one_presses_all_tiers_together_in_order() -> None:
    monday = datetime(2026, 11, 23, 10, 0, tzinfo=LONDON)
    assert SHOP.calls(None, monday, monday + timedelta(hours=24)) == SHOP.calls(None, monday)
    times = SHOP.calls(None, monday, monday + timedelta(hours=1)).times
    assert [local(at) for at in times] == ["Mon 10:10", "Mon 10:20", "Mon 10:30"]
    assert SHOP.calls(None, monday, monday - timedelta(hours=1)) == SHOP.calls(None, monday)


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=8)),
    st.sampled_from((SHOP, office())),
)
def test_no_two_tiers_ever_fall_into_one_minute(since: datetime, window: timedelta, shop: Playbook) -> None:
    found = shop.calls("return", since, since + window)
    assert since <= found.times[0] <= max(since, since + window - timedelta(minutes=30)) or window < timedelta(
        minutes=41
    )
    assert all(b - a >= MINUTE for a, b in pairwise(found.times))
    plain = shop.calls("return", since)
    assert all(at <= usual for at, usual in zip(found.times[:1], plain.times[:1], strict=True))


def test_a_tier_that_was_called_late_leaves_time_for_the_next_and_comes_in_working_time() -> None:
    monday = datetime(2026, 11, 23, 10, 0, tzinfo=LONDON)
    outage = datetime(2026, 11, 23, 19, 50, tzinfo=LONDON)
    later = SHOP.next_call(None, monday, None, Ladder(tier=1, called_at=outage))
    assert later and local(later) == "Tue 08:00"
    urgent = SHOP.next_call("legal_safety", monday, None, Ladder(urgent=True, tier=1, called_at=outage))
    assert urgent and local(urgent) == "Mon 20:05"
    assert SHOP.next_call(None, monday, None, Ladder(tier=3, called_at=outage)) is None


def test_a_team_and_an_intent_may_have_clocks_of_their_own() -> None:
    text = TEXT.replace("  delivery: {email", "  delivery: {answer_within: 2h, tell_after: 30min, email", 1).replace(
        "  return:\n", "  return:\n    answer_within: 45min\n", 1
    )
    shop, monday = load_playbook(text), datetime(2026, 11, 23, 10, 0, tzinfo=LONDON)
    assert local(shop.promise("delivery_late", monday)) == "Mon 12:00"
    assert local(shop.calls("delivery_late", monday).times[0]) == "Mon 10:30"
    assert local(shop.promise("return", monday)) == "Mon 10:45"
    assert shop.clocks != SHOP.clocks and load_playbook(TEXT).clocks == SHOP.clocks


def changed(old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(ValueError, match=r"playbook\.yaml:\d+: ") as error:
        load_playbook(TEXT.replace(old, new, 1))
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tell_after: 10min", "tell_after: 45min", "told after 45min, with 30min of lead, nobody answers within 1h"),
        ("answer_within: 1h", "answer_within: 20min", "nobody answers within 20min"),
        ("  delivery: {email", "  delivery: {answer_within: 15min, email", "teams.delivery: told after 10min"),
        ("  return:\n", "  return:\n    answer_within: 3h\n", "an intent may only be quicker than its team"),
        ("  return:\n", "  return:\n    answer_within: 35min\n", "intents.return: told after 10min"),
        ("    - after: 4h\n      team: head", "    - after: 40min\n      team: head", "less than 15min"),
        ("    - after: 30min", "    - after: 4h", "less than 15min (escalation.apart) after the one before"),
        ("      - after: 0min", "      - after: 5min", "the first tier of urgent intents waits"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_line(old: str, new: str, says: str) -> None:
    assert says in changed(old, new)


def test_windows_leave_the_order_of_tiers_of_teams_that_work_and_that_do_not() -> None:
    always, never = Hours("UTC", always=True), Hours("UTC", ((),) * 6 + (((0, 60),),))
    monday = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    plain = calls(monday, always, 60 * MINUTE, 10 * MINUTE, [(30 * MINUTE, never), (240 * MINUTE, always)], 15 * MINUTE)
    found = before_window_closes(
        plain, monday, monday + timedelta(hours=2), 30 * MINUTE, 10 * MINUTE, [always, never, always]
    )
    assert all(b > a for a, b in pairwise(found.times))
