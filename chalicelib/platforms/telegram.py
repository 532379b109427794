"""Telegram: messages to a bot, in chats of a connected business account, in groups and channels.

One bot is one app with one account, whose id is the bot's (the part of its token before the colon); an update does not
say which bot it is for.

Source: https://core.telegram.org/bots/api
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.interaction import Interaction, Kind
from chalicelib.platforms.base import (
    FOREIGN,
    MALFORMED,
    MAX_TEXT,
    Finding,
    Parsed,
    PayloadError,
    Poison,
    Refused,
    Reply,
    ReplyError,
    Request,
    Response,
    Skipped,
    TokenInvalid,
    Unsupported,
    fit,
    given_id,
    ident,
    need_ident,
    obj,
    raw,
    read_json,
    reason,
    rows,
    text,
    verify_any,
    when,
)
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import call, utf16

MAX_REPLY = 4096  # UTF-16 code units
BUSINESS_WINDOW = timedelta(hours=24)  # a bot may write in a business chat that was active in that time

_API = "https://api.telegram.org"
# 403: the customer blocked the bot or left; 404: Telegram's answer to a token that is none
_VERDICTS = {403: Refused, 404: TokenInvalid}

_MESSAGES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
)
_FILES = (
    "photo",
    "video",
    "animation",
    "audio",
    "voice",
    "video_note",
    "document",
    "sticker",
    "contact",
    "location",
    "venue",
    "poll",
    "dice",
    "story",
    "paid_media",
    "checklist",
    "game",
)
_PUBLIC = {"group", "supergroup", "channel"}
_SUBSCRIBED = ("message", "edited_message")  # what allowed_updates must hold, where it is set


def challenge(app: App, query: Mapping[str, str]) -> Response:
    """Telegram has no handshake."""
    return Response(405, "Telegram posts updates here")


def verify(app: App, request: Request) -> None:
    """The secret token given to setWebhook; Telegram signs nothing, so the bytes themselves are not proven."""
    verify_any(request.headers.get("x-telegram-bot-api-secret-token"), app.secrets)


def parse(app: App, body: bytes, received_at: datetime) -> Iterator[Parsed]:
    """The one event of an update; several where business messages were deleted."""
    update = read_json(body)
    account = next((a for a in app.accounts if a.product == "telegram"), None)
    if account is None:
        yield Skipped(FOREIGN, "telegram")
        return
    try:
        yield from list(_update(app, account, update, received_at))
    except MALFORMED as error:
        yield Poison(reason(error), raw(update), "telegram", account.id)


def _update(app: App, account: Account, update: dict[str, Any], received_at: datetime) -> Iterator[Parsed]:
    name = next((n for n in _MESSAGES if n in update), "")
    if name:
        if not isinstance(update[name], dict):
            raise PayloadError("a message is not an object")
        yield _message(app, account, name, update[name], received_at)
    elif "deleted_business_messages" in update:
        gone = obj(update["deleted_business_messages"])
        chat = need_ident(obj(gone.get("chat")).get("id"))
        for number in rows(gone.get("message_ids")):
            id = f"{chat}_{need_ident(number)}"
            yield Interaction(
                "telegram", account.id, id, Kind.DELETE, received_at, received_at, chat, app.key, private=True
            )
    else:
        events = sorted(set(update) - {"update_id"})
        yield Skipped(f"event_{text('_'.join(events))[:40] or 'empty'}", "telegram", account.id)


def _message(app: App, account: Account, name: str, message: dict[str, Any], received_at: datetime) -> Parsed:
    if not any(message.get(key) for key in ("text", "caption", *_FILES)):
        return Skipped("service_message", "telegram", account.id)
    chat = obj(message.get("chat"))
    sender = _sender(message) or (chat if name.endswith("channel_post") else {})
    chat_id = need_ident(chat.get("id"))
    author, brand = ident(sender.get("id")), _is_brand(account, name, chat_id, message)
    if sender.get("is_bot") is True and not brand:
        return Skipped("bot_message", "telegram", account.id)
    public = chat.get("type") in _PUBLIC or chat_id.startswith("-")
    topic = ident(message.get("message_thread_id")) if message.get("is_topic_message") is True else ""
    at = when(message.get("date"), received_at)
    edited_at = when(message.get("edit_date"), at)
    business = ident(message.get("business_connection_id"))
    number = need_ident(message.get("message_id"))
    parent = ident(obj(message.get("reply_to_message")).get("message_id"))
    return Interaction(
        product="telegram",
        account=account.id,
        app=app.key,
        id=f"{chat_id}_{number}",
        kind=_kind(name, message, brand),
        at=at,
        received_at=received_at,
        thread=f"{chat_id}_{topic}" if topic else chat_id,
        author=author or None,
        author_name=_name(sender),
        brand=brand,
        text=text(message.get("text")) or text(message.get("caption")),
        text_at=edited_at if name.startswith("edited") else at,
        parent=f"{chat_id}_{parent}" if parent and parent != topic else None,
        reply_to=business or None,  # a reply in a business chat goes through its connection
        private=not public,
        repliable=not public,
        attachments=sum(1 for key in _FILES if message.get(key)),
        link=_link(chat, number),
        window=BUSINESS_WINDOW if business else None,
        ours=brand and _bot(account) in (ident(obj(message.get("sender_business_bot")).get("id")), author),
        raw=raw(message)[: 2 * MAX_TEXT],
    )


def _kind(name: str, message: dict[str, Any], brand: bool) -> Kind:
    if name.startswith("edited"):
        return Kind.EDIT
    if not brand:
        return Kind.NEW
    is_post = name == "channel_post" or message.get("is_automatic_forward") is True
    return Kind.BRAND_POST if is_post else Kind.BRAND_REPLY


def _sender(message: dict[str, Any]) -> dict[str, Any]:
    """Who wrote: a channel or group that speaks for itself stands in `sender_chat`, with a stand-in bot in `from`."""
    return obj(message.get("sender_chat")) or obj(message.get("from"))


def _is_brand(account: Account, name: str, chat: str, message: dict[str, Any]) -> bool:
    """The bot itself, the owner of a business chat, the brand's channel, an anonymous administrator of the group, or
    one of the account's `brand_users` (ids)."""
    author = ident(_sender(message).get("id"))
    if name.endswith("channel_post") or message.get("is_automatic_forward") is True:
        return True
    if name.endswith("business_message"):
        return (author != "" and author != chat) or bool(obj(message.get("sender_business_bot")))
    if author and author == ident(obj(message.get("sender_chat")).get("id")):
        return author == chat
    users = account.options.get("brand_users")
    return author == _bot(account) or (isinstance(users, list) and author in map(str, users))


def _bot(account: Account) -> str:
    return account.token.partition(":")[0] if ":" in account.token else account.id


def _name(sender: dict[str, Any]) -> str | None:
    names = [text(sender.get(key)) for key in ("first_name", "last_name", "title")]
    return " ".join(filter(None, names)) or text(sender.get("username")) or None


def _link(chat: dict[str, Any], number: str) -> str | None:
    name = text(chat.get("username"))
    return f"https://t.me/{name}/{number}" if name and chat.get("type") in _PUBLIC else None


# --- replies ---------------------------------------------------------------------------------------------------------


def reply(http: Http, app: App, account: Account, reply: Reply) -> str | None:
    """A message that quotes the customer's, or stands alone where that one is gone.

    Source: https://core.telegram.org/bots/api#sendmessage
    """
    chat, _, number = reply.interaction.id.rpartition("_")
    if not chat or not number.isdecimal():
        raise Refused("message_id")
    message: dict[str, Any] = {
        "chat_id": chat,
        "text": fit(reply.text, MAX_REPLY, utf16),
        "reply_parameters": {"message_id": int(number), "allow_sending_without_reply": True},
        "link_preview_options": {"is_disabled": True},
    }
    if reply.interaction.reply_to:
        message["business_connection_id"] = reply.interaction.reply_to
    answer = call(http, "POST", f"{_API}/bot{account.token}/sendMessage", data=message, verdicts=_VERDICTS)
    sent = given_id(obj(answer.data.get("result")).get("message_id"))
    return f"{chat}_{sent}" if sent else None


def check(http: Http, app: App, account: Account) -> list[Finding]:
    """Whether the token is the account's bot's, and whether its webhook comes here and gets through.

    Source: https://core.telegram.org/bots/api#getwebhookinfo
    """
    try:
        me = call(http, "GET", f"{_API}/bot{account.token}/getMe", verdicts=_VERDICTS)
        info = call(http, "GET", f"{_API}/bot{account.token}/getWebhookInfo", verdicts=_VERDICTS)
    except ReplyError as error:
        mend = "ask @BotFather for the bot's token and set it in the apps file"
        return [Finding(account.id, f"Telegram does not accept the token ({error.code})", mend)]
    hook, findings = obj(info.data.get("result")), []
    set_hook = f"call setWebhook with the address of /webhooks/telegram/{app.key} and secret_token = the first secret"
    if _bot(account) != ident(obj(me.data.get("result")).get("id")):
        findings.append(Finding(account.id, "the token belongs to another bot", "set the account's own token"))
    if not text(hook.get("url")).endswith(f"/webhooks/telegram/{app.key}"):
        findings.append(Finding(account.id, "the bot's webhook does not come here", set_hook))
    allowed = rows(hook.get("allowed_updates"))
    if missing := [name for name in _SUBSCRIBED if allowed and name not in allowed]:
        what = f"updates of kind {', '.join(missing)} are not subscribed"
        findings.append(Finding(account.id, what, f"{set_hook}, with these in allowed_updates"))
    if hook.get("last_error_date") and hook.get("pending_update_count"):
        findings.append(Finding(account.id, "updates wait because their delivery fails", set_hook))
    return findings


def backfill(http: Http, app: App, account: Account, since: datetime, now: datetime) -> Iterator[Interaction]:
    raise Unsupported("Telegram lists no past messages; it repeats updates that failed for 24 hours by itself")
