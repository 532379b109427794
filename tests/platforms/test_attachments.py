"""Attachments, links and pictures in a delivery are never fetched: an address from outside would make Earshot ask, in
its own name and from inside its network, whatever a stranger writes there."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chalicelib.apps import Apps
from chalicelib.platforms import PRODUCTS
from tests.platforms.case import RECEIVED_AT, PlatformCase
from tests.platforms.cases import CASES
from tests.world import MemoryWorld

HOST = "fetched.example.net"
ADDRESS = re.compile(r"https?://[^\s\"'<>\\)]+")
WORDS = ("text", "message", "raw", "content", "cooked", "comment", "body")


def planted(value: Any, counted: list[int]) -> Any:
    """`value` with an address of HOST in the place of every address, and beside every text as an attachment."""
    if isinstance(value, list):
        return [planted(v, counted) for v in value]
    if isinstance(value, str):
        return ADDRESS.sub(lambda _: address(counted), value)
    if not isinstance(value, dict):
        return value
    there = {k: planted(v, counted) for k, v in value.items()}
    for name in WORDS:
        if isinstance(there.get(name), str) and there[name]:
            there[name] += f" {address(counted)}"
            picture = {"url": address(counted), "media_url": address(counted), "link": address(counted)}
            there.setdefault("attachments", [{"type": "image", "payload": picture, **picture}])
            there.setdefault("attachment", {"type": "photo", "media": {"image": {"src": address(counted)}}})
    return {"photo_url": address(counted), **there}


def address(counted: list[int]) -> str:
    counted.append(len(counted))
    return f"https://{HOST}/{len(counted)}.jpg"


def files_of(value: Any) -> Iterator[str]:
    """The ids under which a platform keeps the files that `value` tells of."""
    if isinstance(value, list):
        for v in value:
            yield from files_of(v)
    elif isinstance(value, dict):
        yield from (str(value[name]) for name in ("file_id", "thumb_id") if name in value)
        if "mime_type" in value and "id" in value:
            yield str(value["id"])
        for v in value.values():
            yield from files_of(v)


@contextmanager
def nothing_leaves() -> Iterator[list[Any]]:
    """The addresses that were looked up or connected to, past whatever stands in for HTTP."""
    asked: list[Any] = []

    def refuse(*args: Any, **more: Any) -> Any:
        asked.append(args)
        raise OSError("nothing leaves this test")

    with patch.object(socket, "getaddrinfo", refuse), patch.object(socket, "create_connection", refuse):
        yield asked


def play(case: PlatformCase, file: Path) -> tuple[MemoryWorld, int, set[str]]:
    """The world an hour after the delivery; how many addresses were in it, and which files it told of."""
    counted: list[int] = []
    payload = json.loads(file.read_text("utf-8"))
    body = json.dumps(planted(payload, counted)).encode()
    world = MemoryWorld(apps=Apps((case.app,)))
    world.virtual_clock.now = RECEIVED_AT
    headers = case.sign(case.app.secrets[0], body, RECEIVED_AT)
    status = world.request("POST", case.app.path, body, headers).status
    assert status in (200, 202, 204, 400, 403), (file.name, status)  # some are of another's account, or of nobody's
    world.run(timedelta(hours=1))
    return world, len(counted), set(files_of(payload))


@pytest.mark.parametrize("case", [pytest.param(c, id=c.product) for c in CASES])
def test_no_address_and_no_file_of_a_delivery_is_ever_asked_for(case: PlatformCase) -> None:
    addresses = stored = 0
    with nothing_leaves() as asked:
        for file in case.payloads():
            world, count, files = play(case, file)
            addresses += count
            stored += len(world.interactions())
            for call in world.platforms.sent:
                assert HOST not in call.url and HOST not in json.dumps(dict(call.headers)), (file.name, call.url)
                assert not any(f in call.url for f in files), (file.name, call.url)
                assert "api-data.line.me" not in call.url
    assert asked == []
    assert addresses and stored  # the deliveries were real ones


def test_every_product_is_among_them() -> None:
    assert {c.product for c in CASES} >= {*PRODUCTS}
