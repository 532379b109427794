"""What Meta's products share: the Graph API, its errors, and the checks of a registration.

Source: https://developers.facebook.com/docs/graph-api/overview
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any, NamedTuple

from chalicelib.apps import Account, App
from chalicelib.ids import segment
from chalicelib.platforms import read, rest
from chalicelib.platforms.base import (
    Blocked,
    Finding,
    NotSent,
    OutcomeUnknown,
    Refused,
    ReplyError,
    Step,
    TokenInvalid,
    WindowClosed,
    call_once,
    in_place_of,
)
from chalicelib.platforms.http import Answer, Http

GRAPH = "https://graph.facebook.com/v25.0"
ANY_GRAPH = r"graph\.(?:facebook|instagram)\.com/v[\d.]+"  # the address of any of its versions, for the local run
MAX_PAGES = 20  # of one list that a backfill reads


# Tables of error codes, one for all products but WhatsApp
class Errors(NamedTuple):
    """Which `error.code` (`windows`: also which `error_subcode`) means what. `refused` are those that prove that
    nothing was posted; after any other code the reply may be out, whatever the HTTP status says."""

    rate: frozenset[int]
    token: frozenset[int]
    blocked: frozenset[int]
    windows: frozenset[int]
    refused: frozenset[int]


PERMISSIONS = frozenset({3, 10, *range(200, 300)})

PAGE_ERRORS = Errors(
    rate=frozenset({4, 17, 32, 613, *range(80001, 80010)}),
    token=frozenset({102, 190}),
    blocked=frozenset({368}),
    windows=frozenset({2018278, 2534022, 1545041}),
    refused=frozenset({33, 100, 551, 803, *PERMISSIONS}),
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
    raise _error(answer, errors, posting=method != "GET")


def _error(answer: Answer, errors: Errors, *, posting: bool) -> ReplyError:
    error = read.obj(answer.data.get("error"))
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    label = f"{code}/{subcode}" if subcode else str(code if code is not None else answer.status)
    if subcode in errors.windows or code in errors.windows:
        return WindowClosed(label)
    if answer.status == 429 or code in errors.rate:
        return NotSent(label, timedelta(minutes=5))
    if code in errors.blocked:
        return Blocked(label)
    if code in errors.token or answer.status == 401:
        return TokenInvalid(label)
    if (code is None or code in errors.refused) and answer.status < 500:  # without a code Graph was not even asked
        return Refused(label)
    # Codes 1, 2, 20, 99 and others came with a 4xx while the comment stood below the post
    return OutcomeUnknown(label) if posting or answer.status >= 500 else Refused(label)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def pages(
    http: Http, account: Account, path: str, query: Mapping[str, str], host: str = GRAPH
) -> Iterator[dict[str, Any]]:
    """The objects in a list of the Graph API, page after page, MAX_PAGES at most. Raises ReplyError."""

    def turn(after: str) -> tuple[list[Any], str]:
        data = graph(http, account, "GET", path, query={**query, "after": after} if after else query, host=host)
        paging = read.obj(data.get("paging"))
        found = read.text(read.obj(paging.get("cursors")).get("after")) if "next" in paging else ""
        return read.rows(data.get("data")), found

    yield from (row for row in chain.from_iterable(rest.pages(turn, MAX_PAGES)) if isinstance(row, dict))


def page_ids(http: Http, app: App, account: Account, user: str) -> tuple[str, ...] | None:
    """The page-scoped ids of the person whom the app knows as `user`, for this Page; None where it may not ask: that
    needs the app's id and secret, and the app and the Page in one business. Raises NotSent, OutcomeUnknown.

    Source: https://developers.facebook.com/docs/facebook-login/guides/map-users
    """
    if not (app.app_id and app.secrets):
        return None
    token = f"{app.app_id}|{app.secrets[0]}"
    proof = hmac.digest(app.secrets[0].encode(), token.encode(), "sha256").hex()
    query = {"page": account.id, "appsecret_proof": proof}
    speaker = replace(account, token=token)
    try:
        data = graph(http, speaker, "GET", f"{segment(user)}/ids_for_pages", query=query)
    except (TokenInvalid, Refused, Blocked):
        return None
    if not isinstance(data.get("data"), list):
        return None
    rows = [read.obj(row) for row in read.rows(data["data"])]
    ours = [row for row in rows if read.ident(read.obj(row.get("page")).get("id")) in ("", account.id)]
    return tuple(filter(None, (read.ident(row.get("id")) for row in ours))) or None


# --- checking a registration -----------------------------------------------------------------------------------------

_WHATSAPPS = "whatsapp_business_api_data"


def check_account(http: Http, account: Account, node: str, fields: str = "id", host: str = GRAPH) -> list[Finding]:
    """Whether the account's token can read `node`. Raises NotSent or OutcomeUnknown when Graph cannot be asked."""
    try:
        graph(http, account, "GET", node, query={"fields": fields}, host=host)
    except (TokenInvalid, Refused) as error:
        fix = "create a new long-lived token with the product's permissions and put it in the apps file"
        return [Finding(account.id, f"the token of {account.product} is not accepted ({error.code})", fix)]
    return []


def check_fields(
    http: Http, app: App, account: Account, node: str, fields: Iterable[str], host: str = GRAPH
) -> list[Finding]:
    """Whether `node` (a page or profile) sends `fields` to this app."""
    fix = f"POST /{node}/subscribed_apps?subscribed_fields=… with ALL the fields you need: the call replaces the list"
    try:
        have = _subscribed(http, app, account, node, host)
    except (TokenInvalid, Refused) as error:
        return [Finding(account.id, f"the subscription of {account.product} cannot be read ({error.code})", fix)]
    if have is None:
        return [Finding(account.id, f"{account.product} is not subscribed to this app", fix)]
    missing = sorted(set(fields) - have)
    return [Finding(account.id, f"{account.product} does not send: {', '.join(missing)}", fix)] if missing else []


def _subscribed(http: Http, app: App, account: Account, node: str, host: str) -> set[str] | None:
    """The fields that `node` sends to this app, to any where the apps file has no app_id; None where it is not
    subscribed. WhatsApp names the app a step deeper.

    Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/solution-providers/manage-webhooks
    """
    rows = map(read.obj, read.rows(graph(http, account, "GET", f"{node}/subscribed_apps", host=host).get("data")))
    named = [(r, read.ident(r.get("id")) or read.ident(read.obj(r.get(_WHATSAPPS)).get("id"))) for r in rows]
    ours = [r for r, id in named if not app.app_id or id == app.app_id]
    return {read.text(f) for r in ours for f in read.rows(r.get("subscribed_fields"))} if ours else None


def check_webhook(http: Http, app: App, account: Account, object_name: str, fields: Iterable[str]) -> list[Finding]:
    """Whether the app's webhook for `object_name` is active and carries `fields`; needs the app's id and secret."""
    if not app.app_id:
        return [Finding(account.id, "the app has no app_id in the apps file", "add it: echoes are told apart by it")]
    speaker = replace(account, token=f"{app.app_id}|{app.secrets[0]}" if app.secrets else "")
    fix = f"app dashboard → Webhooks → {object_name}: set the callback URL and verify token, subscribe to the fields"
    try:
        ours = [r for r in _webhooks(http, speaker, app, object_name) if r.get("active") is not False]
    except (TokenInvalid, Refused) as error:
        return [Finding(account.id, f"the app's webhooks cannot be read ({error.code})", "check app_id and secrets[0]")]
    if not ours:
        return [Finding(account.id, f"the webhook for {object_name} is not enabled", fix)]
    missing = sorted(set(fields) - _carried(ours))
    return [Finding(account.id, f"the webhook for {object_name} lacks: {', '.join(missing)}", fix)] if missing else []


def _webhooks(http: Http, speaker: Account, app: App, object_name: str) -> list[dict[str, Any]]:
    """The app's webhooks for `object_name`."""
    found = read.rows(graph(http, speaker, "GET", f"{app.app_id}/subscriptions").get("data"))
    return [r for r in found if isinstance(r, dict) and r.get("object") == object_name]


def _carried(webhooks: Iterable[dict[str, Any]]) -> set[str]:
    """The fields that they carry."""
    return {read.text(read.obj(f).get("name")) or read.text(f) for r in webhooks for f in read.rows(r.get("fields"))}


def check_page(http: Http, app: App, account: Account, fields: Iterable[str]) -> list[Finding]:
    """Whether the token is valid, the Page sends `fields`, and the app's webhook for pages carries them."""
    return [
        *check_account(http, account, account.id),
        *check_fields(http, app, account, account.id, fields),
        *check_webhook(http, app, account, "page", fields),
    ]


# --- registering -----------------------------------------------------------------------------------------------------


def connect_fields(
    http: Http, app: App, account: Account, node: str, fields: Iterable[str], host: str = GRAPH
) -> list[Step]:
    """Until `node` sends `fields` to this app, one of them at least; what it sends already is kept. Raises ReplyError.

    Source: https://developers.facebook.com/docs/graph-api/reference/page/subscribed_apps
    """
    found = _subscribed(http, app, account, node, host)
    have = found or set()
    missing = sorted(set(fields) - have)
    if found is not None and not missing:
        return []
    query = {"subscribed_fields": ",".join(sorted(have | set(fields)))} if fields else {}  # the call replaces the list
    what = f"subscribe {node} to this app" + (f" with {', '.join(missing)}" if missing else "")
    return [Step(what, lambda: graph(http, account, "POST", f"{node}/subscribed_apps", query=query, host=host))]


def connect_page(http: Http, app: App, account: Account, fields: Iterable[str], address: str) -> list[Step]:
    """The Page's subscription, then the app's webhook for pages. Raises ReplyError."""
    subscribed = connect_fields(http, app, account, account.id, fields)
    return subscribed + connect_webhook(http, app, account, "page", fields, address)


def connect_webhook(
    http: Http, app: App, account: Account, object_name: str, fields: Iterable[str], address: str
) -> list[Step]:
    """Until the app's webhook for `object_name` is `address` and carries `fields`. Raises ReplyError.

    Source: https://developers.facebook.com/docs/graph-api/reference/app/subscriptions
    """
    if not (app.app_id and app.secrets and app.verify_token):
        return [Step("put app_id and verify_token into the apps file, then run this again")]
    speaker = replace(account, token=f"{app.app_id}|{app.secrets[0]}")
    ours: dict[str, Any] = next(iter(_webhooks(http, speaker, app, object_name)), {})
    have = _carried([ours])
    before = read.text(ours.get("callback_url"))
    if before == address and ours.get("active") is not False and set(fields) <= have:
        return []
    data = {
        "object": object_name,
        "callback_url": address,
        "verify_token": app.verify_token,
        "fields": ",".join(sorted(have | set(fields))),
        "include_values": "true",
    }
    where, wanted = in_place_of(before, address), ", ".join(sorted(fields))
    what = f"send the app's webhook for {object_name} to {where}, with {wanted}"
    return [Step(what, lambda: graph(http, speaker, "POST", f"{app.app_id}/subscriptions", data=data))]
