"""The teams as one: what came to each, what waits there, what they gave each other, and what to look at first.

**Priority** of an open conversation, in points; the most urgent of its open questions counts:

    100              if it is urgent by the playbook (danger, law, press …)
    + 5 × log10(1 + followers), at most 30      where the platform tells how many follow the customer
    + 10 × questions of the same customer before it that nobody has answered, at most 30
    + 5 × log2(1 + time waited ÷ time promised), at most 39

so that an urgent one stands before any other, and waiting twice as long weighs as much as ten times the followers.
The weights are a choice, not a measurement; the list says of each what it is made of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.reports.asked import Asked

SHOWN: Final = 20  # conversations of the list on the page; all of them stand in the CSV
MOST: Final = 500  # of the list in the JSON
POINTS: Final[Mapping[str, int]] = {"urgent": 100, "reach": 30, "repeat": 30, "age": 39}
"""The most that each part of a priority can weigh."""


@dataclass(frozen=True, slots=True)
class TeamLine:
    """`came` are the questions that were this team's at first, `taken` those given to it, `given` those that it gave
    on; `stands` is what it has in the end. Of these `waiting` are open and in time, `overdue` open and late,
    `escalated` went on to somebody above. Times in seconds, until the first response by a person."""

    name: str
    came: int
    taken: int
    given: int
    stands: int
    waiting: int
    overdue: int
    escalated: int
    median: float | None
    p90: float | None

    @property
    def adds_up(self) -> bool:
        return self.came + self.taken - self.given == self.stands


@dataclass(frozen=True, slots=True)
class Passed:
    """`count` questions that people gave from one team to another: `median` is the seconds from there until a person
    answered or gave it on (None where that has not happened), `waiting` how many still wait for it."""

    of: str
    to: str
    count: int
    median: float | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Priority:
    """An open conversation with what its `points` are made of; `questions` of it are open, `repeat` asked before and
    not answered, `promised_s` what was promised. `reach` None: not known."""

    conversation: str
    platform: str
    account: str
    team: str
    intent: str
    asked_at: datetime
    questions: int
    urgent: bool
    reach: int | None
    repeat: int
    waited_s: float
    promised_s: float
    overdue: bool
    points: float


@dataclass(frozen=True, slots=True)
class Teams:
    """`open` is how many conversations wait; `priorities` are the first MOST of them."""

    lines: tuple[TeamLine, ...] = ()
    passed: tuple[Passed, ...] = ()
    open: int = 0
    priorities: tuple[Priority, ...] = ()

    @property
    def given(self) -> int:
        return sum(p.count for p in self.passed)


# One row a hand-over: `nth` of its question; `left_at` is when it was given on, null where it stayed.
_HANDED: Final = """
CREATE OR REPLACE TEMP TABLE handed AS
SELECT question, team, by_person, ended, hop[1] AS of, hop[2] AS "to", CAST(hop[3] AS TIMESTAMP) AS given_at, nth,
  lead(CAST(hop[3] AS TIMESTAMP)) OVER (PARTITION BY question ORDER BY nth) AS left_at
FROM (
  SELECT question, team, by_person, ended, unnest(hops) AS hop, generate_subscripts(hops, 1) AS nth
  FROM (SELECT *, from_json(hand_overs, '[["VARCHAR"]]') AS hops FROM asked WHERE hand_overs IS NOT NULL))
"""
_OPEN: Final = "ended IN ('overdue', 'waiting')"


def teams(asked: Asked) -> Teams:
    """What the teams did of `asked`, and the first MOST of what waits."""
    asked.rows(_HANDED)
    names, rows = priorities(asked, MOST)
    return Teams(
        tuple(TeamLine(*row) for row in asked.rows(_LINES)),
        tuple(Passed(*row) for row in asked.rows(_PASSED)),
        int(asked.rows(f"SELECT count(DISTINCT conversation) FROM asked WHERE {_OPEN}")[0][0]),
        tuple(Priority(**dict(zip(names, row, strict=True))) for row in rows),
    )


_LINES: Final = """
WITH first AS (SELECT question, of FROM handed WHERE nth = 1),
came AS (SELECT coalesce(of, team) AS name, count(*) AS n FROM asked LEFT JOIN first USING (question) GROUP BY ALL),
taken AS (SELECT "to" AS name, count(*) AS n FROM handed GROUP BY ALL),
given AS (SELECT of AS name, count(*) AS n FROM handed GROUP BY ALL),
stands AS (
  SELECT team AS name, count(*) AS n, count(*) FILTER (WHERE ended = 'waiting') AS waiting,
    count(*) FILTER (WHERE ended = 'overdue') AS overdue, count(*) FILTER (WHERE tier > 1) AS escalated,
    quantile_disc(wait, 0.5) FILTER (WHERE needs) AS median, quantile_disc(wait, 0.9) FILTER (WHERE needs) AS p90
  FROM asked GROUP BY team),
names AS (SELECT name FROM came UNION SELECT name FROM taken UNION SELECT name FROM given UNION SELECT name FROM stands)
SELECT names.name, coalesce(came.n, 0) AS first, coalesce(taken.n, 0), coalesce(given.n, 0), coalesce(stands.n, 0),
  coalesce(waiting, 0), coalesce(overdue, 0), coalesce(escalated, 0), median, p90
FROM names LEFT JOIN came USING (name) LEFT JOIN taken USING (name) LEFT JOIN given USING (name)
  LEFT JOIN stands USING (name)
ORDER BY first DESC, names.name
"""
_PASSED: Final = f"""
SELECT of, "to", count(*) AS n, median(date_diff('microsecond', given_at, ended_at) / 1e6),
  count(*) FILTER (WHERE left_at IS NULL AND {_OPEN})
FROM (SELECT *, coalesce(left_at, CASE WHEN by_person >= given_at THEN by_person END) AS ended_at FROM handed)
GROUP BY of, "to" ORDER BY n DESC, of, "to"
"""
_PRIORITIES: Final = f"""
WITH told AS (
  SELECT customer, platform, account, asked_at, needs, by_person FROM asked UNION ALL
  SELECT customer, platform, account, asked_at, needs, by_person FROM before),
waits AS (SELECT *, date_diff('microsecond', asked_at, $now::TIMESTAMP) / 1e6 AS waited FROM asked WHERE {_OPEN}),
repeats AS (
  SELECT waits.question, count(*) AS repeat FROM waits JOIN told ON told.customer = waits.customer
    AND told.platform = waits.platform AND told.account = waits.account AND told.asked_at < waits.asked_at
    AND told.needs AND (told.by_person IS NULL OR told.by_person > waits.asked_at)
  GROUP BY waits.question),
weighed AS (
  SELECT *, coalesce(repeat, 0) AS again, greatest(coalesce(promised_within, 86400), 60) AS promised,
    {POINTS["urgent"]} * CAST(urgent AS INT) + least({POINTS["reach"]}, 5 * log10(1 + coalesce(reach, 0)))
      + least({POINTS["repeat"]}, 10 * coalesce(repeat, 0)) + least({POINTS["age"]}, 5 * log2(1 + waited
        / greatest(coalesce(promised_within, 86400), 60))) AS points
  FROM waits LEFT JOIN repeats USING (question))
SELECT conversation, any_value(platform) AS platform, any_value(account) AS account,
  arg_max(team, points) AS team, arg_max(intent, points) AS intent, min(asked_at) AS asked_at, count(*) AS questions,
  bool_or(urgent) AS urgent, max(reach) AS reach, max(again) AS repeat, max(waited) AS waited_s,
  min(promised) AS promised_s, bool_or(ended = 'overdue') AS overdue, round(max(points), 1) AS points
FROM weighed GROUP BY conversation ORDER BY points DESC, asked_at, conversation
"""


def priorities(asked: Asked, limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """(names, rows): the open conversations, the one to look at first before the others."""
    asked.count()  # the tables stand
    found = asked.lake.db.execute(_PRIORITIES + (f" LIMIT {limit}" if limit else ""), {"now": asked.utc_now})
    return [column[0] for column in found.description or ()], found.fetchall()
