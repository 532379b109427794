"""Telegram: messages to a bot, in chats of a connected business account, in groups and channels.

One bot is one app with one account, whose id is the bot's (the part of its token before the colon); an update does not
say which bot it is for.

Source: https://core.telegram.org/bots/api
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import (
    Finding,
    Parsed,
    Refused,
    Reply,
    ReplyError,
    Request,
    Step,
    TokenInvalid,
    fit,
    in_place_of,
    verify_any,
)
from chalicelib.platforms.contract import PartContext, Product, Webhook, for_the_account, not_listed
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import Verdicts, call, utf16
from chalicelib.platforms.telegram.messages import bot, message, pressed
from chalicelib.platforms.telegram.simulation import DEMO, SIMULATION, send

MAX_REPLY = 4096  # UTF-16 code units

_API = "https://api.telegram.org"
# 403: the customer blocked the bot or left; 404: Telegram's answer to a token that is none
_VERDICTS = Verdicts(
    {403: Refused, 404: TokenInvalid}, lambda answer: read.obj(answer.data.get("parameters")).get("retry_after")
)

_MESSAGES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
    "guest_message",
)
_SUBSCRIBED = ("message", "edited_message")  # what allowed_updates must hold, where it is set


def verify(app: App, request: Request) -> None:
    """The secret token given to setWebhook; Telegram signs nothing, so the bytes themselves are not proven."""
    verify_any(request.headers.get("x-telegram-bot-api-secret-token"), app.secrets)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one event of an update; several where business messages were deleted."""
    yield from for_the_account(app, "telegram", received_at, read.body(body), _update)


def _update(context: PartContext, update: dict[str, Any]) -> Iterator[Parsed]:
    name = next((n for n in _MESSAGES if update.get(n) is not None), "")
    if name:
        if not isinstance(update[name], dict):
            raise read.PayloadError("a message is not an object")
        yield message(context, name, update[name])
    elif update.get("callback_query") is not None:
        yield pressed(context, read.obj(update["callback_query"]))
    elif update.get("deleted_business_messages") is not None:
        gone = read.obj(update["deleted_business_messages"])
        chat = read.need_ident(read.obj(gone.get("chat")).get("id"))
        for number in read.rows(gone.get("message_ids")):
            id = f"{chat}_{read.need_ident(number)}"
            found = context.interaction({}, id, Kind.DELETE, context.received_at)
            yield replace(found, thread=chat, private=True, raw="")
    else:
        events = sorted(set(update) - {"update_id"})
        yield context.skipped(f"event_{read.text('_'.join(events))[:40] or 'empty'}")


# --- replies ---------------------------------------------------------------------------------------------------------


def wording(account: Account, interaction: Interaction, words: str, private: bool) -> str:
    """`words` as `reply` posts them."""
    return fit(words, MAX_REPLY, utf16)


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A message that quotes the customer's, or stands alone where that one is gone.

    Source: https://core.telegram.org/bots/api#sendmessage
    """
    chat, _, number = reply.interaction.id.rpartition("_")
    if not chat or not number.isdecimal():
        raise Refused("message_id")
    message: dict[str, Any] = {
        "chat_id": chat,
        "text": wording(account, reply.interaction, reply.text, reply.private),
        "reply_parameters": {"message_id": int(number), "allow_sending_without_reply": True},
        "link_preview_options": {"is_disabled": True},
    }
    if reply.interaction.reply_to:
        message["business_connection_id"] = reply.interaction.reply_to
    topic = reply.interaction.thread.removeprefix(f"{chat}_")
    if chat.startswith("-") and reply.interaction.private and topic.isdecimal():
        message["direct_messages_topic_id"] = int(topic)
    sent = read.given_id(_ask(http, account, "POST", "sendMessage", message).get("message_id"))
    return f"{chat}_{sent}" if sent else None


def _ask(http: Http, account: Account, method: str, name: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """The `result` of one call of the Bot API. Raises ReplyError."""
    url = f"{_API}/bot{quote(account.token, safe=':')}/{name}"
    return read.obj(call(http, method, url, data=data, verdicts=_VERDICTS).data.get("result"))


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is the account's bot's, and whether its webhook comes here and gets through.

    Source: https://core.telegram.org/bots/api#getwebhookinfo
    """
    try:
        me, hook = _ask(http, account, "GET", "getMe"), _ask(http, account, "GET", "getWebhookInfo")
    except ReplyError as error:
        fix = "ask @BotFather for the bot's token and set it in the apps file"
        return [Finding(account.id, f"Telegram does not accept the token ({error.code})", fix)]
    findings = []
    set_hook = f"call setWebhook with the address of {app.path} and secret_token = the first secret"
    if bot(account) != read.ident(me.get("id")):
        findings.append(Finding(account.id, "the token belongs to another bot", "set the account's own token"))
    if not read.text(hook.get("url")).endswith(app.path):
        findings.append(Finding(account.id, "the bot's webhook does not come here", set_hook))
    allowed = read.rows(hook.get("allowed_updates"))
    if missing := [name for name in _SUBSCRIBED if allowed and name not in allowed]:
        what = f"updates of kind {', '.join(missing)} are not subscribed"
        findings.append(Finding(account.id, what, f"{set_hook}, with these in allowed_updates"))
    if hook.get("last_error_date") and hook.get("pending_update_count"):
        findings.append(Finding(account.id, "updates wait because their delivery fails", set_hook))
    return findings


def connect(http: Http, app: App, account: Account, address: str) -> list[Step]:
    """The bot's webhook, with the first secret; anew while there are two, for Telegram does not tell which it has.
    Raises ReplyError.

    Source: https://core.telegram.org/bots/api#setwebhook and https://core.telegram.org/bots/api#webhookinfo
    """
    hook = _ask(http, account, "GET", "getWebhookInfo")
    allowed = {read.text(name) for name in read.rows(hook.get("allowed_updates"))}
    before = read.text(hook.get("url"))
    here = before == address and (not allowed or allowed >= set(_SUBSCRIBED))
    if here and len(app.secrets) == 1:
        return []
    data = {"url": address, "secret_token": app.secrets[0]}
    updates = {"allowed_updates": sorted(allowed | set(_SUBSCRIBED))} if allowed else {}
    what = f"set the bot's webhook to {in_place_of(before, address)}" + (" with the newest secret" if here else "")
    return [Step(what, lambda: _ask(http, account, "POST", "setWebhook", {**data, **updates}))]


WEBHOOK = Webhook(verify, parse, send, DEMO)
PRODUCT = Product(
    name="telegram",
    title="Telegram",
    max_reply=MAX_REPLY,
    reply=reply,
    simulation=SIMULATION,
    wording=wording,
    check=check,
    connect=connect,
    backfill=not_listed("Telegram lists no past messages; it repeats updates that failed for 24 hours by itself"),
)
