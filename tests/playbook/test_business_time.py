"""Working hours: what counts, what does not, and the days on which the clocks change."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.playbook.business_time import _COMMON_REGIONS, LONGEST_WAIT, Hours, is_region, public_holidays

DAILY = Hours("Europe/London", (((8 * 60, 20 * 60),),) * 7)
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kolkata", "UTC")
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
WAITS = st.timedeltas(timedelta(0), timedelta(days=4))


def london(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo("Europe/London"))


@st.composite
def spans(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    ends = sorted(draw(st.sets(st.integers(0, 40).map(lambda quarter: quarter * 45), max_size=4)))
    return tuple((a, b) for a, b in zip(ends[::2], ends[1::2], strict=False) if a < 1440)


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    week = tuple(draw(st.lists(spans(), min_size=7, max_size=7).filter(any)))
    closed = draw(
        st.sets(st.sampled_from(("12-25", "12-26", "01-01", "2026-03-29", "2026-10-25", "02-29")), max_size=3)
    )
    region = draw(st.sampled_from(("", "GB-ENG", "DE-BY")))
    return Hours(draw(st.sampled_from(ZONES)), week, region, frozenset(closed))


@settings(max_examples=300, deadline=None)
@given(hours(), TIMES, TIMES, WAITS, WAITS)
def test_working_time_never_runs_backwards(
    open_: Hours, a: datetime, b: datetime, wait: timedelta, more: timedelta
) -> None:
    first, second = sorted((a, b))
    due = open_.after(first, wait)
    assert first <= due <= first + LONGEST_WAIT
    assert due <= open_.after(second, wait)
    assert due <= open_.after(first, wait + more)


@settings(max_examples=60, deadline=None)
@given(hours(), TIMES, st.integers(1, 9 * 60))
def test_exactly_the_open_minutes_count(open_: Hours, start: datetime, minutes: int) -> None:
    start = start.replace(second=0, microsecond=0)
    due = open_.after(start, timedelta(minutes=minutes))
    if due - start > timedelta(days=9):
        return  # a team that hardly works: counted minute by minute it would take too long
    passed = (start + timedelta(minutes=n) for n in range(int((due - start).total_seconds()) // 60))
    assert sum(open_.is_open(minute) for minute in passed) == minutes


@pytest.mark.parametrize(
    ("received", "wait", "due"),
    [
        (("2026-11-16", "09:00"), 1, ("2026-11-16", "10:00")),
        (("2026-11-16", "19:30"), 1, ("2026-11-17", "08:30")),
        (("2026-11-16", "19:00"), 1, ("2026-11-16", "20:00")),
        (("2026-11-16", "20:00"), 1, ("2026-11-17", "09:00")),
        (("2026-11-16", "03:00"), 1, ("2026-11-16", "09:00")),
        (("2026-11-16", "10:00"), 24, ("2026-11-18", "10:00")),
        (("2026-03-28", "19:30"), 1, ("2026-03-29", "08:30")),  # the clocks go forward that night
        (("2026-10-24", "19:30"), 1, ("2026-10-25", "08:30")),  # and back
    ],
)
def test_a_day_from_eight_to_eight(received: tuple[str, str], wait: int, due: tuple[str, str]) -> None:
    assert DAILY.after(london(*received), timedelta(hours=wait)) == london(*due)


def test_the_night_of_a_clock_change_is_as_long_as_it_is() -> None:
    nights = Hours("Europe/London", (((22 * 60, 30 * 60),),) * 7)  # 22:00 to 06:00 of the next day
    for evening, length in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-10", 8)):
        start = london(evening, "22:00").astimezone(UTC)
        assert nights.after(start, timedelta(hours=length)) == start + timedelta(hours=length)
        assert nights.after(start, timedelta(hours=length, minutes=1)) > start + timedelta(hours=20)


def test_an_opening_past_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = Hours("Europe/London", ((), (), (), (), ((20 * 60, 26 * 60),), (), ()))
    assert friday.is_open(london("2026-11-21", "01:59"))
    assert not friday.is_open(london("2026-11-21", "02:00"))
    assert not friday.is_open(london("2026-11-20", "01:00"))
    assert friday.after(london("2026-11-21", "01:00"), timedelta(hours=2)) == london("2026-11-27", "21:00")


def test_public_holidays_and_closed_days_do_not_count() -> None:
    shop = Hours("Europe/London", DAILY.week, "GB-ENG", frozenset({"12-24", "2026-12-27"}))
    received = london("2026-12-23", "19:30")  # 24 closed, 25, 26 and 28 public holidays, 27 closed
    assert shop.after(received, timedelta(hours=1)) == london("2026-12-29", "08:30")
    assert shop.closed_on(date(2027, 12, 24))
    assert not shop.closed_on(date(2027, 12, 23))


def test_a_team_that_never_works_makes_nobody_wait_for_ever() -> None:
    received = london("2026-11-16", "09:00")
    every_day = frozenset(f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32))
    assert Hours("UTC", DAILY.week, closed=every_day).after(received, timedelta(hours=1)) == received + LONGEST_WAIT


def test_round_the_clock_is_plain_time() -> None:
    received = london("2026-12-25", "23:00")
    assert Hours("UTC", always=True).after(received, timedelta(hours=4)) == received + timedelta(hours=4)


def test_the_regions_taken_for_known_are_known() -> None:
    assert [region for region in sorted(_COMMON_REGIONS) if not public_holidays(region, 2026)] == []
    assert is_region("JP") and is_region("US-CA")
    assert not is_region("XX") and not is_region("GB-XYZ")


def test_only_the_country_that_is_asked_for_is_imported_and_the_library_stays_whole() -> None:
    script = (
        "import sys; from chalicelib.playbook.business_time import public_holidays;"
        "days = public_holidays('GB-ENG', 2026);"
        "print(len([m for m in sys.modules if m.startswith('holidays.countries.')]));"
        "from holidays.countries import Germany; import holidays;"
        "print(days == frozenset(holidays.country_holidays('GB', subdiv='ENG', years=2026)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "True"]
