"""One product in the contract and the fuzz runs: how to sign a delivery, which registration receives it, and which
of the payload files in `payloads/<product>/` plays which part.

Every payload file there is compared with the `<same name>.expected.json` beside it, whether a row names it or not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.apps import App

PAYLOADS = Path(__file__).parent / "payloads"
RECEIVED_AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

Json = Any
Mark = Callable[[Json, set[str]], bool]
"""(an interaction's own JSON, the brand's ids) → whether it says that the brand wrote it."""
Sign = Callable[[str, bytes, datetime], dict[str, str]]
"""(secret, body, time of sending) → the headers that the platform sends, names in lower case."""


@dataclass(frozen=True, slots=True)
class PlatformCase:
    """One product. `parts` names the payload file (without .json) for each part of the contract that it has:

    - question (a customer's), edit and delete (of that same interaction), brand (the brand's own public reply);
    - own_echo (sent by this app), human_echo (by another app, or by a person of the brand); group; standby;
    - batch (several interactions in one delivery), empty (nothing in it), unknown (an event that nobody documents),
      foreign (an account that is not the app's), test (the platform's test button), integer_ids, missing (a part
      without what it needs).

    `signs_body` is False where the platform proves itself by a token instead of a signature; `stale_after` is the age
    at which a signature expires; `legacy` makes the headers of an older scheme that must not be accepted alone.
    """

    product: str
    app: App
    sign: Sign
    header: str
    parts: Mapping[str, str] = field(default_factory=dict)
    signs_body: bool = True
    stale_after: timedelta | None = None
    legacy: Sign | None = None
    writes: bool = False
    marks: Mapping[bool, Mark] = field(default_factory=dict)
    echoes: Callable[[Json], set[str]] = lambda payload: set()

    @property
    def folder(self) -> Path:
        return PAYLOADS / self.product

    def body(self, part: str) -> bytes:
        """The raw bytes of the payload that plays `part`."""
        return (self.folder / f"{self.parts[part]}.json").read_bytes()

    def payloads(self) -> list[Path]:
        """Every payload file of the product, without the expectations."""
        return sorted(p for p in self.folder.glob("*.json") if not p.name.endswith(".expected.json"))


# --- reading payloads without the parsers ----------------------------------------------------------------------------


def id_of(value: Json) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def at(value: Json, *path: str) -> Json:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
