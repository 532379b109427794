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
from chalicelib.platforms.simulation import SHOP, Endpoint, Said, SimulatedMessage, Simulation, iso, number, wire

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

# A key set with its private half, so that this machine can sign for Google; real ones never have it
_N = (
    "h9qcLZVWlvpzhYpb7Ds6HjdE1EAXtkXzbpGmq6QfW_7bEq5xAUp_hqLq0VAuTOC1JDqcrSyKfQC8GOoEGUEXdRJezJf7EI23v7dB"
    "P3_CbQ7HFSNErAhT_bQyZYSw5ncb7564XpRQmx4O59A24sP5zOkcqH1_clc83EZFewA-k6dX1vKhT_dgdccwgjhQJ0fA7l8fkII3"
    "ICPm6nTVybqAyKABgRuHWLqNfTK4IoxjO5LKJt_xuHjFxku75ru0SF3Egbwsn0Z3dqi0ZAJ8uJft-Fxi3GgvLBKRRdWjN4M_wIj4"
    "lAo6ly79y130vKoRF0xV51UQPBCe-xCUUJ5X-mIaXQ"
)
_D = (
    "JEFxQLEEJNK-FbtxAMBlqD6zvblFGr3cU3vHcTMhs1l2eavYOLH7CqFb7XRqhtXJQdvqiETEyMtzZ2q8oUi_y9yVNCCzPh20FhP_"
    "88RSzOwOsVNyNj8auzBl6rXYyAitietf5M3MHTmOXMsyep42gjsMDONBKfCiK18Nl9_e02SH_OyMBDEJlEy-dxIz1dhl3c9fk0jO"
    "1Huou0BNpNl14Yl7toCdBThtpxXlGhNh9vlVUrnTcpWFBiKFRQc-mQS02hZPO-LWmuzLyNM60gGay_9sY4xSuttvBwKrrRlpd5mb"
    "gLt2fKxksGjqMK3CjZubMte-JMjReGbNP0VcmzwueQ"
)
_KEY = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "demo", "n": _N, "e": "AQAB", "d": _D}
DEMO = {
    "secrets": [wire({"keys": [_KEY]}).decode()],
    "verify_token": "https://earshot.example.com/webhooks/google/main",
    "app_id": "push@marigold.example.com",
    "accounts": [{"id": "accounts/111222333/locations/444555666", "name": SHOP, "token": "invented-google-token"}],
}
