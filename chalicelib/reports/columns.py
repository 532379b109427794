"""The columns of a fact: one row a question, the interface between what happened and everything that is learnt of it.

No text, no name, no id of a customer: what names a person is a pseudonym, made with the stack's own key
(`chalicelib/keys.py`). Only the standard library is needed here, because the function on the table's stream loads this
and nothing else.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final


class End(StrEnum):
    """The state of a question."""

    OPEN = "open"
    ANSWERED = "answered"  # by a person of the shop, or by another customer: `answered_by` says which
    RESOLVED = "resolved"  # by an automatic reply that the playbook says answers it
    CLOSED = "closed"  # on purpose; `closed_why` says why
    WITHDRAWN = "withdrawn"  # deleted, or hidden by the shop
    MOVED = "moved"  # counted under another day: the row only takes this one's place


@dataclass(frozen=True, slots=True)
class HandOver:
    """A question given from one team to another by a person, at that time (UTC)."""

    of: str
    to: str
    at: datetime


def written(hand_overs: Iterable[HandOver]) -> str | None:
    """Hand-overs as a column holds them, JSON rows of from, to and time (UTC), the oldest first:
    `[["delivery","pr","2026-11-02T10:00:00"]]`; None for none."""
    rows = [[h.of, h.to, f"{h.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"] for h in hand_overs]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False) if rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One question. Times are UTC, None is "not (yet)"; `confidence` is 0–1; `revision` rises with every change of
    what it was derived from, so that of several rows of one question the highest one holds. `helped_by` is the
    customer whose answer was thanked for, where `answered_by` is customer. `hand_overs` are those from team to team, as
    `written`; `reach` is how many follow the customer, where the platform tells, in two digits. A file written before
    a column was there reads as if it were empty."""

    question: str
    conversation: str
    customer: str | None
    platform: str
    account: str
    post: str | None
    team: str
    language: str | None
    intent: str | None
    confidence: float | None
    private: bool
    urgent: bool
    asked_at: datetime
    received_at: datetime
    acknowledged_at: datetime | None = None
    rung: str | None = None
    promised_by: datetime | None = None
    told_at: datetime | None = None
    tier: int = 0
    first_response_at: datetime | None = None
    first_response_by: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    state: End = End.OPEN
    closed_at: datetime | None = None
    closed_why: str | None = None
    edited: bool = False
    deleted: bool = False
    follow_ups: int = 0
    reaction: str | None = None
    campaign: str | None = None
    spike: str | None = None
    helped_by: str | None = None
    revision: int = 0
    hand_overs: str | None = None
    reach: int | None = None

    @property
    def day(self) -> date:
        """The partition: the day on which it was asked, UTC."""
        return self.asked_at.astimezone(UTC).date()


COLUMNS: Final = tuple(field.name for field in fields(Fact))
_SQL: Final = {
    **dict.fromkeys(("private", "urgent", "edited", "deleted"), "BOOLEAN"),
    **dict.fromkeys(("tier", "follow_ups", "revision", "reach"), "BIGINT"),
    "confidence": "DOUBLE",
    **{name: "TIMESTAMP" for name in COLUMNS if name.endswith("_at") or name == "promised_by"},
}
TYPES: Final = {name: _SQL.get(name, "VARCHAR") for name in COLUMNS}
"""Each column's SQL type; a TIMESTAMP is UTC."""


def to_row(fact: Fact) -> dict[str, Any]:
    """`fact` as plain values for a JSON line: times as ISO 8601 without a zone (they are UTC), absent as None."""
    row: dict[str, Any] = {}
    for name in COLUMNS:
        value = getattr(fact, name)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        row[name] = value.value if isinstance(value, StrEnum) else value
    return row


def to_lines(facts: Iterable[Fact]) -> bytes:
    """JSON lines, UTF-8."""
    return "".join(json.dumps(to_row(f), separators=(",", ":")) + "\n" for f in facts).encode()


def from_row(row: Mapping[str, Any]) -> Fact:
    """The fact of a plain row; the reverse of `to_row`."""
    values = dict(row)
    for name, kind in TYPES.items():
        if kind == "TIMESTAMP" and values.get(name) is not None:
            at = values[name]
            at = datetime.fromisoformat(at) if isinstance(at, str) else at
            values[name] = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return Fact(**{name: values[name] for name in COLUMNS if name in values} | {"state": End(values["state"])})
