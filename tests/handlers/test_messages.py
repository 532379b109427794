"""Queue messages: whatever is written is read back the same, and what the release before wrote is still read."""

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.conversations.conversation import Bundle
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.handlers.messages import (
    AccountAlert,
    Erase,
    EscalationDue,
    FindPerson,
    Message,
    SendGathered,
    SendNotice,
    Stopped,
    UnknownMessage,
    WakeUp,
    decode,
    encode,
)
from chalicelib.storage.store import ConversationKey
from tests.world import MemoryWorld, comment, delivery

ROOT = Path(__file__).parent.parent.parent
AT = datetime(2026, 10, 1, 13, 0, tzinfo=UTC)
KEY = ConversationKey("facebook", "100200300", "c1", "77001")
CUSTOMER = Customer("facebook", "100200300", "77001")
MESSAGES: tuple[Message, ...] = (
    WakeUp(AT),
    EscalationDue(KEY),
    SendNotice(KEY, "1.1", "d1"),
    SendGathered("due#facebook:1#7#web#3", Bundle.GROUP),
    SendGathered("digest#web@shop.example.com#3", Bundle.DIGEST),
    SendGathered("digest#web@shop.example.com#3", Bundle.DIGEST, "0100018f-ses", "web@shop.example.com"),
    AccountAlert(Stopped.TOKEN, "x", "1", "89", "f00d"),
    AccountAlert(Stopped.BLOCK, "x", "1", "88", "f00d blocked 2026-10-01", AT),
    FindPerson("main", "asid-1", "c0de", AT),
    Erase(CUSTOMER, "c0de", 1, AT),
    Erase(CUSTOMER, "c0de", 2, AT, Traces(names=("Ann Example",), known_as=("77001",), threads=("c1",), tags=("t1",))),
    Erase(CUSTOMER, "c0de", 1, AT, Traces(known_as=("77001",)), 1, "1 t#facebook:1#2 c#3", "0 r1"),
)

# As the release before wrote them: no kind, told apart by their fields.
PLACE = {"product": "facebook", "account": "100200300"}
CONVERSATION = PLACE | {"thread": "c1", "customer": "77001"}
BEFORE: tuple[tuple[dict[str, Any], Message], ...] = (
    ({"v": 1, "wake_at": "2026-10-01T13:00:00Z"}, WakeUp(AT)),
    ({"v": 1, **CONVERSATION}, EscalationDue(KEY)),
    ({"v": 0, **CONVERSATION, "notice": "1.1"}, SendNotice(KEY, "1.1")),
    ({"v": 1, **CONVERSATION, "notice": "1.1", "delivery": "d1"}, SendNotice(KEY, "1.1", "d1")),
    ({"v": 1, "gathered": "digest#m#3", "kind": "digest"}, SendGathered("digest#m#3", Bundle.DIGEST)),
    (
        {"v": 1, "alert": "token", **PLACE, "code": "190", "until": "", "token": "f00d"},
        AccountAlert(Stopped.TOKEN, "facebook", "100200300", "190", "f00d"),
    ),
    (
        {"v": 1, "alert": "block", **PLACE, "code": "368", "until": "2026-10-01T13:00:00.000Z", "token": "f00d b"},
        AccountAlert(Stopped.BLOCK, "facebook", "100200300", "368", "f00d b", AT),
    ),
    (
        {"v": 1, "erase": {"app": "main", "user": "a"}, "code": "c", "pass": 0, "at": "2026-10-01T13:00:00.000Z"},
        FindPerson("main", "a", "c", AT),
    ),
    ({"v": 1, "erase": {**PLACE, "id": "77001"}, "code": "c", "pass": 1}, Erase(CUSTOMER, "c", 1)),
    (
        {"v": 1, "erase": {**PLACE, "id": "77001"}, "code": "c", "pass": 2, "at": "2026-10-01T13:00:00.000Z",
         "traces": {"names": ["Ann"], "new": 1}},
        Erase(CUSTOMER, "c", 2, AT, Traces(names=("Ann",))),
    ),
)  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    plain = json.loads(json.dumps(encode(message)))
    assert plain["kind"]
    assert (type(decode(plain)), decode(plain)) == (type(message), message)


@pytest.mark.parametrize(("plain", "message"), BEFORE, ids=lambda given: str(given)[:40])
def test_a_message_of_the_release_before_is_read(plain: dict[str, Any], message: Message) -> None:
    assert (type(decode(plain)), decode(plain)) == (type(message), message)


@pytest.mark.parametrize(("plain", "message"), BEFORE, ids=lambda given: str(given)[:40])
def test_the_release_before_finds_all_its_fields_in_what_is_written(plain: dict[str, Any], message: Message) -> None:
    """Both releases work on the same queues while a deployment runs, and after it was rolled back."""
    assert set(plain) - {"new"} <= set(encode(message))
    assert decode({k: v for k, v in encode(message).items() if k != "kind" or v in list(Bundle)}) == message


@pytest.mark.parametrize("plain", [{}, {"v": 1, "kind": "of tomorrow", "customer": "1"}, {"v": 1}])
def test_what_no_release_wrote_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(UnknownMessage):
        decode(plain)


def test_an_unknown_message_goes_back_to_its_queue() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", "hello")))
    world.virtual_clock.add(world.virtual_clock.now, "escalations", '{"v":1,"kind":"of tomorrow"}')
    with pytest.raises(AssertionError, match="a dead letter of escalations"):
        world.run(timedelta(days=1))


def test_nobody_writes_a_queue_message_by_hand() -> None:
    for path in [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "send":
                assert not any(isinstance(a, ast.Dict | ast.BinOp) for a in node.args), f"{path.name}:{node.lineno}"
