"""A delivery reaches respond as it came, whatever its size and bytes."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.apps import Account, App, Apps
from chalicelib.aws.queues import MAX_MESSAGE, encode
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from chalicelib.storage.bodies import BodyStore
from chalicelib.storage.store import Store
from infra.replay.memory import MemoryTable
from tests.test_orders import COMMON
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Kept:
    """A queue and a store of bodies that keep what they get."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.store = Store(MemoryTable(), 90)
        bodies = BodyStore(self.store)
        self.save, self.read = bodies.save, bodies.read

    def send(self, message: Any, delay: Any = None) -> None:
        self.messages.append(encode(message))

    def send_all(self, messages: Any, delays: Any = ()) -> None:
        raise AssertionError("one message a delivery")

    def chunks(self) -> list[bytes]:
        return [item.doc["bytes"] for item in self.store.table.everything()]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        '{"text": "gr\u00fc\u00dfe \U0001f600"}'.encode(),
        b'{"text": "\\u00e4 \\ud83d\\ude00 \\u0000"}',
        bytes(range(256)),
        b"x" * 1024 * 1024,
        random.Random(1).randbytes(900 * 1024),
        random.Random(2).randbytes(3 * 1024 * 1024),
    ],
    ids=["small", "unicode", "escaped", "every byte", "1 MiB", "incompressible", "incompressible 3 MiB"],
)
def test_any_body_comes_out_as_it_went_in_and_in_one_message(body: bytes) -> None:
    kept = Kept()
    envelope = Envelope("id-1", "meta", "main", AT, body)
    inbox.enqueue(kept, envelope, kept.save, AT)
    (message,) = kept.messages
    assert len(message) <= MAX_MESSAGE
    assert inbox.decode(message, kept.read) == envelope
    assert bool(kept.chunks()) == (len(body) >= 900 * 1024 and body[:9] != b"xxxxxxxxx")
    assert all(len(chunk) <= 350_000 for chunk in kept.chunks())


def test_a_single_interaction_travels_with_everything_that_is_known_of_it() -> None:
    interaction = Interaction("facebook", "1", "c1", Kind.NEW, AT, AT, thread="c1", author="2", text="\x00 \ud7ff 😀")
    envelope = Envelope("id-1", "meta", "main", AT, interaction=interaction)
    assert inbox.decode(encode(inbox.part(envelope, interaction)), Kept().read) == envelope


def test_a_message_of_a_release_to_come_is_refused_so_that_it_is_kept() -> None:
    head = {"id": "1", "platform": "meta", "app": "main", "received_at": "2026-11-23T10:00:00Z"}
    message = encode({"v": inbox.VERSION + 1, **head})
    with pytest.raises(inbox.UnknownVersion):
        inbox.decode(message, Kept().read)


def test_a_batch_of_a_thousand_is_worked_on_one_by_one_and_none_is_missing() -> None:
    world = MemoryWorld()
    changes = [comment(f"c{n}", COMMON, author=str(n)) for n in range(1000)]
    assert world.post(delivery(*changes)) == 200
    world.run()
    assert len(world.interactions()) == 1000
    assert world.services.now() == NOW


# --- receive and respond know different apps files -------------------------------------------------------------------


def test_an_account_that_receive_knows_already_is_read_afresh_by_respond() -> None:
    new = App("meta", "main", ("current",), accounts=(*APPS.apps[0].accounts, Account("777", "facebook", "New", "t")))
    world = MemoryWorld()
    assert world.services.apps == APPS  # respond's process remembers them for five minutes
    world.registered = Apps((new, *APPS.apps[1:]))
    body = delivery(comment("c1", "hm, and what about the other one?", post="777_1"), page="777")
    envelope = Envelope("d", "meta", "main", NOW, body)
    world.virtual_clock.now += timedelta(minutes=1)
    world.services.responder.respond(envelope, world.services.now)
    assert [i.account for i in world.interactions()] == ["777"]
    assert world.quarantined == []


@pytest.mark.parametrize("left", [(), (App("meta", "main", ("current",)),)], ids=["app", "account"])
def test_what_receive_took_in_and_nobody_owns_any_more_is_quarantined_with_the_reason(left: tuple[App, ...]) -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", "hm, and what about the other one?")))
    world.registered = Apps(left)
    world.services._apps = None  # respond is another process
    world.run()
    (quarantined,) = world.quarantined
    assert "apps file" in json.loads(quarantined)["reasons"][0]
    world.registered, world.services._apps = APPS, None  # back again, and redriven
    world.virtual_clock.add(world.services.now(), "inbox", quarantined)
    world.run()
    assert [i.id for i in world.interactions()] == ["c1"]


def test_an_oversized_delivery_in_quarantine_can_be_redriven_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_MESSAGE", 256 * 1024)
    world = MemoryWorld()
    poison = comment("c1", "x")
    poison["value"]["comment_id"] = {"id": ["strange"]}
    rng = random.Random(1)
    words = "".join(
        rng.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(900_000)
    )
    noise = comment("c2", "hm, and what about the other one?")
    noise["value"]["noise"] = words
    world.post(delivery(poison, noise))
    world.run()
    for count in range(1, 4):
        assert len(world.quarantined) == count
        assert "chunks" in json.loads(world.quarantined[-1])
        world.virtual_clock.add(world.services.now(), "inbox", world.quarantined[-1])
        world.run()
    assert [i.id for i in world.interactions()] == ["c2"]


TWO_PAGES = (*APPS.apps[0].accounts, Account("777", "facebook", "Leeds", "t"))


@pytest.mark.parametrize("page", [PAGE, "777"])
def test_the_part_for_an_account_that_was_removed_in_between_is_quarantined_and_the_others_go_on(page: str) -> None:
    world = MemoryWorld(apps=Apps((App("meta", "main", ("current",), accounts=TWO_PAGES),)))
    entries = [json.loads(delivery(comment(f"c{p}", COMMON, post=f"{p}_1"), page=p))["entry"][0] for p in (PAGE, "777")]
    assert world.post(json.dumps({"object": "page", "entry": entries}).encode()) == 200
    left = tuple(a for a in TWO_PAGES if a.id != page)
    world.registered, world.services._apps = Apps((App("meta", "main", ("current",), accounts=left),)), None
    world.run()
    assert [i.account for i in world.interactions()] == [a.id for a in left if a.product == "facebook"]
    (quarantined,) = world.quarantined
    assert "not in the apps file any more" in json.loads(quarantined)["reasons"][0]
    world.registered, world.services._apps = Apps((App("meta", "main", ("current",), accounts=TWO_PAGES),)), None
    world.virtual_clock.add(world.services.now(), "inbox", quarantined)
    world.run()
    assert {i.account for i in world.interactions()} == {PAGE, "777"} and len(world.quarantined) == 1


def test_a_part_for_somebody_who_never_was_one_of_ours_is_skipped_all_the_same() -> None:
    world = MemoryWorld()
    entries = [json.loads(delivery(comment(f"c{p}", COMMON, post=f"{p}_1"), page=p))["entry"][0] for p in (PAGE, "778")]
    assert world.post(json.dumps({"object": "page", "entry": entries}).encode()) == 200
    world.run()
    assert len(world.interactions()) == 1 and world.quarantined == []


@pytest.mark.parametrize("questions", [1, 2])
def test_what_stands_beside_questions_and_needs_no_work_is_told_of_once_with_its_reason(questions: int) -> None:
    world = MemoryWorld()
    liked = comment("c9", "")
    liked["value"]["item"] = "reaction"
    asked = [comment(f"c{n}", COMMON, author=f"500{n}") for n in range(questions)]
    assert world.post(delivery(*asked, liked)) == 200
    world.run()
    assert {i.id for i in world.interactions()} == {f"c{n}" for n in range(questions)}
    told = {name: n for name, n in world.outcomes.counts.items() if name.startswith("skipped")}
    assert told == {"skipped facebook: item_reaction": 1}


def test_an_oversized_delivery_redriven_on_the_last_day_of_its_quarantine_is_there_on_the_last_day_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "MAX_MESSAGE", inbox.HEADROOM)
    monkeypatch.setattr(inbox, "PLAIN_UP_TO", 100)
    world = MemoryWorld()
    poison = comment("c1", "x")
    poison["value"]["comment_id"] = {"id": ["strange"]}
    world.post(delivery(poison))
    world.run()
    for count in range(2, 5):
        world.run(timedelta(days=14))
        assert "chunks" in json.loads(world.quarantined[-1])
        expired(world)
        world.virtual_clock.add(world.services.now(), "inbox", world.quarantined[-1])
        world.run()
        assert len(world.quarantined) == count


def expired(world: MemoryWorld) -> None:
    """DynamoDB takes away what has expired."""
    for item in list(world.store.table.everything()):
        if item.expires_at and item.expires_at <= world.services.now():
            world.store.table.delete(item.key)


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_a_body_that_a_process_died_over_when_it_dropped_it_is_done_and_goes(dropped: int) -> None:
    kept = Kept()
    body = random.Random(4).randbytes(3 * 1024 * 1024)
    inbox.enqueue(kept, Envelope("id-1", "meta", "main", AT, body), kept.save, AT)
    chunks = sorted((item.key for item in kept.store.table.everything()), key=lambda key: key.sk)
    assert len(chunks) > 3
    for key in chunks[:dropped]:
        kept.store.table.delete(key)
    with pytest.raises(inbox.AlreadyDone):
        inbox.decode(kept.messages[0], kept.read)
    assert not kept.chunks()
