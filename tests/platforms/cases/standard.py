"""The generic intake: how deliveries are signed, which payload plays which part."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from chalicelib.apps import Account, App
from tests.platforms.case import PlatformCase, at


def _sign_standard(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    id, stamp = "msg_2fJ0example", str(int(sent_at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


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


CASES = (
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
        marks={False: lambda raw, own: at(raw, "data", "author", "brand") is True},
    ),
)
