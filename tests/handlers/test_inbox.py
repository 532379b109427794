"""A delivery reaches respond as it came, whatever its size and bytes."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.aws.queues import MAX_MESSAGE, encode
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from tests.test_orders import COMMON
from tests.world import NOW, MemoryWorld, comment, delivery

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Kept:
    """A queue and a chunk store that keep what they get."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.chunks: dict[str, list[bytes]] = {}

    def send(self, message: Any, delay: Any = None) -> None:
        self.messages.append(encode(message))

    def send_all(self, messages: Any) -> None:
        raise AssertionError("one message a delivery")

    def save(self, name: str, chunks: Any, now: datetime) -> None:
        self.chunks[name] = list(chunks)

    def read(self, name: str) -> bytes:
        return b"".join(self.chunks[name])


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
    inbox.enqueue(kept, envelope, kept.save)
    (message,) = kept.messages
    assert len(message) <= MAX_MESSAGE
    assert inbox.decode(message, kept.read) == envelope
    assert bool(kept.chunks) == (len(body) >= 900 * 1024 and body[:9] != b"xxxxxxxxx")
    assert all(len(chunk) <= 350_000 for chunks in kept.chunks.values() for chunk in chunks)


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
