"""P7 on every platform: after an erasure the customer's words, name and id are in no item, counter, queue, dead letter,
log or mail record, whatever was under way; and nobody is answered twice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar

import pytest

from chalicelib import platforms
from chalicelib.aws.queues import encode
from chalicelib.conversations.customer import Customer
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.outcomes.telemetry import Telemetry
from chalicelib.platforms.http import Answer, ApiCall
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.storage.forgotten import Forgotten
from infra.local import post_office
from infra.local.deliveries import CannotSay, Delivery, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.memory import MemoryQueue
from infra.replay.services import REPLAY_KEYS, RecordedHttp
from tests.world import NOW, MemoryWorld

APPS = demo_apps()
WORDS, NAME, ID = "canarywords", "Canaryname", "770099887766"
CANARIES = (WORDS, NAME, ID)
OTHER, OTHER_NAME = "660011223344", "Robin"
MINUTE = timedelta(minutes=1)
_stages = count()


class KeptHttp(RecordedHttp):
    """The platforms' APIs, which keep what was posted."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[str] = []

    def request(self, call: ApiCall) -> Answer:
        if call.method == "POST":
            self.posted.append(f"{call.url} {call.body.decode()}")
        return super().request(call)


class KeptQueue(MemoryQueue):
    """The inbox, which keeps what passed through it: a dead letter that is redriven is such a message."""

    kept: ClassVar[list[str]] = []

    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        self.kept.append(encode(message))
        super().send(message, delay)


class Shop:
    """A world of all platforms with Lambda's own logs."""

    def __init__(self, product: str) -> None:
        self.product, self.http = product, KeptHttp()
        self.world = MemoryWorld(
            apps=APPS, http=self.http, public_url="https://earshot.example.com", reply_domain="reply.example.com"
        )
        self.world.services.inbox = KeptQueue("inbox", self.world.virtual_clock)
        KeptQueue.kept.clear()
        keys = self.world.services.keys
        self.world.services.telemetry = Telemetry(f"forgotten{next(_stages)}", keys.pseudonym)

    def tell(self, said: SimulatedMessage) -> Delivery | None:
        """Delivers what was said; None where the platform tells nothing of it."""
        try:
            made = deliver(APPS, said)
        except CannotSay:
            return None
        assert self.again(made) == 200
        return made

    def again(self, made: Delivery) -> int:
        return self.world.request("POST", made.path, made.body, made.headers).status

    def asks(self, text: str, author: str = ID, name: str = NAME, **more: Any) -> SimulatedMessage:
        at = self.world.virtual_clock.now
        said = SimulatedMessage(self.product, text, author, name, at=at, **more)
        return replace(said, id=f"{author}_{said.id}") if self.product == "telegram" else said

    def answers(self, asked: SimulatedMessage, text: str) -> SimulatedMessage:
        """The brand's people to a customer, or under what was asked."""
        direct = platforms.product(self.product).simulation.direct
        return SimulatedMessage(
            self.product, text, to=asked.author if direct else asked.id, at=self.world.virtual_clock.now
        )

    @property
    def customers(self) -> list[Customer]:
        """Whom the platform names as the author of the canary words; Google names every review's anew."""
        found = {(c.account, c.customer) for c in self.world.conversations() if self._asked(c)}
        return [Customer(self.product, *names) for names in found]

    def dies(self, *deliveries: Delivery) -> None:
        """Everything lies among the dead letters as well: deliveries and their parts, notices, wake-ups, what SES says
        of each e-mail, and an answer to each that quotes it."""
        for n, made in enumerate(deliveries):
            _, _, platform, app = made.path.split("/")
            message = {"v": 1, "id": f"d{n}", "platform": platform, "app": app, "received_at": "2026-11-23T10:00:00Z"}
            self.world.quarantined.append(encode({**message, "body": made.body.decode(), "reasons": ["odd"]}))
        self.world.quarantined += KeptQueue.kept
        for c in self.world.conversations():
            key = {"v": 1, "product": c.product, "account": c.account, "thread": c.thread, "customer": c.customer}
            self.world.dead += [encode(key), encode({**key, "notice": "1.1", "delivery": "d"})]
        for n, email in enumerate(self.world.emails):
            mail = {"messageId": f"m{n}", "tags": {k: [v] for k, v in email.tags.items()}}
            headers = {
                "commonHeaders": {"subject": email.subject},
                "headers": [{"name": "Subject", "value": email.text}],
            }
            self.world.dead.append(encode({"eventType": "Bounce", "mail": {**mail, **headers}}))
            told = post_office.notice(f"m{n}", email.reply_to, email.to, post_office.PASS, self.world.virtual_clock.now)
            self.world.dead.append(encode({**told, "subject": email.subject}))
            self.world.services.mail_bucket.kept[f"m{n}"] = email.text.encode()  # type: ignore[attr-defined]

    def redrive(self) -> None:
        """Everything that ever lay on the inbox lies there again."""
        for body in list(KeptQueue.kept):
            self.world.virtual_clock.add(self.world.virtual_clock.now, "inbox", body)

    def _asked(self, c: Any) -> bool:
        ids = (self.world.store.interaction(c.product, c.account, id) for id in c.questions)
        return any(i and WORDS in i.text for i in ids)

    def everywhere(self) -> dict[str, str]:
        """All that is kept anywhere, as text."""
        table: Any = self.world.services.store.table
        clock = self.world.virtual_clock
        return {
            "items": repr(list(table.everything())),
            "counters": repr(table._counters),
            "queues": repr([(due.name, due.body) for due in clock._heap]),
            "dead letters": repr(self.world.quarantined + self.world.dead),
            "mails": repr(self.world.services.mail_bucket.kept),  # type: ignore[attr-defined]
        }


def found(shop: Shop, *canaries: str) -> list[tuple[str, str]]:
    return [(place, canary) for place, text in shop.everywhere().items() for canary in canaries if canary in text]


each_product = pytest.mark.parametrize("product", sorted(platforms.PRODUCTS))


@each_product
def test_after_an_erasure_no_canary_is_anywhere(product: str, capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop(product)
    world = shop.world
    question = shop.asks(f"Can I return this {WORDS} dress?")
    deliveries = [shop.tell(question), shop.tell(shop.asks(f"my {WORDS} parcel never came, I am angry"))]
    world.run()
    deliveries.append(shop.tell(shop.asks("Can I return these shoes?", OTHER, OTHER_NAME)))
    deliveries.append(shop.tell(shop.answers(question, f"Dear {NAME}, of course.")))
    world.run(timedelta(hours=30), sweep=True)
    assert world.emails
    assert all(any(c in text for text in shop.everywhere().values()) for c in CANARIES[:1])
    customers = shop.customers
    posted = list(shop.http.posted)

    shop.dies(*filter(None, deliveries))
    assert WORDS in shop.everywhere()["dead letters"] or product == "google"
    if product != "google":  # where every review is somebody of its own
        shop.tell(shop.asks(f"and where is my {WORDS} refund?"))  # waits on the inbox
    world.services.eraser.request(customers, "code1", world.services.now())
    world.run(timedelta(minutes=20))
    assert set(world.services.eraser.state("code1")) == {"received", "erased"}
    assert found(shop, *CANARIES) == []
    assert OTHER_NAME in shop.everywhere()["items"] or shop.product in ("messenger", "line", "google")
    assert OTHER in shop.everywhere()["dead letters"] or product == "google"
    assert world.services.doctor.erasures(world.services.now() + timedelta(days=2)) == []

    for made in deliveries:  # the platform repeats itself (a signature can be too old by then)
        assert made is None or shop.again(made) in (200, 401)
    shop.redrive()
    world.run(timedelta(minutes=20), sweep=True)
    assert found(shop, *CANARIES) == []
    assert shop.http.posted == posted
    log = capsys.readouterr().out
    assert '"stored"' in log
    assert [c for c in CANARIES if c in log] == []


@each_product
def test_what_the_customer_says_afterwards_is_a_new_question(product: str) -> None:
    shop = Shop(product)
    world = shop.world
    shop.tell(shop.asks(f"Can I return this {WORDS} dress?"))
    world.run(MINUTE)
    customers = shop.customers
    world.services.eraser.request(customers, "code1", world.services.now())
    world.run(MINUTE)
    later = shop.tell(shop.asks("Can I return this hat?"))
    world.run(timedelta(minutes=30), sweep=True)
    assert later
    assert found(shop, WORDS) == []
    (c,) = world.conversations()
    assert [q.pending for q in c.questions.values()] == [True]
    assert "hat?" in shop.everywhere()["items"]


@each_product
def test_every_answer_of_the_brand_goes_however_many_there_are(product: str) -> None:
    shop = Shop(product)
    world = shop.world
    question = shop.asks(f"Can I return this {WORDS} dress?")
    shop.tell(question)
    world.run(MINUTE)
    customers = shop.customers
    for n in range(60):
        if not shop.tell(shop.answers(question, f"Dear {NAME}, part {n} of our answer.")):
            break
        world.run(MINUTE)
    world.services.eraser.request(customers, "code1", world.services.now())
    world.run(timedelta(minutes=20))
    assert found(shop, *CANARIES) == []


def test_the_latest_request_holds_in_whatever_order_they_are_written_and_is_remembered_from_then() -> None:
    for times in ((NOW, NOW + MINUTE), (NOW + MINUTE, NOW)):
        store = MemoryWorld().store
        marks = Forgotten(store, REPLAY_KEYS)
        for at in times:
            marks.mark("facebook", "1", ID, at)
        assert marks.since("facebook", "1", ID) == NOW + MINUTE
        (item,) = store.table.everything()
        assert item.expires_at == NOW + MINUTE + timedelta(days=400)


@pytest.mark.parametrize("kind", [Kind.SAME_PERSON, Kind.DELETE])
def test_what_tells_only_of_what_was_forgotten_is_not_kept_though_it_comes_later(kind: Kind) -> None:
    store = MemoryWorld().store
    marks = Forgotten(store, REPLAY_KEYS)
    marks.mark("facebook", "1", ID, NOW)
    later = NOW + MINUTE
    told = Interaction("facebook", "1", "c9", kind, later, later, thread="c9", author=ID)
    assert marks.concerns(told)
    assert not marks.concerns(replace(told, author=OTHER))
    assert not marks.concerns(replace(told, kind=Kind.NEW))  # a new word of somebody who came back is heard


def test_the_deletion_of_what_somebody_said_after_they_were_forgotten_is_heard() -> None:
    store = MemoryWorld().store
    marks, later = Forgotten(store, REPLAY_KEYS), NOW + MINUTE
    marks.mark("facebook", "1", ID, NOW)
    said = Interaction("facebook", "1", "c9", Kind.NEW, later, later, thread="c9", author=ID)
    store.decide_interaction(said, lambda old: (said, None), later)
    assert not marks.concerns(replace(said, kind=Kind.DELETE))
