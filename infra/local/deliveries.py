"""Makes deliveries as the platforms send them, signed, and sends them to a running Earshot.

`python -m infra.local.deliveries --product PRODUCT --text "Can I swap the size?"` asks the one that `make run`
started.
"""

import argparse
import hashlib
import http.client
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib import platforms
from chalicelib.apps import Apps, Owner, read_apps
from chalicelib.aws.queues import encode
from chalicelib.handlers.inbox import Envelope, enqueue
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.demo_apps import demo_apps
from infra.local.events import message, sqs_event, url_event
from infra.local.loopback import Call

USUAL = platforms.PRODUCTS[0]  # where nobody says on which platform


class CannotSay(ValueError):
    """The platform tells nothing of this, so that it cannot be delivered."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a webhook; its body is never changed after it was signed."""

    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def send(self, url: str) -> tuple[int, str]:
        """(status, body) of posting it to the Earshot at `url`, below which its path is. Raises OSError."""
        at = urlsplit(url)
        connection = http.client.HTTPConnection(at.netloc, timeout=30)
        try:
            connection.request("POST", at.path + self.path, self.body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def curl(self, url: str) -> str:
        """The same as a command to paste into a shell."""
        headers = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items())
        return f"curl -sS -w '\\n' {url}{self.path} {headers} --data-binary {shlex.quote(self.body.decode())}"


def deliver(apps: Apps, *said: SimulatedMessage, secret: str = "") -> Delivery:
    """One signed delivery that tells everything in `said`, which is all of one platform; `secret` instead of the
    registration's own makes a forged one. Raises KeyError for a product that the apps file does not have, CannotSay."""
    product = said[0].product
    owner = next((Owner(app, a) for app in apps.apps for a in app.accounts if a.product == product), None)
    if owner is None:
        raise KeyError(product)
    app = owner.app
    if any(s.brand and not platforms.product(s.product).simulation.tells_brand for s in said):
        raise CannotSay(f"{platforms.title(product)} tells nothing of what the brand's people write there")
    pairs = [(next(a for a in app.accounts if a.product == s.product), s) for s in said]
    webhook = platforms.webhook(app.platform)
    assert webhook
    headers, body = webhook.send(app, pairs, secret or app.secrets[0])
    return Delivery(app.path, {"Content-Type": "application/json", **headers}, body)


class _Kept:
    """An inbox that keeps its one message."""

    body = ""

    def send(self, message: Mapping[str, Any], delay: Any = None) -> None:
        self.body = encode(message)

    def send_all(self, messages: Any, delays: Any = ()) -> None:
        raise NotImplementedError


def api_event(delivery: Delivery) -> dict[str, Any]:
    """The event that brings the delivery to receive."""
    return url_event(Call("POST", delivery.path, "", tuple(delivery.headers.items()), delivery.body))


def inbox_event(delivery: Delivery, id: str) -> dict[str, Any]:
    """The event that brings the delivery to respond, under the envelope's `id`."""
    _, _, platform, key = delivery.path.split("/")
    kept, now = _Kept(), datetime.now(UTC)
    enqueue(kept, Envelope(id, platform, key, now, delivery.body), lambda *_: None, now)
    return sqs_event([message(kept.body)], "inbox")


# --- the command --------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.deliveries", description="Sends one signed delivery.")
    parser.add_argument("--product", choices=platforms.PRODUCTS, default=USUAL)
    parser.add_argument("--text", default="Can I swap the size?")
    parser.add_argument("--name", default="Robin", help="who asks; the same name is the same customer")
    parser.add_argument("--answer", metavar="ID", default="", help="speak as the shop, to this comment or customer")
    parser.add_argument("--to", metavar="URL", default="http://127.0.0.1:8000", help="where Earshot listens")
    parser.add_argument("--apps", type=Path, help="the apps file whose secrets sign, instead of the demo's")
    parser.add_argument("--curl", action="store_true", help="print the curl command instead of sending")
    options = parser.parse_args(arguments)
    author = "" if options.answer else author_id(options.name)
    said = SimulatedMessage(options.product, options.text, author, options.name if author else "", to=options.answer)
    try:
        delivery = deliver(read_apps(options.apps) if options.apps else demo_apps(), said)
    except KeyError:
        print(f"{options.apps} has no account of {options.product}", file=sys.stderr)
        return 2
    except CannotSay as error:
        print(error, file=sys.stderr)
        return 2
    if options.curl:
        print(delivery.curl(options.to))
        return 0
    try:
        status, body = delivery.send(options.to)
    except OSError as error:
        print(f"{options.to} does not answer ({type(error).__name__}); start it with `make run`", file=sys.stderr)
        return 1
    print(f"{status} {body}")
    return 0 if status == 200 else 1


def author_id(name: str) -> str:
    """A made-up id that the same name always has."""
    return str(10**14 + int(hashlib.sha256(name.encode()).hexdigest()[:10], 16))


if __name__ == "__main__":
    sys.exit(main())
