"""A delivery without one person's parts: of a quarantined one, which nobody understood as a whole, the parts of others
stay. What is about the person goes whole, up to the element of a list that it stands in; what only quotes or mentions
them keeps its own words.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.conversations.customer import Traces
from chalicelib.operations.masks import MASK, masked


class _Gone:
    """Nothing is left of a value."""


GONE: Final = _Gone()
_PARTS = frozenset(
    ["entry", "changes", "messaging", "standby", "messages", "message_echoes", "statuses", "contacts", "events", "data"]
)  # lists whose elements are parts of a delivery; X's end in _events
# Who is quoted, answered or mentioned: their place in somebody else's part
_QUOTES = re.compile(
    r"(external_)?reply_to(_message|_user|_story)?|in_reply_to\w*|quote(d\w*)?|retweeted_status|referenced_tweets"
    r"|forward_\w+|(extended_|caption_)?entities|mention(s|ed|ees)?|user_mentions|message_tags|context|parent"
)
_OWN_ID = frozenset(("id", "mid", "id_str", "comment_id", "message_id"))
_LONGEST_ID = 512  # characters


@dataclass(frozen=True, slots=True)
class Person:
    """Whose parts go. `one_form` makes an id's other forms (a phone number's) the one that `traces` have."""

    traces: Traces
    one_form: Callable[[str], str] = str

    def is_about(self, value: str) -> bool:
        """Whether it is an id of the person."""
        ids = self.traces.ids
        return value in ids or self.one_form(value) in ids or self._packed(value)

    def _packed(self, value: str) -> bool:
        """In base64: WhatsApp's message ids, Pub/Sub's data."""
        packed = value.rpartition(".")[2]
        if not len(packed) >= 8 or any(c.isspace() for c in packed):
            return False
        try:
            inside = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        except ValueError:
            return False
        return any(len(id) > 3 and id.encode() in inside for id in self.traces.ids)

    def holds(self, value: str) -> bool:
        """Whether an id of the person is a part of it."""
        return any(re.search(_apart(id), value) for id in self.traces.ids)

    def masked(self, text: str) -> str:
        for id in self.traces.ids:
            text = re.sub(_apart(id), MASK, text)
        return masked(text, self.traces)


def _apart(id: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(id)}(?![A-Za-z0-9])"


def scrubbed(body: bytes, person: Person) -> bytes | None:
    """`body` as it may stay; None where nothing of it may. The very same bytes where it says nothing of the person."""
    try:
        data = json.loads(body.decode(json.detect_encoding(body), "surrogatepass"))
        left = _scrub(data, person)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        return None if person.masked(text) != text else body
    if left is GONE:
        return None
    return body if left == data else json.dumps(left, separators=(",", ":")).encode()


def scrubbed_text(text: str, person: Person) -> str | None:
    """The same for JSON as text."""
    left = scrubbed(text.encode("utf-8", "surrogatepass"), person)
    return None if left is None else left.decode("utf-8", "surrogatepass")


def _scrub(value: Any, person: Person, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return _object(value, person)
    if isinstance(value, list):
        return [left for v in value if (left := _scrub(v, person, key)) is not GONE]
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    text = str(value)
    if len(text) <= _LONGEST_ID and (person.is_about(text) or (key in _OWN_ID and person.holds(text))):
        return GONE
    if not isinstance(value, str):
        return value
    return _inner(text, person) if text[:1] in ("{", "[") else person.masked(text)


def _inner(text: str, person: Person) -> Any:
    """JSON in a text, as one queue's message carries another's."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return person.masked(text)
    left = _scrub(data, person)
    return left if left is GONE else text if left == data else json.dumps(left, separators=(",", ":"))


def _object(value: Mapping[str, Any], person: Person) -> Any:
    kept: dict[str, Any] = {}
    emptied = False
    for key, inner in value.items():
        if person.is_about(key):  # an object of users by their ids
            continue
        if _QUOTES.fullmatch(key) or (key == "to" and not isinstance(inner, str | int)):  # a list of whom a text tags
            if (left := _scrub(inner, person, key)) == inner and left is not GONE:
                kept[key] = inner
            continue
        left = _scrub(inner, person, key)
        if left is GONE:
            return GONE
        kept[key] = left
        emptied |= isinstance(inner, list) and _is_parts(key) and len(left) < len(inner)
    if emptied and not any(kept[key] for key in kept if isinstance(kept[key], list) and _is_parts(key)):
        return GONE
    return kept


def _is_parts(key: str) -> bool:
    return key in _PARTS or key.endswith("_events")
