"""A small HTTP server on loopback that hands each request to a function: what the gateway and the stand-in share."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

LONGEST_BODY = 10 * 1024 * 1024  # bytes; API Gateway's own limit


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came: `query` undecoded, every header, the body's raw bytes."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)
    peer: str = ""  # the other end of the connection

    def header(self, name: str) -> str:
        """The last header of that name, "" when there is none."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer; `headers` without Content-Length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answerer = Callable[[Call], Answered | None]
"""request → answer; None hangs up without a word."""


@contextmanager
def serve(answer: Answerer, port: int = 0) -> Iterator[str]:
    """Serves while inside; the server's address. Port 0 is any free one. Raises OSError when `port` is taken."""
    server = _Server(("127.0.0.1", port), _handler(answer))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _handler(answer: Answerer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body leave together

        def handle(self) -> None:
            with suppress(ConnectionError):  # a browser that went away: nobody waits for the rest
                super().handle()

        def finish(self) -> None:
            with suppress(ConnectionError):
                super().finish()

        def _take(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if "Transfer-Encoding" in self.headers or not length.isdecimal():
                self._write(Answered(411))
                return
            if int(length) > LONGEST_BODY:
                self.close_connection = True
                self._write(Answered(413))
                return
            url = urlsplit(self.path)
            headers = tuple(self.headers.items())
            peer = f"{self.client_address[0]}:{self.client_address[1]}"
            found = answer(Call(self.command, url.path, url.query, headers, self.rfile.read(int(length)), peer))
            if found is None:
                self.close_connection = True
            else:
                self._write(found)

        def _write(self, found: Answered) -> None:
            self.send_response(found.status)
            for name, value in {**found.headers, "Content-Length": str(len(found.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body)
            self.wfile.flush()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing: who answers reports."""

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _take

    return Handler
