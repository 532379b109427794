"""What the tests of one platform's calls have in common: a wire with its answers, the brand's
accounts, and a reply to send."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.apps import Account
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import Reply
from chalicelib.platforms.http import Answer
from tests.http_doubles import PaperHttp, Told
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PAGE, IG, WA, ME = "100200300400500", "17841400000000001", "106500000000001", "700100200300400500"
TOKEN = "3f0c9a52-8a54-4f0f-9d8e-7c5cf5a0b001"


def account_of(product: str, **options: Any) -> Account:
    """The brand's account of one of Meta's products or X."""
    app = X if product == "x" else META
    found = next(a for a in app.accounts if a.product == product)
    return replace(found, options=options)


def http(*answers: Told) -> PaperHttp:
    return PaperHttp(list(answers))


def answer(status: int = 200, data: dict[str, Any] | None = None, **headers: str) -> Answer:
    """`headers` with _ for -."""
    return Answer(status, data or {}, {name.replace("_", "-"): value for name, value in headers.items()})


def graph_error(code: int, subcode: int = 0, status: int = 400) -> Answer:
    """What the Graph API says of an error of that code."""
    return answer(status, {"error": {"code": code, "error_subcode": subcode, "message": "said by the platform"}})


def reply_to(product: str, account: str, id: str, text: str = "Thank you, we got it.", **fields: Any) -> Reply:
    """An automatic reply to a customer's interaction with these `fields`."""
    fields = {"thread": id, **fields}
    return Reply(Interaction(product, account, id, Kind.NEW, NOW, NOW, **fields), text, TOKEN, at=NOW)
