"""The handlers on AWS in memory, with every AWS call and every reply numbered, and any one of them made to fail.

A fault is one of: `crash` (the process dies before the call), `dies` (it dies right after it), `lost` (the call is
done but its answer does not arrive), `twice` (the client repeats a call whose first answer was lost).
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Unpack

import yaml
from botocore.exceptions import ReadTimeoutError

import app as entry
from chalicelib.apps import Apps
from chalicelib.aws.client import AwsError
from chalicelib.aws.queues import QueueUnavailable
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.outcomes.types import Escalated, Failed, Handled, Notified, Replied, Stored
from chalicelib.platforms.base import hmac_hex
from chalicelib.platforms.http import Answer, ApiCall, NoAnswer
from chalicelib.playbook.policy import Playbook
from chalicelib.resources import Overrides
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.local.events import message, sqs_event
from infra.local.gateway import Gateway
from infra.replay.recording import Recorded
from infra.replay.services import REPLAY_KEYS
from infra.stack.definitions import RESOURCES
from tests.http_doubles import PostedOnPaper
from tests.quick_aws import QuickAws, QuickSes, State
from tests.world import APPS, NOW, playbook


def create_table(client: Any, name: str) -> None:
    """The table as infra/stack/resources.yaml defines it."""
    properties = yaml.safe_load(RESOURCES.read_text("utf-8"))["Resources"]["Table"]["Properties"]
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client.create_table(TableName=name, **{key: properties[key] for key in wanted})


class Killed(BaseException):
    """The process is gone: nothing catches this but the test."""


@dataclass
class Faults:
    """Counts calls; the one numbered `at` fails in the way of `mode`. `names` and `places` (the way through chalicelib
    to the call) are the record of a run without faults."""

    at: int = 0
    mode: str = ""
    names: list[str] = field(default_factory=list)
    places: list[tuple[str, ...]] = field(default_factory=list)

    def call(self, name: str, do: Callable[[], Any], lost: Exception, *, repeats: bool = True) -> Any:
        self.names.append(name)
        self.places.append((name, *way()))
        if len(self.names) != self.at:
            return do()
        if self.mode == "crash":
            raise Killed(name)
        answer = do()
        if self.mode == "dies":
            raise Killed(name)
        if self.mode == "lost":
            raise lost
        return do() if repeats else answer


def way() -> Iterator[str]:
    """The lines of chalicelib that led here, innermost first."""
    frame = sys._getframe(2)
    while frame.f_back:
        frame = frame.f_back
        if "chalicelib" in frame.f_code.co_filename:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"


class FaultyClient:
    """A boto3 client whose calls pass through `faults`; `sent` keeps the e-mails that SES accepted, by their id."""

    def __init__(
        self, client: Any, service: str, faults: Faults, sent: dict[str, dict[str, Any]], attempts: int
    ) -> None:
        self._client, self._service, self._faults, self._sent = client, service, faults, sent
        self._repeats = attempts > 1
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(**request: Any) -> Any:
            def do() -> Any:
                answer = method(**request)
                if name == "send_email":
                    self._sent[answer["MessageId"]] = request
                return answer

            lost = ReadTimeoutError(endpoint_url=self._service)
            return self._faults.call(f"{self._service}.{name}", do, lost, repeats=self._repeats)

        return call


@dataclass
class FaultyPlatforms(PostedOnPaper):
    """The platforms on paper, whose answers pass through the same faults: a POST is never repeated by itself."""

    faults: Faults = field(default_factory=Faults)

    def request(self, call: ApiCall) -> Answer:
        def do() -> Answer:
            return PostedOnPaper.request(self, call)

        answer: Answer = self.faults.call("reply", do, NoAnswer("timed out"), repeats=False)
        return answer


SETTINGS = Settings("table", "inbox", "due", "escalations", "quarantine", "timer", "earshot@shop.example.com")


class AwsServices(Services):
    """Services whose calls fail as told."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults,
        policy: Playbook,
        apps: Apps,
        state: State,
        **overrides: Unpack[Overrides],
    ) -> None:
        self.faults, self.time, self._ses = faults, NOW, QuickSes()
        self.sent: dict[str, dict[str, Any]] = {}
        given: Overrides = {
            "clock": lambda: self.time,
            "registrations": lambda: apps,
            "stack_keys": lambda: REPLAY_KEYS,
            "client": self._client,
            "lean_aws": QuickAws(state, lambda name, do: faults.call(name, do, AwsError("TimeoutError"))),
            "visibility": PlayedVisibility(faults),
            "playbook": policy,
            "http": FaultyPlatforms(faults=faults),
            "telemetry": Silent(),
        }
        given.update(overrides)
        super().__init__(settings, **given)

    def _client(self, service: str, config: dict[str, Any]) -> Any:
        attempts = config["retries"]["total_max_attempts"]
        return FaultyClient(self._ses, service, self.faults, self.sent, attempts)


@dataclass(frozen=True, slots=True)
class PlayedVisibility:
    """`work` takes a message again at once, whatever time-out it has; the call can fail all the same."""

    faults: Faults

    def shorten(self, arn: str, after: Mapping[str, timedelta]) -> None:
        self.faults.call("sqs.ChangeMessageVisibilityBatch", lambda: None, QueueUnavailable("TimeoutError"))


class Silent:
    """Outcomes that nobody listens to."""

    def delivery(self, id: str) -> None: ...
    def skipped(self, parts: Sequence[str]) -> None: ...
    def stored(self, outcome: Stored) -> None: ...
    def replied(self, outcome: Replied) -> None: ...
    def escalated(self, outcome: Escalated) -> None: ...
    def notified(self, outcome: Notified) -> None: ...
    def channel_failed(self, kind: str, code: str) -> None: ...
    def received(self, outcome: Handled) -> None: ...
    def refused(self, status: int, platform: str, app: str) -> None: ...
    def failed(self, outcome: Failed) -> None: ...
    def swept(self, complete: bool) -> None: ...
    def flush(self) -> None: ...


class AwsWorld:
    """One table, four queues and a state machine, and the handlers in front of them."""

    def __init__(self, faults: Faults | None = None, policy: Playbook | None = None, apps: Apps = APPS) -> None:
        self.faults, self.aws = Faults(), State()
        self.services = AwsServices(SETTINGS, self.faults, policy or playbook(), apps, self.aws)
        if faults:
            self.faults.at, self.faults.mode = faults.at, faults.mode
        self.platforms: FaultyPlatforms = self.services.http  # type: ignore[assignment]
        self._told: set[str] = set()

    @contextmanager
    def _entered(self) -> Iterator[None]:
        previous, entry.services = entry.services, self.services
        try:
            yield
        finally:
            entry.services = previous

    def deliver(self, body: bytes) -> None:
        """A platform that posts until it gets its 200."""
        signed = {"X-Hub-Signature-256": "sha256=" + hmac_hex("current", body)}
        call = Recorded(NOW, "POST", "/webhooks/meta/main", {}, signed, body).call()
        for _ in range(5):
            with self._entered():
                try:
                    if Gateway(entry.app).answer(call).status == 200:
                        return
                except Killed:
                    self._forget()
        raise AssertionError("the platform never got its 200")

    def work(self) -> None:
        """Plays SQS and Lambda until the queues are empty: a message goes only when its handler is done with it."""
        queues = {
            self.services.settings.inbox_url: entry.respond,
            self.services.settings.due_url: entry.escalate,
            self.services.settings.escalations_url: entry.notify,
        }
        for _ in range(200):
            if not any([self._one(url, handler) for url, handler in queues.items()]):
                return
        raise AssertionError("the queues never ran empty")

    def _one(self, url: str, handler: Any) -> bool:
        """The first message of the queue; it goes when its handler is done with it, else it comes again last."""
        queue = self.aws.queues.get(url, [])
        if not queue:
            return False
        body = queue.pop(0)
        with self._entered():
            try:
                result = handler(sqs_event([message(body)], "queue"), None)
            except (Killed, ReadTimeoutError, AwsError, QueueUnavailable):
                self._forget()
                result = {"batchItemFailures": ["the process"]}
        if result and result["batchItemFailures"]:
            queue.append(body)
        return True

    def sweep(self) -> None:
        """The safety schedule, as often as it takes to run through."""
        for _ in range(3):
            try:
                if self.services.escalator.sweep(self.services.now):
                    return
            except (Killed, ReadTimeoutError, AwsError, QueueUnavailable):
                self._forget()
        raise AssertionError("the sweep never ran through")

    def pass_time(self, *minutes: int) -> None:
        """The clock goes to each of `minutes` after the start, and what is due by then happens: SES's events, the
        safety schedule's sweep, the queues."""
        for minute in minutes:
            self.services.time = NOW + timedelta(minutes=minute)
            self.mail_events()
            self.sweep()
            self.work()

    def mail_events(self) -> None:
        """SES tells of each e-mail that it accepted, in the shape of its Send event."""
        for id, request in list(self.services.sent.items()):
            if id in self._told:
                continue
            self._told.add(id)
            tags = {tag["Name"]: [tag["Value"]] for tag in request["EmailTags"]}
            event = json.dumps({"eventType": "Send", "mail": {"messageId": id, "tags": tags}})
            with self._entered():
                for _ in range(3):
                    try:
                        if not entry.mail_events(sqs_event([message(event)], "queue"), None)["batchItemFailures"]:
                            break
                    except Killed:
                        self._forget()

    def _forget(self) -> None:
        """A new process: whatever the old one kept in memory is gone."""
        old = self.services
        fresh = AwsServices(old.settings, self.faults, old.playbook, old.apps, self.aws, http=old.http)
        fresh.time, fresh.sent, fresh._ses = old.time, old.sent, old._ses
        self.services = fresh

    @property
    def emails(self) -> list[dict[str, Any]]:
        """The e-mails that SES accepted, as they were requested."""
        return list(self.services.sent.values())

    def items(self) -> list[Any]:
        return list(self.services.store.table.everything())

    def conversations(self) -> list[Conversation]:
        return list(self.services.store.conversations())

    def interactions(self) -> list[Interaction]:
        return list(self.services.store.interactions())
