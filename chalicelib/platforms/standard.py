"""The generic intake, signed as Standard Webhooks: any blog, forum or shop can post what its customers write.

The body is described in standard.schema.json beside this file. Replies go to the `reply_url` that the account has in
the apps file, never to an address that came with a payload, and are signed the same way.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import EmptyWebhookSecretError
from standardwebhooks.webhooks import Webhook as Signer

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    TEST,
    Finding,
    Parsed,
    Refused,
    Reply,
    Request,
    SignatureError,
    Skipped,
    fit,
    same,
)
from chalicelib.platforms.contract import PartContext, Product, Webhook, each, not_listed
from chalicelib.platforms.http import Http, json_body
from chalicelib.platforms.rest import call
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, iso, number, wire

MAX_REPLY = 10_000  # characters
TOLERANCE = timedelta(minutes=5)  # how far the signed time may be from ours, both ways
MAX_EVENTS = 1000  # in one delivery
MAX_SIGNATURES = 16  # in one header: more would only cost time

_KINDS = {
    "interaction.created": Kind.NEW,
    "interaction.updated": Kind.EDIT,
    "interaction.deleted": Kind.DELETE,
    "interaction.hidden": Kind.HIDE,
    "interaction.shown": Kind.EDIT,
}
_TESTS = {"ping", "test"}
_STAMP = re.compile("[0-9]{1,10}")
_SIGNATURES = re.compile("v[0-9]+[a-z]?,[A-Za-z0-9+/=_-]+( v[0-9]+[a-z]?,[A-Za-z0-9+/=_-]+)*")


def verify(app: App, request: Request) -> None:
    """One of the signatures over `id.timestamp.body` is made with one of the secrets, at most 5 minutes ago or ahead.

    The library signs both ways; its own `verify` reads the machine's clock, and a replay has another one.
    """
    id, stamp, given = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and stamp and given):
        raise SignatureError("a webhook- header is missing")
    if not id.isascii() or not _STAMP.fullmatch(stamp) or not _SIGNATURES.fullmatch(given):
        raise SignatureError("a webhook- header is malformed")
    at = datetime.fromtimestamp(int(stamp), UTC)
    if abs(request.received_at - at) > TOLERANCE:
        raise SignatureError("the signed time is too old or too new")
    expected = [e for secret in app.secrets if (e := _sign(secret, id, at, request.body))]
    candidates = [s for s in given.split(" ") if s.startswith("v1,")][:MAX_SIGNATURES]
    if not any([same(candidate, e) for candidate in candidates for e in expected]):
        raise SignatureError("the signature does not match")


def _sign(secret: str, id: str, at: datetime, body: bytes) -> str | None:
    """`v1,…` over id, time and body; None with a secret that is no key, or for a body that is no text."""
    try:
        return Signer(secret).sign(id, at, body.decode())
    except (ValueError, EmptyWebhookSecretError):
        return None


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one event of a delivery, or each of its `events`."""
    payload = read.body(body)
    events = read.rows(payload["events"]) if "events" in payload else [payload]
    if len(events) > MAX_EVENTS:
        raise read.PayloadError("more events than one delivery may hold")
    yield from each(events, partial(_event, app, received_at), "standard")


def _event(app: App, received_at: datetime, event: Any) -> Parsed:
    if not isinstance(event, dict):
        raise read.PayloadError("an event is not an object")
    kind, content = read.text(event.get("type")), event.get("data")
    if kind in _TESTS or read.obj(content).get("test") is True:
        return Skipped(TEST, "standard")
    if kind not in _KINDS:
        return Skipped(f"event_{kind[:40]}", "standard")
    if not isinstance(content, dict):
        raise read.PayloadError("data is not an object")
    account = read.ident(content.get("account")) or _only_account(app)
    found = app.account("standard", account)
    if found is None:
        return Skipped(FOREIGN, "standard", account)
    return _interaction(PartContext(app, found, received_at, received_at), kind, event, content)


def _only_account(app: App) -> str:
    ids = [a.id for a in app.accounts if a.product == "standard"]
    if len(ids) > 1:
        raise read.PayloadError("the app has several accounts and the event names none")
    return ids[0] if ids else ""


def _interaction(context: PartContext, type: str, event: dict[str, Any], content: dict[str, Any]) -> Interaction:
    author = content.get("author")
    author = author if isinstance(author, dict) else {"id": author}
    id, parent = read.need_ident(content.get("id")), read.ident(content.get("parent"))
    brand, kind = author.get("brand") is True, _KINDS[type]
    # What only changes an interaction may leave out where it stands; then it waits for the one that says so
    thread = read.ident(content.get("thread")) or parent or (id if kind is Kind.NEW or "text" in content else "")
    if kind is Kind.NEW and brand:
        kind = Kind.BRAND_POST if thread == id else Kind.BRAND_REPLY
    happened_at = read.when(event.get("timestamp"), context.received_at)
    at = read.when(content.get("created_at"), happened_at)
    token = read.ident(content.get("reply_token"))
    return replace(
        context.interaction(event, id, kind, at),
        thread=thread,
        author=read.ident(author.get("id")) or None,
        author_name=read.name(author.get("name")),
        reach=read.reach(author.get("followers")),
        brand=brand,
        text=read.text(content.get("text")),
        text_at=read.when(content.get("updated_at"), happened_at) if kind is Kind.EDIT else at,
        parent=parent or None,
        private=content.get("private") is True,
        repliable=content.get("repliable") is not False and author.get("bot") is not True,
        attachments=_count(content.get("attachments")),
        link=read.link(content.get("url")),
        hidden_at=happened_at if kind is Kind.HIDE else None,
        shown_at=happened_at if type == "interaction.shown" else None,
        ours=brand and bool(token),
        token=token or None,
    )


def _count(attachments: Any) -> int:
    """Sent as a number or as a list."""
    if isinstance(attachments, list):
        return len(attachments)
    return min(max(attachments, 0), 1000) if isinstance(attachments, int) else 0


# --- replies ---------------------------------------------------------------------------------------------------------


def reply_url(account: Account) -> str:
    """Where the account's replies go: https, or http on this machine; raises ValueError saying what is wrong."""
    url = account.options.get("reply_url")
    if not isinstance(url, str) or not url:
        raise ValueError("reply_url is missing")
    if any(c <= " " for c in url):
        raise ValueError("reply_url holds white space")
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        raise ValueError("reply_url must name a host and no user")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("reply_url must begin with https://")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A signed `reply.created` to the account's reply_url; its webhook-id is the claim, so a receiver that keeps the
    standard posts it once."""
    try:
        url = reply_url(account)
    except ValueError:
        raise Refused("reply_url") from None
    body = json_body(
        {
            "type": "reply.created",
            "timestamp": reply.at.isoformat(),
            "data": {
                "account": account.id,
                "thread": reply.interaction.thread,
                "in_reply_to": reply.interaction.id,
                "text": wording(account, reply.interaction, reply.text, reply.private),
                "private": reply.private or reply.interaction.private,
                "reply_token": reply.token,
            },
        }
    )
    signature = _sign(app.secrets[0], reply.token, reply.at, body) if app.secrets else None
    if signature is None:
        raise Refused("secret")
    headers = {
        "webhook-id": reply.token,
        "webhook-timestamp": str(int(reply.at.timestamp())),
        "webhook-signature": signature,
    }
    return read.given_id(call(http, "POST", url, headers=headers, body=body).data.get("id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """What the apps file has wrong; there is no platform to ask."""
    findings = []
    try:
        reply_url(account)
    except ValueError as error:
        findings.append(Finding(account.id, str(error), "set the account's reply_url to an https address of your site"))
    for n, secret in enumerate(app.secrets, 1):
        if _sign(secret, "check", datetime.fromtimestamp(0, UTC), b"") is None:
            fix = "make one: whsec_ followed by 24 to 64 random bytes in base64"
            findings.append(Finding(account.id, f"secret {n} is not a Standard Webhooks secret", fix))
    return findings


# --- the local run ---------------------------------------------------------------------------------------------------


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """Everything in one delivery, signed for the time at which the last was said; a key that is none signs nothing."""
    body, at = wire({"events": [_told(account, message) for account, message in said]}), max(m.at for _, m in said)
    id = f"msg_{number()}"
    stamp = str(int(at.timestamp()))
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": _sign(secret, id, at, body) or "v1,",
    }, body


_TYPES = {"add": "interaction.created", "edited": "interaction.updated", "remove": "interaction.deleted"}


def _told(account: Account, said: SimulatedMessage) -> dict[str, Any]:
    content = {
        "account": account.id,
        "id": said.id,
        "thread": said.to or said.id,
        "text": said.text,
        "author": {"id": said.author or "staff", "name": said.name or account.name, "brand": said.brand},
        "created_at": iso(said.at),
        "url": f"https://shop.example.com/t/{said.to or said.id}",
        **({"parent": said.to} if said.to else {}),
        **({"reply_token": said.token} if said.token else {}),
    }
    return {"type": _TYPES[said.verb], "timestamp": iso(said.at), "data": content}


def _read(path: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    content = data["data"]
    return content["in_reply_to"], content["text"], content["reply_token"]


_REPLY = Endpoint(re.compile(r".+"), _read, lambda id: {"id": id}, having="data")

_DEMO = {
    "app": "forum",
    "secrets": ["whsec_aW52ZW50ZWQgc2VjcmV0IG9mIHRoZSBkZW1vIHNob3A="],
    "accounts": [
        {"id": "forum", "name": f"{SHOP} Forum", "reply_url": "https://forum.marigold.example.com/earshot"},
    ],
}

WEBHOOK = Webhook(verify, parse, send, _DEMO)
PRODUCT = Product(
    name="standard",
    title="the website",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_REPLY,)),
    wording=wording,
    check=check,
    backfill=not_listed("the generic intake has nothing to list from; the sender repeats what failed"),
    titles={"de": "Website", "fr": "le site", "es": "la web"},
)
