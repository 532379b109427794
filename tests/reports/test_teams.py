"""The teams as one: who gave what to whom, what waits, and what to look at first, equal to what was done."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log2, log10
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.conversations.conversation import Act, Conversation, Deed, Question, tag
from chalicelib.conversations.interaction import LATEST, Interaction, Kind, merge
from chalicelib.reports import lake
from chalicelib.reports.asked import Asked
from chalicelib.reports.columns import End, Fact, HandOver, from_row, to_row, written
from chalicelib.reports.facts import Revised
from chalicelib.reports.lake import Lake
from chalicelib.reports.ledger import ledger
from chalicelib.reports.policy import Policy
from chalicelib.reports.teams import Priority, Teams, priorities, teams
from infra.reports.made import make
from infra.reports.synthetic import Drawn, Shape, draw
from tests.reports.test_facts import DERIVER
from tests.reports.test_ledger import START, asked, fact
from tests.world import NOW, PAGE

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def hops(*steps: tuple[str, str, datetime]) -> str | None:
    return written(HandOver(*step) for step in steps)


# --- from what is stored to the fact ---


def derived(*acts: Act, intent: str = "refund", reach: int | None = None, erased: bool = False) -> Fact:
    """The fact of a question about `intent` to which people did `acts`."""
    question = Question(NOW, NOW, NOW, intent)
    done = {str(n): replace(a, questions=(tag("c1", question),)) for n, a in enumerate(acts)}
    c = Conversation("facebook", PAGE, "t", "5001", questions={"c1": question}, acts=done)
    i = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, thread="t", author="5001", reach=reach)
    (found,) = DERIVER.facts(Revised(c, 1), {"c1": Revised(i, 1)}, erased=erased)
    return found


def by_hand(team: str, minutes: int) -> Act:
    return Act(Deed.HAND_OVER, NOW + minutes * MINUTE, "Ann", team=team)


def test_a_fact_names_every_team_that_had_the_question_in_turn() -> None:
    found = derived(by_hand("stores", 5), by_hand("pr", 9))
    assert found.hand_overs == hops(("returns", "stores", NOW + 5 * MINUTE), ("stores", "pr", NOW + 9 * MINUTE))
    assert found.team == "pr"


def test_a_correction_hands_over_from_the_team_of_what_it_was_taken_for() -> None:
    right = Act(Deed.CORRECT, NOW + MINUTE, "Ann", team="delivery", intent="delivery_late", before={"c1": "refund"})
    assert derived(right, intent="delivery_late").hand_overs == hops(("returns", "delivery", NOW + MINUTE))
    same = Act(Deed.CORRECT, NOW + MINUTE, "Ann", intent="exchange", before={"c1": "refund"})
    assert derived(same, intent="exchange").hand_overs is None  # another question of the same team


def test_what_was_taken_back_or_given_to_oneself_is_no_hand_over() -> None:
    undone = replace(by_hand("stores", 5), undone_at=NOW + 6 * MINUTE)
    assert (derived(undone).hand_overs, derived(undone).team) == (None, "returns")
    assert derived(by_hand("returns", 5)).hand_overs is None
    assert derived().hand_overs is None


@pytest.mark.parametrize(("followers", "kept"), [(None, None), (0, 0), (7, 7), (48_217, 48_000), (99_999, 100_000)])
def test_the_reach_is_kept_in_two_digits(followers: int | None, kept: int | None) -> None:
    assert derived(reach=followers).reach == kept


def test_erasure_and_time_take_the_reach_out_of_a_fact(tmp_path: Path) -> None:
    assert derived(by_hand("pr", 1), reach=48_217, erased=True).reach is None
    lake.write(tmp_path, [fact(customer=None, reach=48_000)], "a")
    Lake(tmp_path).compact()
    assert Lake(tmp_path).anonymise(START.date())
    assert Lake(tmp_path).rows("SELECT reach, hand_overs FROM facts") == [(None, None)]
    assert not Lake(tmp_path).anonymise(START.date())


def test_the_reach_is_the_greatest_told_and_goes_with_a_deletion() -> None:
    first = Interaction("x", "1", "p1", Kind.NEW, NOW, NOW, thread="p1", author="4001", reach=10)
    more = replace(first, reach=12)
    unknown = replace(first, reach=None)
    for one, other in ((first, more), (more, first), (more, unknown), (unknown, more)):
        assert merge(merge(None, one), other).reach == 12
    gone = replace(first, kind=Kind.DELETE, deleted=True, deleted_at=LATEST, reach=None)
    assert merge(merge(None, more), gone).reach is merge(merge(None, gone), more).reach is None


def test_a_line_written_before_the_columns_were_there_reads_as_if_they_were_empty(tmp_path: Path) -> None:
    row = to_row(fact())
    old = {name: value for name, value in row.items() if name not in ("hand_overs", "reach")}
    assert from_row(old) == fact()
    (tmp_path / f"day={START.date()}").mkdir()
    (tmp_path / f"day={START.date()}" / "a.jsonl").write_text(json.dumps(old) + "\n", "utf-8")
    assert Lake(tmp_path).rows("SELECT team, hand_overs, reach FROM facts") == [("delivery", None, None)]


# --- what the report makes of them ---


@pytest.fixture(scope="module")
def month() -> Drawn:
    return draw(Shape(start=START.date(), days=28, per_day=60.0))


def counted(month: Drawn) -> tuple[dict[str, int], dict[tuple[str, str], list[float]]]:
    """By plain Python: the questions that were each team's at first, and for each pair the waits after the hand-over
    (infinite where nobody has answered)."""
    came: dict[str, int] = {}
    passed: dict[tuple[str, str], list[float]] = {}
    c = month.columns
    for team, told, answered in zip(c["team"], c["hand_overs"], c["first_response_at"], strict=True):
        first = str(team)
        if told:
            ((first, to, at),) = json.loads(told)
            given = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
            later = answered / 1e6 - given
            passed.setdefault((first, to), []).append(later if answered >= 0 and later >= 0 else float("inf"))
        came[first] = came.get(first, 0) + 1
    return came, passed


def test_hand_overs_equal_the_truth_and_each_teams_sum_adds_up(month: Drawn, tmp_path: Path) -> None:
    month.write(tmp_path)
    found, truth = teams(asked(tmp_path, days=28)), month.truth()
    came, passed = counted(month)
    assert {line.name: line.came for line in found.lines if line.came} == came
    assert {line.name: line.stands for line in found.lines} == truth["by_team"]
    assert all(line.adds_up for line in found.lines)
    assert sum(line.came for line in found.lines) == sum(line.stands for line in found.lines) == truth["asked"]
    assert {(p.of, p.to): p.count for p in found.passed} == {pair: len(waits) for pair, waits in passed.items()}
    assert found.given == truth["handed"] > 0
    for p in found.passed:
        known = sorted(w for w in passed[p.of, p.to] if w != float("inf"))
        middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
        assert p.median == pytest.approx(middle, abs=1e-3)
    book = ledger(asked(tmp_path, days=28))
    assert {x.name: x.overdue for x in found.lines} == {x.name: x.ended["overdue"] for x in book.groups["team"]}


def test_without_a_hand_over_nothing_is_said_to_have_been_given(month: Drawn, tmp_path: Path) -> None:
    none = replace(month, columns={**month.columns, "hand_overs": month.columns["spike"]})
    none.write(tmp_path)
    found = teams(asked(tmp_path, days=28))
    assert found.passed == () and found.given == 0
    assert all((line.taken, line.given, line.came) == (0, 0, line.stands) for line in found.lines)


def test_a_question_that_was_given_on_waits_with_each_team_for_its_own_time(tmp_path: Path) -> None:
    at = START + 10 * HOUR
    steps = hops(("delivery", "stores", at + 10 * MINUTE), ("stores", "pr", at + 30 * MINUTE))
    answered = {"state": End.ANSWERED, "answered_by": "person", "first_response_by": "person"}
    rows = [
        fact("q1", team="pr", hand_overs=steps, first_response_at=at + 45 * MINUTE, **answered),
        fact("q2", team="pr", hand_overs=hops(("stores", "pr", at + 5 * MINUTE)), customer="p2"),
    ]
    lake.write(tmp_path, rows, "a")
    found = teams(asked(tmp_path))
    assert [(p.of, p.to, p.count, p.median, p.waiting) for p in found.passed] == [
        ("stores", "pr", 2, 15 * 60.0, 1), ("delivery", "stores", 1, 20 * 60.0, 0),
    ]  # fmt: skip
    lines = {x.name: (x.came, x.taken, x.given, x.stands) for x in found.lines}
    assert lines == {"delivery": (1, 0, 1, 0), "stores": (1, 1, 2, 0), "pr": (0, 2, 0, 2)}


# --- what to look at first ---


def waiting(question: str, hours: float, **more: Any) -> Fact:
    """An open question that had been asked so many hours before the end of the week; an hour was promised."""
    at = START + timedelta(days=7) - timedelta(hours=hours)
    plain = {"asked_at": at, "received_at": at, "promised_by": at + HOUR, "customer": f"p-{question}"}
    return fact(question, **{**plain, **more})


def ranked(folder: Path, rows: Iterable[Fact]) -> tuple[Priority, ...]:
    lake.write(folder, rows, "a")
    return teams(asked(folder)).priorities


def test_urgent_before_reach_and_repeat_before_age_alone(tmp_path: Path) -> None:
    rows = [
        waiting("young", 0.5),
        waiting("old", 8),
        waiting("known", 8, reach=100_000),
        waiting("urgent", 0.1, urgent=True),
        waiting("first", 60, customer="again", state=End.ANSWERED, first_response_by="person", answered_by="person",
                first_response_at=START + timedelta(days=7, minutes=-1)),
        waiting("again", 8, customer="again"),
    ]  # fmt: skip
    found = ranked(tmp_path, rows)
    assert [p.conversation for p in found] == ["c-urgent", "c-known", "c-again", "c-old", "c-young"]
    assert [p.repeat for p in found] == [0, 0, 1, 0, 0]
    assert [p.overdue for p in found] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("hours", "urgent", "reach", "before"),
    [(0.5, False, None, 0), (3, True, 120, 2), (60, False, 9_900_000, 5), (150, True, 7, 0)],
)
def test_points_are_what_the_formula_says(
    hours: float, urgent: bool, reach: int | None, before: int, tmp_path: Path
) -> None:
    earlier = [waiting(f"e{n}", 151 + n, customer="p", state=End.WITHDRAWN) for n in range(before)]
    unheard = [waiting(f"u{n}", 151 + n, customer="p", account="2") for n in range(2)]  # of another account
    asked_before = [replace(e, question=f"b-{e.question}", conversation="b", state=End.OPEN) for e in earlier]
    rows = [*earlier, *unheard, *asked_before, waiting("q", hours, urgent=urgent, reach=reach, customer="p")]
    (found,) = [p for p in ranked(tmp_path, rows) if p.conversation == "c-q"]
    told = 100 * urgent + min(30, 5 * log10(1 + (reach or 0))) + min(30, 10 * before)
    assert found.points == pytest.approx(told + min(39, 5 * log2(1 + hours)), abs=0.051)
    assert found.repeat == before


def test_a_conversation_stands_once_with_its_most_urgent_question(tmp_path: Path) -> None:
    rows = [
        waiting("a", 8, conversation="c"),
        waiting("b", 1, conversation="c", urgent=True, team="pr", intent="legal_safety"),
    ]
    (found,) = ranked(tmp_path, rows)
    assert (found.questions, found.urgent, found.team, found.intent) == (2, True, "pr", "legal_safety")
    assert found.waited_s == 8 * 3600


def test_page_json_and_csv_have_the_same_list_in_the_same_order(month: Drawn, tmp_path: Path) -> None:
    month.write(tmp_path / "facts")
    until = START + timedelta(days=28)
    policy = Policy("Marigold", ZoneInfo("UTC"))
    made = make(tmp_path / "facts", tmp_path / "r.html", policy, since=START, until=until, now=until)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.priorities.csv").read_text("utf-8"))))
    told = json.loads((tmp_path / "r.json").read_text("utf-8"))["teams"]
    assert len(rows) == told["open"] == made.teams.open == len({r["conversation"] for r in rows})
    assert [r["conversation"] for r in rows] == [p["conversation"] for p in told["priorities"]]
    assert [float(r["points"]) for r in rows] == sorted((float(r["points"]) for r in rows), reverse=True)


def test_nothing_asked_makes_no_teams(tmp_path: Path) -> None:
    none = Asked(Lake(tmp_path), START, START + HOUR, START + HOUR, ZoneInfo("UTC"))
    assert teams(none) == Teams()
    assert priorities(none)[1] == []
