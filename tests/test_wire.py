"""HTTP on the wire: every way an answer can come or fail to, against a server that says what the test wrote."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server, socket
from threading import Thread
from time import sleep

import botocore
import pytest

from chalicelib import trust, wire
from chalicelib.wire import Lost, NotConnected, Received, Wire
from infra.bench.certificate import made
from tests.patience import until

Script = list[bytes | Callable[[socket], None]]
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def scripted(*connections: Script, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A server: for each connection the answers to its requests, in turn; then it hangs up. What it read."""
    seen: list[bytes] = []
    with create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            for script in connections:
                raw, _ = listening.accept()
                try:
                    connection = context.wrap_socket(raw, server_side=True) if context else raw
                except OSError:
                    raw.close()
                    continue
                with connection:
                    for step in script:
                        seen.append(_request(connection))
                        if callable(step):
                            step(connection)
                        else:
                            connection.sendall(step)

        thread = Thread(target=run, daemon=True)
        thread.start()
        scheme = "https" if context else "http"
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", seen


def _request(connection: socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(4096)
    head, _, body = read.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(4096)
    return head + b"\r\n\r\n" + body


def ask(url: str, method: str = "POST", body: bytes | None = b"{}", **limits: float) -> Received:
    return Wire(**limits).request(method, url, {"X-One": "1"}, body)


def test_the_request_is_what_http_asks_for() -> None:
    with scripted([FINE]) as (url, seen):
        assert ask(url + "/v25.0/me?fields=id", body=b'{"a":1}').body == b"ok"
    host = url.removeprefix("http://")
    assert (
        seen[0]
        == (
            f"POST /v25.0/me?fields=id HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\nx-one: 1\r\n"
            'content-length: 7\r\n\r\n{"a":1}'
        ).encode()
    )


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n", b"ok!"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\neverything", b"everything"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_every_way_to_end_an_answer_is_understood(answer: bytes, body: bytes) -> None:
    with scripted([answer]) as (url, _):
        assert ask(url).body == body


def test_headers_are_found_in_lower_case_and_repeated_ones_joined() -> None:
    with scripted([b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nVia: a\r\nVIA: b\r\nContent-Length: 0\r\n\r\n"]) as (
        url,
        _,
    ):
        found = ask(url)
    assert (found.status, found.headers["retry-after"], found.headers["via"]) == (429, "7", "a, b")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_or_is_none_may_have_been_sent(answer: bytes) -> None:
    with scripted([answer]) as (url, _), pytest.raises(Lost):
        ask(url)


def test_an_answer_that_drips_does_not_hold_longer_than_it_may() -> None:
    def drip(connection: socket) -> None:
        for _ in range(100):
            try:
                connection.sendall(b"H")
            except OSError:
                return
            sleep(0.05)

    with scripted([drip]) as (url, _), pytest.raises(Lost):
        ask(url, answer_s=0.4)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotConnected):
        ask(f"http://127.0.0.1:{port}")
    with pytest.raises(NotConnected):
        ask("http://no-such-host.invalid")


def test_a_connection_serves_again_and_one_that_the_other_side_has_closed_does_not() -> None:
    gone: Script = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    with scripted([FINE, FINE], gone, gone) as (url, seen):
        kept = Wire()
        for _ in range(2):
            kept.request("POST", url, {}, b"")
        _hung_up(kept)  # after its second answer
        kept.request("POST", url, {}, b"")
        _hung_up(kept)
        kept.request("POST", url, {}, b"")
    assert len(seen) == 4  # none was sent into a closed connection


def _hung_up(kept: Wire) -> None:
    """Returns when the server's end of the kept connection has arrived."""
    ((connection, _),) = kept._kept.values()
    until(lambda: not wire._is_quiet(connection))


def test_a_connection_that_rested_too_long_is_not_used_again() -> None:
    with scripted([FINE], [FINE]) as (url, seen):
        kept = Wire(keep_s=0.0)
        for _ in range(2):
            kept.request("POST", url, {}, b"")
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1/a b", {}),
        ("http://127.0.0.1/a\r\nX: y", {}),
        ("http://user@127.0.0.1/", {}),
        ("file:///etc/passwd", {}),
        ("http://127.0.0.1/é", {}),
        ("http://127.0.0.1/", {"X": "1\r\nY: 2"}),
    ],
)
def test_what_could_smuggle_another_request_is_not_sent(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"an? "):
        Wire().request("GET", url, headers)


# --- TLS ---


@pytest.mark.parametrize(
    ("name", "trusted", "fine"), [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("127.0.0.2", True, False)]
)
def test_only_a_certificate_of_that_host_by_a_trusted_issuer_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, fine: bool
) -> None:
    context, trusting = made(tmp_path, name)
    client = trusting if trusted else ssl.create_default_context()
    monkeypatch.setattr(wire, "tls", lambda: client)
    with ExitStack() as stack:
        url, seen = stack.enter_context(scripted([FINE, FINE], context=context))
        kept = Wire()
        if not fine:
            stack.enter_context(pytest.raises(NotConnected))
        assert [kept.request("POST", url, {}, b"x").body for _ in range(2)] == [b"ok", b"ok"]
        assert len(seen) == 2


@pytest.mark.parametrize("issuer", ["Amazon Root CA 9", "Another one"])
def test_amazons_certificates_alone_prove_what_is_aws_and_all_others_what_they_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: str
) -> None:
    """As in a region with another issuer, or behind a company's own proxy: it costs a second handshake, no delivery."""
    context, everybody = made(tmp_path, called=issuer)
    amazons = tmp_path / "amazons"
    amazons.mkdir()
    made(amazons, called="Amazon Root CA 1")
    system = (tmp_path / "certificate.pem").read_text() + "# a name\n" + (amazons / "certificate.pem").read_text()
    (tmp_path / "system.pem").write_text(system)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.setattr(wire, "AWS_HOSTS", ("127.0.0.1",))
    monkeypatch.setattr(wire, "amazon_tls", trust.amazon_tls.__wrapped__)
    asked: list[ssl.SSLContext] = []
    monkeypatch.setattr(wire, "tls", lambda: asked.append(everybody) or everybody)  # type: ignore[func-returns-value]
    tries = 1 if issuer.startswith("Amazon") else 2
    scripts: list[Script] = [[FINE]] * tries
    with scripted(*scripts, context=context) as (url, seen):
        assert Wire().request("POST", url, {}, b"x").body == b"ok"
    assert len(seen) == 1
    assert len(asked) == tries - 1


def test_where_none_of_amazons_certificates_is_found_all_of_the_systems_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = trust.tls()
    made(tmp_path)
    for path in (tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "there-is-none.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert trust.amazon_tls.__wrapped__() is everybody


def test_of_the_systems_certificates_amazons_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the list that the AWS SDK brings along, which is Mozilla's, as the distributions' is."""
    monkeypatch.setenv("SSL_CERT_FILE", str(Path(botocore.__file__).with_name("cacert.pem")))
    found = trust.amazon_tls.__wrapped__().get_ca_certs()
    words = [str(c["subject"]) for c in found]
    names = [*(f"Amazon Root CA {n}" for n in range(1, 5)), "Starfield Services Root Certificate Authority - G2"]
    assert len(words) == len(names)
    assert all(any(name in said for said in words) for name in names)
