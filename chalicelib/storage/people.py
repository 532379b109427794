"""One person under several names: a customer here and one there are the same, because staff said so by hand.

Nothing is ever linked by guessing: two people of one name stay two. What a platform itself proves (several ids of one
person at one account) is settled before anything is stored (handlers/placing.py). A link stands on both sides, so that
an erasure of either finds it and takes it along.
"""

from datetime import datetime, timedelta
from typing import Final

from chalicelib.codec import from_time
from chalicelib.storage.item_keys import customer_key, is_link, links_pk
from chalicelib.storage.store import Store
from chalicelib.storage.table import Conflict, Item, Key

LASTS: Final = timedelta(days=400)
MOST: Final = 20  # names of one person

Person = tuple[str, str, str]
"""(product, account, customer): whom one account knows under one id."""


def linked(store: Store, product: str, account: str, customer: str) -> list[Person]:
    """The person themselves first, then everybody who was linked with them, also by way of another; as it stood a
    moment ago, for links are made by hand."""
    found: list[Person] = [(product, account, customer)]
    for person in found:  # it grows while it is gone through
        for item in store.table.partition(links_pk(*person), lately=True) if len(found) < MOST else ():
            other = (str(item.doc["product"]), str(item.doc["account"]), str(item.doc["customer"]))
            if other not in found:
                found.append(other)
    return found[:MOST]


def link(store: Store, one: Person, other: Person, by: str, now: datetime) -> None:
    """Notes that both are one person, as `by` says."""
    for person, same in ((one, other), (other, one)):
        product, account, customer = same
        doc = {"product": product, "account": account, "customer": customer, "by": by, "at": from_time(now)}
        key, index = Key(links_pk(*person), links_pk(*same)), customer_key(*person)
        try:
            store.table.put(Item(key, doc, expires_at=now + LASTS, customer=index))
        except Conflict:
            continue  # it stands already


def unlink(store: Store, one: Person, other: Person) -> bool:
    """Takes the link away; whether there was one."""
    there = [
        key
        for key in (Key(links_pk(*one), links_pk(*other)), Key(links_pk(*other), links_pk(*one)))
        if store.table.get(key)
    ]
    for key in there:
        store.table.delete(key)
    return bool(there)


def mirror(key: Key) -> Key | None:
    """The other side of the link that stands under `key`; None when it is no link."""
    return Key(key.sk, key.pk) if is_link(key) else None
