"""How the local run speaks on X, and what X's API answers there."""

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.platforms.base import hmac_base64
from chalicelib.platforms.simulation import Endpoint, Said, SimulatedMessage, Simulation, iso, number, wire


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """X sends one event a delivery."""
    ((account, message),) = said
    body = wire({"data": _event(account, message)})
    return {"x-twitter-webhooks-signature": "sha256=" + hmac_base64(secret, body)}, body


def _event(account: Account, said: SimulatedMessage) -> dict[str, Any]:
    post: dict[str, Any] = {
        "id": said.id,
        "text": said.text,
        "author_id": said.author or account.id,
        "conversation_id": said.to or said.id,
        "created_at": iso(said.at),
        "edit_history_tweet_ids": [said.id],
    }
    if said.to:
        post["referenced_tweets"] = [{"type": "replied_to", "id": said.to}]
    return {
        "event_uuid": number(),
        "filter": {"user_id": account.id},
        "event_type": "post.create" if said.brand else "post.mention.create",
        "payload": post,
        "includes": {"users": [{"id": said.author or account.id, "username": said.name or account.name}]},
    }


_POST = Endpoint(
    re.compile(r"api\.x\.com/2/tweets"),
    lambda path, data: (data["reply"]["in_reply_to_tweet_id"], data["text"], ""),
    lambda id: {"data": {"id": id}},
)
_DIRECT = Endpoint(
    re.compile(r"api\.x\.com/2/dm_conversations/with/(\w+)/messages"),
    lambda path, data: (path[1], data["text"], ""),
    lambda id: {"data": {"dm_event_id": id}},
)
SIMULATION = Simulation((_POST, _DIRECT), lambda p: SimulatedMessage("x", p.text, id=p.id, to=p.target))
DEMO = {
    "secrets": ["invented-consumer-secret-of-the-demo-shop"],
    "app_id": "55667788",
    "accounts": [{"id": "700100200300400500", "name": "MarigoldFinch", "token": "invented-x-token"}],
}
