"""What the tests of one platform's calls have in common: a wire with its answers, and a reply to send over it."""

from datetime import UTC, datetime
from typing import Any

from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import Reply
from chalicelib.platforms.http import Answer
from tests.http_doubles import PaperHttp, Told

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TOKEN = "3f0c9a52-8a54-4f0f-9d8e-7c5cf5a0b001"


def http(*answers: Told) -> PaperHttp:
    return PaperHttp(list(answers))


def answer(status: int = 200, data: dict[str, Any] | None = None, **headers: str) -> Answer:
    """`headers` with _ for -."""
    return Answer(status, data or {}, {name.replace("_", "-"): value for name, value in headers.items()})


def reply_to(product: str, account: str, id: str, text: str = "Thank you, we got it.", **fields: Any) -> Reply:
    """An automatic reply to a customer's interaction with these `fields`."""
    fields = {"thread": id, **fields}
    return Reply(Interaction(product, account, id, Kind.NEW, NOW, NOW, **fields), text, TOKEN, at=NOW)
