"""Signed links: what lets a member of staff act on one conversation from the e-mail, and on nothing else.

A link names conversation, round, expiry and the notice whose e-mail it stands in, and is signed with the stack's own
key (chalicelib/keys.py), which nobody outside holds: a platform's secret is no secret of ours, and some of them are
public addresses.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.conversations.conversation import Conversation
from chalicelib.keys import Keys
from chalicelib.storage.store import ConversationKey

LASTS = timedelta(days=14)
REPORT_LASTS = timedelta(days=35)  # five Mondays
_PURPOSE = "act"
_REPORT = "report"


class LinkError(Exception):
    """The link is not ours, or has expired. The text is the phrase that says so to the person who opened it."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link opens; `via` is the notice whose e-mail it stands in."""

    key: ConversationKey
    round: int
    expires_at: datetime
    via: str = ""


def make(keys: Keys, conversation: Conversation, now: datetime, via: str = "") -> str:
    """The token of a link to `conversation`."""
    c, expires = conversation, int((now + LASTS).timestamp())
    row = [c.product, c.account, c.thread, c.customer, c.round, expires, via]
    payload = json.dumps(row, separators=(",", ":")).encode()
    return f"{_text(payload)}.{_text(keys.sign(_PURPOSE, payload))}"


def read(keys: Keys, token: str, now: datetime) -> Link:
    """What `token` opens; raises LinkError."""
    payload_text, _, signature = token.partition(".")
    try:
        payload = _bytes(payload_text)
        product, account, thread, customer, round, expires, *via = json.loads(payload)
        given, expires_at = _bytes(signature), datetime.fromtimestamp(expires, UTC)
        key = ConversationKey(str(product), str(account), str(thread), str(customer))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise LinkError("link_damaged") from None
    if not keys.verifies(_PURPOSE, payload, given):
        raise LinkError("link_damaged")
    if expires_at <= now:
        raise LinkError("link_expired")
    return Link(key, int(round), expires_at, str(via[0]) if via else "")


def make_report(keys: Keys, name: str, now: datetime) -> str:
    """The token of a link to the report called `name`, and to nothing else."""
    payload = json.dumps([name, int((now + REPORT_LASTS).timestamp())], separators=(",", ":")).encode()
    return f"{_text(payload)}.{_text(keys.sign(_REPORT, payload))}"


def read_report(keys: Keys, token: str, now: datetime) -> str:
    """The report that `token` opens; raises LinkError."""
    payload_text, _, signature = token.partition(".")
    try:
        payload = _bytes(payload_text)
        name, expires = json.loads(payload)
        given, expires_at = _bytes(signature), datetime.fromtimestamp(expires, UTC)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise LinkError("link_damaged") from None
    if not keys.verifies(_REPORT, payload, given):
        raise LinkError("link_damaged")
    if expires_at <= now:
        raise LinkError("report_expired")
    return str(name)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
