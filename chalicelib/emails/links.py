"""Signed links: what lets a member of staff act on one conversation from the e-mail, and on nothing else.

A link names conversation, round and expiry and is signed with a key derived from the app's own secret, so that one
account's links never open another's conversations. Every secret of the app verifies; rotation needs nothing more.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.apps import Apps
from chalicelib.conversations.conversation import Conversation
from chalicelib.storage.store import ConversationKey

LASTS = timedelta(days=14)
_PURPOSE = b"earshot act v1"


class LinkError(Exception):
    """The link is not ours, or has expired. The text says so to the person who opened it."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link opens."""

    key: ConversationKey
    round: int
    expires_at: datetime


def make(apps: Apps, conversation: Conversation, now: datetime) -> str:
    """The token of a link to `conversation`; "" when no registration owns its account any more."""
    owner = apps.owner(conversation.product, conversation.account)
    if owner is None:
        return ""
    c, expires = conversation, int((now + LASTS).timestamp())
    payload = json.dumps([c.product, c.account, c.thread, c.customer, c.round, expires], separators=(",", ":")).encode()
    return f"{_text(payload)}.{_text(_sign(owner[0].secrets[0], payload))}"


def read(apps: Apps, token: str, now: datetime) -> Link:
    """What `token` opens; raises LinkError."""
    payload_text, _, signature = token.partition(".")
    try:
        payload = _bytes(payload_text)
        product, account, thread, customer, round, expires = json.loads(payload)
        given, expires_at = _bytes(signature), datetime.fromtimestamp(expires, UTC)
        key = ConversationKey(str(product), str(account), str(thread), str(customer))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise LinkError("This link is damaged. Open it from the e-mail again.") from None
    owner = apps.owner(key.product, key.account)
    if owner is None or not any([hmac.compare_digest(given, _sign(s, payload)) for s in owner[0].secrets]):
        raise LinkError("This link is damaged. Open it from the e-mail again.")
    if expires_at <= now:
        raise LinkError("This link has expired. Answer on the platform itself.")
    return Link(key, int(round), expires_at)


def _sign(secret: str, payload: bytes) -> bytes:
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.digest(key, payload, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
