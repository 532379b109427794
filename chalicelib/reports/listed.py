"""The lists behind the bars: for each end, team and kind of question the conversations that waited longest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.reports.asked import Asked

SHOWN: Final = 8  # of each list on the page; all of them stand in the CSV
_BY: Final = ("ended", "team", "intent", "platform")


@dataclass(frozen=True, slots=True)
class Entry:
    """`waited_s` None: without an answer by a person."""

    conversation: str
    asked_at: datetime
    platform: str
    team: str
    intent: str
    waited_s: float | None
    ended: str
    promise_kept: bool | None


@dataclass(frozen=True, slots=True)
class Listed:
    """Where `by` is `value`: of `total` questions the overdue ones first, then those that waited longest."""

    by: str
    value: str
    total: int
    entries: tuple[Entry, ...]


def listed(asked: Asked) -> tuple[Listed, ...]:
    entry = (
        "{'conversation': conversation, 'asked_at': asked_at, 'platform': platform, 'team': team, 'intent': intent,"
        " 'waited_s': wait, 'ended': ended, 'promise_kept': met}"
    )
    worst = "CASE WHEN ended = 'overdue' THEN 1e12 - epoch(asked_at) WHEN wait IS NULL THEN -1.0 ELSE wait END"
    found = []
    for by in _BY:
        picked = f"{by}, count(*), max_by({entry}, {worst}, {SHOWN})"
        sql = f"SELECT {picked} FROM asked GROUP BY {by} ORDER BY count(*) DESC, {by}"
        for value, total, entries in asked.rows(sql):
            found.append(Listed(by, str(value), total, tuple(Entry(**e) for e in entries)))
    return tuple(found)
