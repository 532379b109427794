"""X's messages: direct ones, in the shape of both APIs and in a flat one, and encrypted chat."""

from datetime import datetime
from typing import Any

from chalicelib.apps import App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import MAX_TEXT, Skipped, ident, need_ident, obj, only_account, raw, rows, text, when


def users_by_id(users: Any) -> dict[str, dict[str, Any]]:
    """The users that came along, as a list or by id; some events wrap each in `data`."""
    if isinstance(users, dict):
        return {id: obj(obj(user).get("data")) or obj(user) for id, user in users.items()}
    found = (obj(obj(user).get("data")) or obj(user) for user in rows(users))
    return {ident(user.get("id")) or ident(user.get("id_str")): user for user in found}


def called(user: dict[str, Any]) -> str | None:
    """What X calls the user, in either API's words."""
    return next((found for key in ("username", "screen_name", "name") if (found := text(user.get(key)))), None)


def spoken_of(app: App, payload: dict[str, Any]) -> str:
    """The account that a delivery without `filter` or `for_user_id` is for: one that it names, or the only one."""
    said = raw(payload)
    ids = [a.id for a in app.accounts if a.product == "x"]
    return next((id for id in ids if f'"{id}"' in said), only_account(app, "x"))


def is_bot(user: dict[str, Any]) -> bool:
    """X labels accounts that a program runs: two of them would answer each other without end."""
    return obj(user.get("affiliation")).get("description") == "Automated"


def direct(
    app: App, account: str, message: dict[str, Any], users: dict[str, dict[str, Any]], received_at: datetime
) -> Interaction | Skipped:
    created = obj(message.get("message_create"))
    content = obj(created.get("message_data")) or message
    type_ = text(message.get("type")) or text(message.get("event_type")) or "message_create"
    if type_.casefold() not in ("message_create", "messagecreate"):
        return Skipped(f"dm_{type_[:40]}", "x", account)
    sender = need_ident(created.get("sender_id") if created else message.get("sender_id"))
    members = {ident(m) for m in rows(message.get("participant_ids"))}
    conversation = ident(message.get("dm_conversation_id")) or ident(obj(created.get("target")).get("conversation_id"))
    recipient = ident(obj(created.get("target")).get("recipient_id"))
    partners = [p for p in (recipient, *conversation.split("-"), *sorted(members)) if p not in ("", account)]
    group = conversation if (conversation and "-" not in conversation) or len(members) > 2 else ""
    brand = app.account("x", sender) is not None
    customer = need_ident(partners[0] if brand and partners else sender)
    at = when(message.get("created_timestamp") or message.get("created_at"), received_at)
    attachments = [content.get("attachment"), *rows(obj(content.get("attachments")).get("media_keys"))]
    profile = obj(users.get(sender))
    return Interaction(
        product="x",
        account=account,
        app=app.key,
        id=need_ident(message.get("id")),
        kind=Kind.BRAND_REPLY if brand else Kind.NEW,
        at=at,
        received_at=received_at,
        thread=group or customer,
        author=sender,
        author_name=called(profile),
        brand=brand,
        text=text(content.get("text")),
        text_at=at,
        reply_to=customer,
        private=True,
        repliable=not group and not is_bot(profile),
        attachments=len(list(filter(None, attachments))),
        ours=brand and bool(app.app_id) and ident(created.get("source_app_id")) == app.app_id,
        raw=raw(message)[: 2 * MAX_TEXT],
    )


def chat(app: App, account: str, message: dict[str, Any], received_at: datetime) -> Interaction:
    """An encrypted message: nothing can be read, and it cannot be answered over the API; a person has to look."""
    sender = need_ident(message.get("sender_id"))
    members = ident(message.get("conversation_id")).replace("-", ":").split(":")
    brand = app.account("x", sender) is not None
    others = [m for m in members if m not in ("", account)]
    group = len(members) != 2
    customer = sender if not brand else others[0] if others else ""
    at = when(message.get("created_at_msec"), received_at)
    return Interaction(
        product="x",
        account=account,
        app=app.key,
        id=need_ident(message.get("id")),
        kind=Kind.BRAND_REPLY if brand else Kind.NEW,
        at=at,
        received_at=received_at,
        thread=need_ident(message.get("conversation_id")) if group else need_ident(customer),
        author=sender,
        brand=brand,
        text_at=at,
        private=True,
        repliable=False,
        attachments=1,
        raw=raw(message)[: 2 * MAX_TEXT],
    )
