"""OpenID Connect tokens signed with RS256, verified with the standard library alone.

Verifying is one exponentiation and one comparison of public values; nothing is signed or decrypted here. The libraries
that offer it bring a binary of 4 MB into the package (google-auth and PyJWT need cryptography) or are archived (rsa).
The tests compare every answer with cryptography's.

Source: RFC 8017, section 8.2.2 (RSASSA-PKCS1-v1_5); RFC 7515 (JWS); RFC 7517 (JWK)
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.platforms import read
from chalicelib.platforms.base import ReplyError, SignatureError
from chalicelib.platforms.http import Http
from chalicelib.platforms.rest import call

MAX_TOKEN = 8192  # characters; Google's have 900
MIN_BITS, MAX_BITS = 2048, 8192

KEYS_AGE = timedelta(hours=6)  # Google announces a key days before it signs with it
KEYS_PAUSE = timedelta(minutes=1)  # between two attempts, so that forged key ids cannot make us ask without end

# DER of DigestInfo for SHA-256, up to the digest itself: RFC 8017, section 9.2, note 1
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA public key: modulus `n`, exponent `e`."""

    kid: str
    n: int
    e: int


_fetched: dict[str, tuple[datetime, tuple[Key, ...]]] = {}  # address → when it was asked, and what it had


def read_keys(jwks: Mapping[str, Any]) -> tuple[Key, ...]:
    """The RSA keys for signatures in a JSON Web Key Set; weak, odd and unreadable ones are left out."""
    found = jwks.get("keys")
    keys = (_key(row) for row in found) if isinstance(found, list) else ()
    return tuple(key for key in keys if key)


def _key(row: Any) -> Key | None:
    if not isinstance(row, dict) or row.get("kty") != "RSA" or row.get("use", "sig") != "sig":
        return None
    try:
        n, e = (int.from_bytes(_decode(row[name].encode())) for name in ("n", "e"))
    except (KeyError, AttributeError, ValueError):
        return None
    sound = MIN_BITS <= n.bit_length() <= MAX_BITS and n % 2 and 2 < e < 2**32 and e % 2
    return Key(str(row.get("kid", "")), n, e) if sound else None


def verified_claims(token: str, keys: Iterable[Key]) -> dict[str, Any]:
    """What the token says, once one of `keys` is proven to have signed it; raises SignatureError.

    Issuer, audience and times are the caller's to check.
    """
    try:
        if len(token) > MAX_TOKEN:
            raise ValueError
        head, body, signed = token.encode("ascii").split(b".")
        header, claims, signature = _object(head), _object(body), _decode(signed)
    except ValueError:
        raise SignatureError("the token is not a JSON web token") from None
    # The algorithm is ours to choose: a token that says "none" or "HS256" is a forgery
    if header.get("alg") != "RS256" or "crit" in header:
        raise SignatureError("the token's algorithm is not RS256")
    if not any(_signed_by(k, head + b"." + body, signature) for k in keys if k.kid == header.get("kid")):
        raise SignatureError("the token's signature does not match")
    return claims


def _signed_by(key: Key, message: bytes, signature: bytes) -> bool:
    size = (key.n.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != size or number >= key.n:
        return False
    tail = b"\x00" + _DIGEST_INFO + hashlib.sha256(message).digest()
    # The whole block is built and compared, never taken apart: a parser of the padding can be deceived
    expected = b"\x00\x01" + b"\xff" * (size - 2 - len(tail)) + tail
    return hmac.compare_digest(pow(number, key.e, key.n).to_bytes(size), expected)


def _object(part: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_decode(part))
    except RecursionError:
        raise ValueError from None
    if not isinstance(found, dict):
        raise ValueError
    return found


def _decode(part: bytes) -> bytes:
    """Base64url without padding; raises ValueError on anything but the one spelling that the bytes have."""
    found = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(found).rstrip(b"=") != part:
        raise ValueError
    return found


# --- where the keys come from ----------------------------------------------------------------------------------------


def refresh(http: Http, secrets: Iterable[str], token: str, now: datetime) -> None:
    """Fetches the key sets that `secrets` name by address: those never fetched, old, or without the key of `token`."""
    for address in (s for s in secrets if s.startswith("https://")):
        asked_at, keys = _fetched.get(address, (None, ()))
        age = abs(now - asked_at) if asked_at else timedelta.max
        if age < KEYS_PAUSE or (age < KEYS_AGE and key_id(token) in {k.kid for k in keys}):
            continue
        with suppress(ReplyError):  # the old ones stay
            keys = read_keys(call(http, "GET", address).data) or keys
        _fetched[address] = (now, keys)


def known_keys(secrets: Iterable[str]) -> list[Key]:
    """The keys at hand: from each secret that is a key set, and from each address that was fetched."""
    found: list[Key] = []
    for secret in secrets:
        if secret.startswith("https://"):
            found += _fetched[secret][1] if secret in _fetched else ()
        else:
            with suppress(read.PayloadError):
                found += read_keys(read.body(secret.encode("utf-8", "replace")))
    return found


def key_id(token: str) -> str:
    """The `kid` that a token, not verified yet, says it is signed with; "" when it says none."""
    try:
        kid = _object(token.encode("ascii").split(b".")[0]).get("kid")
    except ValueError:
        return ""
    return kid if isinstance(kid, str) else ""
