"""SQS queues as the use cases see them: small JSON messages out, with a delay where one is wanted."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import Any, NamedTuple, Protocol

from chalicelib.aws.client import SQS, AwsError, LeanAws

MAX_MESSAGE = 1024 * 1024  # bytes, body and attributes together
BATCH = 10  # messages that one call puts
_compact = json.JSONEncoder(separators=(",", ":")).encode
LONGEST_DELAY = timedelta(minutes=15)
HELD = timedelta(minutes=5)  # longer than one look through all dead letters takes
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(seconds=100)


class QueueUnavailable(Exception):
    """The message was not accepted; the sender has to keep it or refuse it."""


class Queue(Protocol):
    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        """Puts one message; raises QueueUnavailable when that is not certain."""

    def send_all(self, messages: Sequence[Mapping[str, Any]], delays: Sequence[timedelta] = ()) -> None:
        """Puts each message, after its delay where there are any; raises QueueUnavailable when one was not accepted
        (others may be: they come twice)."""


class Letter(NamedTuple):
    """A dead letter that is held: nobody else sees it until it is let go, or HELD is over."""

    body: str
    handle: str

    def __repr__(self) -> str:
        return f"Letter(handle={self.handle!r})"  # `body` is a customer's


class DeadLetters(Protocol):
    """A queue of dead letters, to look through. All raise QueueUnavailable."""

    def take(self) -> list[Letter]:
        """Some that are not held; none when there are no others."""

    def put(self, body: str) -> None:
        """Puts one more."""

    def drop(self, letter: Letter) -> None:
        """Takes it out for good."""

    def let_go(self, letters: Sequence[Letter]) -> None:
        """Shows them again."""


class Visibility(Protocol):
    def shorten(self, arn: str, after: Mapping[str, timedelta]) -> None:
        """Lets messages that the queue `arn` handed out come again so long from now, by receipt handle; raises
        QueueUnavailable when that is not certain (they come after the queue's own visibility time-out then)."""


def retry_after(receives: int) -> timedelta:
    """When a message that has failed `receives` times comes again: soon where the fault was a passing one, ever later
    where it stays, so that half an hour's outage makes no dead letters (maxReceiveCount in resources.yaml); but never
    so late that something urgent waits for two minutes more when the outage is over."""
    return min(FIRST_RETRY * 2.0 ** min(receives - 1, 20), LONGEST_RETRY)


def encode(message: Mapping[str, Any]) -> str:
    """`message` as ASCII JSON: SQS refuses some control characters, JSON's escapes carry them."""
    return _compact(message)


class _Sqs(NamedTuple):
    """One queue, asked by `aws`."""

    aws: LeanAws
    url: str

    def _call(self, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self.aws.call(SQS, action, {"QueueUrl": self.url, **parameters})
        except AwsError as error:
            raise QueueUnavailable(str(error)) from error


class SqsQueue(_Sqs):
    """`Queue` on SQS."""

    __slots__ = ()

    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        self._call("SendMessage", {"MessageBody": encode(message), "DelaySeconds": _seconds(delay)})

    def send_all(self, messages: Sequence[Mapping[str, Any]], delays: Sequence[timedelta] = ()) -> None:
        waits = [_seconds(delay) for delay in delays] or [0] * len(messages)
        for batch in _batches([(encode(m), wait) for m, wait in zip(messages, waits, strict=True)]):
            entries = [{"Id": str(n), "MessageBody": b, "DelaySeconds": wait} for n, (b, wait) in enumerate(batch)]
            failed = self._call("SendMessageBatch", {"Entries": entries}).get("Failed")
            if failed:
                raise QueueUnavailable(failed[0].get("Code", "batch"))


class SqsDeadLetters(_Sqs):
    """`DeadLetters` on SQS."""

    __slots__ = ()

    def take(self) -> list[Letter]:
        asked = {"MaxNumberOfMessages": 10, "VisibilityTimeout": ceil(HELD.total_seconds()), "WaitTimeSeconds": 1}
        found = self._call("ReceiveMessage", asked).get("Messages", [])
        return [Letter(str(row["Body"]), str(row["ReceiptHandle"])) for row in found]

    def put(self, body: str) -> None:
        self._call("SendMessage", {"MessageBody": body})

    def drop(self, letter: Letter) -> None:
        self._call("DeleteMessage", {"ReceiptHandle": letter.handle})

    def let_go(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            self._call("ChangeMessageVisibility", {"ReceiptHandle": letter.handle, "VisibilityTimeout": 0})


class SqsVisibility(NamedTuple):
    """`Visibility` on SQS; `url` is that of any queue of the stack: they differ in their names only."""

    aws: LeanAws
    url: str

    def shorten(self, arn: str, after: Mapping[str, timedelta]) -> None:
        url = f"{self.url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"
        entries = [
            {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": ceil(wait.total_seconds())}
            for n, (handle, wait) in enumerate(after.items())
        ]
        try:
            self.aws.call(SQS, "ChangeMessageVisibilityBatch", {"QueueUrl": url, "Entries": entries})
        except AwsError as error:
            raise QueueUnavailable(str(error)) from error


def _seconds(delay: timedelta) -> int:
    return ceil(min(delay, LONGEST_DELAY).total_seconds())  # what comes back too early would be dropped


def _batches(rows: Sequence[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """At most BATCH messages and MAX_MESSAGE bytes a batch, as SQS allows."""
    batches: list[list[tuple[str, int]]] = [[]]
    for body, wait in rows:
        if len(batches[-1]) == BATCH or sum(len(b) for b, _ in batches[-1]) + len(body) > MAX_MESSAGE:
            batches.append([])
        batches[-1].append((body, wait))
    return [b for b in batches if b]
