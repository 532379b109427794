"""What Lambda's event sources do: bring the queues' messages to the functions of app.py, and run the schedule."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Semaphore, Thread
from time import monotonic
from typing import Any

from infra.local.embedded import Embedded, client
from infra.local.events import Context, schedule_event, send_event, sqs_event

_BUSY_S, _IDLE_S = 0.1, 0.4  # between looks at a queue that had a message lately, and at one that had none
_LATELY_S = 5.0

Function = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A queue (its name in resources.yaml), the function it feeds, and how many invocations run at once."""

    queue: str
    function: Function
    batch: int = 10
    at_once: int = 1


def sources(functions: Any) -> tuple[Source, ...]:
    """The event sources of app.py's functions; `functions` is the module `app`."""
    return (
        Source("InboxQueue", functions.respond, at_once=4),
        Source("DueQueue", functions.escalate, batch=1),
        Source("EscalationsQueue", functions.notify, batch=5, at_once=2),
        Source("MailEventsQueue", functions.mail_events),
        Source("IncomingMailQueue", functions.incoming_mail),
    )


@dataclass(slots=True)
class QueuePoller:
    """Runs while inside `with`. `sweep` is the scheduled function, run every `sweep_every_s`; `came_back` hears of a
    message that goes back to its queue: which one, and why."""

    aws: Embedded
    sources: tuple[Source, ...]
    sweep: Function
    sweep_every_s: float = 60.0
    came_back: Callable[[str, str], None] = lambda queue, why: None
    _stop: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def __enter__(self) -> "QueuePoller":
        work = [lambda source=source: self._feed(source) for source in self.sources]
        for run in (*work, self._schedule, self._tell_of_mail):
            thread = Thread(target=run, daemon=True, name="pump")
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    # --- SQS → function ---

    def _feed(self, source: Source) -> None:
        sqs, url = client("sqs", self.aws.endpoint), self.aws.queue_url(source.queue)
        free, had_one_at = Semaphore(source.at_once), monotonic()
        with ThreadPoolExecutor(source.at_once) as pool:
            while not self._stop.is_set():
                if not free.acquire(timeout=_IDLE_S):
                    continue
                request = {"QueueUrl": url, "MaxNumberOfMessages": source.batch, "AttributeNames": ["All"]}
                if found := sqs.receive_message(**request).get("Messages"):
                    had_one_at = monotonic()
                    pool.submit(self._invoke, source, found).add_done_callback(lambda _: free.release())
                else:
                    free.release()
                    self._stop.wait(_BUSY_S if monotonic() - had_one_at < _LATELY_S else _IDLE_S)

    def _invoke(self, source: Source, messages: list[dict[str, Any]]) -> None:
        """One invocation; what it does not report as failed is deleted, the rest comes back after its visibility
        time-out and, after too many times, goes to the dead-letter queue."""
        sqs, url = client("sqs", self.aws.endpoint), self.aws.queue_url(source.queue)
        failed = {m["MessageId"] for m in messages}
        try:
            answer = source.function(sqs_event(messages, self.aws.queue_arn(source.queue)), Context(source.queue))
            failed = {row["itemIdentifier"] for row in (answer or {}).get("batchItemFailures", ())}
        except Exception as error:  # as Lambda does: whatever a function raises, its messages go back to the queue
            self.came_back(source.queue, type(error).__name__)
            return
        for message in messages:
            if message["MessageId"] in failed:
                self.came_back(source.queue, "reported as failed")
            else:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    # --- the schedule ---

    def _schedule(self) -> None:
        while not self._stop.wait(self.sweep_every_s):
            self.sweep(schedule_event(datetime.now(UTC)), Context("sweep"))

    # --- SES → SNS → the queue of mail events ---

    def _tell_of_mail(self) -> None:
        """moto's SES publishes no events, so what it sent is told here, in SES's words."""
        sqs, url = client("sqs", self.aws.endpoint), self.aws.queue_url("MailEventsQueue")
        told = 0
        while not self._stop.wait(_BUSY_S):
            for email in self.aws.emails()[told:]:
                told += 1
                sqs.send_message(QueueUrl=url, MessageBody=json.dumps(send_event(email.id, email.to, email.tags)))
