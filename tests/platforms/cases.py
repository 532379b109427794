"""The table of platforms that the contract (test_platforms.py) and the fuzz runs go over: one row a product.

A row says how to sign a delivery, which registration receives it, and which of the payload files in
`payloads/<product>/` plays which part in the contract. Every payload file there is compared with the
`<same name>.expected.json` beside it, whether a row names it or not.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.apps import Account, App
from tests.platforms.signed_tokens import key_set, token

PAYLOADS = Path(__file__).parent / "payloads"
RECEIVED_AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

Sign = Callable[[str, bytes, datetime], dict[str, str]]
"""(secret, body, time of sending) → the headers that the platform sends, names in lower case."""


@dataclass(frozen=True, slots=True)
class PlatformCase:
    """One product. `parts` names the payload file (without .json) for each part of the contract that it has:

    - question (a customer's), edit and delete (of that same interaction), brand (the brand's own public reply);
    - own_echo (sent by this app), human_echo (by another app, or by a person of the brand); group; standby;
    - batch (several interactions in one delivery), empty (nothing in it), unknown (an event that nobody documents),
      foreign (an account that is not the app's), test (the platform's test button), integer_ids, missing (a part
      without what it needs).

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


def _sign_standard(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    id, stamp = "msg_2fJ0example", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def _sign_telegram(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-telegram-bot-api-secret-token": secret}


def _sign_discourse(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-discourse-event-signature": f"sha256={digest}", "x-discourse-event-id": "501"}


def _sign_line(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-line-signature": base64.b64encode(digest).decode()}


def _sign_google(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    claims = {
        "aud": "https://earshot.example.com/webhooks/google/main",
        "azp": "113774264463038321964",
        "email": "push@example-project.iam.gserviceaccount.com",
        "email_verified": True,
        "exp": int(at.timestamp()) + 3600,
        "iat": int(at.timestamp()),
        "iss": "https://accounts.google.com",
        "sub": "113774264463038321964",
    }
    return {"authorization": "Bearer " + token(json.loads(secret)["keys"][0]["kid"], claims)}


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

STANDARD = App(
    platform="standard",
    key="shop",
    secrets=(
        "whsec_" + base64.b64encode(b"standard-secret-now-0123456789ab").decode(),
        "whsec_" + base64.b64encode(b"standard-secret-before-012345678").decode(),
    ),
    accounts=(
        Account(
            "shop-1", "standard", "Example Shop", options={"reply_url": "https://shop.example.com/earshot/replies"}
        ),
    ),
)

TELEGRAM = App(
    platform="telegram",
    key="main",
    secrets=("telegram-secret-now", "telegram-secret-before"),
    accounts=(Account("7000000001", "telegram", "Example Shop", "7000000001:test-token"),),
)

DISCOURSE = App(
    platform="discourse",
    key="main",
    secrets=("discourse-secret-now", "discourse-secret-before"),
    accounts=(
        Account(
            "forum",
            "discourse",
            "Example Forum",
            "discourse-key",
            options={
                "base_url": "https://forum.example.com",
                "api_username": "earshot",
                "brand_users": ["shop_ben"],
            },
        ),
    ),
)

LINE = App(
    platform="line",
    key="main",
    secrets=("line-secret-now", "line-secret-before"),
    accounts=(Account("U0123456789abcdef0123456789abcdef", "line", "Example Shop", "line-token"),),
)

GOOGLE = App(
    platform="google",
    key="main",
    secrets=(key_set("now"), key_set("before")),
    verify_token="https://earshot.example.com/webhooks/google/main",
    app_id="push@example-project.iam.gserviceaccount.com",
    accounts=(Account("accounts/111222333/locations/444555666", "google", "Example Shop", "google-token"),),
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
    PlatformCase(
        product="standard",
        app=STANDARD,
        sign=_sign_standard,
        header="webhook-signature",
        parts={
            "question": "created__comment",
            "edit": "updated__comment",
            "delete": "deleted__comment",
            "brand": "created__brand_reply",
            "own_echo": "created__own_reply",
            "human_echo": "created__brand_reply",
            "group": "created__group",
            "batch": "batch__three_questions",
            "empty": "batch__empty",
            "unknown": "unknown_type",
            "foreign": "created__foreign_account",
            "test": "ping",
            "integer_ids": "created__integer_ids",
            "missing": "created__without_id",
        },
        stale_after=timedelta(minutes=5),
    ),
    PlatformCase(
        product="telegram",
        app=TELEGRAM,
        sign=_sign_telegram,
        header="x-telegram-bot-api-secret-token",
        parts={
            "question": "business_message__customer",
            "edit": "edited_business_message__customer",
            "delete": "deleted_business_messages",
            "brand": "message__group_anonymous_admin",
            "own_echo": "business_message__own_bot",
            "human_echo": "business_message__owner_answers",
            "group": "message__group",
            "empty": "empty",
            "unknown": "message_reaction",
            "integer_ids": "message__text",
            "missing": "message__without_chat",
        },
        signs_body=False,
    ),
    PlatformCase(
        product="discourse",
        app=DISCOURSE,
        sign=_sign_discourse,
        header="x-discourse-event-signature",
        parts={
            "question": "post_created__customer",
            "edit": "post_edited__customer",
            "delete": "post_destroyed__by_staff",
            "brand": "post_created__staff_reply",
            "own_echo": "post_created__own_reply",
            "human_echo": "post_created__brand_user",
            "empty": "empty",
            "unknown": "topic_created",
            "test": "ping",
            "integer_ids": "post_created__customer",
            "missing": "post_created__without_id",
        },
    ),
    PlatformCase(
        product="line",
        app=LINE,
        sign=_sign_line,
        header="x-line-signature",
        parts={
            "question": "message__text",
            "delete": "unsend",
            "group": "message__group",
            "standby": "message__standby",
            "batch": "batch",
            "empty": "verify__no_events",
            "unknown": "unknown_event",
            "foreign": "message__foreign_destination",
            "test": "verify__old_console",
            "integer_ids": "message__integer_ids",
            "missing": "message__without_id",
        },
    ),
    PlatformCase(
        product="google",
        app=GOOGLE,
        sign=_sign_google,
        header="authorization",
        parts={
            "question": "new_review",
            "edit": "updated_review",
            "empty": "empty_message",
            "unknown": "unknown_type",
            "foreign": "new_review__foreign_location",
            "missing": "new_review__without_name",
        },
        signs_body=False,
        stale_after=timedelta(hours=1, minutes=5),
    ),
)
