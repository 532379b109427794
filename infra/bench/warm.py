"""How much processor time receive takes for a delivery once it is warm, beside a raw-socket floor: what the same job
takes with nothing round it (the delivery's HMAC, the message as JSON, its signature, the bytes out and the answer in).

The queue is a process of its own that answers as SQS does, so that only receive's side is counted; once in plain HTTP,
once with TLS. It has a processor to itself where there are two: on AWS it is another machine, and where both take turns
on one, each answer finds what the other has left in its caches.
"""

import hmac
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from time import process_time
from typing import Any
from unittest.mock import patch

import app
from chalicelib import wire
from chalicelib.aws.client import SQS, Identity, signed
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.services import Services
from infra.bench.certificate import made
from infra.local.deliveries import USUAL, Delivery, api_event, deliver
from infra.local.demo_apps import demo_apps
from infra.local.events import Context
from infra.replay.services import NO_SETTINGS

BLOCKS, REQUESTS = 80, 50  # blocks of so many requests: floor and receive in turn, so that both meet the same others
ME = Identity("bench", "bench", "", "eu-central-1")
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{"MessageId":"6f1b","MD5OfMessageBody":"00ff"}'


def main() -> int:
    for scheme in ("http", "https"):
        floor, ours = measure(scheme)
        print(
            f"receive warm, {scheme}: {ours * 1e6:,.0f} µs of CPU a delivery, raw-socket floor {floor * 1e6:,.0f} µs: "
            f"{ours / floor:.1f} times (least of {BLOCKS} blocks of {REQUESTS})"
        )
    return 0


def measure(scheme: str) -> tuple[float, float]:
    """Seconds of CPU a call: (raw socket, receive), the least of many small blocks taken in turn: whoever else works on
    this machine lengthens some blocks of both, and the least ones least."""
    with tempfile.TemporaryDirectory() as folder, _apart() as other, _queue(scheme, Path(folder), other) as at_queue:
        port, trusted = at_queue
        apps = demo_apps()
        said = SimulatedMessage(USUAL, "Can I return this dress?", author="70009", id="1")
        delivery = deliver(apps, said)
        event = api_event(delivery)
        names = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        at = f"{scheme}://127.0.0.1:{port}"
        services = Services(NO_SETTINGS, registrations=lambda: apps)
        previous, app.services = app.services, services
        context = trusted or ssl.create_default_context()
        try:
            with patch.dict(os.environ, names | {"AWS_ENDPOINT_URL": at}), patch.object(wire, "tls", lambda: context):
                context_of_lambda = Context("api")
                answer = app.app(event, context_of_lambda)
                if answer["statusCode"] != 200:
                    raise RuntimeError(f"receive answered {answer['statusCode']}")
                with _connected(scheme, port, context) as raw:
                    blocks = [
                        (_cpu(lambda: _floor(raw, delivery)), _cpu(lambda: app.app(event, context_of_lambda)))
                        for _ in range(BLOCKS)
                    ]
        finally:
            app.services = previous
    return min(floor for floor, _ in blocks), min(ours for _, ours in blocks)


def _cpu(do: Callable[[], Any]) -> float:
    do()
    began = process_time()
    for _ in range(REQUESTS):
        do()
    return (process_time() - began) / REQUESTS


def _floor(raw: socket.socket, delivery: Delivery) -> None:
    """The delivery's way to the queue, written out by hand: no router, no parsing, no checks, no errors."""
    digest = hmac.digest(b"secret", delivery.body, "sha256").hex()
    hmac.compare_digest(digest, digest)
    envelope = {"v": 1, "id": digest[:32], "platform": "platform", "app": "main", "body": delivery.body.decode()}
    body = json.dumps({"QueueUrl": "queue", "MessageBody": json.dumps(envelope), "DelaySeconds": 0}).encode()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
    sent = signed(ME, SQS, "127.0.0.1", headers, body, datetime.now(UTC))
    head = "".join([f"{name}: {value}\r\n" for name, value in sent.items()])
    raw.sendall(f"POST / HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    raw.recv(65536)


@contextmanager
def _connected(scheme: str, port: int, context: ssl.SSLContext) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "http":
            yield plain
            return
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            yield secure


@contextmanager
def _apart() -> Iterator[set[int]]:
    """This process on one processor; those that are left to the queue, none where there is only this one."""
    if not hasattr(os, "sched_setaffinity"):  # Linux has it
        yield set()
        return
    usual = os.sched_getaffinity(0)
    mine, *others = sorted(usual)
    os.sched_setaffinity(0, {mine})
    try:
        yield set(others)
    finally:
        os.sched_setaffinity(0, usual)


@contextmanager
def _queue(scheme: str, folder: Path, processors: set[int]) -> Iterator[tuple[int, ssl.SSLContext | None]]:
    """A process on one of these `processors` that answers every request as SQS would; its port, and the context that
    trusts it."""
    server, trusted = made(folder) if scheme == "https" else (None, None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = get_context("fork").Process(target=_serve, args=(listening, server), daemon=True)
        process.start()
        if processors and process.pid:
            os.sched_setaffinity(process.pid, processors)
        try:
            yield listening.getsockname()[1], trusted
        finally:
            process.kill()
            process.join()


def _serve(listening: socket.socket, context: ssl.SSLContext | None, answered: Any = None) -> None:
    while True:
        raw, _ = listening.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_side=True) if context else raw
        Thread(target=_answer, args=(connection, answered), daemon=True).start()


@contextmanager
def sqs_that_counts() -> Iterator[tuple[int, Callable[[], int]]]:
    """The same in plain HTTP: its port, and how many requests it has answered."""
    context = get_context("fork")
    answered = context.Value("q", 0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = context.Process(target=_serve, args=(listening, None, answered), daemon=True)
        process.start()
        try:
            yield listening.getsockname()[1], lambda: int(answered.value)
        finally:
            process.kill()
            process.join()


def _answer(connection: socket.socket, answered: Any = None) -> None:
    buffer = b""
    while data := connection.recv(65536):
        buffer += data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(buffer) < end + 4 + length:
                break
            buffer = buffer[end + 4 + length :]
            if answered is not None:
                with answered.get_lock():
                    answered.value += 1
            connection.sendall(ANSWER)
