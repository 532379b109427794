"""How the local run speaks on Telegram, in chats of a business account, and what the Bot API answers there."""

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.apps import Account, App
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, number, wire

_CONNECTION = "local-run"
_OWNER = 42  # the person whose business account the bot is connected to


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """Telegram sends one update a delivery."""
    ((account, message),) = said
    return {"X-Telegram-Bot-Api-Secret-Token": secret}, wire(_update(account, message))


def _update(account: Account, said: SimulatedMessage) -> dict[str, Any]:
    chat = {"id": int(said.to if said.brand else said.author), "type": "private", "first_name": said.name}
    owner = {"id": _OWNER, "first_name": account.name}
    who = {"id": int(account.id)} if said.token else owner if said.brand else chat
    at = int(said.at.timestamp())
    if said.verb == "remove":
        gone = {"business_connection_id": _CONNECTION, "chat": chat, "message_ids": [_number(said)]}
        return {"update_id": int(number()), "deleted_business_messages": gone}
    edited = {"edit_date": at} if said.verb == "edited" else {}
    bot = {"sender_business_bot": {"id": int(account.id), "is_bot": True}} if said.token else {}
    message = {
        "message_id": _number(said),
        "business_connection_id": _CONNECTION,
        "from": {"is_bot": False, **who},
        "chat": chat,
        "date": at,
        "text": said.text,
        **edited,
        **bot,
    }
    return {"update_id": int(number()), "edited_business_message" if edited else "business_message": message}


def _number(said: SimulatedMessage) -> int:
    """The message's number in its chat."""
    return int(said.id.rpartition("_")[2])


def _echo(posted: Any) -> SimulatedMessage:
    return SimulatedMessage("telegram", posted.text, id=posted.id, to=posted.target, token="sent by the bot")


_SEND = Endpoint(
    re.compile(r"api\.telegram\.org/bot[^/]+/sendMessage"),
    lambda path, data: (str(data["chat_id"]), data["text"], ""),
    lambda id: {"ok": True, "result": {"message_id": int(id)}},
)
SIMULATION = Simulation((_SEND,), _echo, direct=True)
DEMO = {
    "secrets": ["invented-telegram-secret-of-the-demo-shop"],
    "accounts": [{"id": "7000000001", "name": SHOP, "token": "7000000001:invented-bot-token"}],
}
