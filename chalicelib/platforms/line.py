"""LINE: messages to an official account.

LINE tells nothing of what people answer in its own chat console: there a conversation is marked answered from the
escalation e-mail.

Source: https://developers.line.biz/en/reference/messaging-api/
"""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    FOREIGN,
    TEST,
    Finding,
    OutcomeUnknown,
    Parsed,
    Refused,
    Reply,
    ReplyError,
    Skipped,
    Step,
    fit,
    hmac_base64,
)
from chalicelib.platforms.contract import PartContext, Product, Webhook, each, not_listed, signature
from chalicelib.platforms.http import Answer, Http
from chalicelib.platforms.rest import call, header, utf16
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, number, wire

MAX_REPLY = 5000  # UTF-16 code units
MAX_EVENTS = 1000  # in one delivery

_API = "https://api.line.me/v2/bot"
_TEST_USER = "Udeadbeefdeadbeefdeadbeefdeadbeef"  # writes what the console's old verify button sends
_PLACES = {"user": "userId", "group": "groupId", "room": "roomId"}


# There is no handshake: the console's verify button posts a delivery without events
verify = signature("x-line-signature", hmac_base64)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """Every event of a delivery; `destination` is the official account's user id, its `id` in the apps file. What has
    none, as older senders wrote it, is for the app's only account: the channel secret has signed it."""
    payload = read.body(body)
    id, only = read.ident(payload.get("destination")), app.only("line")
    id, events = id or (only.id if only else ""), read.rows(payload.get("events"))
    account = app.account("line", id)
    if len(events) > MAX_EVENTS:
        raise read.PayloadError("more events than LINE ever sends")
    if not events:
        yield Skipped(TEST, "line", id)
    if account is None:
        yield from (Skipped(FOREIGN, "line", id) for _ in events)
        return
    yield from each(events, partial(_event, PartContext(app, account, received_at, received_at)), "line", id)


def _event(context: PartContext, event: Any) -> Parsed:
    if not isinstance(event, dict):
        raise read.PayloadError("an event is not an object")
    type, source = read.text(event.get("type")), read.obj(event.get("source"))
    if source.get("userId") == _TEST_USER:
        return context.skipped(TEST)
    reader = _MESSAGES.get(type)
    message = reader(event) if reader else None
    if message is None:  # follow, join and the rest hold no words
        return context.skipped(f"event_{type[:40]}")
    place = read.text(source.get("type"))
    alone = place == "user"
    at = read.when(event.get("timestamp"), context.received_at)
    words = read.text(message.get("text"))
    kind = _KINDS.get(type, Kind.NEW)
    return replace(
        context.interaction(event, read.need_ident(message.get("id")), kind, at),
        thread=read.need_ident(source.get(_PLACES.get(place, "userId"))),
        author=read.ident(source.get("userId")) or None,
        text=words,
        parent=read.ident(message.get("quotedMessageId")) or None,
        reply_to=read.text(event.get("replyToken")) or None,
        private=alone,
        repliable=alone and event.get("mode") != "standby" and type != "postback",
        attachments=int(type == "message" and (not words or message.get("type") not in (None, "text"))),
        tap=message.get("type") == "sticker",
    )


_KINDS = {"unsend": Kind.DELETE, "messageEdited": Kind.EDIT}


def _pressed(event: dict[str, Any]) -> dict[str, Any] | None:
    """A pressed button as a message for a person to look at: LINE tells its code, not its title. None for one that
    only turns the menu's page."""
    postback = read.obj(event.get("postback"))
    if "newRichMenuAliasId" in read.obj(postback.get("params")):
        return None
    return {"id": event.get("webhookEventId") or event.get("replyToken"), "text": postback.get("data")}


_MESSAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "message": lambda event: read.obj(event.get("message")),
    "messageEdited": lambda event: read.obj(event.get("message")),
    "unsend": lambda event: {"id": read.obj(event.get("unsend")).get("messageId")},
    "postback": _pressed,
}


# --- replies ---------------------------------------------------------------------------------------------------------


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY, utf16)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """By the reply token, which is free but good for about a minute and only once; else by a push, which counts
    against the monthly quota.

    A push carries the claim as its retry key, so that LINE accepts it once however often it is sent: after no answer
    it is sent again. A reply by token has no such key and is never repeated.

    Source: https://developers.line.biz/en/docs/messaging-api/retrying-api-request/
    """
    messages = [{"type": "text", "text": wording(account, reply.interaction, reply.text, reply.private)}]
    if reply.interaction.reply_to:
        try:
            by_token = {"replyToken": reply.interaction.reply_to, "messages": messages}
            return _sent(_post(http, account, "reply", by_token))
        except Refused as error:
            if error.code != "400":
                raise
    push, key = {"to": reply.interaction.thread, "messages": messages}, _retry_key(reply.token)
    try:
        return _push(http, account, push, key)
    except OutcomeUnknown:
        pass
    try:
        return _push(http, account, push, key)
    except ReplyError as error:  # even a no leaves open what became of the first push
        raise OutcomeUnknown(error.code) from None


def _push(http: Http, account: Account, push: dict[str, Any], key: str) -> str | None:
    try:
        return _sent(_post(http, account, "push", push, key))
    except Refused as error:
        if error.code == "409":  # LINE accepted a push with this key before
            return None
        raise


def _post(http: Http, account: Account, path: str, data: dict[str, Any], retry_key: str = "") -> Answer:
    headers = _authorization(account) | ({"X-Line-Retry-Key": retry_key} if retry_key else {})
    return call(http, "POST", f"{_API}/message/{path}", headers=headers, data=data)


def _authorization(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.token}"}


def _retry_key(token: str) -> str:
    """The claim as the UUID that LINE wants; the same for the same claim."""
    try:
        return str(uuid.UUID(token))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, token))


def _sent(answer: Answer) -> str | None:
    messages = answer.data.get("sentMessages")
    first = read.obj(messages[0]) if isinstance(messages, list) and messages else {}
    return read.given_id(first.get("id")) or header(answer, "x-line-request-id") or None


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is the account's, and whether its webhook comes here and is switched on.

    Source: https://developers.line.biz/en/reference/messaging-api/#get-webhook-endpoint-information
    """
    try:
        bot = call(http, "GET", f"{_API}/info", headers=_authorization(account)).data
    except ReplyError as error:
        fix = "issue a channel access token in the LINE Developers console and set it in the apps file"
        return [Finding(account.id, f"LINE does not accept the token ({error.code})", fix)]
    findings = []
    if read.ident(bot.get("userId")) != account.id:
        fix = "set the account's id to the bot's user id, which GET /v2/bot/info gives as userId"
        findings.append(Finding(account.id, "the token belongs to another official account", fix))
    fix = f"in the console, Messaging API, set the webhook URL to {app.path} and switch 'Use webhook' on"
    try:
        hook = call(http, "GET", f"{_API}/channel/webhook/endpoint", headers=_authorization(account)).data
    except ReplyError:
        hook = {}  # 404 where none was ever set
    if not read.text(hook.get("endpoint")).endswith(app.path):
        findings.append(Finding(account.id, "the channel's webhook does not come here", fix))
    elif hook.get("active") is not True:
        findings.append(Finding(account.id, "the channel's webhook is switched off", fix))
    return findings


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The channel's webhook; it is switched on in the console alone. Raises ReplyError.

    Source: https://developers.line.biz/en/reference/messaging-api/#set-webhook-endpoint-url
    """
    where, headers = f"{_API}/channel/webhook/endpoint", _authorization(account)
    try:
        hook = call(http, "GET", where, headers=headers).data
    except Refused:
        hook = {}  # 404 where none was ever set
    steps = []
    if read.text(hook.get("endpoint")) != address:
        put = {"endpoint": address}
        steps.append(Step(f"set the webhook to {address}", lambda: call(http, "PUT", where, headers=headers, data=put)))
    if hook.get("active") is not True:
        steps.append(Step("in the console, Messaging API, switch 'Use webhook' on"))
    return steps


# --- the local run ---------------------------------------------------------------------------------------------------


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """One event for each thing said; LINE tells nothing of what the brand says."""
    events = [_told(message) for _, message in said if not message.brand]
    body = wire({"destination": said[0][0].id, "events": events})
    return {"x-line-signature": hmac_base64(secret, body)}, body


def _told(said: SimulatedMessage) -> dict[str, Any]:
    event = {
        "timestamp": int(said.at.timestamp() * 1000),
        "source": {"type": "user", "userId": said.author},
        "webhookEventId": number(),
        "deliveryContext": {"isRedelivery": False},
        "mode": "active",
    }
    if said.verb == "remove":
        return {"type": "unsend", **event, "unsend": {"messageId": said.id}}
    message = {"id": said.id, "type": "text", "text": said.text}
    return {"type": "message", **event, "replyToken": said.author, "message": message}


_SEND = Endpoint(
    re.compile(r"api\.line\.me/v2/bot/message/(?:reply|push)"),
    lambda path, data: (data.get("to", "") or data["replyToken"], data["messages"][0]["text"], ""),
    lambda id: {"sentMessages": [{"id": id}]},
)

_DEMO = {
    "secrets": ["invented-channel-secret-of-the-demo-shop"],
    "accounts": [{"id": "U0123456789abcdef0123456789abcdef", "name": SHOP, "token": "invented-line-token"}],
}

WEBHOOK = Webhook(verify, parse, send, _DEMO)
PRODUCT = Product(
    name="line",
    title="LINE",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=Simulation((_SEND,), direct=True, tells_brand=False),
    wording=wording,
    check=check,
    connect=connect,
    backfill=not_listed("LINE lists no past messages; switch on webhook redelivery in its console"),
    tells_answers=False,
    inbox="https://chat.line.biz/",
)
