"""The customers, as far as the facts tell: how many, who asks again, who was left without an answer and asks again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.reports.asked import Asked

HELPERS: Final = 10  # of the community list


@dataclass(frozen=True, slots=True)
class Helper:
    """A customer whose answers others have said thanks for. `name` is "" where it is not known here."""

    customer: str
    answers: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Customers:
    """`again`: asked more than once in the span; `unheard`: asked again after a question that nobody had answered
    within 48 hours; `unheard_complained`: of those, who complained the next time. `helpers` have
    helped most."""

    number: int = 0
    again: int = 0
    unheard: int = 0
    unheard_complained: int = 0
    most: int = 0
    helpers: tuple[Helper, ...] = ()


def customers(asked: Asked, names: Mapping[str, str] | None = None) -> Customers:
    """`names` are what helpful customers are called in public, by pseudonym."""
    row = asked.rows("""
        WITH one AS (
          SELECT customer, intent, reaction, asked_at,
            lag(by_person) OVER w AS before_answered, lag(asked_at) OVER w AS before_asked,
            lag(needs) OVER w AS before_needed
          FROM asked WHERE customer IS NOT NULL
          WINDOW w AS (PARTITION BY customer ORDER BY asked_at, question)),
        flagged AS (
          SELECT *, before_needed AND before_asked + INTERVAL 48 HOUR <= asked_at
            AND (before_answered IS NULL OR before_answered > before_asked + INTERVAL 48 HOUR) AS unheard FROM one),
        each AS (
          SELECT customer, count(*) AS n, coalesce(bool_or(unheard), FALSE) AS unheard,
            coalesce(bool_or(unheard AND (intent = 'complaint' OR reaction = 'complaint')), FALSE) AS complained
          FROM flagged GROUP BY customer)
        SELECT count(*), count(*) FILTER (WHERE n > 1), count(*) FILTER (WHERE unheard),
          count(*) FILTER (WHERE complained), coalesce(max(n), 0) FROM each
    """)[0]
    helped = asked.rows(
        "SELECT helped_by, count(*) AS n FROM asked WHERE ended = 'customer' AND helped_by IS NOT NULL"
        f" GROUP BY helped_by ORDER BY n DESC, helped_by LIMIT {HELPERS}"
    )
    helpers = tuple(Helper(who, int(n), (names or {}).get(who, "")) for who, n in helped)
    number, again, unheard, complained, most = (int(n) for n in row)
    return Customers(number, again, unheard, complained, most, helpers)
