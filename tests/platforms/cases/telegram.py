"""Telegram: how deliveries are signed, which payload plays which part."""

from datetime import datetime

from chalicelib.apps import Account, App
from tests.platforms.case import PlatformCase


def _sign_telegram(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    return {"x-telegram-bot-api-secret-token": secret}


TELEGRAM = App(
    platform="telegram",
    key="main",
    secrets=("telegram-secret-now", "telegram-secret-before"),
    accounts=(Account("7000000001", "telegram", "Example Shop", "7000000001:test-token"),),
)


CASES = (
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
)
