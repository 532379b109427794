"""What a report counts: the questions of a span of time, each with its one end and its waits.

Every figure of the report is a query over the table `asked` that `Asked` makes, so that no two of them can disagree
about what a question, an end or a wait is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from chalicelib.reports.lake import Lake


class Ended(StrEnum):
    """How a question ended, each in exactly one way; the ledger's rows, in this order."""

    PERSON = "person"  # answered by a person of the shop
    RESOLVED = "resolved"  # by a reply that the playbook says answers it
    CUSTOMER = "customer"  # by another customer only
    CLOSED = "closed"  # on purpose, by staff
    NO_ANSWER = "no_answer_needed"  # praise, thanks, spam: read, and waits for nobody
    WITHDRAWN = "withdrawn"  # taken back by the customer, or hidden
    OVERDUE = "overdue"  # open, and later than promised
    WAITING = "waiting"  # open, and still within what was promised


NEEDS_NONE: Final = "needs_none"  # `closed_why` of what needs no answer
PEOPLE: Final = ("person", "form", "mail")  # `answered_by` of people of the shop
_BY: Final = ", ".join(f"'{name}'" for name in PEOPLE)

# One row a question. `wait` is seconds from asking to the first response by a person; `needs` is whether a person had
# to answer it; `met` whether they did so within what was promised (null: not decided yet, or nothing promised).
_ASKED: Final = f"""
CREATE OR REPLACE TEMP TABLE {{name}} AS
SELECT *,
  CASE WHEN NOT needs OR promised_by IS NULL OR (by_person IS NULL AND promised_by >= $now) THEN NULL
       WHEN by_person IS NOT NULL THEN by_person <= promised_by ELSE FALSE END AS met,
  date_diff('microsecond', asked_at, by_person) / 1e6 AS wait,
  date_diff('microsecond', received_at, acknowledged_at) / 1e6 AS acknowledged_after,
  date_diff('microsecond', asked_at, promised_by) / 1e6 AS promised_within,
  date_diff('microsecond', asked_at, told_at) / 1e6 AS told_after,
  CAST(local_at AS DATE) AS day, hour(local_at) AS hour, isodow(local_at) AS weekday
FROM (
  SELECT *, ended NOT IN ('resolved', 'closed', 'no_answer_needed', 'withdrawn') AS needs
  FROM (
    SELECT {{more}}customer, platform, account, team, coalesce(intent, 'other') AS intent, confidence, urgent, asked_at,
      received_at, acknowledged_at, promised_by, told_at, follow_ups, reaction,
      timezone($zone, timezone('UTC', asked_at)) AS local_at,
      CASE WHEN first_response_by IN ({_BY}) THEN first_response_at END AS by_person,
      CASE WHEN state = 'withdrawn' THEN 'withdrawn'
           WHEN state = 'closed' AND closed_why = '{NEEDS_NONE}' THEN 'no_answer_needed'
           WHEN state = 'closed' THEN 'closed'
           WHEN state = 'resolved' THEN 'resolved'
           WHEN state = 'answered' AND answered_by = 'customer' THEN 'customer'
           WHEN state = 'answered' THEN 'person'
           WHEN promised_by < $now THEN 'overdue'
           ELSE 'waiting' END AS ended
    FROM facts WHERE asked_at >= $since AND asked_at < $until))
"""
# What only the span itself is asked for: the one before it is read for its figures alone, and so in half the time.
_OF_THE_SPAN: Final = (
    "question, conversation, post, language, private, rung, tier, edited, campaign, spike, helped_by, closed_why,"
    " answered_by, hand_overs, reach, "
)


@dataclass(slots=True)
class Asked:
    """The questions of [`since`, `until`) in `lake`, as they stand at `now`. Days and hours are the shop's own, in
    `zone`. The span of the same length before it is the table `before`, which has only what figures are made of."""

    lake: Lake
    since: datetime
    until: datetime
    now: datetime
    zone: ZoneInfo
    _made: bool = field(default=False, repr=False)

    @property
    def length(self) -> timedelta:
        return self.until - self.since

    @property
    def utc_now(self) -> datetime:
        """`now` as the files hold times."""
        return _utc(self.now)

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What `sql` finds over `asked` and `before`."""
        if not self._made:
            self._make("asked", self.since, self.until, _OF_THE_SPAN)
            self._make("before", self.since - self.length, self.since, "")
            self._made = True
        return self.lake.rows(sql, parameters)

    def count(self) -> int:
        return int(self.rows("SELECT count(*) FROM asked")[0][0])

    def _make(self, name: str, since: datetime, until: datetime, more: str) -> None:
        values = {"since": _utc(since), "until": _utc(until), "now": _utc(self.now), "zone": self.zone.key}
        self.lake.rows(_ASKED.replace("{name}", name).replace("{more}", more), values)


def _utc(at: datetime) -> datetime:
    """As the files hold it: UTC, without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None)
