"""The facts' SQL on Athena: what runs there as it is, and by name what would have to be written anew. Nothing was run
on Athena; sqlglot knows its dialect."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from sqlglot import exp

from chalicelib.reports.asked import Asked
from chalicelib.reports.columns import COLUMNS, TYPES
from chalicelib.reports.forecast import Forecast
from chalicelib.reports.lake import Lake, _highest
from chalicelib.reports.ledger import conversations
from chalicelib.reports.policy import Policy
from chalicelib.reports.report import build
from infra.reports.synthetic import Shape, draw

SINCE = datetime(2023, 2, 11, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=28)
# What DuckDB has and Athena has not, and what stands for it there. A query that uses something else fails the test.
ELSEWHERE = {
    "timezone": "at_timezone(with_timezone(t, 'UTC'), zone)",
    "datediff microsecond": "date_diff('millisecond', …)",
    "median": "approx_percentile(x, 0.5)",
    "percentiledisc": "approx_percentile(x, p)",
    "groupconcat": "array_join(array_agg(DISTINCT x), ' ')",
    "struct": "CAST(ROW(…) AS ROW(…))",
    "unnest": "CROSS JOIN UNNEST(…) WITH ORDINALITY",
    "explode": "CROSS JOIN UNNEST(…) WITH ORDINALITY",
    "generate_subscripts": "CROSS JOIN UNNEST(…) WITH ORDINALITY",
    "from_json": "CAST(json_parse(x) AS ARRAY(ARRAY(VARCHAR)))",
}


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Every statement that a Lake is asked."""
    asked: list[str] = []
    rows = Lake.rows

    def remember(self: Lake, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return rows(self, sql, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "rows", remember)
        yield asked


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All that a report asks, of a span in which everything happens."""
    folder = tmp_path_factory.mktemp("lake")
    draw(Shape(start=SINCE.date() - timedelta(days=42), days=70, per_day=30.0, campaigns={60: 5.0})).write(folder)
    with recorded() as found:
        build(
            Lake(folder), Policy("x", ZoneInfo("UTC")), since=SINCE, until=UNTIL, now=UNTIL,
            forecast=Forecast((), "", ()),
        )  # fmt: skip
        conversations(Asked(Lake(folder), SINCE, UNTIL, UNTIL, ZoneInfo("UTC")))
    return list(dict.fromkeys(found))


def of_its_own(sql: str) -> set[str]:
    """The parts of `sql` that Athena has not."""
    found = set()
    for node in sqlglot.parse_one(sql, read="duckdb").walk():
        if isinstance(node, exp.Anonymous):
            found.add(node.name.lower())
        elif isinstance(node, exp.DateDiff | exp.TimestampDiff) and "MICROSECOND" in node.sql().upper():
            found.add("datediff microsecond")
        elif isinstance(
            node, exp.Median | exp.PercentileDisc | exp.GroupConcat | exp.Struct | exp.Unnest | exp.Explode
        ):
            found.add(type(node).__name__.lower())
    return found


def test_the_view_that_holds_each_question_once_runs_as_it_is() -> None:
    view = f"SELECT {', '.join(COLUMNS)} FROM ({_highest('SELECT * FROM written')}) WHERE state <> 'moved'"
    assert of_its_own(view) == set()
    athena = sqlglot.transpile(view, "duckdb", "athena", unsupported_level=sqlglot.ErrorLevel.RAISE)[0]
    assert sqlglot.parse_one(athena, read="athena") == sqlglot.parse_one(view, read="duckdb")


def test_every_columns_type_is_one_of_athenas() -> None:
    table = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    made = sqlglot.transpile(f"CREATE TABLE f ({table})", "duckdb", "trino", unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert {kind for kind in TYPES.values() if kind not in made[0]} == set()


def test_what_the_report_asks_beyond_that_is_named(statements: list[str]) -> None:
    used: set[str] = set()
    for sql in statements:
        used |= of_its_own(sql)
    assert used <= ELSEWHERE.keys(), "name what Athena has for it, in ELSEWHERE"
    assert {"timezone", "datediff microsecond", "median"} <= used  # what the README says is missing there is


def test_the_rest_of_it_is_the_common_dialect(statements: list[str]) -> None:
    plain = [sql for sql in statements if not of_its_own(sql)]
    assert len(plain) > len(statements) // 2
    for sql in plain:
        sqlglot.transpile(sql, "duckdb", "athena", unsupported_level=sqlglot.ErrorLevel.RAISE)
