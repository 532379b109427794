"""Wake-ups by Step Functions: one execution for each minute in which something falls due, however much it is.

`due_at` in the table is the truth. A start that fails costs at most the interval of the scheduled sweep.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from chalicelib.aws.client import STATES, AwsError, LeanAws

MACHINE_VERSION = 1  # part of the execution's name: raise it when the state machine or its input changes
MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TimerError(Exception):
    """The wake-up is not certain; the scheduled sweep covers it."""


class Timer(Protocol):
    def wake(self, at: datetime) -> None:
        """Sees to it that escalate runs within a minute after `at`; raises TimerError."""


def wake_for(timer: Timer, due_at: datetime | None, now: datetime) -> None:
    """A wake-up for what falls due then, not in the past; None: nothing does. One that fails is left to the scheduled
    sweep, which finds by the stored times whatever is due, and does alone what is no escalation: the look whether a
    notice went out costs no execution."""
    if due_at is None:
        return
    with suppress(TimerError):
        timer.wake(max(due_at, now))


def bucket(at: datetime, step: timedelta = MINUTE) -> datetime:
    """The first full minute (or other `step`) that is not before `at`."""
    late = (at - _EPOCH) % step
    return at.astimezone(UTC) + (step - late if late else late)


def execution_name(minute: datetime) -> str:
    """The name that makes StartExecution idempotent for this minute; seconds only where they are not 0."""
    return f"due-v{MACHINE_VERSION}-{minute:%Y%m%dT%H%M}" + (f"{minute:%S}" if minute.second else "")


@dataclass(slots=True)
class StepFunctionsTimer:
    """`Timer` on Step Functions. Remembers which minutes this process has started. `step` is the
    size of a bucket and `margin` what is added before; the local run sets both, because it takes seconds instead of
    a minute and its Wait ends up to a second early."""

    aws: LeanAws
    arn: str
    step: timedelta = MINUTE
    margin: timedelta = timedelta()
    _started: dict[datetime, None] = field(default_factory=dict)

    def wake(self, at: datetime) -> None:
        minute = bucket(at + self.margin, self.step)
        if minute in self._started:
            return
        try:
            for minute_or_next in (minute, minute + self.step, minute + 2 * self.step):
                if self._start(minute_or_next):
                    break
            else:
                raise TimerError("three buckets have ended")
        except AwsError as error:
            raise TimerError(error.code) from error
        self._started[minute] = None
        if len(self._started) > 500:
            self._started.pop(next(iter(self._started)))

    def _start(self, minute: datetime) -> bool:
        """Whether an execution for `minute` is running now."""
        name = execution_name(minute)
        request = {
            "stateMachineArn": self.arn,
            "name": name,
            "input": f'{{"wake_at":"{minute:%Y-%m-%dT%H:%M:%SZ}"}}',
        }
        try:
            self.aws.call(STATES, "StartExecution", request)
            return True
        except AwsError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
        execution = f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"
        return bool(self.aws.call(STATES, "DescribeExecution", {"executionArn": execution})["status"] == "RUNNING")
