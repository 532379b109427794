"""The platforms' side of the wire in tests: keeps every request, and gives the answers that the test wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import Reply
from chalicelib.platforms.http import Answer

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TOKEN = "3f0c9a52-8a54-4f0f-9d8e-7c5cf5a0b001"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request. `data` is its JSON body, {} where it has none."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        found = json.loads(self.body) if self.body else {}
        assert isinstance(found, dict)
        return found


@dataclass(slots=True)
class ScriptedHttp:
    """Http: the n-th request gets the n-th answer, or raises it."""

    answers: list[Answer | Exception]
    sent: list[Sent] = field(default_factory=list)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        self.sent.append(Sent(method, url, dict(headers or {}), dict(query or {}), body or b""))
        answer = self.answers[len(self.sent) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def http(*answers: Answer | Exception) -> ScriptedHttp:
    return ScriptedHttp(list(answers))


def answer(status: int = 200, data: dict[str, Any] | None = None, **headers: str) -> Answer:
    """`headers` with _ for -."""
    return Answer(status, data or {}, {name.replace("_", "-"): value for name, value in headers.items()})


def reply_to(product: str, account: str, id: str, text: str = "Thank you, we got it.", **fields: Any) -> Reply:
    """An automatic reply to a customer's interaction with these `fields`."""
    fields = {"thread": id, **fields}
    return Reply(Interaction(product, account, id, Kind.NEW, NOW, NOW, **fields), text, TOKEN, at=NOW)
