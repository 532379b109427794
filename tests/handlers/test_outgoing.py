"""A sweep's messages go ten in a call; none is lost, and none waits for a process that goes on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.aws.queues import BATCH, QueueUnavailable
from chalicelib.handlers.outgoing import Outgoing
from chalicelib.storage.item_keys import ConversationKey

KEY = ConversationKey("facebook", "1", "c1", "a1")
WAIT = timedelta(seconds=3)


class Kept:
    """A queue that keeps what each call puts; `refuses` says of a call how many of its messages are not taken."""

    def __init__(self, *refuses: int) -> None:
        self.calls: list[list[tuple[Any, timedelta]]] = []
        self._refuses = list(refuses)

    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        self.send_all([message], [delay])

    def send_all(self, messages: Sequence[Mapping[str, Any]], delays: Sequence[timedelta] = ()) -> None:
        refused = self._refuses.pop(0) if self._refuses else 0
        rows = list(zip([m["n"] for m in messages], delays, strict=True))
        self.calls.append(rows[: len(rows) - refused])
        if refused:
            raise QueueUnavailable("throttled")


def put(queue: Kept, count: int) -> list[ConversationKey]:
    """The conversations whose message did not get there, of so many."""
    failed: list[ConversationKey] = []
    with Outgoing(queue, lambda key, error: failed.append(key)) as outgoing:
        for n in range(count):
            outgoing.put(KEY, {"n": n}, WAIT if n % 2 else timedelta())
    return failed


def test_ten_go_in_one_call_each_with_its_own_wait_and_the_rest_at_the_end() -> None:
    queue = Kept()
    assert put(queue, 2 * BATCH + 3) == []
    assert [len(call) for call in queue.calls] == [BATCH, BATCH, 3]
    sent = [row for call in queue.calls for row in call]
    assert sent == [(n, WAIT if n % 2 else timedelta()) for n in range(2 * BATCH + 3)]


def test_nothing_to_send_is_no_call() -> None:
    queue = Kept()
    assert put(queue, 0) == []
    assert queue.calls == []


def test_what_a_call_did_not_take_is_put_alone_and_what_fails_again_is_told() -> None:
    queue = Kept(1, 0, 0, 1)  # the batch without its last one; then the third alone
    assert put(queue, 3) == [KEY]
    assert [[n for n, _ in call] for call in queue.calls] == [[0, 1], [0], [1], []]


def test_an_error_of_the_sweep_itself_holds_nothing_back_and_a_process_that_is_gone_sends_nothing() -> None:
    class Gone(BaseException):
        pass

    for error, calls in ((ValueError, 1), (Gone, 0)):
        queue = Kept()
        with pytest.raises(error), Outgoing(queue, lambda key, error: None) as outgoing:
            outgoing.put(KEY, {"n": 1}, WAIT)
            raise error
        assert len(queue.calls) == calls
