"""How the local run speaks on Google: a notification tells only a review's name, so the name carries the words.

Push messages are signed with the private half of a key set, which only an apps file of the local run holds.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.apps import App
from chalicelib.platforms import read
from chalicelib.platforms.simulation import Endpoint, Said, SimulatedMessage, Simulation, iso, number, wire

_REVIEW = re.compile(r"mybusiness\.googleapis\.com/v4/accounts/[\w-]+/locations/[\w-]+/reviews/([\w-]+)", re.ASCII)
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, section 9.2, note 1
_MAX_WORDS = 300  # bytes that a name can carry


def send(app: App, said: Said, secret: str) -> tuple[Mapping[str, str], bytes]:
    """One Pub/Sub message; a secret without a private key signs nothing."""
    ((account, message),) = said
    notice = {
        "type": "UPDATED_REVIEW" if message.verb == "edited" else "NEW_REVIEW",
        "review": f"{account.id}/reviews/{_named(message)}",
        "location": account.id,
    }
    data = base64.b64encode(wire(notice)).decode()
    body = wire({"message": {"data": data, "messageId": number(), "publishTime": iso(message.at)}})
    return {"Authorization": f"Bearer {_token(app, secret, message)}"}, body


def _named(said: SimulatedMessage) -> str:
    words = said.text.encode()[:_MAX_WORDS].decode("utf-8", "ignore")
    return _base64url(json.dumps([said.id, said.name, words], ensure_ascii=False).encode())


def _look(path: str) -> Any:
    """The review of that name, as Google tells it."""
    found = _REVIEW.fullmatch(path)
    try:
        id, name, words = json.loads(base64.urlsafe_b64decode(found[1] + "==")) if found else (None, None, None)
    except (ValueError, TypeError):
        return None
    return {"reviewId": id, "reviewer": {"displayName": name}, "comment": words, "starRating": "TWO"} if id else None


def _token(app: App, secret: str, said: SimulatedMessage) -> str:
    """An OpenID Connect token as Google's, signed RS256 (RFC 8017, section 8.2.1)."""
    try:
        key = next(k for k in map(read.obj, read.body(secret.encode())["keys"]) if k.get("d"))
        n, d = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "==")) for name in ("n", "d"))
    except (read.PayloadError, KeyError, StopIteration, ValueError):
        return ""
    claims = {
        "iss": "https://accounts.google.com",
        "aud": app.verify_token,
        "email": app.app_id,
        "email_verified": True,
        "iat": int(said.at.timestamp()),
        "exp": int((said.at + timedelta(hours=1)).timestamp()),
    }
    signed = f"{_base64url(wire({'alg': 'RS256', 'kid': key.get('kid', ''), 'typ': 'JWT'}))}.{_base64url(wire(claims))}"
    size = (n.bit_length() + 7) // 8
    digest = _DIGEST_INFO + hashlib.sha256(signed.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return f"{signed}.{_base64url(pow(int.from_bytes(padded), d, n).to_bytes(size))}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_REPLY = Endpoint(
    re.compile(r"mybusiness\.googleapis\.com/v4/(.+)/reply"),
    lambda path, data: (path[1].rpartition("/")[2], data["comment"], ""),
    lambda id: {"comment": ""},
)
SIMULATION = Simulation((_REPLY,), look=_look, tells_brand=False)
