"""HTTP/1.1 on the wire: one request, one answer, over kept connections.

Small on purpose. http.client and urllib3 cost a cold start 30 to 80 ms of imports and every call several times the work
(DECISIONS.md has the figures); what Earshot needs of HTTP is a request with a body, an answer with a length or in
chunks, and a sharp line between "nothing left this machine" and "it may have arrived". Source: RFC 9112.
"""

import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from select import POLLIN, poll
from time import monotonic
from typing import NamedTuple

from chalicelib.trust import AWS_HOSTS, amazon_tls, tls

LONGEST_HEAD = 64 * 1024  # bytes of status line and headers
LONGEST_BODY = 16 * 1024 * 1024  # bytes of an answer
_CHUNK = 64 * 1024
_OFF_BY_S = 0.05  # that a time-out may come late


class NotConnected(Exception):
    """Nothing left this machine: a definite no."""


class Lost(Exception):
    """The request may have arrived, its answer did not."""


class Received(NamedTuple):
    """An answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Received({self.status}, {len(self.body)} bytes)"  # its words are not for a log


class Wire:
    """Sends each request exactly once. A connection is used again only within `keep_s` of its last answer and while
    nothing has come on it since: on one that the other side has closed, a request would be lost without a trace."""

    def __init__(self, connect_s: float = 3.0, answer_s: float = 8.0, keep_s: float = 5.0) -> None:
        self._connect_s, self._answer_s, self._keep_s = connect_s, answer_s, keep_s
        self._kept: dict[tuple[str, str, int], tuple[socket.socket, float]] = {}

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Received:
        """The answer to one request; waits `answer_s` for all of it. Raises NotConnected or Lost, and ValueError for a
        URL or header that could smuggle another request."""
        scheme, host, port, target = _split(url)
        head = _head(method, target, host, port, scheme, headers, body)
        origin = (scheme, host, port)
        connection = self._connection(origin)
        try:
            received, keep = _exchange(connection, method, head, body or b"", monotonic() + self._answer_s)
        except (OSError, _Broken) as error:
            connection.close()
            raise Lost(type(error).__name__ if isinstance(error, OSError) else str(error)) from None
        if keep:
            self._kept[origin] = connection, monotonic()
        else:
            connection.close()
        return received

    def _connection(self, origin: tuple[str, str, int]) -> socket.socket:
        kept = self._kept.pop(origin, None)
        if kept:
            connection, since = kept
            if monotonic() - since < self._keep_s and _is_quiet(connection):
                return connection
            connection.close()
        scheme, host, port = origin
        if scheme == "http":
            return self._opened(host, port, None)
        if host.endswith(AWS_HOSTS):
            try:
                return self._opened(host, port, amazon_tls())
            except _Unproven:
                pass
        return self._opened(host, port, tls())

    def _opened(self, host: str, port: int, trust: ssl.SSLContext | None) -> socket.socket:
        try:
            made = socket.create_connection((host, port), self._connect_s)
        except OSError as error:
            raise NotConnected(type(error).__name__) from None
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return trust.wrap_socket(made, server_hostname=host) if trust else made
        except OSError as error:
            made.close()
            unproven = isinstance(error, ssl.SSLCertVerificationError)
            raise (_Unproven if unproven else NotConnected)(type(error).__name__) from None


class _Unproven(NotConnected):
    """Nobody whom the context believes says that this is the host."""


class _Broken(Exception):
    """What came is no HTTP answer, or too much of one."""


def _is_quiet(connection: socket.socket) -> bool:
    """Whether nothing has come since the last answer: an end of the connection, or words that nobody asked for."""
    watch = poll()
    watch.register(connection.fileno(), POLLIN)
    return not watch.poll(0)


@lru_cache(maxsize=256)
def _split(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and target of an absolute URL; raises ValueError."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("not an http or https address in ASCII without spaces")
    authority, slash, target = rest.partition("/")
    authority, mark, query = authority.partition("?")
    host, colon, port = authority.partition(":")
    if not host or "@" in authority or (colon and not port.isdecimal()):
        raise ValueError("an address without a host, or with a user in it")
    target = f"/{target}" if slash else f"/?{query}" if mark else "/"
    return scheme, host, int(port) if colon else 443 if scheme == "https" else 80, target.partition("#")[0]


def _head(
    method: str, target: str, host: str, port: int, scheme: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    usual = port == (443 if scheme == "https" else 80)
    every = {"host": host if usual else f"{host}:{port}", "accept-encoding": "identity"}
    every |= {name.lower(): value for name, value in headers.items()}
    if body is not None:
        every["content-length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in every.items()]]
    head = "\r\n".join(lines)
    if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head:
        raise ValueError("a line break in a header")
    return f"{head}\r\n\r\n".encode("latin-1")


def _exchange(connection: socket.socket, method: str, head: bytes, body: bytes, ends: float) -> tuple[Received, bool]:
    """The answer, and whether the connection can be used again."""
    _wait_until(connection, ends)
    connection.sendall(head + body)
    _wait_until(connection, ends)
    buffer = bytearray()
    _take(connection, buffer)
    while True:
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > LONGEST_HEAD:
                raise _Broken("the answer's headers are too long")
            _more(connection, buffer, ends)
        status, version, headers = _parse(bytes(buffer[:end]))
        del buffer[: end + 4]
        if status >= 200:  # before it there may be 100 Continue and the like
            break
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if method == "HEAD" or status in (204, 304):
        return Received(status, headers, b""), keep and not buffer
    if headers.get("transfer-encoding", "").lower() == "chunked":
        content = _chunks(connection, buffer, ends)
    elif (length := headers.get("content-length")) is not None:
        content = _exactly(connection, buffer, _length(length, 10), ends)
    else:
        content, keep = _rest(connection, buffer, ends), False
    return Received(status, headers, content), keep and not buffer


def _wait_until(connection: socket.socket, ends: float) -> None:
    """Asks the system for another time-out only where the one that it has is off: that is a call of its own."""
    left = max(0.001, ends - monotonic())
    set_to = connection.gettimeout()
    if set_to is None or not 0 <= set_to - left < _OFF_BY_S:
        connection.settimeout(left)


def _parse(head: bytes) -> tuple[int, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise _Broken("no HTTP answer")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(rest[:3]), version, headers


def _more(connection: socket.socket, buffer: bytearray, ends: float) -> None:
    left = ends - monotonic()
    if left <= 0:
        raise _Broken("the answer takes too long")
    connection.settimeout(left)
    _take(connection, buffer)


def _take(connection: socket.socket, buffer: bytearray) -> None:
    data = connection.recv(_CHUNK)
    if not data:
        raise _Broken("the connection ended within the answer")
    buffer += data


def _exactly(connection: socket.socket, buffer: bytearray, length: int, ends: float) -> bytes:
    while len(buffer) < length:
        _more(connection, buffer, ends)
    content = bytes(buffer[:length])
    del buffer[:length]
    return content


def _length(text: str, base: int) -> int:
    try:
        length = int(text, base)
    except ValueError:
        raise _Broken("a length that is no number") from None
    if not 0 <= length <= LONGEST_BODY:
        raise _Broken("the answer is too long")
    return length


def _line(connection: socket.socket, buffer: bytearray, ends: float) -> str:
    while (end := buffer.find(b"\r\n")) < 0:
        if len(buffer) > LONGEST_HEAD:
            raise _Broken("a line that does not end")
        _more(connection, buffer, ends)
    line = bytes(buffer[:end]).decode("latin-1")
    del buffer[: end + 2]
    return line


def _chunks(connection: socket.socket, buffer: bytearray, ends: float) -> bytes:
    content = bytearray()
    while length := _length(_line(connection, buffer, ends).partition(";")[0].strip(), 16):
        content += _exactly(connection, buffer, length, ends)
        if len(content) > LONGEST_BODY:
            raise _Broken("the answer is too long")
        _line(connection, buffer, ends)
    while _line(connection, buffer, ends):  # trailers
        pass
    return bytes(content)


def _rest(connection: socket.socket, buffer: bytearray, ends: float) -> bytes:
    """Everything until the other side ends the connection."""
    while len(buffer) <= LONGEST_BODY:
        connection.settimeout(max(0.001, ends - monotonic()))
        data = connection.recv(_CHUNK)
        if not data:
            return bytes(buffer)
        buffer += data
    raise _Broken("the answer is too long")
