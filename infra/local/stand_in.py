"""A stand-in for the platforms' APIs on loopback: it keeps every reply, and fails in the ways that platforms do.

Earshot comes here when EARSHOT_PLATFORMS_VIA names its address: https://graph.facebook.com/… is then
http://127.0.0.1:…/graph.facebook.com/….
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from threading import Lock, Thread
from typing import Any

from infra.local.loopback import Answered, Call


class Fault(StrEnum):
    """How a call fails."""

    RATE = "rate"  # 429, for a few seconds
    BROKEN = "broken"  # 500: the reply is not posted, but nobody can know
    LOST = "lost"  # the reply is posted and its answer never comes


RATE_S = 2  # seconds that a rate limit lasts


@dataclass(frozen=True, slots=True)
class Posted:
    """A reply that a platform took. `target` is the comment, post, thread or customer that it goes to."""

    product: str
    id: str
    target: str
    text: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was answered with a failure."""

    product: str
    target: str
    fault: Fault


Read = Callable[[re.Match[str], Mapping[str, Any]], tuple[str, str, str]]
"""(path, JSON body) → target, text, token."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way of replying: where, what the call says, and what the platform answers to a reply of the given id."""

    product: str
    path: re.Pattern[str]
    read: Read
    answer: Callable[[str], Any]
    id: str = "{}"
    having: str = ""  # a key of the body that tells it from another product's call to the same path


def _message(found: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    recipient = data["recipient"]
    target = recipient.get("id") or recipient.get("comment_id") or recipient["post_id"]
    return target, data["message"]["text"], data["message"].get("metadata", "")


def _whatsapp(found: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    return data.get("to") or data["recipient"], data["text"]["body"], data.get("biz_opaque_callback_data", "")


def _standard(found: re.Match[str], data: Mapping[str, Any]) -> tuple[str, str, str]:
    content = data["data"]
    return content["in_reply_to"], content["text"], content["reply_token"]


_GRAPH = r"graph\.(?:facebook|instagram)\.com/v[\d.]+"

ENDPOINTS = (
    Endpoint(
        "facebook",
        re.compile(rf"{_GRAPH}/([\w-]+)/comments"),
        lambda m, d: (m[1], d["message"], ""),
        lambda id: {"id": id},
    ),
    Endpoint(
        "instagram",
        re.compile(rf"{_GRAPH}/(\w+)/replies"),
        lambda m, d: (m[1], d["message"], ""),
        lambda id: {"id": id},
    ),
    Endpoint(
        "whatsapp",
        re.compile(rf"{_GRAPH}/\w+/messages"),
        _whatsapp,
        lambda id: {"messaging_product": "whatsapp", "messages": [{"id": id}]},
        id="wamid.{}",
        having="messaging_product",
    ),
    Endpoint(
        "messenger",
        re.compile(rf"{_GRAPH}/\w+/messages"),
        _message,
        lambda id: {"message_id": id},
        id="m_{}",
        having="recipient",
    ),
    Endpoint(
        "x",
        re.compile(r"api\.x\.com/2/tweets"),
        lambda m, d: (d["reply"]["in_reply_to_tweet_id"], d["text"], ""),
        lambda id: {"data": {"id": id}},
    ),
    Endpoint(
        "x",
        re.compile(r"api\.x\.com/2/dm_conversations/with/(\w+)/messages"),
        lambda m, d: (m[1], d["text"], ""),
        lambda id: {"data": {"dm_event_id": id}},
    ),
    Endpoint(
        "telegram",
        re.compile(r"api\.telegram\.org/bot[^/]+/sendMessage"),
        lambda m, d: (str(d["chat_id"]), d["text"], ""),
        lambda id: {"ok": True, "result": {"message_id": int(id)}},
    ),
    Endpoint(
        "line",
        re.compile(r"api\.line\.me/v2/bot/message/(?:reply|push)"),
        lambda m, d: (d.get("to", "") or d.get("replyToken", ""), d["messages"][0]["text"], ""),
        lambda id: {"sentMessages": [{"id": id}]},
    ),
    Endpoint(
        "discourse",
        re.compile(r"[^/]+(?:/[^/]+)*/posts\.json"),
        lambda m, d: (str(d["topic_id"]), d["raw"], ""),
        lambda id: {"id": int(id)},
    ),
    Endpoint(
        "google",
        re.compile(r"mybusiness\.googleapis\.com/v4/(.+)/reply"),
        lambda m, d: (m[1], d["comment"], ""),
        lambda id: {"comment": ""},
    ),
    Endpoint("standard", re.compile(r".+"), _standard, lambda id: {"id": id}, having="data"),
)


@dataclass(slots=True)
class StandIn:
    """Answers for every platform. `echo` is told of each reply that was posted, as the platform itself tells of it by
    a delivery; `on_event` of each reply and each refusal."""

    echo: Callable[[Posted], None] = lambda posted: None
    on_event: Callable[[Posted | Refusal], None] = lambda event: None
    posted: list[Posted] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)  # calls that no endpoint knows: method and host
    _faults: list[tuple[str, Fault]] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)
    _ids: Any = field(default_factory=lambda: count(5_000_000_001))

    def fail_next(self, target: str, fault: Fault) -> None:
        """Lets the next reply to `target` fail."""
        with self._lock:
            self._faults.append((target, fault))

    def answer(self, call: Call) -> Answered | None:
        """What the platform answers."""
        path = call.path.lstrip("/")
        data = _object(call.body)
        for endpoint in ENDPOINTS:
            found = endpoint.path.fullmatch(path)
            if found and call.method in ("POST", "PUT") and (not endpoint.having or endpoint.having in data):
                return self._reply(endpoint, *endpoint.read(found, data))
        if call.method == "GET":
            return _json(200, {"id": path.rsplit("/", 1)[-1]})
        self.strange.append(f"{call.method} {path.split('/')[0]}")
        return _json(404, {"error": {"message": "the stand-in does not know this call", "code": 100}})

    def _reply(self, endpoint: Endpoint, target: str, text: str, token: str) -> Answered | None:
        with self._lock:
            fault = next((fault for at, fault in self._faults if at == target), None)
            if fault:
                self._faults.remove((target, fault))
            id = endpoint.id.format(next(self._ids))
            posted = Posted(endpoint.product, id, target, text, token)
            if fault in (None, Fault.LOST):
                self.posted.append(posted)
            if fault:
                self.refused.append(Refusal(endpoint.product, target, fault))
        if fault:
            self.on_event(Refusal(endpoint.product, target, fault))
            return _FAILURES[fault]
        self.on_event(posted)
        Thread(target=self.echo, args=(posted,), daemon=True).start()  # the answer and the echo race, as in life
        return _json(200, endpoint.answer(id))


def _json(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answered:
    return Answered(status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(data).encode())


_FAILURES: Mapping[Fault, Answered | None] = {
    Fault.RATE: _json(429, {"error": {"code": 4, "message": "rate limit"}}, {"Retry-After": str(RATE_S)}),
    Fault.BROKEN: _json(500, {"error": {"code": 2, "message": "temporary"}}),
    Fault.LOST: None,
}


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
