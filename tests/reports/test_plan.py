"""Volume and people: counts equal the truth, and Erlang C equals what has been published."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.reports import lake
from chalicelib.reports.asked import Asked
from chalicelib.reports.lake import Lake
from chalicelib.reports.staffing import attained, people, plan, waiting_probability
from chalicelib.reports.volume import Heat, history, volume
from infra.reports.synthetic import Shape, draw
from tests.reports.test_ledger import START, asked, fact


@pytest.mark.parametrize(
    ("agents", "load", "expected"),
    [
        (14, 10, 0.174),  # https://www.callcentrehelper.com/erlang-c-formula-example-121281.htm
        (25, 20, 0.209),
        (10, 6, 0.101),
        (1, 0.5, 0.5),  # M/M/1: the load itself
        (2, 1, 1 / 3),  # M/M/2: a² / (2 + a)
        (2, 1.5, 1.5**2 / 3.5),
    ],
)
def test_the_probability_of_waiting_is_the_published_one(agents: int, load: float, expected: float) -> None:
    assert waiting_probability(agents, load) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("agents", "expected"), [(10, 0.0), (11, 0.390), (12, 0.640), (13, 0.796), (14, 0.888)])
def test_service_levels_are_those_of_the_published_table(agents: int, expected: float) -> None:
    """200 calls an hour of 3 minutes, answered within 20 s. Source: callcentrehelper.com, as above."""
    assert attained(agents, 200, 180, 20) == pytest.approx(expected, abs=5e-4)


def test_people_are_the_fewest_that_keep_the_promise() -> None:
    assert people(200, 180, 20, 0.8) == 14
    assert people(0, 180, 20, 0.8) == 0
    for per_hour in (0.2, 3, 40, 900):
        n = people(per_hour, 300, 3600, 0.9)
        assert attained(n, per_hour, 300, 3600) >= 0.9 > attained(n - 1, per_hour, 300, 3600)


def test_thousands_of_people_overflow_nothing() -> None:
    assert 0 < waiting_probability(5000, 4950.0) < 1


@pytest.mark.parametrize(("handling", "share"), [(0, 0.8), (180, 1.0), (180, 0.0)])
def test_a_target_that_cannot_be_is_refused(handling: float, share: float) -> None:
    with pytest.raises(ValueError, match="share between 0 and 1"):
        people(10, handling, 60, share)


def test_what_comes_at_night_is_taken_up_in_the_morning() -> None:
    cells = [[0.0] * 24 for _ in range(7)]
    cells[0][22], cells[1][9], cells[6][23] = 30.0, 2.0, 12.0  # Monday night, Tuesday morning, Sunday night
    heat = Heat(tuple(tuple(day) for day in cells), 1.0)
    hours = [9 <= h % 24 < 17 for h in range(168)]
    found = plan(heat, scale=1.0, handling_s=300, within_s=3600, share=0.9, open_hours=hours, stated=True)
    work = {(h.weekday, h.hour): h.per_hour for h in found.hours if h.per_hour}
    assert work == {(2, 9): 32.0, (1, 9): 12.0}
    assert found.peak.weekday == 2
    assert {h.people for h in found.hours if not h.per_hour} == {0}


def test_days_and_hours_equal_the_truth(tmp_path: Path) -> None:
    drawn = draw(Shape(start=START.date(), days=28, per_day=40.0))
    drawn.write(tmp_path)
    found = volume(asked(tmp_path, days=28))
    epoch = date(1970, 1, 1)
    assert {d: n for d, n in found.days if n} == {
        epoch + timedelta(day): n for day, n in drawn.truth()["by_day"].items()
    }
    assert found.heat.total == pytest.approx(drawn.truth()["needed"] / 4)  # a usual one of the four weeks


def test_a_day_without_questions_counts_as_none(tmp_path: Path) -> None:
    lake.write(tmp_path, [fact("a"), fact("b", asked_at=START + timedelta(days=3))], "a")
    found = volume(asked(tmp_path, days=5))
    assert [n for _, n in found.days] == [1, 0, 0, 1, 0]
    assert [n for _, n in history(asked(tmp_path, days=5))] == [1, 0, 0, 1, 0]


def test_days_before_are_whole_ones_by_the_shops_clock_however_the_end_is_written(tmp_path: Path) -> None:
    """An end that is given in the shop's own time is the same moment in UTC."""
    zone = ZoneInfo("America/Los_Angeles")
    end = datetime(2026, 11, 5, tzinfo=zone)
    late = end - timedelta(hours=1)  # 07:00 UTC of the next day
    lake.write(tmp_path, [fact("a", asked_at=late), fact("b", asked_at=end - timedelta(days=2))], "a")
    for until in (end, end.astimezone(UTC)):
        found = history(Asked(Lake(tmp_path), until - timedelta(days=3), until, until, zone))
        assert found == ((date(2026, 11, 3), 1), (date(2026, 11, 4), 1))
