"""Meta's webhook: the handshake, the signature and the walk through a delivery to the product that each part is of.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.apps import Account, App
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    TEST,
    Parsed,
    Poison,
    Response,
    Skipped,
    TooLarge,
    hmac_hex,
    same,
)
from chalicelib.platforms.contract import MAX_BODY, PartContext, Webhook, signature
from chalicelib.platforms.meta import facebook, instagram, messenger, whatsapp
from chalicelib.platforms.meta.deletion_request import signed_user
from chalicelib.platforms.simulation import SHOP, Said, SimulatedMessage, wire

LARGEST_BODY = 3 * 1024 * 1024  # WhatsApp's documented limit; the other products stay below 1 MiB
MAX_ENTRIES = 1000  # updates in one delivery

# One interaction's part of a delivery → what it says
PartParser = Callable[[PartContext, dict[str, Any]], Iterable[Parsed]]
# (app, entry id, part) → the id under which the apps file knows the account, None when it does not
Owner = Callable[[App, str, dict[str, Any]], str | None]


class Route(NamedTuple):
    """Who parses the parts of one list in an entry. `owner` says whose they are, where that is not the entry's id."""

    product: str
    parse: PartParser
    owner: Owner | None = None


def challenge(app: App, query: Mapping[str, str]) -> Response:
    """The handshake: the bare challenge when the verify token is ours, else 403."""
    token = query.get("hub.verify_token", "")
    if query.get("hub.mode") == "subscribe" and app.verify_token and same(token, app.verify_token):
        return Response(200, query.get("hub.challenge", ""))
    return Response(403, "the verify token does not match")


# With the current or a previous secret; the older SHA-1 header alone is refused
verify = signature("x-hub-signature-256", hmac_hex, "sha256=")


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """Every entry × change, message or standby message of a delivery for a Page, Instagram or WhatsApp account."""
    payload = read.body(body)
    entries = read.rows(payload.get("entry"))
    if len(entries) > MAX_ENTRIES:
        raise read.PayloadError("more entries than Meta ever sends")
    name = payload.get("object")
    if len(body) > MAX_BODY and name != "whatsapp_business_account":
        raise TooLarge("the body is larger than this product's deliveries")
    routes = _ROUTES.get(name) if isinstance(name, str) else None
    if routes is None:
        yield Skipped("unknown_object")
        return
    for entry in entries:
        yield from _entry(app, routes, entry, received_at)


# For each `object`: the lists that its entries can hold
_ROUTES: dict[str, dict[str, Route]] = {
    "page": {
        "changes": Route("facebook", facebook.parse_change),
        "messaging": Route("messenger", messenger.parse_message, messenger.owner),
        "standby": Route("messenger", messenger.parse_standby, messenger.owner),
    },
    "instagram": {
        "changes": Route("instagram", instagram.parse_change),
        "messaging": Route("instagram", instagram.parse_message, instagram.owner),
        "standby": Route("instagram", instagram.parse_standby, instagram.owner),
    },
    "whatsapp_business_account": {"changes": Route("whatsapp", whatsapp.parse_change, whatsapp.owner)},
}


# Direct messages that come as a change: the Test button's, and some apps' real ones
_DIRECT_FIELDS = {
    "messages": "messaging",
    "message_echoes": "messaging",
    "message_edits": "messaging",
    "messaging_postbacks": "messaging",
    "standby": "standby",
}

# What the Test button sends besides entry id "0": the sample sender of each field
_SAMPLE_AUTHORS = {"12334", "232323232"}
_SAMPLE_POST = "44444444_444444444"


def _entry(app: App, routes: Mapping[str, Route], entry: Any, received_at: datetime) -> Iterator[Parsed]:
    try:
        id = read.ident(entry.get("id"))
        at = read.when(entry.get("time"), received_at)
        parts = [(name, part) for name in routes for part in read.rows(entry.get(name))]
        if "value" in entry and "field" in entry:  # Instagram Login leaves out the list
            parts.append(("changes", {"field": entry["field"], "value": entry["value"]}))
    except read.MALFORMED as error:
        yield Poison(read.reason(error), read.raw(entry))
        return
    if id == "0":
        yield Skipped(TEST)
        return
    for name, part in parts:
        yield from _part(app, routes, id, name, part, at, received_at)


def _part(
    app: App, routes: Mapping[str, Route], entry_id: str, name: str, part: Any, at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    field = part.get("field") if isinstance(part, dict) and name == "changes" else None
    direct = _DIRECT_FIELDS.get(field, "") if isinstance(field, str) else ""
    value = read.obj(part.get("value")) if field is not None else {}
    route, content = routes.get(direct, routes[name]), value if direct in routes else part
    try:
        if not isinstance(part, dict):
            raise read.PayloadError("expected an object")
        if _is_sample(value):
            yield Skipped(TEST, route.product)
            return
        id = route.owner(app, entry_id, content) if route.owner else entry_id
        if not id and not entry_id:
            raise read.PayloadError("an id is missing")
        account = app.account(route.product, id) if id else None
        if account is None:
            yield Skipped(FOREIGN, route.product, id or entry_id)
            return
        yield from list(route.parse(PartContext(app, account, at, received_at), content))
    except read.MALFORMED as error:
        yield Poison(read.reason(error), read.raw(part), route.product, entry_id)


def _is_sample(value: Mapping[str, Any]) -> bool:
    authors = [str(read.obj(value.get(key)).get("id")) for key in ("sender", "from")]
    return value.get("post_id") == _SAMPLE_POST or not _SAMPLE_AUTHORS.isdisjoint(authors)


# --- the local run ---------------------------------------------------------------------------------------------------

# product → `object`, and what makes its parts
_SAY: Mapping[str, tuple[str, Callable[[App, Account, SimulatedMessage], tuple[str, Any]]]] = {
    "facebook": ("page", facebook.say),
    "messenger": ("page", messenger.say),
    "instagram": ("instagram", instagram.say),
    "whatsapp": ("whatsapp_business_account", whatsapp.say),
}


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """One entry for each thing said, as Meta batches them; everything beyond ASCII is escaped, and slashes too."""
    entries: list[dict[str, Any]] = []
    for account, message in said:
        place, part = _SAY[message.product][1](app, account, message)
        time = int(message.at.timestamp() * (1 if place == "changes" else 1000))
        entries.append({"id": account.id, "time": time, place: [part]})
    body = wire({"object": _SAY[said[0][1].product][0], "entry": entries}).replace(b"/", b"\\/")
    return {"X-Hub-Signature-256": "sha256=" + hmac_hex(secret, body)}, body


_PAGE = {"id": "100200300400500", "name": SHOP, "token": "invented-page-token"}
_DEMO = {
    "secrets": ["invented-secret-of-the-demo-shop"],
    "verify_token": "invented-verify-token",
    "app_id": "424242",
    "accounts": [
        {"product": "facebook", **_PAGE},
        {"product": "messenger", **_PAGE},
        {"product": "instagram", "id": "17841400000000001", "name": "marigoldandfinch", "page_id": _PAGE["id"]}
        | {"token": "invented-instagram-token"},
        {"product": "whatsapp", "id": "106500000000001", "name": SHOP, "token": "invented-whatsapp-token"},
    ],
}
WEBHOOK = Webhook(verify, parse, send, _DEMO, challenge=challenge, asks_erasure=signed_user, max_body=LARGEST_BODY)
