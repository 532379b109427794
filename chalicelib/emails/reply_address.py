"""Where an answer to an e-mail goes: an address that names one notice, signed, so that nobody can make one up.

`reply+ID.SIGNATURE@DOMAIN` with both parts in small letters and digits, because mail programs may change the case; the
local part has 56 of at most 64 characters. What the id stands for is kept in the store until it expires.
"""

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from chalicelib.codec import dump, from_time, to_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.emails.links import LASTS
from chalicelib.keys import Keys
from chalicelib.storage import names
from chalicelib.storage.store import ConversationKey, Store

_PURPOSE = "reply address"
_CARRIED = 15  # bytes of the signature, 24 letters
_ADDRESS = re.compile(r"reply\+([a-z2-7]{24})\.([a-z2-7]{24})@([a-z0-9.-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """What a reply address stands for."""

    key: ConversationKey
    shown: tuple[str, ...]
    via: str
    mailbox: str
    expires_at: datetime


def make(
    keys: Keys, store: Store, domain: str, tag: str, c: Conversation, via: str, mailbox: str, now: datetime, *tags: str
) -> str:
    """The reply address of the e-mail called `tag` about `c`, sent to `mailbox`; `tags` are the questions that it
    shows. An e-mail that is made again gets the same one, unless it shows something else by then: an answer to either
    is one to what that had shown."""
    id = _letters(sha256("|".join((tag, *tags)).encode()).digest()[:15])
    doc = {
        **dump(ConversationKey.of(c)),
        "shown": list(tags),
        "via": via,
        "mailbox": mailbox,
        "expires": from_time(now + LASTS),
    }
    about = ConversationKey.of(c)
    store.put_document(names.reply_address(id), "where", doc, now + 2 * LASTS, about)  # longer: an old one is told why
    return f"reply+{id}.{_letters(keys.sign(_PURPOSE, id.encode())[:_CARRIED])}@{domain}"


def read(keys: Keys, store: Store, domain: str, addresses: list[str]) -> ReplyTo | None:
    """What the first of `addresses` that is one of ours stands for, expired or not; None where there is none."""
    for address in addresses:
        found = _ADDRESS.fullmatch(address.strip())
        if not found or found[3].lower() != domain.lower():
            continue
        id, signature = found[1].lower(), found[2].lower()
        if not keys.verifies(_PURPOSE, id.encode(), base64.b32decode(signature.upper()), size=_CARRIED):
            continue
        for doc in store.documents(names.reply_address(id)):
            return ReplyTo(
                ConversationKey.named(doc), tuple(doc["shown"]), doc["via"], doc["mailbox"], to_time(doc["expires"])
            )
    return None


def _letters(data: bytes) -> str:
    """15 bytes as 24 small letters and digits."""
    return base64.b32encode(data).decode().lower()
