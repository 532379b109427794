"""What lies where nobody works on it any more: dead letters, and wake-ups that failed. The daily visit looks at it all.

Most of it has no alarm of its own: the sweep stands in for a lost wake-up, the next tier for a bounce that nobody read,
the report says which facts are missing. What has one (deliveries, escalations, answers by e-mail) is looked at as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.aws.client import SQS, STATES, AwsError, LeanAws
from chalicelib.platforms.base import Finding

DAY = timedelta(days=1)
_COUNT = "ApproximateNumberOfMessages"


class LeftBehind(Exception):
    """Something lies there: the function fails with this, and the alarm on the daily check rings. Names no customer."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Where to look: the addresses of the `queues` of dead letters, and the timers' state `machine`."""

    aws: LeanAws
    queues: tuple[str, ...] = ()
    machine: str = ""

    def findings(self, now: datetime) -> list[Finding]:
        """What lies there, the queues first; that nobody could be asked is a finding too."""
        return [*self._letters(), *(self._timers(now) if self.machine else ())]

    def _letters(self) -> Iterator[Finding]:
        for url in self.queues:
            name = url.rpartition("/")[2]
            try:
                answer = self.aws.call(SQS, "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": [_COUNT]})
            except AwsError as error:
                yield _unknown(f"how many messages {name} holds", error)
                continue
            if count := int(answer["Attributes"][_COUNT]):
                yield Finding("queue", f"{count} dead letters lie in {name}", "see RUNBOOK.md, daily-check")

    def _timers(self, now: datetime) -> Iterator[Finding]:
        asked = {"stateMachineArn": self.machine, "statusFilter": "FAILED", "maxResults": 100}
        try:
            rows = self.aws.call(STATES, "ListExecutions", asked)["executions"]  # the newest first
        except AwsError as error:
            yield _unknown("which timers failed", error)
            return
        if failed := sum(row["startDate"] >= (now - DAY).timestamp() for row in rows):
            yield Finding("timer", f"{failed} timers failed within a day", "see RUNBOOK.md, daily-check")


def _unknown(what: str, error: AwsError) -> Finding:
    return Finding(
        "aws", f"AWS does not tell {what} ({error.code})", "see its health page, and RUNBOOK.md, daily-check"
    )
