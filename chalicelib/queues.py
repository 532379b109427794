"""SQS queues as the use cases see them: small JSON messages out, with a delay where one is wanted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

MAX_MESSAGE = 1024 * 1024  # bytes, body and attributes together
LONGEST_DELAY = timedelta(minutes=15)


class QueueUnavailable(Exception):
    """The message was not accepted; the sender has to keep it or refuse it."""


class Queue(Protocol):
    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        """Puts one message; raises QueueUnavailable when that is not certain."""

    def send_all(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Puts each message; raises QueueUnavailable when one was not accepted (others may be: they come twice)."""


def encode(message: Mapping[str, Any]) -> str:
    """`message` as ASCII JSON: SQS refuses some control characters, JSON's escapes carry them."""
    return json.dumps(message, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """`Queue` on SQS; `client` is boto3's."""

    client: Any
    url: str

    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        seconds = int(min(delay, LONGEST_DELAY).total_seconds())
        try:
            self.client.send_message(QueueUrl=self.url, MessageBody=encode(message), DelaySeconds=seconds)
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(type(error).__name__) from error

    def send_all(self, messages: Sequence[Mapping[str, Any]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for batch in _batches([encode(m) for m in messages]):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(batch)]
            try:
                answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailable(type(error).__name__) from error
            if answer.get("Failed"):
                raise QueueUnavailable(answer["Failed"][0].get("Code", "batch"))


def _batches(bodies: Sequence[str]) -> list[list[str]]:
    """At most ten messages and MAX_MESSAGE bytes a batch, as SQS allows."""
    batches: list[list[str]] = [[]]
    for body in bodies:
        if len(batches[-1]) == 10 or sum(map(len, batches[-1])) + len(body) > MAX_MESSAGE:
            batches.append([])
        batches[-1].append(body)
    return [b for b in batches if b]
