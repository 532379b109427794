"""What is sent once: the news of a spike, the week's report. Claim, send, record, as notices do.

A claim without an outcome is taken over when its lease ends: whoever held it died, or the sender never answered. So it
may go out twice in that one case, and it is never lost.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chalicelib.codec import from_time, to_time
from chalicelib.storage.item_keys import once_item
from chalicelib.storage.table import Conflict, Item, Table, overwrite

LEASE: Final = timedelta(minutes=10)
REMEMBERED: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Once:
    """Reads and writes the claims."""

    table: Table

    def claim(self, name: str, now: datetime) -> bool:
        """Whether whoever asks has to send it now, and nobody else will until its lease ends."""
        item = self.table.get(once_item(name))
        if item and (item.doc["sent"] or to_time(str(item.doc["until"])) > now):
            return False
        try:
            self.table.put(_item(name, now + LEASE, now, sent=False, rev=item.rev if item else 0))
        except Conflict:
            return False
        return True

    def sent(self, name: str, now: datetime) -> None:
        """It went out. Raises Contention."""
        self._set(name, True, now, now)

    def let_go(self, name: str, until: datetime, now: datetime) -> None:
        """It did not go out; it may be tried again from `until` on. Raises Contention."""
        self._set(name, False, until, now)

    def _set(self, name: str, sent: bool, until: datetime, now: datetime) -> None:
        def change(old: Item | None) -> Item | None:
            return None if old and old.doc["sent"] else _item(name, until, now, sent=sent)

        overwrite(self.table, once_item(name), change)


def _item(name: str, until: datetime, now: datetime, *, sent: bool, rev: int = 0) -> Item:
    doc = {"sent": sent, "until": from_time(until)}
    return Item(once_item(name), doc, rev, expires_at=now + REMEMBERED)
