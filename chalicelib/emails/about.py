"""What an e-mail's tags say to SES, and its events back to us: the one notice that it is about, so that nothing has to
be kept beside it to find that by. An e-mail about several has a note of each in the table."""

import base64
import json
from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.codec import from_time
from chalicelib.conversations.conversation import Conversation, Notice
from chalicelib.storage.item_keys import ConversationKey
from chalicelib.storage.store import Store

LONGEST = 256  # characters of a tag's value: letters, digits, - and _
_TAG = "about"


class Named(NamedTuple):
    """The notice called `name` of a conversation, which fell due at `due_at` ("": nobody noted when)."""

    key: ConversationKey
    name: str
    due_at: str = ""

    def of(self, c: Conversation | None) -> Notice | None:
        """It, where `c` still has it: who was erased and asks again is nobody whom an earlier e-mail was about."""
        notice = c.notices.get(self.name) if c else None
        return notice if notice and self.due_at in ("", from_time(notice.due_at)) else None


def tags_about(key: ConversationKey, name: str, notice: Notice) -> dict[str, str]:
    """The tag that names the one notice in an e-mail; none where it would be too long, and a note is needed."""
    row = [key.product, key.account, key.thread, key.customer, name, from_time(notice.due_at)]
    text = base64.urlsafe_b64encode(json.dumps(row, separators=(",", ":")).encode()).decode().rstrip("=")
    return {_TAG: text} if len(text) <= LONGEST else {}


def named(tags: Mapping[str, str]) -> Named | None:
    """The notice that the tags themselves name; None for none."""
    text = tags.get(_TAG, "")
    try:
        product, account, thread, customer, name, due_at = json.loads(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        )
    except (ValueError, TypeError):
        return None
    return Named(ConversationKey(str(product), str(account), str(thread), str(customer)), str(name), str(due_at))


def notices(store: Store, tags: Mapping[str, str]) -> list[Named]:
    """The notices that stand in the e-mail with these tags."""
    one = named(tags)
    return [one] if one else [Named(key, name) for key, name in store.notices_in(tags.get("notice", ""))]
