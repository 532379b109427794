"""Outgoing HTTP to the platforms: one attempt a call, and a clear line between "not sent" and "may have been sent"."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlencode

from chalicelib.wire import Lost, NotConnected, Received, Wire

CONNECT_S = 3.0
TIMEOUT_S = 8.0
SILENT = 2  # calls in a row without an answer: then the host is left alone
REST_S = 60.0


class ConnectionRefused(Exception):
    """Nothing left this machine: a definite no."""


class NoAnswer(Exception):
    """The request may have arrived, its answer did not."""


_NONE: Mapping[str, str] = MappingProxyType({})


class ApiCall(NamedTuple):
    """One request to a platform's API; `url` without the query. Only method and address are ever printed."""

    method: str
    url: str
    headers: Mapping[str, str] = _NONE
    query: Mapping[str, str] = _NONE
    body: bytes = b""

    def __repr__(self) -> str:
        return f"ApiCall({self.method!r}, {self.url!r})"

    @property
    def place(self) -> str:
        """The address without https://, as simulations know it."""
        return self.url.removeprefix("https://")

    @property
    def data(self) -> dict[str, Any]:
        """The body's JSON object, {} when it is none."""
        return json_object(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: `data` is its JSON object, {} when the body is none; `rows` its JSON array, [] likewise."""

    status: int = 200
    data: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, status: int, content: Any, headers: Mapping[str, str]) -> Self:
        """The answer whose body is the JSON `content`."""
        data = content if isinstance(content, dict) else {}
        return cls(status, data, headers, content if isinstance(content, list) else [])


class Http(Protocol):
    """`request` sends exactly once; raises ConnectionRefused or NoAnswer."""

    def request(self, call: ApiCall) -> Answer: ...


class Sends(Protocol):
    """`wire.Wire`: sends exactly once; raises NotConnected, Lost and ValueError."""

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Received: ...


def json_body(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


class PlatformHttp:
    """Http on the wire. `via` is an address that stands in for all platforms (the local run's); then a call to
    https://graph.facebook.com/v25.0/me goes to `via`/graph.facebook.com/v25.0/me.

    A host that does not answer is left alone for REST_S, as if it refused connections: whoever waits for it keeps
    waiting whatever else lies on the queue, an urgent matter of another platform among it. Then one call tries again.
    `clock` counts seconds, also while the process is frozen."""

    def __init__(self, via: str = "", wire: Sends | None = None, clock: Callable[[], float] = time) -> None:
        self._via, self._wire, self._clock = via.rstrip("/"), wire or Wire(CONNECT_S, TIMEOUT_S), clock
        self._silent: dict[str, tuple[int, float]] = {}  # by host: calls without an answer, and when the last was

    def request(self, call: ApiCall) -> Answer:
        url = f"{self._via}/{call.place}" if self._via else call.url
        if call.query:
            url = f"{url}?{urlencode(call.query)}"
        headers, host = {"Content-Type": "application/json", **call.headers}, call.place.partition("/")[0]
        silent, since = self._silent.get(host, (0, 0.0))
        if silent >= SILENT and 0 <= self._clock() - since < REST_S:
            raise ConnectionRefused("silent")
        try:
            received = self._wire.request(call.method, url, headers, call.body or None)
        except ValueError as error:
            raise ConnectionRefused(type(error).__name__) from None
        except (NotConnected, Lost) as error:
            self._silent[host] = silent + 1, self._clock()
            if isinstance(error, Lost):
                raise NoAnswer(str(error)) from None
            raise ConnectionRefused(type(error).__name__) from None
        self._silent.pop(host, None)
        return Answer.of(received.status, json_value(received.body), received.headers)


def json_value(body: bytes) -> Any:
    """What the JSON in `body` says, None where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, {} where it holds none."""
    data = json_value(body)
    return data if isinstance(data, dict) else {}
