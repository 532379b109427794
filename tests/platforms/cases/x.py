"""X: how deliveries are signed, which payload plays which part."""

import base64
import hashlib
import hmac
from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import Json, PlatformCase, at, id_of


def _sign_x(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-twitter-webhooks-signature": "sha256=" + base64.b64encode(digest).decode()}


def _posted(raw: Json, own: set[str]) -> bool:
    is_tweet = at(raw, "user") is not None  # Account Activity's shape, else X Activity's
    return id_of(at(raw, "user", "id_str") if is_tweet else at(raw, "author_id")) in own


def _sent(raw: Json, own: set[str]) -> bool:
    has_parts = isinstance(at(raw, "message_create"), dict)
    return id_of(at(raw, "message_create", "sender_id") if has_parts else at(raw, "sender_id")) in own


X = App(
    platform="x",
    key="main",
    secrets=("x-secret-now", "x-secret-before"),
    app_id="55667788",
    accounts=(Account("700100200300400500", "x", "ExampleShop", "x-token"),),
)


CASES = (
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
        writes=True,
        marks={False: _posted, True: _sent},
    ),
)
