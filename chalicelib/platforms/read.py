"""Reading payloads: tolerant of integers for ids, missing fields and hostile text.

Adapters use it as a namespace: `read.text(message.get("text"))`.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

from chalicelib.codec import to_milliseconds

MAX_DEPTH = 40  # levels of JSON; the deepest documented payload has 9
MAX_TEXT = 10_000  # characters of one interaction that are kept; no platform allows a customer more
MAX_NAME = 80  # characters of a person's name
_ALL_PEOPLE = 10**10
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_MAX_IDENT = 512  # characters; two can make one id, see chalicelib.ids


class PayloadError(Exception):
    """The body, or one part of it, is not what the platform documents. The message never quotes the payload."""


MALFORMED = (PayloadError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def body(raw_body: bytes) -> dict[str, Any]:
    """The JSON object in `raw_body`; raises PayloadError when it is not one or is nested deeper than MAX_DEPTH."""
    try:
        words = raw_body.decode(json.detect_encoding(raw_body), "surrogatepass")
        data = _decode(words)
    except (ValueError, RecursionError):
        raise PayloadError("the body is not JSON") from None
    if not isinstance(data, dict):
        raise PayloadError("the body is not a JSON object")
    brackets = words.count("{") + words.count("[")  # no more levels than these; most deliveries have a few
    if brackets > MAX_DEPTH and _depth(data, MAX_DEPTH) > MAX_DEPTH:
        raise PayloadError("the body is nested too deeply")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(name)


_compact = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def _depth(value: Any, most: int) -> int:
    level, values = 0, [value]
    while values and level <= most:
        level += 1
        values = [
            v
            for parent in values
            for v in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(v, dict | list)
        ]
    return level


def obj(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """`value` if it is a JSON array, an empty list if it is missing; raises PayloadError on anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise PayloadError("expected a list")
    return value


def text(value: Any) -> str:
    """`value` as text that can be stored: lone surrogates replaced, MAX_TEXT characters at most; "" if it is none."""
    if not isinstance(value, str):
        return ""
    kept: str = value[:MAX_TEXT]
    return kept if kept.isascii() else kept.encode("utf-8", "replace").decode()


_BREAKS = r"(?i:(?:</(?:p|div|li|h\d|blockquote|pre)|<br)\b[^<>]*>)"
_TAGS = r"<[^<>]*>"


def html_text(value: Any) -> str:
    """The words of the HTML in `value`, a line for each of its lines and paragraphs."""
    import html  # two platforms send it; every start would compile its expressions

    words = html.unescape(re.sub(_TAGS, "", re.sub(_BREAKS, "\n", text(value))))
    return "\n".join(filter(None, (" ".join(line.split()) for line in words.splitlines())))


def link(value: Any) -> str | None:
    """`value` if it is an address of the web."""
    address = text(value)
    return address if address.startswith(("https://", "http://")) else None


_JOINERS = "\u200c\u200d"  # Persian and Indic spelling needs them
# What says only that it was read with pleasure: thumbs, hearts, thanks, smiles; skin tones and variants of them
_FRIENDLY = frozenset(
    "👍👌👏🙏💪🤝🙌🫶🤗❤🧡💛💚💙💜🤎🖤🤍💖💗💓💕💞💘💝🥰😍😊🙂😀😃😄😁😘🤩🥳🎉🎊✨🌟⭐💯✅✔☺🌹🌸💐!\ufe0f\u200d"
)
_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_ADDRESS = r"(?i:\b[a-z][a-z0-9+.-]{1,15}://|\bwww\.)"


def name(value: Any) -> str | None:
    """A person's name as one short line, without what hides or leads elsewhere; None where nothing is left of it.

    People choose their names: line breaks forge lines of an e-mail, addresses become links, and one can be as long as
    a novel.
    """
    if isinstance(value, str) and len(value) <= MAX_NAME and value.isprintable() and not (":" in value or "." in value):
        return " ".join(value.split()) or None  # most are so: nothing that hides, and no address
    line = "".join(" " if c.isspace() else c for c in text(value)[: 10 * MAX_NAME])
    line = "".join(c for c in line if c in _JOINERS or unicodedata.category(c) not in _INVISIBLE)
    line = " ".join(re.sub(_ADDRESS, "", line).split())
    return (line if len(line) <= MAX_NAME else line[: MAX_NAME - 1] + "…") or None


def reach(value: Any) -> int | None:
    """How many follow somebody; None where the platform does not tell, or writes what cannot be a number of people."""
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and 0 <= value <= _ALL_PEOPLE else None


def is_friendly(words: str) -> bool:
    """Whether `words` are nothing but thumbs, hearts and smiles: nobody waits for an answer to them."""
    return bool(words.strip("! ")) and all(c in _FRIENDLY or c in _TONES or c.isspace() for c in words)


def ident(value: Any) -> str:
    """An id, whether sent as integer or string; "" when there is none; raises PayloadError when it cannot be one."""
    if value is None:
        return ""
    if isinstance(value, str) and len(value) <= _MAX_IDENT and value.isascii():
        return value  # nearly every one is such
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _MAX_IDENT:
        raise PayloadError("not an id")
    return text(str(value))


def given_id(value: Any) -> str | None:
    """The id that a platform gave to a reply. The reply is out by then, so an odd or missing id must not raise."""
    return (
        text(str(value))[:_MAX_IDENT] or None if isinstance(value, str | int) and not isinstance(value, bool) else None
    )


def need_ident(value: Any) -> str:
    """Like `ident`, but raises PayloadError when there is none."""
    found = ident(value)
    if not found:
        raise PayloadError("an id is missing")
    return found


def when(value: Any, default: datetime) -> datetime:
    """The time that a platform wrote as seconds or milliseconds since 1970 or as ISO 8601; `default` when missing or
    impossible. A time outside EARLIEST…LATEST is impossible: arithmetic with it would overflow."""
    try:
        if isinstance(value, str) and not value.isdigit():
            time = datetime.fromisoformat(value)
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        else:
            seconds = int(value)
            time = datetime.fromtimestamp(seconds / 1000 if seconds > 100_000_000_000 else seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return default
    return to_milliseconds(time) if EARLIEST <= time <= LATEST else default


def reason(error: Exception) -> str:
    """Why a part could not be understood, without quoting it."""
    return str(error) if isinstance(error, PayloadError) else type(error).__name__


def raw(value: Any) -> str:
    """The platform's own JSON of one part, to keep beside what was understood of it."""
    return _compact(value)


def kept(value: Any) -> str:
    """`raw`, no more of it than a customer can fill."""
    return raw(value)[: 2 * MAX_TEXT]
