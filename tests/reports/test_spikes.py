"""Spikes: found in their own hour, laid to the post that caused them, and next to none in quiet weeks."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import scipy.stats

from chalicelib.reports import lake
from chalicelib.reports.asked import Asked
from chalicelib.reports.lake import Lake
from chalicelib.reports.spiked import spikes_of
from chalicelib.reports.spikes import WEEK as HOURS_OF_A_WEEK
from chalicelib.reports.spikes import (
    Question,
    Spike,
    Usual,
    busy_hours,
    by_hour,
    chance,
    hour_of,
    is_rare,
    spikes,
    week_ago,
)  # fmt: skip
from infra.reports.synthetic import HOURS, Shape
from tests.reports.test_ledger import fact

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
WEEK = timedelta(weeks=1)


def quiet(per_day: float, weeks: int, seed: int, noise: float = 0.2) -> list[Question]:
    """Weeks in which nothing happens, with days that are better and worse by `noise`."""
    random = np.random.default_rng(seed)
    counts = Shape(start=date(2026, 1, 5), days=7 * weeks, per_day=per_day, trend=0, yearly=0, noise=noise).counts(
        random
    )
    found = []
    for day, count in enumerate(counts):
        for hour in random.choice(24, count, p=HOURS / HOURS.sum()):
            at = START + timedelta(days=day, hours=int(hour), seconds=int(random.integers(3600)))
            found.append(Question(at, f"post{day // 2}", "order_status"))
    return found


def burst(at: datetime, count: int, post: str | None = "viral") -> list[Question]:
    return [Question(at + timedelta(seconds=3600 * n / count), post, "stock") for n in range(count)]


@pytest.mark.parametrize("per_day", [5, 60, 500])
def test_a_quiet_week_has_less_than_one_false_alarm(per_day: float) -> None:
    alarms = 0
    for seed in range(3):
        questions = quiet(per_day, 12, seed)
        alarms += len(spikes(questions, START + 2 * WEEK, START + 12 * WEEK, START, UTC))
    assert alarms / 30 <= 1


@pytest.mark.parametrize(("per_day", "times"), [(5, 40.0), (60, 5.0), (500, 3.0), (2500, 3.0)])
def test_a_spike_is_found_in_its_hour_and_laid_to_its_post(per_day: float, times: float) -> None:
    usual = per_day * HOURS[12] / HOURS.sum()
    at = START + 5 * WEEK + timedelta(days=2, hours=12)
    questions = quiet(per_day, 6, 3, noise=0.1) + burst(at, int((times - 1) * usual))
    (found,) = spikes(questions, at, at + timedelta(hours=1), START, UTC)  # as it is looked for after that hour
    assert (found.began_at, found.hours, found.post) == (at, 1, "viral")
    assert found.intents[0] == "stock" and found.from_post == int((times - 1) * usual)
    assert found.usual == pytest.approx(usual, rel=0.6, abs=1.0)


def test_hours_in_a_row_are_one_spike_and_do_not_become_usual() -> None:
    at = START + 3 * WEEK + timedelta(days=1, hours=10)
    busy = [q for n in range(5) for q in burst(at + timedelta(hours=n), 60)]
    (found,) = viral(quiet(40, 5, 1) + busy)
    assert (found.began_at, found.hours) == (at, 5)
    again = burst(at + WEEK, 60, "second")
    assert len(viral(quiet(40, 5, 1) + busy + again)) == 2


def viral(questions: list[Question]) -> list[Spike]:
    """The spikes of three weeks that were no chance."""
    found = spikes(questions, START + 2 * WEEK, START + 5 * WEEK, START, UTC)
    return [s for s in found if s.post in ("viral", "second")]


def test_what_no_post_brought_about_is_laid_to_none() -> None:
    at = START + 3 * WEEK + timedelta(hours=12)
    scattered = [Question(q.asked_at, f"p{n}", "delivery_late") for n, q in enumerate(burst(at, 60))]
    (found,) = spikes(quiet(40, 4, 1) + scattered, at, at + timedelta(hours=1), START, UTC)
    assert (found.post, found.intents[0]) == (None, "delivery_late")


def test_without_two_weeks_nothing_is_usual_yet() -> None:
    assert spikes(burst(START + WEEK, 500), START, START + 2 * WEEK, START, UTC) == []
    assert not is_rare(4, 0.25, 0.02) and is_rare(5, 0.25, 0.02)


@pytest.mark.parametrize(("usual", "spread"), [(0.25, 0.5), (4.0, 0.06), (60.0, 0.02), (900.0, 0.03)])
def test_the_chance_of_so_many_is_the_negative_binomials(usual: float, spread: float) -> None:
    for count in (int(usual) + 1, int(usual * 1.5) + 2, int(usual * 3) + 6):
        published = scipy.stats.nbinom.sf(count - 1, 1 / spread, 1 / (1 + spread * usual))
        assert chance(count, usual, spread) == pytest.approx(published, rel=1e-6)


def test_when_the_clocks_change_an_hour_is_held_against_the_same_hour_of_the_clock() -> None:
    """Shops open by the clock on the wall: by UTC each morning after the change looked like a spike."""
    zone = ZoneInfo("Europe/Berlin")
    first = hour_of(datetime(2026, 2, 2, tzinfo=zone))
    changed = hour_of(datetime(2026, 3, 30, tzinfo=zone))  # the Monday after
    day = [2, 1, 1, 1, 1, 2, 10, 60, 150, 200, 210, 200, 190, 190, 180, 180, 180, 190, 200, 210, 180, 90, 30, 8]
    hours = range(first, changed + HOURS_OF_A_WEEK)
    counts = {h: day[datetime.fromtimestamp(h * 3600, zone).hour] for h in hours}
    assert busy_hours(Usual(counts, first, zone), changed, changed + HOURS_OF_A_WEEK) == []
    assert datetime.fromtimestamp(week_ago(changed + 9, zone) * 3600, zone).hour == 9


def test_a_better_day_is_no_spike_and_one_on_it_still_is() -> None:
    first = hour_of(START)
    hour = first + 7 * HOURS_OF_A_WEEK + 20
    counts = {h: 40 + h % 7 for h in range(first, hour)}
    counts |= {h: 76 for h in range(hour - 14, hour)}  # since this morning three quarters more
    usual = Usual(counts | {hour: 80}, first, UTC)
    assert busy_hours(usual, hour, hour + 1) == []
    left_out = set(range(hour - 14, hour))
    assert busy_hours(Usual(counts | {hour: 80}, first, UTC, left_out=left_out), hour, hour + 1) != []
    assert busy_hours(Usual(counts | {hour: 160}, first, UTC), hour, hour + 1) != []


def test_lines_of_one_conversation_are_one() -> None:
    lines = [Question(START + timedelta(minutes=n), None, "stock", f"q{n}", "chat") for n in range(30)]
    others = [Question(START + timedelta(minutes=n), "post", "refund", f"r{n}", f"c{n}") for n in range(3)]
    (hour,) = by_hour(lines + others).values()
    assert sorted(q.id for q in hour) == ["q0", "r0", "r1", "r2"]


def test_the_report_finds_them_in_the_facts(tmp_path: Path) -> None:
    at = START + 3 * WEEK + timedelta(hours=12)
    rows = [
        fact(f"q{n}", asked_at=q.asked_at, received_at=q.asked_at, post=q.post, intent=q.intent)
        for n, q in enumerate(quiet(30, 4, 1) + burst(at, 50))
    ]
    lake.write(tmp_path, rows, "a")
    asked = Asked(Lake(tmp_path), START + 3 * WEEK, START + 4 * WEEK, START + 4 * WEEK, ZoneInfo("UTC"))
    (found,) = spikes_of(asked)
    assert (found.began_at, found.post, found.from_post) == (at, "viral", 50)
