"""Messenger: direct messages to a Page, their echoes, edits and postbacks, and the standby channel.

Instagram's direct messages have the same shape, so `parse_direct`, `send_direct` and `list_direct` serve both.

Source: https://developers.facebook.com/docs/messenger-platform/webhooks
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    MAX_TEXT,
    Finding,
    Parsed,
    PayloadError,
    Refused,
    Reply,
    Skipped,
    fit,
    given_id,
    ident,
    need_ident,
    obj,
    raw,
    rows,
    text,
    when,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import GRAPH, check_account, check_fields, check_webhook, graph, pages

MAX_REPLY = 2000  # characters
INBOX = "https://business.facebook.com/latest/inbox/messenger?asset_id={account}"
WINDOW = timedelta(hours=24)
AD_WINDOW = timedelta(days=7)  # after a click-to-message ad
FIELDS = ("messages", "message_echoes", "message_edits", "messaging_postbacks", "standby")

_EVENTS = ("message", "message_edit", "postback")


def parse_message(
    app: App, account: str, part: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].messaging`."""
    yield parse_direct(app, "messenger", account, part, entry_at, received_at)


def parse_standby(
    app: App, account: str, part: dict[str, Any], entry_at: datetime, received_at: datetime
) -> Iterator[Parsed]:
    """One element of `entry[].standby`: another app owns the thread, so it is kept and escalated, never replied to."""
    yield parse_direct(app, "messenger", account, part, entry_at, received_at, repliable=False)


def owner(app: App, entry_id: str, part: dict[str, Any], product: str = "messenger") -> str | None:
    """The account that a direct message is for: the entry's id, or the brand's side of the message where the entry has
    none (some gateways) or one of its own (Instagram's self messages)."""
    if app.account(product, entry_id) or (entry_id and not _to_itself(part)):
        return entry_id
    side = "sender" if _from_brand(part) else "recipient"
    return ident(obj(part.get(side)).get("id")) or None


def _content(part: dict[str, Any]) -> dict[str, Any]:
    return next((obj(part[event]) for event in _EVENTS if event in part), {})


def _to_itself(part: dict[str, Any]) -> bool:
    """Whether it is what an Instagram account writes to itself, to try things out."""
    return part.get("is_self") is True or _content(part).get("is_self") is True


def _from_brand(part: dict[str, Any]) -> bool:
    return _content(part).get("is_echo") is True or _to_itself(part)


def parse_direct(
    app: App,
    product: str,
    account: str,
    part: dict[str, Any],
    entry_at: datetime,
    received_at: datetime,
    *,
    repliable: bool = True,
) -> Interaction | Skipped:
    """A direct message in the shape that Messenger and Instagram share."""
    event = next((e for e in _EVENTS if e in part), "")
    content = obj(part.get(event))
    if not event or (not content and event != "postback"):
        others = sorted(set(part) - {"sender", "recipient", "timestamp"})
        return Skipped(f"event_{'_'.join(text(o) for o in others)[:40] or 'empty'}", product, account)
    at = when(part.get("timestamp"), entry_at)
    sender, recipient = _person(part.get("sender")), _person(part.get("recipient"))
    brand = _from_brand(part) or sender == account
    customer = recipient if brand and recipient != account else sender  # some echoes name the two the other way round
    if not customer and event == "message_edit" and not text(content.get("text")):
        return Skipped("event_message_edit", product, account)  # Instagram tells of every message so, and of no author
    need_ident(customer)
    referral = obj(content.get("referral")) or obj(part.get("referral"))
    return Interaction(
        product=product,
        account=account,
        app=app.key,
        id=_id(event, content, customer, part.get("timestamp")),
        kind=_kind(event, content, brand),
        at=at,
        received_at=received_at,
        thread=customer,
        author=customer if not brand else account if sender == customer else sender or account,
        brand=brand,
        text=text(content.get("text")) or (text(content.get("title")) if event == "postback" else ""),
        text_at=at,
        parent=ident(obj(content.get("reply_to")).get("mid")) or None,
        reply_to=customer,
        private=True,
        repliable=repliable and (brand or bool(obj(part.get("sender")).get("id"))),
        attachments=_attachments(content),
        window=AD_WINDOW if referral.get("source") == "ADS" else WINDOW,
        ours=brand and bool(app.app_id) and ident(content.get("app_id")) == app.app_id,
        token=(text(content.get("metadata")) or None) if brand else None,  # a customer's is no proof of anything
        raw=raw(part)[: 2 * MAX_TEXT],
    )


def _person(side: Any) -> str:
    """Who it is; a guest of a website's chat has only a reference, to which no message can be sent."""
    return ident(obj(side).get("id")) or ident(obj(side).get("user_ref"))


def _attachments(content: dict[str, Any]) -> int:
    given = content.get("attachments")
    count = len(given) if isinstance(given, list) else int(bool(given))
    return count or int(content.get("is_unsupported") is True)


def _id(event: str, content: dict[str, Any], customer: str, timestamp: Any) -> str:
    mid = ident(content.get("mid"))
    if not mid and event == "postback" and (pressed_at := ident(timestamp)):
        return f"postback-{customer}-{pressed_at}"  # older postbacks have no id
    if not mid:
        raise PayloadError("an id is missing")
    return mid


def _kind(event: str, content: dict[str, Any], brand: bool) -> Kind:
    if content.get("is_deleted") is True:
        return Kind.DELETE
    if event == "message_edit":
        return Kind.EDIT
    return Kind.BRAND_REPLY if brand else Kind.NEW


def wording(account: Account, interaction: Interaction, words: str, private: bool = False) -> str:
    """`words` as `reply` sends them."""
    return fit(words, MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A direct message inside the messaging window; `metadata` brings the claim token back with the echo.

    Source: https://developers.facebook.com/docs/messenger-platform/reference/send-api
    """
    words = wording(account, reply.interaction, reply.text)
    return send_direct(http, account, f"{account.id}/messages", {"id": _recipient(reply)}, words, reply.token)


def _recipient(reply: Reply) -> str:
    recipient = reply.interaction.reply_to or reply.interaction.author
    if not recipient:
        raise Refused("no_recipient")
    return recipient


def send_direct(
    http: Http,
    account: Account,
    path: str,
    recipient: dict[str, str],
    words: str,
    token: str,
    host: str = GRAPH,
) -> str | None:
    """Sends one direct message, also a private reply when `recipient` names a comment or post. Raises ReplyError."""
    message = {"text": words, "metadata": token}
    kind = {"messaging_type": "RESPONSE"} if "id" in recipient else {}
    data = graph(http, account, "POST", path, data={"recipient": recipient, **kind, "message": message}, host=host)
    return given_id(data.get("message_id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is valid, the Page sends messages and echoes, and the app's webhook for pages is enabled."""
    return [
        *check_account(http, account, account.id),
        *check_fields(http, app, account, account.id, FIELDS),
        *check_webhook(http, app, account, "page", FIELDS),
    ]


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    """The direct messages since `since`, both sides'. Raises ReplyError.

    Source: https://developers.facebook.com/docs/graph-api/reference/page/conversations
    """
    yield from list_direct(http, app, account, f"{account.id}/conversations", since, now)


def list_direct(
    http: Http, app: App, account: Account, path: str, since: datetime, now: datetime, host: str = GRAPH
) -> Iterator[Interaction]:
    """The direct messages of the conversations that `path` lists, newest conversations first, back to `since`."""
    message_fields = "messages.limit(50){id,from,to,message,created_time,attachments{id}}"
    query = {"platform": account.product, "fields": f"updated_time,{message_fields}", "limit": "50"}
    for conversation in pages(http, account, path, query, host=host):
        if when(conversation.get("updated_time"), now) < since:
            return
        for message in rows(obj(conversation.get("messages")).get("data")):
            at = when(obj(message).get("created_time"), now)
            if at < since:
                break
            found = parse_direct(app, account.product, account.id, _listed(message, at), now, now)
            if isinstance(found, Interaction):
                yield found


def _listed(message: dict[str, Any], at: datetime) -> dict[str, Any]:
    """A message as Graph lists it, in the shape of a delivery."""
    recipients = rows(obj(message.get("to")).get("data"))
    content = {
        "mid": message.get("id"),
        "text": message.get("message"),
        "attachments": rows(obj(message.get("attachments")).get("data")),
    }
    return {
        "sender": {"id": obj(message.get("from")).get("id")},
        "recipient": {"id": obj(recipients[0]).get("id") if recipients else None},
        "timestamp": int(at.timestamp() * 1000),
        "message": content,
    }
