"""A small world for tests: app.py's real handlers over services whose clock, platforms and mailbox the test holds.

`MemoryWorld` runs on infra/replay/memory.py (linearizable, instant); `AwsWorld` (aws_world.py) on moto through boto3.
"""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Unpack

import app as entry
from chalicelib.apps import Account, App, Apps
from chalicelib.aws.client import AwsError
from chalicelib.aws.mailer import Email
from chalicelib.aws.queues import QueueUnavailable
from chalicelib.codec import Dumped, load
from chalicelib.conversations.conversation import Conversation, Deed
from chalicelib.conversations.interaction import Interaction
from chalicelib.conversations.staff_rules import Wish, act, shown
from chalicelib.platforms.base import hmac_hex
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.resources import Overrides
from chalicelib.storage.optouts import OptOuts
from chalicelib.storage.packed import pack, unpack
from chalicelib.storage.store import Store
from chalicelib.storage.table import Item
from infra.local.gateway import Gateway
from infra.local.loopback import Answered
from infra.replay.memory import Deliverer, MemoryTable, VirtualClock
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Recorded
from infra.replay.services import NO_SETTINGS, ReplayServices
from tests.dead_letters import MemoryDeadLetters
from tests.http_doubles import PostedOnPaper

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday morning
PAGE = "100200300400500"
QUESTION = "where is my order? it has not arrived yet and the tracking says nothing"

APPS = Apps(
    (
        App(
            "meta",
            "main",
            secrets=("current", "previous"),
            verify_token="verify-me",
            app_id="424242",
            accounts=(
                Account(PAGE, "facebook", "Example Shop", "token-a"),
                Account(PAGE, "messenger", "Example Shop", "token-a"),
            ),
        ),
        App(
            "meta", "other", secrets=("other-secret",), accounts=(Account("999", "facebook", "Other Shop", "token-b"),)
        ),
    )
)


def done_by_staff(c: Conversation, deed: Deed, now: datetime, intent: str = "") -> Conversation:
    """`c` after a person did `deed` on a page that showed all there is."""
    wish = Wish(f"{deed}{now}", deed, "Robin", shown(c), intent=intent)
    return act(c, wish, playbook(), now)


def is_stopped(store: Store, product: str, account: str, customer: str) -> bool:
    """Whether the customer's newest word is that they want no automatic replies."""
    word = OptOuts(store).of(product, account, customer)
    return bool(word and word.stopped)


def playbook() -> Playbook:
    return load_playbook(DEFAULT_PLAYBOOK.read_text("utf-8"))


def comment(
    id: str,
    text: str,
    *,
    author: str = "5001",
    at: datetime = NOW,
    parent: str | None = None,
    verb: str = "add",
    post: str = f"{PAGE}_77",
    entry_at: datetime | None = None,
) -> dict[str, Any]:
    """A change of a Page's feed, as Facebook sends it."""
    value = {
        "from": {"id": author, "name": "Example Shop" if author == PAGE else "Ann Example"},
        "item": "comment",
        "verb": verb,
        "comment_id": id,
        "post_id": post,
        "parent_id": parent or post,
        "created_time": int(at.timestamp()),
        "message": text,
    }
    return {"field": "feed", "value": value, "_at": int((entry_at or at).timestamp())}


def delivery(*changes: dict[str, Any], page: str = PAGE) -> bytes:
    """The body of a delivery with these changes, each in an entry of its own."""
    entries = [{"id": page, "time": c["_at"], "changes": [{k: v for k, v in c.items() if k != "_at"}]} for c in changes]
    return json.dumps({"object": "page", "entry": entries}).encode()


def message(id: str, text: str, *, author: str = "psid-1", at: datetime = NOW, **more: Any) -> bytes:
    """The body of a delivery with one Messenger message; `is_echo=True` makes it the Page's."""
    echo = more.get("is_echo", False)
    part = {
        "sender": {"id": PAGE if echo else author},
        "recipient": {"id": author if echo else PAGE},
        "timestamp": int(at.timestamp() * 1000),
        "message": {"mid": id, "text": text, **more},
    }
    return json.dumps(
        {"object": "page", "entry": [{"id": PAGE, "time": int(at.timestamp()), "messaging": [part]}]}
    ).encode()


class ComparedTable(MemoryTable):
    """Sees to it that whatever it keeps would come back from DynamoDB as it was written."""

    def put(self, item: Item) -> Item:
        if isinstance(item.doc, Dumped):
            written = item.doc.value
            assert load(type(written), unpack(pack(item.doc.plain, item.key.whole), item.key.whole)) == written
        return super().put(item)


class MemoryWorld:
    """The handlers on a virtual clock."""

    def __init__(
        self,
        policy: Playbook | None = None,
        apps: Apps = APPS,
        public_url: str = "",
        reply_domain: str = "",
        **overrides: Unpack[Overrides],
    ) -> None:
        self.virtual_clock = VirtualClock(NOW)
        self.out = StringIO()
        self.outcomes = Outcomes(self.out, self.virtual_clock)
        self.platforms = PostedOnPaper()
        self.quarantined: list[str] = []  # the inbox's dead letters
        self.dead: list[str] = []  # the other queues'
        self.registered = apps  # read anew when Services reads them
        given: Overrides = {
            "http": self.platforms,
            "registrations": lambda: self.registered,
            "store": Store(ComparedTable(), 90),
        }
        given["dead_letters"] = (MemoryDeadLetters(self.quarantined), MemoryDeadLetters(self.dead))
        given.update(overrides)
        settings = NO_SETTINGS._replace(public_url=public_url, reply_domain=reply_domain)
        self.services = ReplayServices(apps, policy or playbook(), self.virtual_clock, self.outcomes, settings, **given)
        self.deliverer = Deliverer(self.virtual_clock, self.services.visibility)  # type: ignore[arg-type]

    @property
    def emails(self) -> list[Email]:
        return list(self.services.mailer.sent)  # type: ignore[attr-defined]

    @property
    def store(self) -> Any:
        return self.services.store

    @contextmanager
    def _entered(self) -> Any:
        previous, entry.services = entry.services, self.services
        try:
            yield
        finally:
            entry.services = previous

    def post(
        self,
        body: bytes,
        *,
        secret: str = "current",
        path: str = "/webhooks/meta/main",
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """The status that a signed POST gets."""
        signed = {"X-Hub-Signature-256": "sha256=" + hmac_hex(secret, body)} if headers is None else headers
        return self.request("POST", path, body, signed).status

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answered:
        """What the gateway answers."""
        with self._entered():
            recorded = Recorded(self.services.now(), method, path, query or {}, headers or {}, body)
            return Gateway(entry.app).answer(recorded.call())

    def run(
        self, until: timedelta = timedelta(), *, sweep: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Plays queues and timers until that long after now; a message that fails comes back as on AWS."""
        end = self.virtual_clock.now + until
        handlers = {"inbox": entry.respond, "escalations": entry.notify, "due": entry.escalate}
        handlers["mail-events"] = entry.mail_events
        with self._entered():
            if sweep:
                self._play(handlers, end, every=timedelta(minutes=entry.SWEEP_MINUTES))
            else:
                self._play(handlers, end, every=None)
        self.virtual_clock.now = end

    def _play(self, handlers: dict[str, Any], end: datetime, every: timedelta | None) -> None:
        if every:
            at = self.virtual_clock.now + every
            while at <= end:
                self.virtual_clock.add(at, "sweep")
                at += every
        while due := self.virtual_clock.next(end):
            if due.name == "sweep":
                with suppress(AwsError, QueueUnavailable):  # the next one comes in a minute
                    self.services.escalator.sweep(self.services.now)
            elif due.name == "quarantine":
                self.outcomes.count("quarantined")
                self.quarantined.append(due.body)
            else:
                dead = self.deliverer.deliver([due], handlers[due.name])
                assert not dead, f"a dead letter of {due.name}: {due.body}"

    def conversations(self) -> list[Conversation]:
        return list(self.store.conversations())

    def interactions(self) -> list[Interaction]:
        return list(self.store.interactions())

    def records(self, type: str) -> list[dict[str, Any]]:
        """What was reported, in the words of replay."""
        rows = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [row for row in rows if row["type"] == type]


def b64(body: bytes) -> str:
    return base64.b64encode(body).decode()
