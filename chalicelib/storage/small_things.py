"""What is remembered beside interactions and conversations: counters, marks and documents, each with an expiry. Their
names are in names.py."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.conversations.interaction import Interaction
from chalicelib.storage.item_keys import ConversationKey, counter_item, documents_pk, mark_item, of_customer
from chalicelib.storage.table import Conflict, Item, Key, Table, overwrite

WINDOWS = 100  # whose counts a process remembers


class SmallThings:
    """They over a `Table`. `retention_days` is how long an item outlives its last change."""

    def __init__(self, table: Table, retention_days: int) -> None:
        self.table = table
        self._kept = timedelta(days=retention_days)
        self._taken: dict[str, list[None]] = {}  # counted and not used yet, by the window's name

    def count(self, name: str, limit: int, lasts: timedelta, now: datetime, *, at_once: int = 1) -> bool:
        """Counts one more under `name`, a window's own name, unless `limit` is reached; whether it did. `at_once` are
        taken with one write, for this process to use up; what it does not use is lost, so never more than `limit`."""
        if taken := self._taken.get(name):
            taken.pop()
            return True
        key, expires_at = counter_item(name), now + lasts
        if at_once > 1 and self.table.count(key, limit, expires_at, at_once):
            if len(self._taken) > WINDOWS:
                self._taken.clear()
            self._taken[name] = [None] * (at_once - 1)
            return True
        return self.table.count(key, limit, expires_at)

    def counted(self, name: str, *, lately: bool = False) -> int:
        """How many were counted under `name`; `lately`: as it stood a moment ago, for half the price."""
        return self.table.counted(counter_item(name), lately=lately)

    def mark(self, name: str, value: str, now: datetime) -> bool:
        """Sets the mark `name` to `value`; False when it already stood so. Raises Contention."""
        key, doc, until = mark_item(name), {"value": value}, now + self._kept

        def change(old: Item | None) -> Item | None:
            return None if old and old.doc.get("value") == value else Item(key, doc, expires_at=until)

        return overwrite(self.table, key, change)

    def marked(self, name: str, *, lately: bool = False) -> str | None:
        """The value of the mark `name`; `lately`: as it stood a moment ago, for half the price."""
        item = self.table.get(mark_item(name), lately=lately)
        return str(item.doc["value"]) if item else None

    def put_document(
        self,
        collection: str,
        name: str,
        doc: dict[str, Any],
        expires_at: datetime,
        about: ConversationKey | None = None,
    ) -> Mapping[str, Any]:
        """Keeps a plain document under `collection` and `name`; the first one stays, and is what comes back. One that
        is `about` a customer's conversation goes with an erasure."""
        index = of_customer(about.product, about.account, about.customer) if about else {}
        try:
            self.table.put(Item(Key(documents_pk(collection), name), doc, expires_at=expires_at, **index))
        except Conflict as conflict:
            return conflict.old.doc if conflict.old else doc
        return doc

    def set_document(
        self,
        collection: str,
        name: str,
        doc: dict[str, Any],
        expires_at: datetime,
        customer: Interaction | None = None,
    ) -> None:
        """Keeps a plain document, replacing an older one; one about the author of `customer` goes with an erasure.
        Raises Contention."""
        index = of_customer(customer.product, customer.account, customer.author) if customer else {}
        item = Item(Key(documents_pk(collection), name), doc, expires_at=expires_at, **index)
        overwrite(self.table, item.key, lambda _: item)

    def document_names(self, collection: str, most: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Each with its name; only the first `most`, where that is given."""
        return [(item.key.sk, dict(item.doc)) for item in self.table.partition(documents_pk(collection), most)]

    def documents(self, collection: str, *, lately: bool = False) -> list[dict[str, Any]]:
        """Read consistently; `lately`: as they stood a moment ago, for half the price."""
        return [dict(item.doc) for item in self.table.partition(documents_pk(collection), lately=lately)]

    def drop_document(self, collection: str, name: str) -> None:
        self.table.delete(Key(documents_pk(collection), name))

    def drop_documents(self, collection: str) -> None:
        for item in self.table.partition(documents_pk(collection)):
            self.table.delete(item.key)
