"""LINE: how deliveries are signed, which payload plays which part."""

import base64
import hashlib
import hmac
from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import PlatformCase


def _sign_line(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-line-signature": base64.b64encode(digest).decode()}


LINE = App(
    platform="line",
    key="main",
    secrets=("line-secret-now", "line-secret-before"),
    accounts=(Account("U0123456789abcdef0123456789abcdef", "line", "Example Shop", "line-token"),),
)


CASES = (
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
)
