"""What the playbook's own replies did for others: of each kind of question how many were sent one, and how many of
these needed nothing more. Worked out anew every night from the facts, read for whoever answers the next one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from chalicelib.storage.item_keys import pages_item
from chalicelib.storage.table import Item, Table, overwrite

LASTS: Final = timedelta(days=14)  # should the nightly work fail: then nothing is told any more


def keep(table: Table, helped: Mapping[str, tuple[int, int]], now: datetime) -> None:
    """Keeps (needed nothing more, were sent it) by intent, in place of the night's before. Raises Contention."""
    doc = {"intents": {intent: list(counts) for intent, counts in helped.items()}}
    overwrite(table, pages_item(), lambda _: Item(pages_item(), doc, expires_at=now + LASTS))


def of(table: Table, intent: str | None) -> tuple[int, int]:
    """(needed nothing more, were sent it) of one kind of question."""
    item = table.get(pages_item())
    counts = item.doc["intents"].get(intent or "", (0, 0)) if item else (0, 0)
    return int(counts[0]), int(counts[1])
