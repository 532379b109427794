"""Outgoing HTTP to the platforms: one attempt a call, and a clear line between "not sent" and "may have been sent"."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from chalicelib.wire import Lost, NotConnected, Wire

CONNECT_S = 3.0
TIMEOUT_S = 8.0


class ConnectionRefused(Exception):
    """Nothing left this machine: a definite no."""


class NoAnswer(Exception):
    """The request may have arrived, its answer did not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: `data` is its JSON object, {} when the body is none."""

    status: int
    data: dict[str, Any]
    headers: Mapping[str, str]


class Http(Protocol):
    """`request` sends exactly once; raises ConnectionRefused or NoAnswer."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer: ...


def json_body(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


class PlatformHttp:
    """Http on the wire. `via` is an address that stands in for all platforms (the local run's); then a call to
    https://graph.facebook.com/v25.0/me goes to `via`/graph.facebook.com/v25.0/me."""

    def __init__(self, via: str = "") -> None:
        self._via = via.rstrip("/")
        self._wire = Wire(CONNECT_S, TIMEOUT_S)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        if self._via:
            url = f"{self._via}/{url.removeprefix('https://')}"
        if query:
            url = f"{url}?{urlencode(query)}"
        every = {"Content-Type": "application/json", **(headers or {})}
        try:
            received = self._wire.request(method, url, every, body)
        except (NotConnected, ValueError) as error:
            raise ConnectionRefused(type(error).__name__) from None
        except Lost as error:
            raise NoAnswer(str(error)) from None
        return Answer(received.status, _object(received.body), received.headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
