"""Makes deliveries as the platforms send them, signed, and sends them to a running Earshot.

`python -m infra.local.deliveries --product messenger --text "Can I swap the size?"` asks the one that `make run`
started.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import time_ns
from typing import Any
from urllib.parse import urlsplit

from chalicelib.apps import Account, App, Apps, read_apps

DEMO_APPS = Path(__file__).with_name("demo_apps.json")
POST = "9000000001"  # the brand's post, photo or video under which customers comment
PRODUCTS = ("facebook", "messenger", "instagram", "whatsapp", "x", "standard")

_numbers = count(time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """What somebody says or does on a platform. `author` "" is the brand itself; `to` is what its public reply
    answers, or the customer to whom its message goes; `token` is what an echo of our own message carries."""

    product: str
    text: str = ""
    author: str = ""
    name: str = ""
    id: str = field(default_factory=lambda: str(next(_numbers)))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    verb: str = "add"
    to: str = ""
    token: str = ""

    @property
    def brand(self) -> bool:
        return not self.author


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to a webhook; its body is never changed after it was signed."""

    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def send(self, url: str) -> tuple[int, str]:
        """(status, body) of posting it to the Earshot at `url`. Raises OSError."""
        host = urlsplit(url).netloc
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            connection.request("POST", self.path, self.body, dict(self.headers))
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
    registration's own makes a forged one. Raises KeyError for a product that the apps file does not have."""
    product = said[0].product
    found = next(((app, a) for app in apps.apps for a in app.accounts if a.product == product), None)
    if found is None:
        raise KeyError(product)
    app, _ = found
    pairs = [(next(a for a in app.accounts if a.product == s.product), s) for s in said]
    payload = _ENVELOPES[app.platform](app, pairs)
    body = _wire(payload)
    headers = _SIGNERS[app.platform](secret or app.secrets[0], body)
    return Delivery(f"/webhooks/{app.platform}/{app.key}", {"Content-Type": "application/json", **headers}, body)


def _wire(payload: Any) -> bytes:
    """JSON as Meta writes it: everything beyond ASCII escaped, and slashes too."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode()


# --- one element a platform's list --------------------------------------------------------------------------


def _facebook(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    post = f"{account.id}_{POST}"
    value = {
        "item": "reaction" if said.verb == "react" else "comment",
        "verb": "add" if said.verb == "react" else said.verb,
        "comment_id": said.id,
        "post_id": post,
        "parent_id": said.to or post,
        "from": {"id": said.author or account.id, "name": said.name or account.name},
        "created_time": int(said.at.timestamp()),
        **({"message": said.text} if said.text else {}),
        **({"reaction_type": "love"} if said.verb == "react" else {}),
    }
    return "changes", {"field": "feed", "value": value}


def _messenger(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    message: dict[str, Any] = {"mid": f"m_{said.id}", "text": said.text}
    if said.brand:  # the echo of our app carries its id, that of a person in the Page's inbox another one
        message |= {"is_echo": True, "app_id": int(app.app_id) if said.token else 263902037430900}
        message |= {"metadata": said.token} if said.token else {}
    sender, recipient = (account.id, said.to) if said.brand else (said.author, account.id)
    times = {"timestamp": int(said.at.timestamp() * 1000)}
    return "messaging", {"sender": {"id": sender}, "recipient": {"id": recipient}, **times, "message": message}


def _instagram(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    value = {
        "id": said.id,
        "text": said.text,
        "from": {"id": said.author or account.id, "username": said.name or account.name},
        "media": {"id": POST, "media_product_type": "FEED"},
        **({"parent_id": said.to} if said.to else {}),
    }
    return "changes", {"field": "comments", "value": value}


def _whatsapp(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    at = str(int(said.at.timestamp()))
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": account.id},
    }
    text = {"id": f"wamid.{said.id}", "timestamp": at, "type": "text", "text": {"body": said.text}}
    if said.token:
        status = {"id": f"wamid.{said.id}", "status": "sent", "timestamp": at, "recipient_id": said.to}
        value["statuses"] = [{**status, "biz_opaque_callback_data": said.token}]
    elif said.brand:
        value["message_echoes"] = [{"from": "15550100200", "to": said.to, **text}]
    else:
        value["contacts"] = [{"profile": {"name": said.name}, "wa_id": said.author}]
        value["messages"] = [{"from": said.author, **text}]
    return "changes", {"field": "smb_message_echoes" if said.brand and not said.token else "messages", "value": value}


_Part = Callable[[App, Account, SimulatedMessage], tuple[str, Any]]
_META: Mapping[str, tuple[str, _Part]] = {  # product → `object`, and what makes its parts
    "facebook": ("page", _facebook),
    "messenger": ("page", _messenger),
    "instagram": ("instagram", _instagram),
    "whatsapp": ("whatsapp_business_account", _whatsapp),
}


def _meta(app: App, pairs: list[tuple[Account, SimulatedMessage]]) -> Any:
    """One entry for each thing said, as Meta batches them."""
    kind, entries = _META[pairs[0][1].product][0], []
    for account, said in pairs:
        place, part = _META[said.product][1](app, account, said)
        time = int(said.at.timestamp() * (1 if place == "changes" else 1000))
        entries.append({"id": account.id, "time": time, place: [part]})
    return {"object": kind, "entry": entries}


def _x(app: App, pairs: list[tuple[Account, SimulatedMessage]]) -> Any:
    ((account, said),) = pairs  # X sends one event a delivery
    post: dict[str, Any] = {
        "id": said.id,
        "text": said.text,
        "author_id": said.author or account.id,
        "conversation_id": said.to or said.id,
        "created_at": _iso(said.at),
        "edit_history_tweet_ids": [said.id],
    }
    if said.to:
        post["referenced_tweets"] = [{"type": "replied_to", "id": said.to}]
    users = [{"id": said.author or account.id, "username": said.name or account.name}]
    event = {
        "event_uuid": str(next(_numbers)),
        "filter": {"user_id": account.id},
        "event_type": "post.create" if said.brand else "post.mention.create",
        "payload": post,
        "includes": {"users": users},
    }
    return {"data": event}


def _standard(app: App, pairs: list[tuple[Account, SimulatedMessage]]) -> Any:
    return {"events": [_standard_event(account, said) for account, said in pairs]}


def _standard_event(account: Account, said: SimulatedMessage) -> Any:
    author = {"id": said.author or "staff", "name": said.name or account.name, "brand": said.brand}
    content = {
        "account": account.id,
        "id": said.id,
        "thread": said.to or said.id,
        "text": said.text,
        "author": author,
        "created_at": _iso(said.at),
        "url": f"https://forum.marigold.example.com/t/{said.to or said.id}",
        **({"parent": said.to} if said.to else {}),
        **({"reply_token": said.token} if said.token else {}),
    }
    types = {"add": "interaction.created", "edited": "interaction.updated", "remove": "interaction.deleted"}
    return {"type": types[said.verb], "timestamp": _iso(said.at), "data": content}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ENVELOPES: Mapping[str, Callable[[App, list[tuple[Account, SimulatedMessage]]], Any]] = {
    "meta": _meta,
    "x": _x,
    "standard": _standard,
}


# --- signatures ---------------------------------------------------------------------------------------------


def _sign_meta(secret: str, body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _sign_x(secret: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-twitter-webhooks-signature": "sha256=" + base64.b64encode(digest).decode()}


def _sign_standard(secret: str, body: bytes) -> dict[str, str]:
    id, at = f"msg_{next(_numbers)}", str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature}


_SIGNERS: Mapping[str, Callable[[str, bytes], dict[str, str]]] = {
    "meta": _sign_meta,
    "x": _sign_x,
    "standard": _sign_standard,
}


# --- the command --------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.deliveries", description="Sends one signed delivery.")
    parser.add_argument("--product", choices=PRODUCTS, default="facebook")
    parser.add_argument("--text", default="Can I swap the size?")
    parser.add_argument("--name", default="Robin", help="who asks; the same name is the same customer")
    parser.add_argument("--answer", metavar="ID", default="", help="speak as the shop, to this comment or customer")
    parser.add_argument("--to", metavar="URL", default="http://127.0.0.1:8000", help="where Earshot listens")
    parser.add_argument("--apps", type=Path, default=DEMO_APPS, help="the apps file whose secrets sign")
    parser.add_argument("--curl", action="store_true", help="print the curl command instead of sending")
    options = parser.parse_args(arguments)
    author = "" if options.answer else author_id(options.name)
    said = SimulatedMessage(options.product, options.text, author, options.name if author else "", to=options.answer)
    delivery = deliver(read_apps(options.apps), said)
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
