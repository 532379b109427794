"""Messenger: direct messages to a Page, their echoes, edits and postbacks, and the standby channel.

Instagram's direct messages have the same shape, so `parse_direct`, `send_direct` and `list_direct` serve both.

Source: https://developers.facebook.com/docs/messenger-platform/webhooks
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.ids import segment
from chalicelib.platforms import read
from chalicelib.platforms.base import Finding, Parsed, Refused, Reply, Skipped, Step, fit
from chalicelib.platforms.contract import Listed, PartContext, Product, listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta.graph import (
    ANY_GRAPH,
    GRAPH,
    check_page,
    connect_page,
    graph,
    page_ids,
    pages,
)
from chalicelib.platforms.simulation import Endpoint, Posted, SimulatedMessage, Simulation

MAX_REPLY = 2000  # characters
WINDOW = timedelta(hours=24)
AD_WINDOW = timedelta(days=7)  # after a click-to-message ad
FIELDS = ("messages", "message_echoes", "message_edits", "messaging_postbacks", "standby")

_EVENTS = ("message", "message_edit", "postback")


def parse_message(at: PartContext, part: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].messaging`."""
    yield parse_direct(at, part)


def parse_standby(at: PartContext, part: dict[str, Any]) -> Iterator[Parsed]:
    """One element of `entry[].standby`: another app owns the thread, so it is kept and escalated, never replied to."""
    yield parse_direct(at, part, repliable=False)


def owner(app: App, entry_id: str, part: dict[str, Any], product: str = "messenger") -> str | None:
    """The account that a direct message is for: the entry's id, or the brand's side of the message where the entry has
    none (some gateways) or one of its own (Instagram's self messages)."""
    if app.account(product, entry_id) or (entry_id and not _to_itself(part)):
        return entry_id
    side = "sender" if _from_brand(part) else "recipient"
    return read.ident(read.obj(part.get(side)).get("id")) or None


def _content(part: dict[str, Any]) -> dict[str, Any]:
    return next((read.obj(part[event]) for event in _EVENTS if event in part), {})


def _to_itself(part: dict[str, Any]) -> bool:
    """Whether it is what an Instagram account writes to itself, to try things out."""
    return part.get("is_self") is True or _content(part).get("is_self") is True


def _from_brand(part: dict[str, Any]) -> bool:
    return _content(part).get("is_echo") is True or _to_itself(part)


def parse_direct(context: PartContext, part: dict[str, Any], *, repliable: bool = True) -> Interaction | Skipped:
    """A direct message in the shape that Messenger and Instagram share."""
    app, account = context.app, context.account.id
    event = next((e for e in _EVENTS if e in part), "")
    content = read.obj(part.get(event))
    if not event or (not content and event != "postback"):
        others = sorted(set(part) - {"sender", "recipient", "timestamp"})
        return context.skipped(f"event_{'_'.join(read.text(o) for o in others)[:40] or 'empty'}")
    at = read.when(part.get("timestamp"), context.entry_at)
    sender, recipient = _person(part.get("sender")), _person(part.get("recipient"))
    brand = _from_brand(part) or sender == account
    customer = recipient if brand and recipient != account else sender  # some echoes name the two the other way round
    if not customer and event == "message_edit" and not read.text(content.get("text")):
        return context.skipped("event_message_edit")  # Instagram tells of every message so, and of no author
    read.need_ident(customer)
    referral = read.obj(content.get("referral")) or read.obj(part.get("referral"))
    id = _id(event, content, customer, part.get("timestamp"))
    return replace(
        context.interaction(part, id, _kind(event, content, brand), at),
        thread=customer,
        author=customer if not brand else account if sender == customer else sender or account,
        brand=brand,
        text=read.text(content.get("text")) or (read.text(content.get("title")) if event == "postback" else ""),
        parent=read.ident(read.obj(content.get("reply_to")).get("mid")) or None,
        reply_to=customer,
        private=True,
        repliable=repliable and (brand or bool(read.obj(part.get("sender")).get("id"))),
        attachments=_attachments(content),
        window=AD_WINDOW if referral.get("source") == "ADS" else WINDOW,
        via=(read.ident(content.get("app_id")) or None) if brand else None,
        ours=brand and bool(app.app_id) and read.ident(content.get("app_id")) == app.app_id,
        token=(read.text(content.get("metadata")) or None) if brand else None,  # a customer's is no proof of anything
        tap=not brand and _is_tap(event, content),
    )


_STARTS = {"get_started", "get started", "getstarted", "get_started_payload", "facebook_welcome"}


def _is_tap(event: str, content: dict[str, Any]) -> bool:
    """The button that opens a chat, a thumb, a sticker, a heart: nobody waits for an answer to them."""
    if event == "postback":
        return bool({read.text(content.get(key)).casefold() for key in ("payload", "title")} & _STARTS)
    given = content.get("attachments")
    attached = [read.obj(a) for a in given] if isinstance(given, list) else []
    stickers = [a for a in attached if read.obj(a.get("payload")).get("sticker_id") or a.get("type") in _HEARTS]
    return bool(attached) and len(stickers) == len(attached) and not read.text(content.get("text"))


_HEARTS = {"like_heart", "sticker"}


def _person(side: Any) -> str:
    """Who it is; a guest of a website's chat has only a reference, to which no message can be sent."""
    return read.ident(read.obj(side).get("id")) or read.ident(read.obj(side).get("user_ref"))


def _attachments(content: dict[str, Any]) -> int:
    given = content.get("attachments")
    count = len(given) if isinstance(given, list) else int(bool(given))
    return count or int(content.get("is_unsupported") is True)


def _id(event: str, content: dict[str, Any], customer: str, timestamp: Any) -> str:
    mid = read.ident(content.get("mid"))
    if not mid and event == "postback" and (pressed_at := read.ident(timestamp)):
        return f"postback-{customer}-{pressed_at}"  # older postbacks have no id
    if not mid:
        raise read.PayloadError("an id is missing")
    return mid


def _kind(event: str, content: dict[str, Any], brand: bool) -> Kind:
    if content.get("is_deleted") is True:
        return Kind.DELETE
    if event == "message_edit":
        return Kind.EDIT
    return Kind.BRAND_REPLY if brand else Kind.NEW


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` sends them."""
    return fit(words, MAX_REPLY)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A direct message inside the messaging window; `metadata` brings the claim token back with the echo.

    Source: https://developers.facebook.com/docs/messenger-platform/reference/send-api
    """
    words = wording(account, reply.interaction, reply.text, reply.private)
    return send_direct(http, account, f"{segment(account.id)}/messages", {"id": _recipient(reply)}, words, reply.token)


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
    return read.given_id(data.get("message_id"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is valid, the Page sends messages and echoes, and the app's webhook for pages is enabled."""
    return check_page(http, app, account, FIELDS)


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The Page's subscription, then the app's webhook for pages. Raises ReplyError."""
    return connect_page(http, app, account, FIELDS, address)


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Listed]:
    """The direct messages since `since`, both sides'. Raises ReplyError.

    Source: https://developers.facebook.com/docs/graph-api/reference/page/conversations
    """
    yield from list_direct(http, app, account, f"{segment(account.id)}/conversations", since, now)


def list_direct(
    http: Http, app: App, account: Account, path: str, since: datetime, now: datetime, host: str = GRAPH
) -> Iterator[Listed]:
    """The direct messages of the conversations that `path` lists, newest conversations first, back to `since`."""
    message_fields = "messages.limit(50){id,from,to,message,created_time,attachments{id}}"
    query = {"platform": account.product, "fields": f"updated_time,{message_fields}", "limit": "50"}
    context = PartContext(app, account, now, now)
    for conversation in pages(http, account, path, query, host=host):
        if read.when(conversation.get("updated_time"), now) < since:
            return
        messages = map(read.obj, read.rows(read.obj(conversation.get("messages")).get("data")))
        late = takewhile(lambda message: read.when(message.get("created_time"), now) >= since, messages)
        yield from listed(context, late, lambda message: parse_direct(context, _delivered(message, now)))


def _delivered(message: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A message as Graph lists it, in the shape of a delivery."""
    at = read.when(message.get("created_time"), now)
    recipients = read.rows(read.obj(message.get("to")).get("data"))
    content = {
        "mid": message.get("id"),
        "text": message.get("message"),
        "attachments": read.rows(read.obj(message.get("attachments")).get("data")),
    }
    return {
        "sender": {"id": read.obj(message.get("from")).get("id")},
        "recipient": {"id": read.obj(recipients[0]).get("id") if recipients else None},
        "timestamp": int(at.timestamp() * 1000),
        "message": content,
    }


# --- the local run ---------------------------------------------------------------------------------------------------


def say(app: App, account: Account, said: SimulatedMessage) -> tuple[str, Any]:
    """Which list of an entry, and its element."""
    message: dict[str, Any] = {"mid": f"m_{said.id}", "text": said.text}
    if said.brand:  # the echo of our app carries its id, that of a person in the Page's inbox another one
        message |= {"is_echo": True, "app_id": int(app.app_id) if said.token else 263902037430900}
        message |= {"metadata": said.token} if said.token else {}
    sender, recipient = (account.id, said.to) if said.brand else (said.author, account.id)
    times = {"timestamp": int(said.at.timestamp() * 1000)}
    return "messaging", {"sender": {"id": sender}, "recipient": {"id": recipient}, **times, "message": message}


def _told(path: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    recipient = data["recipient"]
    target = recipient.get("id") or recipient.get("comment_id") or recipient["post_id"]
    return target, data["message"]["text"], data["message"].get("metadata", "")


def _echo(posted: Posted) -> SimulatedMessage:
    id = posted.id.removeprefix("m_")
    return SimulatedMessage("messenger", posted.text, id=id, to=posted.target, token=posted.token)


_SEND = Endpoint(
    re.compile(rf"{ANY_GRAPH}/[^/]+/messages"), _told, lambda id: {"message_id": id}, id="m_{}", having="recipient"
)
PRODUCT = Product(
    name="messenger",
    title="Messenger",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_SEND,), _echo, direct=True),
    wording=wording,
    check=check,
    connect=connect,
    ids_of=page_ids,
    brings_private_replies=True,
    backfill=backfill,
    inbox="https://business.facebook.com/latest/inbox/messenger?asset_id={account}",
)
