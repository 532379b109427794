"""Lambda entry points, nothing else: routes, queue and schedule handlers; the one place that turns errors into HTTP."""

from collections.abc import Callable
from functools import cached_property
from json import loads
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Chalice, Cron, Rate, Response, SQSEvent

from chalicelib.apps import AppsError
from chalicelib.aws.function_url import NOT_FOUND, Paths, from_url, gateway_event, url_answer
from chalicelib.aws.queues import QueueUnavailable, retry_after
from chalicelib.handlers.receive import Encoded, ForeignAccount, UnknownApp
from chalicelib.platforms.base import Request, SignatureError, TooLarge
from chalicelib.platforms.read import PayloadError
from chalicelib.services import Services


class Earshot(Chalice):
    """Chalice behind a function URL, and behind API Gateway's HTTP API as it comes."""

    @cached_property
    def paths(self) -> Paths:
        """Those of all routes, once they are all known."""
        return Paths(self.routes)

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        if not from_url(event):
            return dict(super().__call__(event, context))
        request = gateway_event(event, self.paths)
        return dict(NOT_FOUND) if request is None else url_answer(super().__call__(request, context))


# Each entry point imports only what it uses, inside: the time to its first answer depends on it.
app = Earshot(app_name="earshot", configure_logs=False)  # else every line of ours stood in the log twice
app.api.binary_types = []  # no answer is binary, and the event itself tells which requests are
services = Services()
services.prepare()

BODY_TYPES = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain"]
SWEEP_MINUTES = 1  # within P2's 120 s, should a timer fail
LONGEST_CODE = 64  # characters of an erasure's; a longer one could be no key
TIME_RESERVE_MS = 15_000  # what one message may need; with less left the rest of a batch goes back to the queue

# What a platform is told, the more special errors first. A retry helps with 503, and with 403 once the apps file is
# mended.
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
        answer = services.receiver.challenge(platform, key, _current().query_params or {})
    except (UnknownApp, AppsError) as error:
        return _refused(error, platform, key)
    return Response(answer.body, {"Content-Type": answer.content_type}, answer.status)


@app.route("/webhooks/{platform}/{key}", methods=["POST"], content_types=BODY_TYPES)
def receive(platform: str, key: str) -> Response:
    """One delivery: 200 when it is safe on the inbox or carries nothing to do."""
    try:
        services.receiver.receive(platform, key, _request())
    except tuple(error for error, _ in STATUS) as error:
        return _refused(error, platform, key)
    return Response("ok", {"Content-Type": "text/plain"}, 200)


@app.on_sqs_message(queue="inbox", batch_size=10, name="respond")
def respond(event: SQSEvent) -> Any:
    """Works on the inbox."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from chalicelib.handlers.inbox import AlreadyDone, decode

        _need_time(lambda_context)
        chunked: list[str] = []

        def read(name: str) -> bytes | None:
            chunked.append(name)
            return services.bodies.read(name)

        try:
            envelope = decode(record.body, read)
        except AlreadyDone:  # the queue brings a message twice now and then
            return
        services.telemetry.delivery(envelope.id)
        services.responder.respond(envelope, services.now)
        for name in chunked:
            services.bodies.drop(name)

    return _batch(event, work)


@app.on_sqs_message(queue="due", batch_size=1, name="escalate")
def escalate(event: SQSEvent) -> Any:
    """A timer fired: sweep everything overdue. Or one conversation was overdue as it came: escalate that one."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from chalicelib.handlers.messages import EscalationDue, decode

        message = decode(record.json_body)
        if isinstance(message, EscalationDue):
            _escalate(message.key)
        else:
            _sweep(lambda_context)

    return _batch(event, work)


@app.schedule(Rate(SWEEP_MINUTES, unit=Rate.MINUTES), name="sweep")
def sweep(event: Any) -> None:
    """The safety schedule: the same sweep, should a timer have failed."""
    _sweep(event.context)


@app.on_sqs_message(queue="escalations", batch_size=5, name="notify")
def notify(event: SQSEvent) -> Any:
    """Works on what was queued for people: their e-mails, and erasures (why those too: DECISIONS.md)."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from chalicelib.handlers import messages

        _need_time(lambda_context)
        now = services.now()
        match messages.decode(record.json_body):
            case messages.SendNotice() as message:
                services.notifier.notify(message, now)
            case messages.SendGathered() as message:
                services.notifier.send_gathered(message, now)
            case messages.AccountAlert() as message:
                services.account_alerts.tell(message, now)
            case messages.SpikeFound() as message:
                services.spike_news.tell(message, now)
            case messages.FindPerson() as message:
                services.eraser.find_person(message, now)
            case messages.Erase() as message:
                services.eraser.work(message, now, lambda: _has_time(lambda_context))
            case messages.WakeUp() | messages.EscalationDue() as message:
                raise messages.UnknownMessage(f"{type(message).__name__} on the queue of e-mails")

    return _batch(event, work)


@app.on_sqs_message(queue="mail-events", batch_size=10, name="mail_events")
def mail_events(event: SQSEvent) -> Any:
    """SES tells what became of an e-mail."""

    def work(record: Any, lambda_context: Any = None) -> None:
        body = record.json_body
        services.mail_events.hear(loads(body["Message"]) if "Message" in body else body, services.now())

    return _batch(event, work)


@app.on_sqs_message(queue="incoming-mail", batch_size=5, name="incoming_mail")
def incoming_mail(event: SQSEvent) -> Any:
    """SES received an answer by e-mail."""

    def work(record: Any, lambda_context: Any = None) -> None:
        from chalicelib.staff.receipt import object_name, received

        _need_time(lambda_context)
        body = record.json_body
        notification = loads(body["Message"]) if "Message" in body else body
        mail = received(notification, services.mail_bucket, services.now())
        if mail is None:  # the queue brings a message twice now and then
            return
        services.telemetry.received(services.incoming_mail.receive(mail, services.now))
        services.mail_bucket.drop(object_name(notification))

    return _batch(event, work)


@app.schedule(Cron(0, 6, "*", "*", "?", "*"), name="doctor")
def doctor(event: Any) -> None:
    """Once a day: checks the registrations and mails what is new."""
    services.doctor.visit(services.now())


@app.route("/erasure/{platform}/{key}", methods=["POST"], content_types=["application/x-www-form-urlencoded"])
def erase(platform: str, key: str) -> Response:
    """A platform tells who asks to be erased (Meta's data-deletion callback): notes the request; the work is queued."""
    from chalicelib.platforms import webhook

    try:
        registration, door = services.apps.get(platform, key), webhook(platform)
        if registration is None or door is None or door.asks_erasure is None:
            raise UnknownApp("there is no such app")
        user, code = door.asks_erasure(registration, bytes(_current().raw_body)), services.new_token()
        services.eraser.request_person(key, user, code, services.now())
    except tuple(error for error, _ in STATUS) as error:
        return _refused(error, platform, key)
    return _json({"url": f"{_public_url()}/erasure/{code}", "confirmation_code": code}, 200)


@app.route("/erasure/{code}", methods=["GET"])
def erasure_state(code: str) -> Response:
    """How far an erasure came: when it was received, when it was done."""
    state = services.eraser.state(code) if code.isalnum() and len(code) <= LONGEST_CODE else {}
    if not state:
        return _json({"error": "there is no request with this code, or it is older than 90 days"}, 404)
    return _json(state, 200)


@app.route("/act/{token}", methods=["GET"])
def act_page(token: str) -> Response:
    """The page behind an e-mail's link; it only shows."""
    query = _current().query_params or {}
    return _acted(lambda: services.desk.show(token, query, services.now()))


@app.route("/act/{token}", methods=["POST"], content_types=["application/x-www-form-urlencoded"])
def act(token: str) -> Response:
    """What the page's form asks for."""
    form = {name: values[-1] for name, values in parse_qs(_current().raw_body.decode("utf-8", "replace")).items()}
    return _acted(lambda: services.desk.act(token, form, services.now))


@app.route("/report/{token}", methods=["GET"])
def report_page(token: str) -> Response:
    """The report behind the weekly e-mail's link."""
    from chalicelib.reports.shelf import POLICY

    return _acted(lambda: services.shelf.page(token, services.now()), POLICY)


def _acted(page: Callable[[], str], allowed: str = "") -> Response:
    from chalicelib.aws.client import AwsError
    from chalicelib.emails.links import LinkError
    from chalicelib.keys import KeysError
    from chalicelib.staff.choices import BadAction
    from chalicelib.staff.page import policy
    from chalicelib.storage.table import Contention

    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": allowed or policy(),
        "X-Content-Type-Options": "nosniff",
    }
    try:
        return Response(page(), headers, 200)
    except (KeysError, AwsError, Contention):
        words = "This page cannot be shown just now. Try again in a minute."
        return Response(words, {**headers, "Content-Type": "text/plain; charset=utf-8"}, 503)
    except LinkError as error:
        return Response(services.desk.unopened(error), headers, 404)
    except BadAction as error:
        return Response(services.desk.problem(str(error)), headers, 400)


class OutOfTime(Exception):
    """The invocation ends soon: the rest of the batch goes back to the queue."""


def _need_time(context: Any) -> None:
    if not _has_time(context):
        raise OutOfTime


def _has_time(context: Any) -> bool:
    return context is None or bool(context.get_remaining_time_in_millis() >= TIME_RESERVE_MS)


_idle: list[Any] = []  # batch processors that are on no batch: each holds the one that it is on, and goes in circles


def _batch(event: SQSEvent, work: Any) -> Any:
    """Each record on its own: those that raise go back to the queue and come again soon, the others are done."""
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    from chalicelib.outcomes.place import place

    context: Any = event.context
    try:
        processor = _idle.pop()
    except IndexError:
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        answer = process_partial_response(
            event=event.to_dict(), record_handler=work, processor=processor, context=context
        )
    finally:
        services.telemetry.flush()
        for kind, _, trace in processor.exceptions:
            app.log.error("a message goes back to its queue: %s at %s", kind and kind.__name__, place(trace))
    _idle.append(processor)
    _come_soon(event, {str(row["itemIdentifier"]) for row in answer["batchItemFailures"]})
    return answer


def _come_soon(event: SQSEvent, failed: set[str]) -> None:
    """The queue's visibility time-out is made for a worker that died; what only failed comes again in seconds."""
    records = [r for r in event.to_dict()["Records"] if r["messageId"] in failed]
    after = {r["receiptHandle"]: retry_after(int(r["attributes"].get("ApproximateReceiveCount", 1))) for r in records}
    try:
        if records:
            services.visibility.shorten(records[0]["eventSourceARN"], after)
    except QueueUnavailable as error:
        app.log.warning("failed messages come again after the queue's visibility time-out only: %s", error)


def _escalate(key: Any) -> None:
    try:
        services.escalator.escalate(key, services.now())
    finally:
        services.telemetry.flush()


def _sweep(context: Any) -> None:
    try:
        services.telemetry.swept(services.escalator.sweep(services.now, lambda: _has_time(context)))
    finally:
        services.telemetry.flush()


def _current() -> Any:
    return app.current_request


def _request() -> Request:
    current = _current()
    return Request(
        method=current.method,
        headers={name.lower(): value for name, value in current.to_original_event()["headers"].items()},
        query=dict(current.query_params or {}),
        body=bytes(current.raw_body),
        received_at=services.now(),
    )


def _public_url() -> str:
    """Where this API is: as configured, or as the request called it."""
    return services.settings.public_url or f"https://{_current().headers.get('host', '')}"


def _json(data: Any, status: int) -> Response:
    return Response(dict(data), {"Content-Type": "application/json"}, status_code=status)


def _refused(error: Exception, platform: str, key: str) -> Response:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    services.telemetry.refused(status, platform, key)
    services.telemetry.flush()
    return Response({"error": str(error)}, {"Content-Type": "application/json"}, status)
