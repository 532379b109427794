"""A stand-in for the platforms' APIs on loopback: it keeps every reply, and fails in the ways that platforms do.

Earshot comes here when EARSHOT_PLATFORMS_VIA names its address: https://graph.facebook.com/… is then
http://127.0.0.1:…/graph.facebook.com/….
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from threading import Lock, Thread
from typing import Any

from chalicelib import platforms
from chalicelib.platforms.http import json_object
from chalicelib.platforms.simulation import Endpoint, Posted
from infra.local.loopback import Answered, Call


class Fault(StrEnum):
    """How a call fails."""

    RATE = "rate"  # 429, for a few seconds
    BROKEN = "broken"  # 500: the reply is not posted, but nobody can know
    LOST = "lost"  # the reply is posted and its answer never comes


RATE_S = 2  # seconds that a rate limit lasts


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was answered with a failure."""

    product: str
    target: str
    fault: Fault


def endpoint_of(method: str, path: str, data: Mapping[str, Any]) -> tuple[str, Endpoint, re.Match[str]] | None:
    """The product, its way of replying and the match of `path` (an address without https://), where it is one."""
    if method not in ("POST", "PUT"):
        return None
    for product in platforms.PRODUCTS:
        for endpoint in platforms.product(product).simulation.endpoints:
            found = endpoint.path.fullmatch(path)
            if found and (not endpoint.having or endpoint.having in data):
                return product, endpoint, found
    return None


def look(path: str) -> Any:
    """What a GET of `path` brings, None where no platform keeps anything there."""
    found = (platforms.product(product).simulation.look(path) for product in platforms.PRODUCTS)
    return next((data for data in found if data is not None), None)


@dataclass(slots=True)
class StandIn:
    """Answers for every platform. `echo` is told of each reply that was posted, as the platform itself tells of it by
    a delivery; `on_event` of each reply and each refusal."""

    echo: Callable[[Posted], None] = lambda posted: None
    on_event: Callable[[Posted | Refusal], None] = lambda event: None
    posted: list[Posted] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # calls that no endpoint knows: method and host
    _faults: list[tuple[str, Fault]] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)
    _ids: Any = field(default_factory=lambda: count(5_000_000_001))

    def fail_next(self, target: str, fault: Fault) -> None:
        """Lets the next reply to `target` fail."""
        with self._lock:
            self._faults.append((target, fault))

    def answer(self, call: Call) -> Answered | None:
        """What the platform answers."""
        path = call.path.lstrip("/")
        data = json_object(call.body)
        if reply := endpoint_of(call.method, path, data):
            product, endpoint, found = reply
            return self._reply(product, endpoint, *endpoint.read(found, data))
        if call.method == "GET":
            return _json(200, look(path) or {"id": path.rsplit("/", 1)[-1]})
        self.strange.append(f"{call.method} {path.split('/')[0]}")
        return _json(404, {"error": {"message": "the stand-in does not know this call", "code": 100}})

    def _reply(self, product: str, endpoint: Endpoint, target: str, text: str, token: str) -> Answered | None:
        with self._lock:
            fault = next((fault for at, fault in self._faults if at == target), None)
            if fault:
                self._faults.remove((target, fault))
            id = endpoint.id.format(next(self._ids))
            posted = Posted(product, id, target, text, token)
            if fault in (None, Fault.LOST):
                self.posted.append(posted)
            if fault:
                self.refused.append(Refusal(product, target, fault))
        if fault:
            self.on_event(Refusal(product, target, fault))
            return _FAILURES[fault]
        self.on_event(posted)
        Thread(target=self.echo, args=(posted,), daemon=True).start()  # the answer and the echo race, as in life
        return _json(200, endpoint.answer(id))


def _json(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answered:
    return Answered(status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(data).encode())


_FAILURES: Mapping[Fault, Answered | None] = {
    Fault.RATE: _json(429, {"error": {"code": 4, "message": "rate limit"}}, {"Retry-After": str(RATE_S)}),
    Fault.BROKEN: _json(500, {"error": {"code": 2, "message": "temporary"}}),
    Fault.LOST: None,
}
