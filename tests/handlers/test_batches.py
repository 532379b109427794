"""Batches: where one process works on several queues, as `make run` does, each keeps to its own work."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from chalice.app import SQSEvent

import app
from infra.local.events import message, sqs_event


def batch(*bodies: str) -> SQSEvent:
    return SQSEvent(sqs_event([message(body, 1) for body in bodies], "inbox"), None)


def test_batches_at_once_go_each_to_its_own_worker() -> None:
    began, other_done = Event(), Event()
    slow: list[str] = []
    quick: list[str] = []

    def work_slowly(record: Any, lambda_context: Any = None) -> None:
        began.set()
        assert other_done.wait(20)
        slow.append(record.body)

    def work(record: Any, lambda_context: Any = None) -> None:
        quick.append(record.body)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(app._batch, batch("a", "b"), work_slowly)
        assert began.wait(20)
        answer = app._batch(batch("c"), work)
        other_done.set()
    assert (slow, quick) == (["a", "b"], ["c"])
    assert first.result() == answer == {"batchItemFailures": []}
