"""Names that say nothing: HMAC-SHA256 with the stack's own key.

The same person has the same pseudonym in every row, and nobody without the key can find it for a person whom they
know. After an erasure the rows of that person carry none (`stream.py`), so that the key does not help either.
"""

import hmac
from dataclasses import dataclass

LENGTH = 24  # hexadecimal digits: 96 bits, so that a billion questions have no two alike


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """`key` is the stack's own random key, at least 16 bytes; raises ValueError for a shorter one."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("the key of the pseudonyms must have at least 16 bytes")

    def of(self, kind: str, *ids: str) -> str:
        """The pseudonym of what `ids` name; `kind` keeps a customer and a post of the same id apart."""
        named = "\0".join((kind, *ids)).encode("utf-8", "surrogatepass")
        return hmac.new(self.key, named, "sha256").hexdigest()[:LENGTH]
