"""Lambda entry points, nothing else: routes, queue and schedule handlers, and the one place that turns errors into HTTP."""

from typing import Any

from chalice.app import Chalice, Rate, Response, SQSEvent

from chalicelib.apps import AppsError
from chalicelib.platforms.base import PayloadError, Request, SignatureError, TooLarge
from chalicelib.queues import QueueUnavailable
from chalicelib.receive import Encoded, ForeignAccount, UnknownApp
from chalicelib.rooms import Rooms

app = Chalice(app_name="earshot")
rooms = Rooms()

BODY_TYPES = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain"]
TIME_RESERVE_MS = 15_000  # what one message may need; with less left the rest of a batch goes back to the queue

# What a platform is told, the more special errors first. A retry helps with 503 (and with 403, after the apps file is mended).
STATUS: list[tuple[type[Exception], int]] = [
    (UnknownApp, 404),
    (TooLarge, 413),
    (Encoded, 415),
    (SignatureError, 401),
    (ForeignAccount, 403),
    (PayloadError, 400),
    (QueueUnavailable, 503),
    (AppsError, 503),
]


@app.route("/webhooks/{platform}/{key}", methods=["GET"])
def challenge(platform: str, key: str) -> Response:
    """The platform's handshake."""
    try:
        answer = rooms.receiver.challenge(platform, key, _current().query_params or {})
    except (UnknownApp, AppsError) as error:
        return _refused(error, platform, key)
    return Response(answer.body, {"Content-Type": answer.content_type}, answer.status)


@app.route("/webhooks/{platform}/{key}", methods=["POST"], content_types=BODY_TYPES)
def receive(platform: str, key: str) -> Response:
    """One delivery: 200 when it is safe on the inbox or carries nothing to do."""
    try:
        rooms.receiver.receive(platform, key, _request())
    except tuple(error for error, _ in STATUS) as error:
        return _refused(error, platform, key)
    return Response("ok", {"Content-Type": "text/plain"}, 200)


@app.on_sqs_message(queue="inbox", batch_size=10, name="respond")
def respond(event: SQSEvent) -> Any:
    """Works on the inbox."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from chalicelib.inbox import take

        _need_time(lambda_context)
        rooms.responder.respond(take(record.body, rooms.read_chunks), rooms.now)

    return _batch(event, work)


@app.on_sqs_message(queue="due", batch_size=1, name="escalate")
def escalate(event: SQSEvent) -> None:
    """A timer fired: sweep everything overdue."""
    _sweep(event.context)


@app.schedule(Rate(5, unit=Rate.MINUTES), name="sweep")
def sweep(event: Any) -> None:
    """The safety schedule: the same sweep, should a timer have failed."""
    _sweep(event.context)


@app.on_sqs_message(queue="escalations", batch_size=5, name="notify")
def notify(event: SQSEvent) -> Any:
    """Sends escalation e-mails."""

    def work(record: Any, lambda_context: Any = None) -> None:
        _need_time(lambda_context)
        rooms.notifier.notify(record.json_body, rooms.now())

    return _batch(event, work)


@app.on_sqs_message(queue="mail-events", batch_size=10, name="mail_events")
def mail_events(event: SQSEvent) -> Any:
    """SES tells what became of an e-mail."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from json import loads

        body = record.json_body
        rooms.notifier.mail_event(loads(body["Message"]) if "Message" in body else body, rooms.now())

    return _batch(event, work)


class OutOfTime(Exception):
    """The invocation ends soon: the rest of the batch goes back to the queue."""


def _need_time(context: Any) -> None:
    if context is not None and context.get_remaining_time_in_millis() < TIME_RESERVE_MS:
        raise OutOfTime


def _batch(event: SQSEvent, work: Any) -> Any:
    """Each record on its own: those that raise go back to the queue, the others are done."""
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    context: Any = event.context
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        return process_partial_response(
            event=event.to_dict(), record_handler=work, processor=processor, context=context
        )
    finally:
        rooms.telemetry.flush()


def _sweep(context: Any) -> None:
    def time_left() -> bool:
        return context is None or bool(context.get_remaining_time_in_millis() > TIME_RESERVE_MS)

    try:
        rooms.telemetry.swept(rooms.escalator.sweep(rooms.now, time_left))
    finally:
        rooms.telemetry.flush()


def _current() -> Any:
    return app.current_request


def _request() -> Request:
    current = _current()
    return Request(
        method=current.method,
        headers={name.lower(): value for name, value in current.headers.items()},
        query=dict(current.query_params or {}),
        body=bytes(current.raw_body),
        received_at=rooms.now(),
    )


def _refused(error: Exception, platform: str, key: str) -> Response:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    rooms.telemetry.refused(status, platform, key)
    rooms.telemetry.flush()
    return Response({"error": str(error)}, {"Content-Type": "application/json"}, status)


