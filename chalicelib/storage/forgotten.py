"""Who asked to be erased: a pseudonym and a time for each, and nothing else.

What arrives later (a backlog, a redriven dead letter, a backfill, a platform's repetition) is held against it, so that
nothing that a person had said before is stored, answered or mailed again. What they write after it is new.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.codec import from_time, to_time
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.keys import Keys
from chalicelib.storage.item_keys import forgotten_item
from chalicelib.storage.store import ConversationKey, Parents, Store
from chalicelib.storage.table import Item, Key, overwrite

# Longer than anything can be on its way: 14 days in the inbox, 14 as a dead letter, and again for each redrive; and
# longer than platforms list what was said, for a backfill.
REMEMBERED = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Reads and writes the marks."""

    store: Store
    keys: Keys

    def mark(self, product: str, account: str, customer: str, at: datetime) -> None:
        """From now on nothing that the customer said until `at` is kept. It is seen by everybody when this returns.
        Raises Contention."""
        key = self._key(product, account, customer)

        def later(old: Item | None) -> Item:
            last = max(at, to_time(old.doc["at"])) if old else at
            return Item(key, {"at": from_time(last)}, expires_at=last + REMEMBERED)

        overwrite(self.store.table, key, later)

    def since(self, product: str, account: str, customer: str, *, lately: bool = False) -> datetime | None:
        """Until when what the customer said is forgotten; None for everybody who did not ask. Read consistently;
        `lately`: as it stood a moment ago, for half the price."""
        found = self.store.table.get(self._key(product, account, customer), lately=lately)
        return to_time(found.doc["at"]) if found else None

    def concerns(self, i: Interaction, *, lately: bool = False) -> bool:
        """Whether `i` must not be kept: a forgotten customer said it before, or the brand said it to one who has said
        nothing since. `lately`: enough for what is only stored; of that the second pass meets what was under way when
        the mark was made."""
        for person in people(i):
            at = self.since(i.product, i.account, person, lately=lately)
            if at and (before(i, at) or self._of_nothing(i, person)):
                return True
        return False

    def _of_nothing(self, i: Interaction, person: str) -> bool:
        """Whether `i` tells only of what was forgotten: another id, a deletion of something unknown, words of the
        brand to a customer who has said nothing since."""
        if i.kind is Kind.SAME_PERSON:
            return True
        if i.kind is Kind.DELETE:
            return self.store.interaction(i.product, i.account, i.id) is None
        key = ConversationKey(i.product, i.account, i.thread, person)
        return i.brand and i.private and self.store.conversation(key) is None

    def answers_one(self, i: Interaction, parents: Parents | None = None) -> bool:
        """Whether the brand's public reply `i` answers words that are forgotten: what it says may name their author."""
        if not i.brand or i.private:
            return False
        parent = (parents or Parents(self.store)).of(i)
        return bool(parent and parent.erased)

    def trace(self, product: str, account: str, customer: str) -> str:
        """Where the tombstones of one customer are found until the second pass has met them."""
        return f"erased {self._name(product, account, customer)}"

    def _key(self, product: str, account: str, customer: str) -> Key:
        return forgotten_item(self._name(product, account, customer))

    def _name(self, product: str, account: str, customer: str) -> str:
        return self.keys.pseudonym("\0".join(("erased", product, account, customer)))


def people(i: Interaction) -> Iterator[str]:
    """The customers whom `i` is about, as far as its ids say: who wrote it, or to whom the brand did."""
    place = (i.reply_to, i.thread) if i.private else ()
    named = (i.to, *place) if i.brand else (i.customer, *(() if i.author else place))
    yield from dict.fromkeys(p for p in (*named, *i.known_as) if p and p != i.account)


def before(i: Interaction, at: datetime) -> bool:
    """Whether `i` was said, or had come, by `at`; platforms write times in whole seconds."""
    return min(i.at, i.received_at) <= at
