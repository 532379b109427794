"""GAP and RATER: each proxy on questions whose true gap is known, and a control where it is zero."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.reports import lake
from chalicelib.reports.columns import End, Fact
from chalicelib.reports.quality import Proxy, Quality, quality
from chalicelib.reports.say import LANGUAGES, say_in
from tests.reports.test_ledger import START, asked, fact

HOUR = timedelta(hours=1)


def answered(minutes: float, **more: Any) -> dict[str, Any]:
    """Answered by a person so many minutes after asking; promised is an hour."""
    at = START + 10 * HOUR + timedelta(minutes=minutes)
    by = {"answered_by": "person", "first_response_by": "person"}
    return {"state": End.ANSWERED, "answered_at": at, "first_response_at": at, "reaction": "silence", **by, **more}


def measured(folder: Path, *groups: tuple[int, dict[str, Any]], days_ago: int = 0) -> Quality:
    """The quality of so many questions of each kind."""
    write(folder, *groups, days_ago=days_ago)
    return quality(asked(folder))


def write(folder: Path, *groups: tuple[int, dict[str, Any]], days_ago: int = 0) -> None:
    lake.write(folder, list(_facts(groups, timedelta(days=days_ago))), f"part{days_ago}")


def _facts(groups: tuple[tuple[int, dict[str, Any]], ...], ago: timedelta) -> Iterator[Fact]:
    number = count()
    for n, changes in groups:
        for _ in range(n):
            made = fact(f"q{next(number)}-{ago.days}", **changes)
            times = {
                name: getattr(made, name) - ago
                for name in ("asked_at", "received_at", "promised_by", "first_response_at", "answered_at")
                if getattr(made, name)
            }
            yield fact(made.question, **{**changes, **times})


def gap(found: Quality, key: str) -> Proxy:
    return next(p for p in (*found.gaps, *found.rater) if p.key == key)


CASES: dict[str, tuple[list[tuple[int, dict[str, Any]]], float, list[tuple[int, dict[str, Any]]]]] = {
    "gap1": (
        [(60, answered(5)), (30, answered(5, intent="other")), (10, answered(5, confidence=0.3))],
        0.4,
        [(100, answered(5))],
    ),
    # of those who waited most of the hour 30 % write again; 10 % do so however quickly they are answered
    "gap2": (
        [
            (90, answered(5)),
            (10, answered(5, follow_ups=1)),
            (70, answered(50)),
            (30, answered(50, reaction="complaint")),
        ],
        0.2,
        [(90, answered(5)), (10, answered(5, follow_ups=1)), (90, answered(50)), (10, answered(50, follow_ups=2))],
    ),
    "gap3": ([(70, answered(30)), (20, answered(90)), (10, {})], 0.3, [(100, answered(30))]),
    "gap4": (
        [(60, answered(90)), (30, answered(30, acknowledged_at=START)), (10, answered(61, acknowledged_at=START))],
        0.25,
        [(60, answered(90)), (40, answered(59, acknowledged_at=START))],
    ),
    "gap5": ([(80, answered(5)), (20, answered(5, reaction="complaint"))], 0.2, [(50, answered(5, reaction="thanks"))]),
}


@pytest.mark.parametrize("key", CASES)
def test_a_gap_is_as_large_as_it_is(tmp_path: Path, key: str) -> None:
    groups, truth, _ = CASES[key]
    assert gap(measured(tmp_path, *groups), key).value == pytest.approx(truth)


@pytest.mark.parametrize("key", CASES)
def test_where_there_is_no_gap_none_is_shown(tmp_path: Path, key: str) -> None:
    assert gap(measured(tmp_path, *CASES[key][2]), key).value == pytest.approx(0.0)


WITHIN_NEXT_WEEK = START + timedelta(days=9)
# Beside the control stands what must not count against it: not decided yet, not a person's to answer, asked of others.
RATER: dict[str, tuple[list[tuple[int, dict[str, Any]]], float, list[tuple[int, dict[str, Any]]]]] = {
    "reliability": (
        [(70, answered(30)), (20, answered(90)), (10, {})],
        0.3,
        [(100, answered(60)), (40, {"promised_by": WITHIN_NEXT_WEEK}), (9, {"state": End.WITHDRAWN})],
    ),
    "responsiveness": (
        [(70, answered(30)), (20, answered(61)), (10, {})],
        0.3,
        [(100, answered(60)), (40, {"state": End.RESOLVED}), (9, {"state": End.CLOSED})],
    ),
    "assurance": (
        [(60, answered(5)), (20, answered(5, follow_ups=1)), (20, answered(5, reaction="complaint"))],
        0.4,
        [(50, answered(90)), (50, answered(5, reaction="thanks")), (30, {"follow_ups": 2})],
    ),
    "empathy": (
        [(500, answered(90)), (3, answered(5, intent="complaint")), (1, answered(90, urgent=True))],
        0.25,
        [(50, answered(60, intent="complaint")), (50, answered(5, urgent=True)), (500, answered(90))],
    ),
}


@pytest.mark.parametrize("key", RATER)
def test_rater_falls_as_far_short_as_it_does(tmp_path: Path, key: str) -> None:
    groups, short, _ = RATER[key]
    assert gap(measured(tmp_path, *groups), key).value == pytest.approx(1 - short)


@pytest.mark.parametrize("key", RATER)
def test_where_nothing_falls_short_rater_is_whole(tmp_path: Path, key: str) -> None:
    assert gap(measured(tmp_path, *RATER[key][2]), key).value == 1


def test_every_proxy_has_a_known_gap_and_a_control(tmp_path: Path) -> None:
    found = measured(tmp_path, (3, {}))
    assert [p.key for p in found.gaps] == list(CASES)
    assert {p.key for p in found.rater} == set(RATER)


def test_nothing_to_measure_is_no_zero(tmp_path: Path) -> None:
    found = measured(tmp_path, (3, {"state": End.WITHDRAWN}))
    assert {p.value for p in (*found.gaps, *found.rater)} == {None}
    assert found.moved == () and found.hours == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_proxy_says_how_it_is_worked_out_and_what_it_cannot_see(tmp_path: Path, language: str) -> None:
    found, say = measured(tmp_path, (3, {})), say_in(language, ZoneInfo("UTC"))
    for proxy in (*found.gaps, *found.rater):
        assert say(f"{proxy.key}_formula", unsure="50 %").strip(), proxy.key
        assert len(say(f"{proxy.key}_limits").split()) >= 4, proxy.key


def test_what_moved_most_is_found_and_small_groups_do_not_lead_by_chance(tmp_path: Path) -> None:
    before = [(95, answered(30)), (5, answered(90)), (100, answered(30, team="stores"))]
    now = [(60, answered(30)), (40, answered(90)), (100, answered(30, team="stores"))]
    small = {"team": "pr", "platform": "x", "intent": "jobs"}
    write(tmp_path, *before, (2, answered(30, **small)), days_ago=7)
    found = measured(tmp_path, *now, (1, answered(90, **small)))
    assert found.moved[0].what == "broken"
    assert {(m.by, m.group) for m in found.moved} <= {
        ("team", "delivery"), ("intent", "order_status"), ("platform", "facebook"),
    }  # fmt: skip
    delivery = next(m for m in found.moved if m.by == "team")
    assert (delivery.before, delivery.now) == pytest.approx((0.05, 0.4))
    assert gap(found, "gap3").before == pytest.approx(5 / 202)


def test_broken_promises_are_laid_to_their_team_and_hour(tmp_path: Path) -> None:
    found = measured(tmp_path, (3, answered(90)), (2, answered(30)), (1, answered(90, team="stores")))
    assert {(h.team, h.hour, h.met, h.missed) for h in found.hours} == {("delivery", 10, 2, 3), ("stores", 10, 0, 1)}
