"""Customers who help each other: credited when the asker says thanks, and the shop's clock runs on."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from chalicelib.conversations.customer import Customer
from chalicelib.reports.asked import Asked
from chalicelib.reports.columns import End, Fact, to_lines
from chalicelib.reports.customers import Helper, customers
from chalicelib.reports.lake import COMPACTED, Lake, write
from chalicelib.reports.ledger import ledger
from tests.reports.test_facts import DERIVER, MINUTE, eraser_of, one, told
from tests.reports.test_ledger import fact
from tests.world import NOW, PAGE, QUESTION, comment

HELP = "The tracking page lags two days, mine came all the same. Call the depot in Leeds."
THANKS = "thanks so much, that helped!"


def thread(*said: tuple[str, str, str, str, int]) -> Fact:
    """(id, author, text, parent, minutes after NOW)"""
    changes = [(comment("c1", QUESTION), NOW)]
    for id, author, text, parent, minutes in said:
        at = NOW + minutes * MINUTE
        changes.append((comment(id, text, author=author, parent=parent, at=at), at))
    return one(told(*changes))


def test_a_customer_who_was_thanked_is_credited_and_the_question_stays_due() -> None:
    found = one(
        told(
            (comment("c1", QUESTION), NOW),
            (comment("h1", HELP, author="6001", parent="c1", at=NOW + MINUTE), NOW + MINUTE),
            (comment("t1", THANKS, parent="c1", at=NOW + 3 * MINUTE), NOW + 3 * MINUTE),
        )
    )
    assert (found.state, found.answered_by, found.answered_at) == (End.ANSWERED, "customer", NOW + MINUTE)
    assert found.helped_by == DERIVER.customer("facebook", PAGE, "6001")
    assert found.first_response_at is None and found.tier == 3  # people were called
    assert found.told_at and NOW + 10 * MINUTE <= found.told_at < NOW + 11 * MINUTE
    assert found.reaction == "thanks"


def test_who_helped_and_is_erased_stands_in_no_fact() -> None:
    """Also where the one who was helped never writes again. The canary is the helper's pseudonym."""
    helpful = comment("h1", HELP, author="6001", parent="c1", at=NOW + MINUTE)
    helpful["value"]["from"]["name"] = "Wren"  # nothing else of the other conversation tells of them
    thanks = comment("t1", THANKS, parent="c1", at=NOW + 3 * MINUTE)
    table = told((comment("c1", QUESTION), NOW), (helpful, NOW + MINUTE), (thanks, NOW + 3 * MINUTE))
    before, canary = one(table), DERIVER.customer("facebook", PAGE, "6001")
    assert before.helped_by == canary
    eraser_of(table).erase(Customer("facebook", PAGE, "6001"), "code1", NOW + timedelta(hours=80))
    assert canary not in to_lines(table.facts()).decode()
    after = one(table)
    assert (after.state, after.helped_by) == (End.OPEN, None) and after.revision > before.revision
    assert (after.customer, after.tier, after.told_at) == (before.customer, before.tier, before.told_at)


def test_a_day_that_the_table_has_forgotten_names_no_helper(tmp_path: Path) -> None:
    """Nor where the customer's own name is gone already."""
    write(tmp_path, [fact(question="q", customer=None, helped_by="p1")], "a")
    lake = Lake(tmp_path)
    lake.compact()
    (day,) = lake.days()
    assert lake.anonymise(day) and not lake.anonymise(day)
    assert Lake(tmp_path).rows("SELECT question, helped_by FROM facts") == [("q", None)]


@pytest.mark.parametrize(
    "said",
    [
        [("h1", "6001", HELP, "c1", 1)],  # nobody said thanks
        [("h1", "6001", HELP, "c1", 1), ("t1", "7001", THANKS, "c1", 3)],  # not the one who had asked
        [("h1", "6001", "Same here, when does yours come?", "c1", 1), ("t1", "5001", THANKS, "c1", 3)],  # asks itself
        [("t1", "5001", THANKS, "c1", 1), ("h1", "6001", HELP, "c1", 3)],  # thanked before it was said
        [("h1", "5001", HELP, "c1", 1), ("t1", "5001", THANKS, "c1", 3)],  # by oneself
    ],
)
def test_without_an_answer_and_the_askers_thanks_nobody_is_credited(said: list[tuple[str, str, str, str, int]]) -> None:
    found = thread(*said)
    assert (found.state, found.helped_by) == (End.OPEN, None)


def test_a_person_of_the_shop_comes_first() -> None:
    found = thread(
        ("h1", "6001", HELP, "c1", 1),
        ("r1", PAGE, "We are sorry: it comes today.", "c1", 2),
        ("t1", "5001", THANKS, "c1", 3),
    )
    assert (found.answered_by, found.helped_by) == ("person", None)


def test_the_community_list_counts_and_names(tmp_path: Path) -> None:
    helped = [
        fact(question=f"q{n}", state=End.ANSWERED, answered_by="customer", helped_by="p1" if n else "p2")
        for n in range(3)
    ]
    write(tmp_path, helped, "a")
    span = Asked(Lake(tmp_path), NOW - timedelta(days=40), NOW + timedelta(days=40), NOW, ZoneInfo("UTC"))
    assert customers(span, {"p1": "Ann"}).helpers == (Helper("p1", 2, "Ann"), Helper("p2", 1, ""))
    total = ledger(span).total
    assert total.ended["customer"] == 3 and total.never == 3 and total.met == 0


def test_a_file_that_is_older_than_a_column_reads_as_empty(tmp_path: Path) -> None:
    write(tmp_path, [fact(question="old")], "a")
    lake = Lake(tmp_path)
    lake.compact()
    (file,) = tmp_path.rglob(COMPACTED)
    rows = f"SELECT * EXCLUDE (helped_by, campaign) FROM read_parquet('{file}', hive_partitioning = false)"
    duckdb.connect().execute(f"CREATE TABLE t AS {rows}; COPY t TO '{file}' (FORMAT parquet)")
    write(tmp_path, [fact(question="new", helped_by="p1")], "b")
    assert sorted(Lake(tmp_path).rows("SELECT question, helped_by FROM facts")) == [("new", "p1"), ("old", None)]
    Lake(tmp_path).compact()
    assert sorted(Lake(tmp_path).rows("SELECT question, helped_by FROM facts")) == [("new", "p1"), ("old", None)]
