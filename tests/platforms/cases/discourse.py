"""Discourse: how deliveries are signed, which payload plays which part."""

import hashlib
import hmac
from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import Json, PlatformCase, at


def _sign_discourse(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-discourse-event-signature": f"sha256={digest}", "x-discourse-event-id": "501"}


def _staff_wrote(raw: Json, own: set[str]) -> bool:
    return any(at(raw, key) is True for key in ("staff", "admin", "moderator"))


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


CASES = (
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
        marks={False: _staff_wrote},
    ),
)
