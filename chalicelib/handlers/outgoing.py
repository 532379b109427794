"""What one sweep sends to a queue, ten messages in a call: calls are paid, and the milliseconds that they take."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from chalicelib.aws.queues import BATCH, Queue, QueueUnavailable
from chalicelib.storage.item_keys import ConversationKey

Failed = Callable[[ConversationKey, Exception], None]


class Outgoing:
    """Messages about conversations on their way to `queue`; `failed` hears of each that did not get there. Leaving it
    sends what is left, unless the process is at its end."""

    def __init__(self, queue: Queue, failed: Failed) -> None:
        self._queue, self._failed = queue, failed
        self._kept: list[tuple[ConversationKey, Mapping[str, Any], timedelta]] = []

    def __enter__(self) -> "Outgoing":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            self._send()

    def put(self, key: ConversationKey, message: Mapping[str, Any], delay: timedelta) -> None:
        """Sends it with the next nine, or with what there is at the end."""
        self._kept.append((key, message, delay))
        if len(self._kept) == BATCH:
            self._send()

    def _send(self) -> None:
        rows, self._kept = self._kept, []
        if not rows:
            return
        try:
            self._queue.send_all([message for _, message, _ in rows], [delay for *_, delay in rows])
        except QueueUnavailable:
            for row in rows:  # some may be there already: who works on them sees that they come twice
                self._alone(*row)

    def _alone(self, key: ConversationKey, message: Mapping[str, Any], delay: timedelta) -> None:
        try:
            self._queue.send(message, delay)
        except QueueUnavailable as error:
            self._failed(key, error)
