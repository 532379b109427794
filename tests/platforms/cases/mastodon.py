"""Mastodon: how deliveries are signed, which payload plays which part."""

import hashlib
import hmac
from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import Json, PlatformCase, at, id_of


def _sign_mastodon(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    return {"x-hub-signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _sign_sha1(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    return {"x-hub-signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def _account_posted(raw: Json, own: set[str]) -> bool:
    return id_of(at(raw, "account", "id")) in own


SERVER = {"base_url": "https://social.example.com"}
MASTODON = App(
    platform="mastodon",
    key="main",
    secrets=("mastodon-secret-now", "mastodon-secret-before"),
    app_id="Earshot",
    accounts=(
        Account("109000000000000001", "mastodon", "Example Shop", "mastodon-token", options=SERVER),
        Account("109000000000000002", "mastodon", "Example Shop Help", "mastodon-token-2", options=SERVER),
    ),
)

CASES = (
    PlatformCase(
        product="mastodon",
        app=MASTODON,
        sign=_sign_mastodon,
        legacy=_sign_sha1,
        header="x-hub-signature",
        parts={
            "question": "status_created__mention",
            "edit": "status_updated__mention",
            "brand": "status_created__brand_reply",
            "own_echo": "status_created__own_reply",
            "human_echo": "status_created__brand_reply",
            "group": "status_created__private_group",
            "empty": "status_created__stranger",
            "unknown": "account_created",
            "integer_ids": "status_created__integer_ids",
            "missing": "status_created__without_id",
        },
        writes=True,
        marks={False: _account_posted, True: _account_posted},
    ),
)
