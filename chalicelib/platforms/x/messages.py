"""X's messages: direct ones, in the shape of both APIs and in a flat one, and encrypted chat."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from chalicelib.apps import App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import read
from chalicelib.platforms.base import Skipped
from chalicelib.platforms.contract import PartContext


def users_by_id(users: Any) -> dict[str, dict[str, Any]]:
    """The users that came along, as a list or by id; some events wrap each in `data`."""
    if isinstance(users, dict):
        return {id: read.obj(read.obj(user).get("data")) or read.obj(user) for id, user in users.items()}
    found = (read.obj(read.obj(user).get("data")) or read.obj(user) for user in read.rows(users))
    return {read.ident(user.get("id")) or read.ident(user.get("id_str")): user for user in found}


def called(user: dict[str, Any]) -> str | None:
    """What X calls the user, in either API's words."""
    return next((found for key in ("username", "screen_name", "name") if (found := read.name(user.get(key)))), None)


def reach(user: dict[str, Any]) -> int | None:
    """How many follow the user, in either API's words."""
    counted = read.obj(user.get("public_metrics")) or user
    return read.reach(counted.get("followers_count"))


def spoken_of(app: App, payload: dict[str, Any]) -> str:
    """The account that a delivery without `filter` or `for_user_id` is for: one that it names, or the only one."""
    said, only = read.raw(payload), app.only("x")
    ids = [a.id for a in app.accounts if a.product == "x"]
    return next((id for id in ids if f'"{id}"' in said), only.id if only else "")


def plain(written: Any) -> str:
    """A text without X's escapes, of which there are three."""
    return read.text(written).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def said(written: Any, *sources: dict[str, Any]) -> str:
    """A text without X's escapes, and without the links that X itself writes behind a post for its pictures and films:
    nobody's words, and to whoever looks for adverts an advert's. `sources` hold the text's entities, of either API."""
    text = plain(written)
    for link in {address for source in sources for address in _pictures(source)}:
        text = re.sub(rf"\s*{re.escape(link)}(?!\w)", "", text)
    return text


def _pictures(source: dict[str, Any]) -> Iterator[str]:
    """The addresses that stand for pictures in the text that `source` belongs to."""
    for entities in (read.obj(source.get(name)) for name in ("entities", "extended_entities")):
        for name in ("urls", "media"):
            links = entities.get(name)
            for link in map(read.obj, links if isinstance(links, list) else []):
                shown = read.text(link.get("display_url")).startswith(("pic.x.com/", "pic.twitter.com/"))
                if name == "media" or link.get("media_key") or shown:
                    yield from filter(None, [read.text(link.get("url"))])
    yield from filter(None, [read.text(read.obj(read.obj(source.get("attachment")).get("media")).get("url"))])


def is_bot(user: dict[str, Any]) -> bool:
    """X labels accounts that a program runs: two of them would answer each other without end."""
    return read.obj(user.get("affiliation")).get("description") == "Automated"


def direct(context: PartContext, message: dict[str, Any], users: dict[str, dict[str, Any]]) -> Interaction | Skipped:
    """A direct message, the customer's or the brand's."""
    created = read.obj(message.get("message_create"))
    content, target = read.obj(created.get("message_data")) or message, read.obj(created.get("target"))
    type_ = read.text(message.get("type")) or read.text(message.get("event_type")) or "message_create"
    if type_.casefold() not in ("message_create", "messagecreate"):
        return context.skipped(f"dm_{type_[:40]}")
    app, account = context.app, context.account.id
    sender = read.need_ident(created.get("sender_id") if created else message.get("sender_id"))
    members = {read.ident(m) for m in read.rows(message.get("participant_ids"))}
    conversation = read.ident(message.get("dm_conversation_id")) or read.ident(target.get("conversation_id"))
    partners = [read.ident(target.get("recipient_id")), *conversation.split("-"), *sorted(members)]
    partner = next((p for p in partners if p not in ("", account)), "")
    group = conversation if (conversation and "-" not in conversation) or len(members) > 2 else ""
    brand = context.is_brand(sender)
    customer = read.need_ident(partner if brand and partner else sender)
    at = read.when(message.get("created_timestamp") or message.get("created_at"), context.received_at)
    attachments = [content.get("attachment"), *read.rows(read.obj(content.get("attachments")).get("media_keys"))]
    profile = read.obj(users.get(sender))
    return replace(
        context.interaction(message, read.need_ident(message.get("id")), Kind.BRAND_REPLY if brand else Kind.NEW, at),
        thread=group or customer,
        author=sender,
        author_name=called(profile),
        reach=reach(profile),
        brand=brand,
        text=said(content.get("text"), content),
        reply_to=customer,
        private=True,
        repliable=not group and not is_bot(profile),
        attachments=len(list(filter(None, attachments))),
        ours=brand and bool(app.app_id) and read.ident(created.get("source_app_id")) == app.app_id,
    )


def chat(context: PartContext, message: dict[str, Any]) -> Interaction:
    """An encrypted message: nothing can be read, and it cannot be answered over the API; a person has to look."""
    sender = read.need_ident(message.get("sender_id"))
    members = read.ident(message.get("conversation_id")).replace("-", ":").split(":")
    brand = context.is_brand(sender)
    others = [m for m in members if m not in ("", context.account.id)]
    group = len(members) != 2
    customer = sender if not brand else others[0] if others else ""
    at = read.when(message.get("created_at_msec"), context.received_at)
    return replace(
        context.interaction(message, read.need_ident(message.get("id")), Kind.BRAND_REPLY if brand else Kind.NEW, at),
        thread=read.need_ident(message.get("conversation_id")) if group else read.need_ident(customer),
        author=sender,
        brand=brand,
        private=True,
        repliable=False,
        attachments=1,
    )
