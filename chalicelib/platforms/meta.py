"""What Meta's products share: the handshake, the signature, the walk through a delivery and the Graph API's errors.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.platforms import base
from chalicelib.platforms.base import (
    FOREIGN,
    MALFORMED,
    TEST,
    Finding,
    NotSent,
    OutcomeUnknown,
    Parsed,
    PayloadError,
    Poison,
    Refused,
    ReplyError,
    Request,
    Response,
    Skipped,
    TokenInvalid,
    WindowClosed,
    call_once,
    hmac_hex,
    ident,
    obj,
    raw,
    read_json,
    reason,
    rows,
    same,
    text,
    verify_any,
    when,
)
from chalicelib.platforms.http import Answer, Http

GRAPH = "https://graph.facebook.com/v25.0"
MAX_BODY = 3 * 1024 * 1024  # WhatsApp's documented limit; the other products stay below 1 MiB
MAX_ENTRIES = 1000  # updates in one delivery
MAX_PAGES = 20  # of one list that a backfill reads

# One interaction's part of a delivery: (app, account id, part, time of the entry, received_at) → what it says
PartParser = Callable[[App, str, dict[str, Any], datetime, datetime], Iterable[Parsed]]
# (app, entry id, part) → the id under which the apps file knows the account, None when it does not
Owner = Callable[[App, str, dict[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Route:
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


def verify(app: App, request: Request) -> None:
    """X-Hub-Signature-256 over the raw bytes, with the current or a previous secret; SHA-1 alone is refused."""
    expected = ["sha256=" + hmac_hex(secret, request.body) for secret in app.secrets]
    verify_any(request.headers.get("x-hub-signature-256"), expected)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """Every entry × change, message or standby message of a delivery for a Page, Instagram or WhatsApp account."""
    payload = read_json(body)
    entries = rows(payload.get("entry"))
    if len(entries) > MAX_ENTRIES:
        raise PayloadError("more entries than Meta ever sends")
    name = payload.get("object")
    if len(body) > base.MAX_BODY and name != "whatsapp_business_account":
        raise base.TooLarge("the body is larger than this product's deliveries")
    routes = _routes().get(name) if isinstance(name, str) else None
    if routes is None:
        yield Skipped("unknown_object")
        return
    for entry in entries:
        yield from _entry(app, routes, entry, received_at)


def _routes() -> dict[str, dict[str, Route]]:
    """For each `object`: the lists that its entries can hold."""
    from chalicelib.platforms import facebook, instagram, messenger, whatsapp

    return {
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
        id = ident(entry.get("id"))
        at = when(entry.get("time"), received_at)
        parts = [(name, part) for name in routes for part in rows(entry.get(name))]
        if "value" in entry and "field" in entry:  # Instagram Login leaves out the list
            parts.append(("changes", {"field": entry["field"], "value": entry["value"]}))
    except MALFORMED as error:
        yield Poison(reason(error), raw(entry))
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
    value = obj(part.get("value")) if field is not None else {}
    route, content = routes.get(direct, routes[name]), value if direct in routes else part
    try:
        if not isinstance(part, dict):
            raise PayloadError("expected an object")
        if _is_sample(value):
            yield Skipped(TEST, route.product)
            return
        account = route.owner(app, entry_id, content) if route.owner else entry_id
        if not account and not entry_id:
            raise PayloadError("an id is missing")
        if account is None or app.account(route.product, account) is None:
            yield Skipped(FOREIGN, route.product, account or entry_id)
            return
        yield from list(route.parse(app, account, content, at, received_at))
    except MALFORMED as error:
        yield Poison(reason(error), raw(part), route.product, entry_id)


def _is_sample(value: Mapping[str, Any]) -> bool:
    authors = (obj(value.get(key)).get("id") for key in ("sender", "from"))
    return value.get("post_id") == _SAMPLE_POST or any(str(a) in _SAMPLE_AUTHORS for a in authors)


# --- Graph API: tables of error codes, one for all products but WhatsApp ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Errors:
    """Which `error.code` (`windows`: also which `error_subcode`) means what; any other code is a refusal for good."""

    retry: frozenset[int]
    rate: frozenset[int]
    token: frozenset[int]
    windows: frozenset[int]


# 368 is a block of the whole account: to go on posting would prolong it
PAGE_ERRORS = Errors(
    retry=frozenset({1, 2}),
    rate=frozenset({4, 17, 32, 613, *range(80001, 80010)}),
    token=frozenset({102, 190, 368}),
    windows=frozenset({2018278, 2534022, 1545041}),
)


def graph(
    http: Http,
    account: Account,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
    host: str = GRAPH,
    errors: Errors = PAGE_ERRORS,
) -> dict[str, Any]:
    """One call to the Graph API, made once; its JSON answer. Raises ReplyError by the class of the error code.

    Source: https://developers.facebook.com/docs/graph-api/guides/error-handling
    """
    headers = {"Authorization": f"Bearer {account.token}"}
    answer = call_once(http, method, f"{host}/{path}", headers=headers, query=query, data=data)
    if 200 <= answer.status < 300:
        return answer.data
    raise _error(answer, errors)


def _error(answer: Answer, errors: Errors) -> ReplyError:
    error = obj(answer.data.get("error"))
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    label = f"{code}/{subcode}" if subcode else str(code if code is not None else answer.status)
    if subcode in errors.windows or code in errors.windows:
        return WindowClosed(label)
    if answer.status == 429 or code in errors.rate:
        return NotSent(label, timedelta(minutes=5))
    if code in errors.token or answer.status == 401:
        return TokenInvalid(label)
    if answer.status >= 500:  # also for the codes that mean "temporary": the reply may have gone out before the failure
        return OutcomeUnknown(label)
    return NotSent(label) if code in errors.retry else Refused(label)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def pages(
    http: Http, account: Account, path: str, query: Mapping[str, str], host: str = GRAPH
) -> Iterator[dict[str, Any]]:
    """The objects in a list of the Graph API, page after page, MAX_PAGES at most. Raises ReplyError."""
    after = ""
    for _ in range(MAX_PAGES):
        data = graph(http, account, "GET", path, query={**query, "after": after} if after else query, host=host)
        yield from (row for row in rows(data.get("data")) if isinstance(row, dict))
        after = text(obj(obj(data.get("paging")).get("cursors")).get("after"))
        if not after or "next" not in obj(data.get("paging")):
            return


# --- checking a registration -----------------------------------------------------------------------------------------


def check_account(http: Http, account: Account, node: str, fields: str = "id", host: str = GRAPH) -> list[Finding]:
    """Whether the account's token can read `node`. Raises NotSent or OutcomeUnknown when Graph cannot be asked."""
    try:
        graph(http, account, "GET", node, query={"fields": fields}, host=host)
    except (TokenInvalid, Refused) as error:
        mend = "create a new long-lived token with the product's permissions and put it in the apps file"
        return [Finding(account.id, f"the token of {account.product} is not accepted ({error.code})", mend)]
    return []


def check_fields(
    http: Http, app: App, account: Account, node: str, fields: Iterable[str], host: str = GRAPH
) -> list[Finding]:
    """Whether `node` (a page or profile) sends `fields` to this app."""
    mend = f"POST /{node}/subscribed_apps?subscribed_fields=… with ALL the fields you need: the call replaces the list"
    try:
        found = rows(graph(http, account, "GET", f"{node}/subscribed_apps", host=host).get("data"))
    except (TokenInvalid, Refused) as error:
        return [Finding(account.id, f"the subscription of {account.product} cannot be read ({error.code})", mend)]
    ours = [r for r in found if isinstance(r, dict) and (not app.app_id or ident(r.get("id")) == app.app_id)]
    if not ours:
        return [Finding(account.id, f"{account.product} is not subscribed to this app", mend)]
    missing = sorted(set(fields) - {text(f) for r in ours for f in rows(r.get("subscribed_fields"))})
    return [Finding(account.id, f"{account.product} does not send: {', '.join(missing)}", mend)] if missing else []


def check_webhook(http: Http, app: App, account: Account, object_name: str, fields: Iterable[str]) -> list[Finding]:
    """Whether the app's webhook for `object_name` is active and carries `fields`; needs the app's id and secret."""
    if not app.app_id:
        return [Finding(account.id, "the app has no app_id in the apps file", "add it: echoes are told apart by it")]
    speaker = replace(account, token=f"{app.app_id}|{app.secrets[0]}" if app.secrets else "")
    mend = f"app dashboard → Webhooks → {object_name}: set the callback URL and verify token, subscribe to the fields"
    try:
        found = rows(graph(http, speaker, "GET", f"{app.app_id}/subscriptions").get("data"))
    except (TokenInvalid, Refused) as error:
        return [Finding(account.id, f"the app's webhooks cannot be read ({error.code})", "check app_id and secrets[0]")]
    ours = [r for r in found if isinstance(r, dict) and r.get("object") == object_name and r.get("active") is not False]
    if not ours:
        return [Finding(account.id, f"the webhook for {object_name} is not enabled", mend)]
    names = {text(obj(f).get("name")) or text(f) for r in ours for f in rows(r.get("fields"))}
    missing = sorted(set(fields) - names)
    return [Finding(account.id, f"the webhook for {object_name} lacks: {', '.join(missing)}", mend)] if missing else []
