"""A whole shop on a virtual clock: app.py's handlers over AWS in memory, the stand-in platforms and SES's mail room,
with processes that end at any call."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from itertools import count
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

import app as entry
from chalicelib.aws.client import AwsError, Service
from chalicelib.aws.mail_bucket import StoredMail
from chalicelib.aws.mailer import SesMailer
from chalicelib.aws.queues import QueueUnavailable, SqsQueue
from chalicelib.aws.timer import StepFunctionsTimer
from chalicelib.codec import load, to_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails import links
from chalicelib.keys import Keys
from chalicelib.platforms.base import hmac_hex
from chalicelib.platforms.http import Answer, ApiCall, NoAnswer
from chalicelib.playbook.policy import Playbook
from chalicelib.resources import Overrides
from chalicelib.storage.item_keys import ConversationKey, thread_pk
from chalicelib.storage.store import Store
from chalicelib.storage.table import DynamoTable
from infra.local.events import schedule_event, send_event
from infra.local.loopback import Answered
from infra.local.post_office import PASS, notice
from infra.replay.memory import MemoryMailBucket, VirtualClock
from infra.replay.services import NO_SETTINGS, ReplayServices
from tests.aws_world import Killed, way
from tests.http_doubles import StandInHttp
from tests.quick_aws import QuickAws, State
from tests.world import APPS, MemoryWorld

URL = "https://earshot.shop.example.com/api"
DOMAIN = "reply.shop.example.com"
KEYS = Keys("k" * 48)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
THROTTLED: Any = {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
_SHOWN = re.compile(r"[(@](q\d+v\d+)\b")  # how questions are marked, so that a reader can tell them apart


def marks(text: str) -> frozenset[str]:
    """The versions of questions that a reader of `text` sees."""
    return frozenset(_SHOWN.findall(text))


class ClockedState(State):
    """What AWS keeps, whose messages and executions come when the clock says so; `timers` False: no execution wakes."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock, self.timers = clock, True
        self.sent: list[tuple[str, str]] = []  # what went to queues, for those that repeat themselves
        self.refused: set[str] = set()  # partitions that take no write
        self.wakes: dict[str, datetime] = {}  # by execution

    def send(self, url: str, body: str, delay: int) -> None:
        self.sent.append((url, body))
        self.clock.add(self.clock.now + delay * SECOND, url, body)

    def start(self, name: str, given: str) -> None:
        self.executions.add(name)
        self.wakes[name] = to_time(json.loads(given)["wake_at"])
        if self.timers:
            self.clock.add(to_time(json.loads(given)["wake_at"]), "due", given)

    def status(self, name: str) -> str:
        return "RUNNING" if self.clock.now < self.wakes[name] else "SUCCEEDED"

    def first_wake(self) -> datetime | None:
        """When something is overdue first, by the index that sweeps read."""
        found = [item["wake_at"]["S"] for t in self.tables.values() for item in t.values() if "wake_at" in item]
        return to_time(min(found)) if found else None


@dataclass
class Breaks:
    """Lets something happen at one of the calls to come: the process ends before it (`crash`) or after it (`dies`), its
    answer is lost (`lost`), it is made twice (`twice`), or another worker runs whole before it (`meanwhile`). `left`
    counts down to it; `broke` says that a call failed."""

    left: int = 0
    how: str = ""
    broke: str = ""
    other: Callable[[], None] = lambda: None
    out: tuple[str, datetime] | None = None  # a service that answers nothing until then
    now: Callable[[], datetime] = lambda: datetime.max.replace(tzinfo=UTC)
    places: list[tuple[str, ...]] | None = None  # where given: the way to each call is noted
    noted: list[tuple[str, ...]] = field(default_factory=list)

    def end(self) -> None:
        """From now on nothing is broken or noted."""
        self.left, self.places, self.noted = 0, None, self.places or []

    def through(self, name: str, do: Callable[[], Any], lost: Exception | None = None) -> Any:
        if self.places is not None:
            self.places.append((name, *way()))
        if self.out and name.startswith(self.out[0]) and self.now() < self.out[1]:
            raise ClientError(THROTTLED, "SendEmail") if name == "ses.SendEmail" else AwsError("ThrottlingException")
        if self.left:
            self.left -= 1
            if not self.left and self.how == "meanwhile":
                self.other()
            elif not self.left:
                self.broke = name
                if self.how == "crash":
                    raise Killed(name)
                answer = do()
                if self.how == "dies":
                    raise Killed(name)
                if self.how == "lost":
                    raise lost or AwsError("TimeoutError")
                return do() if lost is None else answer  # `twice`, where the client repeats a call at all
        return do()


@dataclass(repr=False)
class Sent:
    """An e-mail that SES took. `marks` are the versions of questions that its reader sees."""

    at: datetime
    to: str
    subject: str
    text: str
    html: str
    tags: Mapping[str, str]
    reply_to: str
    marks: frozenset[str]

    def __repr__(self) -> str:
        which = f"{self.tags.get('tier')}, {self.tags.get('to')}"
        return f"{self.at:%d %H:%M:%S} to {self.to} ({which}): {sorted(self.marks)}"

    @property
    def links(self) -> list[str]:
        """The paths of the desks that it leads to."""
        return list(dict.fromkeys(re.findall(re.escape(URL) + r"(/act/[^\s#]+)", self.text)))


class Refusing(QuickAws):
    """AWS that refuses to write some items: as when one has grown over DynamoDB's 400 KB."""

    def __init__(self, state: ClockedState, through: Callable[[str, Callable[[], Any]], Any]) -> None:
        super().__init__(state, through)
        self._refused = state.refused

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if action == "PutItem" and parameters["Item"]["pk"]["S"] in self._refused:
            raise AwsError("ValidationException")
        return super().call(service, action, parameters)


class MailRoom:
    """SES as boto3's client: takes e-mails, and tells of each by an event. `next` are what becomes of the next ones:
    `throttled`, `lost` (never went), `silent` (went, and only the event says so)."""

    exceptions: Any = None

    def __init__(self, clock: VirtualClock, breaks: Breaks) -> None:
        self.sent: list[Sent] = []
        self.next: list[str] = []
        self.seen: Callable[[Sent], None] = lambda sent: None
        self.failed: Callable[[], None] = lambda: None
        self._clock, self._breaks, self._ids = clock, breaks, count(1)

    def send_email(self, **request: Any) -> dict[str, Any]:
        how = self.next.pop(0) if self.next else ""
        if how:
            self.failed()
        if how == "throttled":
            raise ClientError(THROTTLED, "SendEmail")
        if how == "lost":
            raise ReadTimeoutError(endpoint_url="ses")
        answer: dict[str, Any] = self._breaks.through(
            "ses.SendEmail", lambda: self._take(request), ReadTimeoutError(endpoint_url="ses")
        )
        if how == "silent":
            raise ReadTimeoutError(endpoint_url="ses")
        return answer

    def _take(self, request: Mapping[str, Any]) -> dict[str, Any]:
        simple = request["Content"]["Simple"]
        text, html = (simple["Body"][part]["Data"] for part in ("Text", "Html"))
        tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
        (to,) = request["Destination"]["ToAddresses"]
        sent = Sent(
            self._clock.now,
            to,
            simple["Subject"]["Data"],
            text,
            html,
            tags,
            request.get("ReplyToAddresses", [""])[0],
            marks(text),
        )
        self.sent.append(sent)
        self.seen(sent)
        id = f"mail-{next(self._ids)}"
        self._clock.add(self._clock.now + 2 * SECOND, "mail-events", json.dumps(send_event(id, to, tags)))
        return {"MessageId": id}


@dataclass
class Wire(StandInHttp):
    """The stand-in platforms, at which a process can end; and the teams' channels, which take whatever comes."""

    breaks: Breaks = field(default_factory=Breaks)
    channels: list[tuple[str, bytes]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # tokens

    def request(self, call: ApiCall) -> Answer:
        def do() -> Answer:
            if call.method != "GET" and call.headers.get("Authorization", "").removeprefix("Bearer ") in self.refused:
                return Answer(400, {"error": {"code": 190, "message": "expired"}})
            if not call.place.startswith("hooks."):
                return StandInHttp.request(self, call)
            self.channels.append((call.url, call.body))
            return Answer()

        answer: Answer = self.breaks.through("platform", do, NoAnswer("timed out"))
        return answer


@dataclass
class Bucket(MemoryMailBucket):
    """The bucket of received e-mails, at which a process can end."""

    breaks: Breaks = field(default_factory=Breaks)

    def read(self, name: str, most: int) -> StoredMail | None:
        found: StoredMail | None = self.breaks.through("s3.GetObject", lambda: MemoryMailBucket.read(self, name, most))
        return found

    def drop(self, name: str) -> None:
        self.breaks.through("s3.DeleteObject", lambda: MemoryMailBucket.drop(self, name))


class ShopWorld(MemoryWorld):
    """`wire` and `post_room` are the other ends; `breaks` lets a process end."""

    def __init__(self, policy: Playbook, start: datetime) -> None:
        self.breaks = Breaks()
        self.wire = Wire(breaks=self.breaks)
        super().__init__(policy, APPS, URL, DOMAIN, http=self.wire)
        self.virtual_clock.now = start
        self.aws = ClockedState(self.virtual_clock)
        self.breaks.now = self.now
        self.mail_room = MailRoom(self.virtual_clock, self.breaks)
        self.bucket = Bucket(breaks=self.breaks)
        self.rows: list[dict[str, Any]] = []
        self.heard: Callable[[dict[str, Any]], None] = lambda row: None
        self.out.write = self._write  # type: ignore[method-assign]
        self.policy = policy
        self.planned_anew = False
        self.new_process()
        self._ids = count(1)
        self._swept = start.replace(second=0, microsecond=0) - MINUTE

    def _write(self, line: str) -> int:
        row = json.loads(line)
        self.rows.append(row)
        self.heard(row)
        return len(line)

    def records(self, type: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["type"] == type]

    def new_process(self) -> None:
        """Whatever a process had in memory is gone; what AWS keeps is not."""
        aws = Refusing(self.aws, self.breaks.through)
        queues = {name: SqsQueue(aws, name) for name in ("inbox", "due", "escalations", "quarantine")}
        given: Overrides = {
            "http": self.wire,
            "registrations": lambda: self.registered,
            "store": Store(DynamoTable(aws, "table"), 90),
            "timer": StepFunctionsTimer(aws, "arn:aws:states:eu-central-1:123456789012:stateMachine:timer"),
            "mailer": SesMailer(self.mail_room, "earshot@shop.example.com"),
            "mail_bucket": self.bucket,
            "stack_keys": lambda: KEYS,
            "visibility": self.services.visibility,
            "new_token": self.services.new_token,  # no two processes ever make the same
            **queues,  # type: ignore[typeddict-item]
        }
        settings = NO_SETTINGS._replace(public_url=URL, reply_domain=DOMAIN)
        self.services = ReplayServices(APPS, self.policy, self.virtual_clock, self.outcomes, settings, **given)

    def refuse(self, product: str, account: str, thread: str) -> None:
        """From now on nothing can be written in this thread."""
        self.aws.refused.add(thread_pk(product, account, thread))

    def deploy(self, policy: Playbook) -> None:
        """Another playbook, with the next release."""
        self.policy, self.planned_anew = policy, True
        self.new_process()

    # --- what comes in ---

    def deliver(self, body: bytes, app: str = "main") -> None:
        """A platform that posts until it gets its 200."""
        secret = next(a.secrets[0] for a in APPS.apps if a.key == app)
        self.until_taken(f"/webhooks/meta/{app}", body, {"X-Hub-Signature-256": "sha256=" + hmac_hex(secret, body)})

    def until_taken(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """The same, as any platform does."""
        for _ in range(5):
            with suppress(Killed):
                if self.post(body, path=path, headers=headers) == 200:
                    return
            self.new_process()
        raise AssertionError("the platform never got its 200")

    def request(self, method: str, path: str, *rest: Any, **named: Any) -> Answered:
        if not path.startswith("/act/"):
            return super().request(method, path, *rest, **named)
        for _ in range(5):  # who gets an error page presses again
            with suppress(Killed):
                answer = super().request(method, path, *rest, **named)
                if answer.status < 500:
                    return answer
            self.new_process()
        raise AssertionError("the page never came")

    def mail_in(self, sender: str, to: str, text: str, *, id: str = "", verdicts: Mapping[str, str] = PASS) -> str:
        """An answer by e-mail arrives; its Message-ID."""
        message, number = EmailMessage(), next(self._ids)
        message["From"], message["To"], message["Subject"] = sender, to, "Re: [Earshot]"
        message["Message-ID"] = id or f"<{number}@mail.example.com>"
        message.set_content(f"{text}\n\nOn Mon, 23 Nov 2026 at 10:10, Earshot <e@x.example> wrote:\n\n> Question\n")
        name = f"in-{number}"
        self.bucket.kept[name] = message.as_bytes(policy=SMTP)
        told = notice(name, to, sender, verdicts, self.virtual_clock.now)
        self.virtual_clock.add(self.virtual_clock.now, "incoming-mail", json.dumps(told))
        return str(message["Message-ID"])

    def bounced(self, sent: Sent, kind: str = "Bounce") -> None:
        event = {"eventType": kind, "mail": {"messageId": "x", "tags": {n: [v] for n, v in sent.tags.items()}}}
        self.virtual_clock.add(self.virtual_clock.now, "mail-events", json.dumps(event))

    def tries(self, do: Callable[[], None]) -> bool:
        """Whether an operator's call went through."""
        try:
            with self._entered():
                do()
            return True
        except Killed:
            self.new_process()
        except (AwsError, QueueUnavailable):
            pass
        return False

    def now(self) -> datetime:
        return self.virtual_clock.now

    def link_of(self, path: str) -> links.Link:
        """What a desk's path opens."""
        return links.read(KEYS, path.removeprefix("/act/"), datetime.min.replace(tzinfo=UTC))

    def key_of(self, path: str) -> ConversationKey:
        return self.link_of(path).key

    # --- the clock ---

    def _play(self, handlers: dict[str, Any], end: datetime, every: timedelta | None) -> None:
        """Queues, timers, and a sweep in every minute in which one has anything to do."""
        handlers |= {"mail-events": entry.mail_events, "incoming-mail": entry.incoming_mail}
        while True:
            first = self.virtual_clock._heap[0].at if self.virtual_clock._heap else None
            sweep = self._next_sweep(first)
            if sweep and sweep <= end and (first is None or sweep < first):
                self.virtual_clock.now = self._swept = sweep
                self._sweep()
                continue
            due = self.virtual_clock.next(end)
            if due is None:
                return
            if due.name == "quarantine":
                self.quarantined.append(due.body)
            else:
                goes_on = not self.deliverer.deliver([due], self._guarded(handlers[due.name]))
                assert goes_on or self.aws.refused, f"a dead letter of {due.name}"

    def _next_sweep(self, first: datetime | None) -> datetime | None:
        """The full minute in which the schedule's sweep next finds something, or has to plan anew."""
        now = self.virtual_clock.now
        following = now.replace(second=0, microsecond=0) + (MINUTE if now.second or now.microsecond else timedelta())
        following = max(following, self._swept + MINUTE)
        if self.planned_anew:
            return following
        if first is not None and first <= following:
            return None  # whatever happens before may change it
        wake = self.aws.first_wake()
        if wake is None:
            return None
        return max(following, -(-(wake - following) // MINUTE) * MINUTE + following)

    def _sweep(self) -> None:
        self.planned_anew = False
        try:
            entry.sweep(schedule_event(self.virtual_clock.now), None)
        except Killed:
            self.new_process()
            entry.services = self.services
            self.planned_anew = True
        except (AwsError, QueueUnavailable):  # the next one comes in a minute
            self.planned_anew = True

    def _guarded(self, handler: Any) -> Callable[[Any, Any], Any]:
        def call(event: Any, context: Any) -> Any:
            try:
                return handler(event, context)
            except Killed:
                self.new_process()
                entry.services = self.services
                return {"batchItemFailures": [{"itemIdentifier": "1"}]}

        return call

    # --- what is there ---

    def items(self) -> Mapping[tuple[str, str], Any]:
        """Everything in the table, as AWS keeps it."""
        return self.aws.tables.get("table", {})

    def conversations(self) -> list[Conversation]:
        return [load(Conversation, i.doc) for i in self.store.table.everything() if i.key.sk.startswith("c#")]

    def interactions(self) -> list[Interaction]:
        return [load(Interaction, i.doc) for i in self.store.table.everything() if i.key.pk.startswith("i#")]
