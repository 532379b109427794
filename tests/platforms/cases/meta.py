"""Meta: Facebook Pages, Messenger, Instagram, WhatsApp: how deliveries are signed, which payload plays which part."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import Json, Mark, PlatformCase, at, id_of, items


def _sign_meta(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _sign_meta_sha1(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    return {"x-hub-signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def _page_wrote(raw: Json, own: set[str]) -> bool:
    return id_of(at(raw, "from", "id")) in own or (not at(raw, "from", "id") and id_of(at(raw, "sender_id")) in own)


def _account_wrote(raw: Json, own: set[str]) -> bool:
    return id_of(at(raw, "from", "id")) in own


def _account_sent(raw: Json, own: set[str]) -> bool:
    event = next((e for e in ("message", "message_edit", "postback") if isinstance(raw, dict) and e in raw), "")
    return at(raw, event, "is_echo") is True or id_of(at(raw, "sender", "id")) in own


def _echoes(payload: Json) -> set[str]:
    """The messages in WhatsApp's lists of echoes: there the field says who wrote them, not the message."""
    found: set[str] = set()
    for entry in items(at(payload, "entry")):
        for change in items(at(entry, "changes")):
            if at(change, "field") == "smb_message_echoes":
                messages = items(at(change, "value", "message_echoes"))
                found |= {json.dumps(m, separators=(",", ":")) for m in messages}
    return found


META = App(
    platform="meta",
    key="main",
    secrets=("meta-secret-now", "meta-secret-before"),
    verify_token="meta-verify",
    app_id="424242",
    accounts=(
        Account("100200300400500", "facebook", "Example Shop", "fb-token"),
        Account("100200300400500", "messenger", "Example Shop", "fb-token"),
        Account("17841400000000001", "instagram", "exampleshop", "ig-token"),
        Account("106500000000001", "whatsapp", "Example Shop", "wa-token"),
    ),
)


def _case(product: str, parts: Mapping[str, str], marks: Mapping[bool, Mark]) -> PlatformCase:
    """What all four have in common: one app, one signature."""
    return PlatformCase(
        product,
        META,
        _sign_meta,
        "x-hub-signature-256",
        parts,
        legacy=_sign_meta_sha1,
        writes=True,
        marks=marks,
        echoes=_echoes,
    )


CASES = (
    _case(
        "facebook",
        {
            "question": "feed__comment_add",
            "edit": "feed__comment_edited",
            "delete": "feed__comment_remove",
            "brand": "feed__brand_reply",
            "batch": "feed__batch",
            "empty": "feed__empty",
            "unknown": "feed__unknown_item",
            "foreign": "feed__foreign_page",
            "test": "feed__test_button",
            "integer_ids": "feed__legacy_integer_sender",
            "missing": "feed__comment_without_id",
        },
        {False: _page_wrote},
    ),
    _case(
        "messenger",
        {
            "question": "message__text",
            "edit": "message_edit__text",
            "own_echo": "message__echo_own",
            "human_echo": "message__echo_page_inbox",
            "standby": "standby__message",
            "batch": "message__batch",
            "empty": "message__empty",
            "unknown": "message__unknown_event",
            "foreign": "message__foreign_page",
            "test": "message__test_button",
            "integer_ids": "message__integer_ids",
            "missing": "message__without_sender",
        },
        {True: _account_sent},
    ),
    _case(
        "instagram",
        {
            "question": "messages__text",
            "edit": "message_edit__text",
            "delete": "messages__deleted",
            "brand": "comments__brand_reply",
            "own_echo": "messages__echo_own",
            "human_echo": "messages__echo_person",
            "standby": "standby__message",
            "batch": "comments__batch",
            "empty": "comments__empty",
            "unknown": "story_insights",
            "foreign": "comments__foreign_account",
            "test": "messages__test_button",
            "integer_ids": "comments__integer_ids",
            "missing": "comments__without_id",
        },
        {False: _account_wrote, True: _account_sent},
    ),
    _case(
        "whatsapp",
        {
            "question": "messages__text",
            "edit": "messages__edit",
            "delete": "messages__revoke",
            "human_echo": "smb_message_echoes__text",
            "group": "messages__group",
            "batch": "messages__batch",
            "empty": "messages__empty",
            "unknown": "unknown_field",
            "foreign": "messages__foreign_number",
            "test": "messages__test_button",
            "integer_ids": "messages__integer_ids",
            "missing": "messages__without_sender",
        },
        {},
    ),
)
