"""The ledger: how every question ended, to the question, and how long people let it wait."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.reports.asked import Asked, Ended

WITHIN: Final = (("15 min", 900), ("1 h", 3600), ("24 h", 86_400), ("48 h", 172_800))  # seconds
VERY_RESPONSIVE: Final = 0.90
"""Facebook's badge "Very responsive to messages": a response rate of 90 % and a response time of 15 minutes, over
seven days. Source: https://www.facebook.com/help/475643069256244"""
STELLA: Final = {"wall": (15, 20), "comment": (7, 20)}
"""How many of 20 shops answered within 48 hours, a question on the wall and one in a comment; the best after 2 minutes.
Source: STELLAService's study of Facebook pages of 20 retailers, 2012."""
STELLA_BEST_S: Final = 120
GROUPS: Final = ("team", "platform", "account", "intent", "language")
_ACCOUNTS: Final = "(SELECT * REPLACE (platform || ':' || account AS account) FROM asked)"
"""`asked` with each account as product:id: two platforms may call two accounts by one id."""


@dataclass(frozen=True, slots=True)
class Line:
    """One group of questions; an account's `name` is product:id. `needed` had to be answered by a person; `within`
    counts those that were, by the bars of WITHIN; `never` were not; `met` and `missed` count the promises that are
    decided; times in seconds."""

    name: str
    asked: int
    ended: dict[str, int]
    needed: int
    within: dict[str, int]
    later: int
    never: int
    met: int
    missed: int
    median: float | None
    p90: float | None
    acknowledged: int

    @property
    def attainment(self) -> float | None:
        """Share of decided promises that were kept; None when there is none."""
        return self.met / (self.met + self.missed) if self.met + self.missed else None

    def share(self, bar: str) -> float | None:
        """Of the questions that a person had to answer, the share answered within `bar`."""
        return self.within[bar] / self.needed if self.needed else None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The facts held against what was stored: `stored` questions (None: not looked at), and the pseudonyms of those
    that have no fact, and of the facts that nothing stored stands behind. What a customer who was erased had asked is
    stored no more and still counts, without a name: such a fact is no surplus."""

    facts: int
    stored: int | None = None
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return self.stored is not None and not self.missing and not self.surplus

    @property
    def erased(self) -> int:
        """How many facts are left of questions that were erased."""
        return self.facts - len(self.surplus) - (self.stored - len(self.missing)) if self.stored is not None else 0


@dataclass(frozen=True, slots=True)
class Ledger:
    total: Line
    groups: dict[str, tuple[Line, ...]]
    acknowledged_median: float | None
    reconciled: Reconciled
    told_late: int
    late: int

    @property
    def adds_up(self) -> bool:
        """Whether the ends of every group are its questions, and the groups' questions are all questions."""
        sums = [sum(line.asked for line in lines) for lines in self.groups.values()]
        lines = [self.total, *(line for group in self.groups.values() for line in group)]
        return all(s == self.total.asked for s in sums) and all(sum(x.ended.values()) == x.asked for x in lines)


_MEASURES: Final = ", ".join(
    [
        "count(*)",
        *(f"count(*) FILTER (WHERE ended = '{end}')" for end in Ended),
        "count(*) FILTER (WHERE needs)",
        *(f"count(*) FILTER (WHERE needs AND wait <= {seconds})" for _, seconds in WITHIN),
        f"count(*) FILTER (WHERE needs AND wait > {WITHIN[-1][1]})",
        "count(*) FILTER (WHERE needs AND wait IS NULL)",
        "count(*) FILTER (WHERE met)",
        "count(*) FILTER (WHERE NOT met)",
        "quantile_disc(wait, 0.5) FILTER (WHERE needs)",
        "quantile_disc(wait, 0.9) FILTER (WHERE needs)",
        "count(acknowledged_at)",
    ]
)


def ledger(asked: Asked, stored: Iterable[str] | None = None) -> Ledger:
    """The ledger of `asked`; `stored` are the pseudonyms of the questions that the table holds of the same span."""
    sql = f"SELECT {', '.join(GROUPS)}, grouping({', '.join(GROUPS)}), {_MEASURES} FROM {_ACCOUNTS}"
    sets = ", ".join(f"({name})" for name in GROUPS)
    found = asked.rows(f"{sql} GROUP BY GROUPING SETS ((), {sets})")
    full = (1 << len(GROUPS)) - 1
    groups: dict[str, list[Line]] = {name: [] for name in GROUPS}
    total = _line("all", [0] * (4 + len(Ended) + len(WITHIN)) + [0, 0, None, None, 0])
    for row in found:
        values, mask = row[: len(GROUPS)], row[len(GROUPS)]
        line = row[len(GROUPS) + 1 :]
        if mask == full:
            total = _line("all", line)
            continue
        place = next(n for n in range(len(GROUPS)) if not mask >> (len(GROUPS) - 1 - n) & 1)
        groups[GROUPS[place]].append(_line(str(values[place] if values[place] is not None else "unknown"), line))
    ordered = {name: tuple(sorted(lines, key=lambda x: (-x.asked, x.name))) for name, lines in groups.items()}
    late = asked.rows(
        "SELECT median(acknowledged_after), count(*) FILTER (WHERE NOT met),"
        " count(*) FILTER (WHERE NOT met AND told_at < promised_by) FROM asked"
    )[0]
    return Ledger(total, ordered, late[0], reconcile(asked, stored), int(late[2]), int(late[1]))


def reconcile(asked: Asked, stored: Iterable[str] | None) -> Reconciled:
    """Every stored question has a fact, and every fact that names its customer a stored question; what has not is
    named."""
    if stored is None:
        return Reconciled(asked.count())
    known = dict(asked.rows("SELECT question, customer IS NOT NULL FROM asked"))
    expected = set(stored)
    surplus = sorted(question for question, named in known.items() if named and question not in expected)
    return Reconciled(len(known), len(expected), tuple(sorted(expected - known.keys())), tuple(surplus))


def _line(name: str, row: Sequence[float | int | None]) -> Line:
    values = list(row)
    asked, ended = values[0], values[1 : 1 + len(Ended)]
    needed, *within = values[1 + len(Ended) : 2 + len(Ended) + len(WITHIN)]
    later, never, met, missed, median, p90, acknowledged = values[2 + len(Ended) + len(WITHIN) :]
    return Line(
        name,
        int(asked or 0),
        {end.value: int(n or 0) for end, n in zip(Ended, ended, strict=True)},
        int(needed or 0),
        {bar: int(n or 0) for (bar, _), n in zip(WITHIN, within, strict=True)},
        int(later or 0),
        int(never or 0),
        int(met or 0),
        int(missed or 0),
        median,
        p90,
        int(acknowledged or 0),
    )


CONVERSATIONS: Final = """
SELECT conversation, any_value(platform) AS platform, any_value(account) AS account, max(team) AS team,
  min(asked_at) AS asked_at, count(*) AS questions, string_agg(DISTINCT intent, ' ' ORDER BY intent) AS intents,
  max(tier) AS tier, min(acknowledged_at) AS acknowledged_at, min(promised_by) AS promised_by,
  min(by_person) AS first_response_at, min(wait) AS waited_s,
  string_agg(DISTINCT ended, ' ' ORDER BY ended) AS ended, bool_and(met) AS promise_kept
FROM asked GROUP BY conversation ORDER BY asked_at, conversation
"""


def conversations(asked: Asked) -> tuple[list[str], list[tuple[object, ...]]]:
    """(names, rows): one row a conversation, oldest first."""
    asked.count()  # the tables stand
    found = asked.lake.db.execute(CONVERSATIONS)
    names = [column[0] for column in found.description or ()]
    return names, found.fetchall()
