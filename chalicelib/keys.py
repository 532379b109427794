"""The stack's own random keys: what links, reply addresses and pseudonyms are made with, never a platform's secret.

The secret store holds `{"current": "…", "previous": "…", "pseudonyms": "…"}`, random texts of at least 32 characters.
The current key signs, the current and the previous one verify, so that a rotation breaks no link that is under way.
`pseudonyms` is the key that the stack began with: a pseudonym has to stay the same.
"""

import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any, NamedTuple

SHORTEST = 32  # characters of a key


class KeysError(ValueError):
    """The keys cannot be read; the text says what to do and quotes nothing."""


class Keys(NamedTuple):
    """`current` signs; `previous` verifies besides, until the next rotation; `first` makes pseudonyms."""

    current: str
    previous: str = ""
    first: str = ""

    def sign(self, purpose: str, message: bytes) -> bytes:
        """The signature (32 bytes) of `message` for one purpose; it is worth nothing for another purpose."""
        return _sign(self.current, purpose, message)

    def verifies(self, purpose: str, message: bytes, signature: bytes, size: int = 32) -> bool:
        """Whether `signature` is one that a valid key gives for this purpose, in constant time. `size` is how many of
        its bytes are carried, where there is no room for all: never fewer than 15."""
        valid = [key for key in (self.current, self.previous) if key]
        kept = max(size, 15)
        return any([hmac.compare_digest(signature, _sign(key, purpose, message)[:kept]) for key in valid])

    def pseudonym(self, text: str) -> str:
        """A name (32 hex digits) for `text` that stays the same and cannot be turned back without the key."""
        return _sign(self.first or self.current, "pseudonyms", text.encode("utf-8", "surrogatepass")).hex()[:32]

    def named(self, kind: str, *ids: str) -> str:
        """The pseudonym of what `ids` name in the facts; `kind` keeps a customer and a post of the same id apart."""
        return self.pseudonym("\0".join((kind, *ids)))

    def rotated(self) -> "Keys":
        """With a new current key; the one of before goes on verifying, the one before that no longer does."""
        return Keys(_fresh(), self.current, self.first or self.current)

    def dump(self) -> str:
        """As the secret store keeps them."""
        return json.dumps({"current": self.current, "previous": self.previous, "pseudonyms": self.first})


def load_keys(text: str) -> Keys:
    """The keys in what the secret store holds. Raises KeysError."""
    try:
        doc: Any = json.loads(text)
        found = [doc.get(name, "") for name in ("current", "previous", "pseudonyms")]
    except (ValueError, AttributeError):
        raise KeysError('the keys are not JSON of the form {"current": "…"}: run `make rotate-key FRESH=1`') from None
    current, previous, first = found
    if not all(isinstance(key, str) and (not key or len(key) >= SHORTEST) for key in found) or not current:
        raise KeysError(f"a key is missing or shorter than {SHORTEST} characters: run `make rotate-key FRESH=1`")
    return Keys(current, previous, first)


def new_keys() -> Keys:
    """Fresh ones, for a process that keeps nothing: the local run, a replay."""
    return Keys(_fresh())


def _fresh() -> str:
    from secrets import token_urlsafe  # a start only reads keys, and need not import `random` for it

    return token_urlsafe(48)


def _sign(key: str, purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256 under a key derived by name (HKDF's expand step, one block: RFC 5869)."""
    return hmac.digest(_derived(key, purpose), message, hashlib.sha256)


@lru_cache(maxsize=64)  # a handful of keys and purposes
def _derived(key: str, purpose: str) -> bytes:
    return hmac.digest(key.encode(), f"earshot {purpose} v1".encode() + b"\x01", hashlib.sha256)
