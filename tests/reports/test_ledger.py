"""The ledger equals the truth to the question, whatever the stream repeated, and shows what was lost."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.reports import lake
from chalicelib.reports.asked import Asked, Ended
from chalicelib.reports.columns import COLUMNS, End, Fact, from_row, to_row
from chalicelib.reports.lake import Lake
from chalicelib.reports.ledger import conversations, ledger
from infra.reports.synthetic import Drawn, Shape, draw

UTC_ZONE = ZoneInfo("UTC")
START = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday


def fact(question: str = "q1", **more: Any) -> Fact:
    plain = Fact(
        question=question,
        conversation=f"c-{question}",
        customer="p1",
        platform="facebook",
        account="1",
        post="post",
        team="delivery",
        language="en",
        intent="order_status",
        confidence=0.9,
        private=False,
        urgent=False,
        asked_at=START + timedelta(hours=10),
        received_at=START + timedelta(hours=10, seconds=2),
        promised_by=START + timedelta(hours=11),
    )
    return replace(plain, **more)


def asked(folder: Path, *, days: int = 7, now: datetime | None = None) -> Asked:
    until = START + timedelta(days=days)
    return Asked(Lake(folder), START, until, now or until, UTC_ZONE)


@pytest.fixture(scope="module")
def year() -> Drawn:
    return draw(Shape(start=START.date(), days=28, per_day=60.0))


@pytest.mark.parametrize(("form", "revisions"), [("parquet", 1), ("json", 3)])
def test_every_count_equals_the_truth(year: Drawn, tmp_path: Path, form: str, revisions: int) -> None:
    year.write(tmp_path, revisions=revisions, form=form)
    truth, book = year.truth(), ledger(asked(tmp_path, days=28))
    assert (book.total.asked, book.total.ended) == (truth["asked"], truth["ended"])
    assert (book.total.needed, book.total.within) == (truth["needed"], truth["within"])
    assert (book.total.met, book.total.missed, book.total.never) == (truth["met"], truth["missed"], truth["never"])
    for group in ("intent", "platform", "team"):
        assert {line.name: line.asked for line in book.groups[group]} == truth[f"by_{group}"]
    assert book.adds_up


def test_compaction_changes_no_figure_and_leaves_one_file_a_day(year: Drawn, tmp_path: Path) -> None:
    year.write(tmp_path, revisions=3, form="json")
    before = ledger(asked(tmp_path, days=28))
    assert Lake(tmp_path).compact() == year.truth()["asked"]
    assert {f.name for f in tmp_path.rglob("*.*") if f.is_file()} == {lake.COMPACTED}
    assert ledger(asked(tmp_path, days=28)) == before
    assert Lake(tmp_path).compact() == 0  # nothing is left to do


def test_the_highest_revision_holds_in_any_order_and_repetition(tmp_path: Path) -> None:
    late = fact(revision=9, state=End.ANSWERED, answered_by="person", first_response_by="person")
    for number, row in enumerate((fact(revision=3), late, fact(revision=5), late, fact(revision=1))):
        lake.write(tmp_path, [row], f"batch{number}")
    assert ledger(asked(tmp_path)).total.ended == dict.fromkeys(Ended, 0) | {Ended.PERSON: 1}
    lake.write(tmp_path, [fact(revision=4)], "later")  # a late duplicate, after the day was compacted
    Lake(tmp_path).compact()
    lake.write(tmp_path, [fact(revision=4)], "later still")
    assert ledger(asked(tmp_path)).total.ended[Ended.PERSON] == 1


def test_a_question_that_turned_out_to_be_of_another_day_is_counted_once(tmp_path: Path) -> None:
    lake.write(tmp_path, [fact(revision=1, asked_at=START + timedelta(days=2))], "a")
    moved = fact(revision=2, asked_at=START + timedelta(days=2), state=End.MOVED)
    lake.write(tmp_path, [fact(revision=2), moved], "b")
    found = asked(tmp_path)
    assert found.rows("SELECT day FROM asked") == [(START.date(),)]


def test_a_lost_fact_is_found_and_named(year: Drawn, tmp_path: Path) -> None:
    year.write(tmp_path)
    stored = {str(q) for q in year.columns["question"]}
    assert ledger(asked(tmp_path, days=28), stored).reconciled.exact
    lost = sorted(stored)[17]
    Lake(tmp_path).compact()
    (day,) = Lake(tmp_path).rows("SELECT CAST(asked_at AS DATE) FROM facts WHERE question = $q", {"q": lost})[0]
    file = tmp_path / f"day={day}" / lake.COMPACTED
    kept = file.with_name("kept.parquet")
    Lake(tmp_path).db.execute(f"COPY (SELECT * FROM '{file}' WHERE question <> '{lost}') TO '{kept}'")
    file.unlink()
    found = ledger(asked(tmp_path, days=28), stored).reconciled
    assert (found.exact, found.missing, found.surplus) == (False, (lost,), ())
    assert ledger(asked(tmp_path, days=28), stored - {lost, sorted(stored)[3]}).reconciled.surplus == (
        sorted(stored)[3],
    )


@pytest.mark.parametrize(
    ("changes", "ended", "met"),
    [
        ({"state": End.ANSWERED, "answered_by": "person", "first_response_by": "person"}, Ended.PERSON, True),
        ({"state": End.ANSWERED, "answered_by": "form", "first_response_by": "form"}, Ended.PERSON, True),
        ({"state": End.ANSWERED, "answered_by": "customer"}, Ended.CUSTOMER, False),
        ({"state": End.RESOLVED, "answered_by": "resolving_reply"}, Ended.RESOLVED, None),
        ({"state": End.CLOSED, "closed_why": "by_staff"}, Ended.CLOSED, None),
        ({"state": End.CLOSED, "closed_why": "needs_none"}, Ended.NO_ANSWER, None),
        ({"state": End.WITHDRAWN}, Ended.WITHDRAWN, None),
        ({}, Ended.OVERDUE, False),
        ({"promised_by": START + timedelta(days=30)}, Ended.WAITING, None),
    ],
)
def test_a_question_ends_in_one_way(tmp_path: Path, changes: dict[str, Any], ended: Ended, met: bool | None) -> None:
    answered: dict[str, Any] = (
        {"first_response_at": START + timedelta(hours=10, minutes=30)} if "first_response_by" in changes else {}
    )
    lake.write(tmp_path, [fact(**changes, **answered)], "a")
    assert asked(tmp_path).rows("SELECT ended, met FROM asked") == [(ended, met)]


def test_an_automatic_reply_is_no_first_response(tmp_path: Path) -> None:
    at = START + timedelta(hours=10, minutes=1)
    lake.write(tmp_path, [fact(acknowledged_at=at, first_response_at=at, first_response_by="automatic")], "a")
    total = ledger(asked(tmp_path)).total
    assert (total.within["15 min"], total.never, total.median, total.acknowledged) == (0, 1, None, 1)


def test_days_and_hours_are_the_shops_own_also_when_the_clock_changes(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # 00:30 on the day that has 25 hours
    lake.write(tmp_path, [fact("a", asked_at=at), fact("b", asked_at=datetime(2026, 10, 25, 22, 30, tzinfo=UTC))], "a")
    since = datetime(2026, 10, 25, tzinfo=berlin)
    found = Asked(Lake(tmp_path), since, since + timedelta(days=1), since + timedelta(days=9), berlin)
    assert found.rows("SELECT day, hour FROM asked ORDER BY asked_at") == [
        (date(2026, 10, 25), 0),
        (date(2026, 10, 25), 23),
    ]


def test_one_row_a_conversation(tmp_path: Path) -> None:
    lake.write(tmp_path, [fact("a"), fact("b", conversation="c-a", intent="refund"), fact("c")], "a")
    names, rows = conversations(asked(tmp_path))
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert {(r["conversation"], r["questions"], r["intents"]) for r in found} == {
        ("c-a", 2, "order_status refund"),
        ("c-c", 1, "order_status"),
    }


def test_a_fact_survives_writing() -> None:
    told = fact(told_at=START, state=End.WITHDRAWN, confidence=None)
    assert from_row(to_row(told)) == told
    assert tuple(to_row(told)) == COLUMNS


def test_no_facts_at_all_is_a_ledger_of_nothing(tmp_path: Path) -> None:
    book = ledger(asked(tmp_path))
    assert (book.total.asked, book.adds_up, book.total.attainment) == (0, True, None)
