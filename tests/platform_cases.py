"""The table of platforms that the contract (test_platforms.py) and the fuzz runs go over: one row a product.

A row says how to sign a delivery, which registration receives it, and which of the payload files in
`payloads/<product>/` plays which part in the contract. Every payload file there is compared with the
`<same name>.expected.json` beside it, whether a row names it or not.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.apps import Account, App

PAYLOADS = Path(__file__).parent / "payloads"
RECEIVED_AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

Sign = Callable[[str, bytes, datetime], dict[str, str]]
"""(secret, body, time of sending) → the headers that the platform sends, names in lower case."""


@dataclass(frozen=True, slots=True)
class PlatformCase:
    """One product. `parts` names the payload file (without .json) for each part of the contract that it has:

    question (a customer's), edit and delete (of the same interaction), brand (the brand's own public comment), own_echo (sent by
    this app), human_echo (sent by another app or a person of the brand), group, standby, batch (several interactions
    in one delivery), empty (a well-formed delivery with nothing in it), unknown (an event that nobody documents), foreign (an account that
    is not the app's), test (the platform's test button), integer_ids, missing (a part without what it needs).

    `signs_body` is False where the platform proves itself by a token instead of a signature; `stale_after` is the age
    at which a signature expires; `legacy` makes the headers of an older scheme that must not be accepted alone.
    """

    product: str
    app: App
    sign: Sign
    header: str
    parts: Mapping[str, str] = field(default_factory=dict)
    signs_body: bool = True
    stale_after: timedelta | None = None
    legacy: Sign | None = None

    @property
    def folder(self) -> Path:
        return PAYLOADS / self.product

    def body(self, part: str) -> bytes:
        """The raw bytes of the payload that plays `part`."""
        return (self.folder / f"{self.parts[part]}.json").read_bytes()

    def payloads(self) -> list[Path]:
        """Every payload file of the product, without the expectations."""
        return sorted(p for p in self.folder.glob("*.json") if not p.name.endswith(".expected.json"))


def _sign_meta(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _sign_meta_sha1(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-hub-signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def _sign_x(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-twitter-webhooks-signature": "sha256=" + base64.b64encode(digest).decode()}


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

X = App(
    platform="x",
    key="main",
    secrets=("x-secret-now", "x-secret-before"),
    app_id="55667788",
    accounts=(Account("700100200300400500", "x", "ExampleShop", "x-token"),),
)

CASES = (
    PlatformCase(
        product="facebook",
        app=META,
        sign=_sign_meta,
        legacy=_sign_meta_sha1,
        header="x-hub-signature-256",
        parts={
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
    ),
    PlatformCase(
        product="messenger",
        app=META,
        sign=_sign_meta,
        legacy=_sign_meta_sha1,
        header="x-hub-signature-256",
        parts={
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
    ),
    PlatformCase(
        product="instagram",
        app=META,
        sign=_sign_meta,
        legacy=_sign_meta_sha1,
        header="x-hub-signature-256",
        parts={
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
    ),
    PlatformCase(
        product="whatsapp",
        app=META,
        sign=_sign_meta,
        legacy=_sign_meta_sha1,
        header="x-hub-signature-256",
        parts={
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
    ),
    PlatformCase(
        product="x",
        app=X,
        sign=_sign_x,
        header="x-twitter-webhooks-signature",
        parts={
            "question": "post_mention_create",
            "edit": "post_mention_create__edited",
            "delete": "tweet_delete_events",
            "brand": "post_create__own_reply",
            "own_echo": "direct_message_events__own_app",
            "human_echo": "dm_sent",
            "group": "dm_received__group",
            "batch": "tweet_create_events__batch",
            "empty": "empty",
            "unknown": "follow_follow",
            "foreign": "post_mention_create__foreign",
            "integer_ids": "post_mention_create__integer_ids",
            "missing": "post_mention_create__without_id",
        },
    ),
)
