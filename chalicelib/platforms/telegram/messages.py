"""Telegram's messages, and the buttons that customers press, as interactions."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.apps import Account
from chalicelib.conversations.interaction import Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import Parsed
from chalicelib.platforms.contract import PartContext

BUSINESS_WINDOW = timedelta(hours=24)  # a bot may write in a business chat that was active in that time

_FILES = (
    "live_photo",
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
    "rich_message",
)
_TWICE = {"live_photo": "photo", "animation": "document", "venue": "location"}  # one attachment under two names
_START = re.compile(r"/start(@\w+)?( [\w-]{1,64})?")  # what follows comes from a link, not from the customer
_PUBLIC = {"group", "supergroup", "channel"}


def message(context: PartContext, name: str, message: dict[str, Any]) -> Parsed:
    """A message, post or edit; `name` is the update's field in which it came."""
    account = context.account
    words = read.text(message.get("text")) or read.text(message.get("caption"))
    words = words or read.text(read.obj(message.get("web_app_data")).get("button_text"))
    files = {key for key in _FILES if message.get(key)}
    if not words and not files:
        return context.skipped("service_message")
    chat = read.obj(message.get("chat"))
    sender = _sender(message) or (chat if name.endswith("channel_post") else {})
    chat_id = read.need_ident(chat.get("id"))
    author, brand = read.ident(sender.get("id")), _is_brand(account, name, chat_id, message)
    if sender.get("is_bot") is True and not brand:
        return context.skipped("bot_message")
    public = _is_public(chat)
    at = read.when(message.get("date"), context.received_at)
    edited_at = read.when(message.get("edit_date"), at)
    business = read.ident(message.get("business_connection_id"))
    number = _number(message)
    parent = read.ident(read.obj(message.get("reply_to_message")).get("message_id"))
    return replace(
        context.interaction(message, f"{chat_id}_{number}", _kind(name, message, brand), at),
        thread=_thread(chat_id, message),
        author=author or None,
        author_name=_name(sender),
        brand=brand,
        text=words,
        text_at=edited_at if name.startswith("edited") else at,
        parent=f"{chat_id}_{parent}" if parent and parent != _topic(message) else None,
        reply_to=business or None,  # a reply in a business chat goes through its connection
        to=chat_id if brand and not public else None,
        private=not public,
        repliable=not public and name != "guest_message",  # there the bot is not in the chat
        tap=not brand and (bool(_START.fullmatch(words)) or files == {"sticker"}),
        attachments=len(files) - sum(1 for one, other in _TWICE.items() if {one, other} <= files),
        link=_link(chat, number),
        window=BUSINESS_WINDOW if business else None,
        ours=brand and bot(account) in (read.ident(read.obj(message.get("sender_business_bot")).get("id")), author),
    )


def pressed(context: PartContext, query: dict[str, Any]) -> Parsed:
    """A pressed button: its title, or the bot's own code for it where the message with the buttons has become
    inaccessible. What it should do is for a person to say, so it is never replied to automatically."""
    sender, message, code = read.obj(query.get("from")), read.obj(query.get("message")), read.text(query.get("data"))
    if sender.get("is_bot") is True:
        return context.skipped("bot_message")
    buttons = read.rows(read.obj(message.get("reply_markup")).get("inline_keyboard"))
    titles = [
        read.text(b.get("text"))
        for row in buttons
        for b in map(read.obj, read.rows(row))
        if code and b.get("callback_data") == code
    ]
    chat, author = read.obj(message.get("chat")), read.need_ident(sender.get("id"))
    chat_id = read.ident(chat.get("id")) or author
    return replace(
        context.interaction(query, f"{chat_id}_{read.need_ident(query.get('id'))}", Kind.NEW, context.received_at),
        thread=_thread(chat_id, message),
        author=author,
        author_name=_name(sender),
        text=next(filter(None, titles), code),
        private=not _is_public(chat),
        repliable=False,
    )


def _is_public(chat: dict[str, Any]) -> bool:
    if is_direct(chat):
        return False
    return chat.get("type") in _PUBLIC or read.ident(chat.get("id")).startswith("-")


def is_direct(chat: dict[str, Any]) -> bool:
    """Whether it is where a channel's readers write to the channel: every reader has a topic of their own there."""
    return chat.get("is_direct_messages") is True


def _thread(chat_id: str, message: dict[str, Any]) -> str:
    """The chat, or its topic: a brand's answer in one topic answers nobody in another."""
    topic = _topic(message)
    return f"{chat_id}_{topic}" if topic else chat_id


def _topic(message: dict[str, Any]) -> str:
    direct = read.ident(read.obj(message.get("direct_messages_topic")).get("topic_id"))
    return direct or _forum_topic(message)


def _forum_topic(message: dict[str, Any]) -> str:
    return read.ident(message.get("message_thread_id")) if message.get("is_topic_message") is True else ""


def _number(message: dict[str, Any]) -> str:
    """The message's number in its chat. One that only its receiver sees has number 0 and a count of its own."""
    hidden = read.ident(message.get("ephemeral_message_id"))
    return f"ephemeral-{hidden}" if hidden else read.need_ident(message.get("message_id"))


def _kind(name: str, message: dict[str, Any], brand: bool) -> Kind:
    if name.startswith("edited"):
        return Kind.EDIT
    if not brand:
        return Kind.NEW
    is_post = name == "channel_post" or message.get("is_automatic_forward") is True
    return Kind.BRAND_POST if is_post else Kind.BRAND_REPLY


def _sender(message: dict[str, Any]) -> dict[str, Any]:
    """Who wrote: a channel or group that speaks for itself stands in `sender_chat`, with a stand-in bot in `from`."""
    return read.obj(message.get("sender_chat")) or read.obj(message.get("from"))


def _is_brand(account: Account, name: str, chat: str, message: dict[str, Any]) -> bool:
    """The bot itself, the owner of a business chat, the brand's channel, an anonymous administrator of the group, or
    one of the account's `brand_users` (ids)."""
    author = read.ident(_sender(message).get("id"))
    if is_direct(read.obj(message.get("chat"))) and read.obj(message.get("sender_chat")):
        return True  # the channel speaks
    if name.endswith("channel_post") or message.get("is_automatic_forward") is True:
        return True
    if name.endswith("business_message"):
        return (author != "" and author != chat) or bool(read.obj(message.get("sender_business_bot")))
    if author and author == read.ident(read.obj(message.get("sender_chat")).get("id")):
        return author == chat
    users = account.options.get("brand_users")
    return author == bot(account) or (isinstance(users, list) and author in map(str, users))


def bot(account: Account) -> str:
    return account.token.partition(":")[0] if ":" in account.token else account.id


def _name(sender: dict[str, Any]) -> str | None:
    names = [read.text(sender.get(key)) for key in ("first_name", "last_name", "title")]
    return read.name(" ".join(filter(None, names))) or read.name(sender.get("username"))


def _link(chat: dict[str, Any], number: str) -> str | None:
    name = read.text(chat.get("username"))
    return f"https://t.me/{name}/{number}" if name and chat.get("type") in _PUBLIC else None
