"""What came into the table that served before, brought into the one in use after `make deploy TABLE=`: it goes through
the inbox again as what a platform lists does, so that nothing of the restored table is overwritten."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.codec import from_time, to_time
from chalicelib.conversations.customer import Customer
from chalicelib.conversations.interaction import Interaction
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from chalicelib.services import Services
from chalicelib.storage.forgotten import before, people
from chalicelib.storage.item_keys import ASIDE, is_conversation, is_forgotten, is_interaction, is_thread
from chalicelib.storage.table import Conflict, Item, Table

SAY_EVERY = 10_000  # items
MARGIN = timedelta(minutes=5)  # that clocks may differ


@dataclass(slots=True)
class Carried:
    """How many interactions went onto the inbox, how many notes (marks, documents, a "stop") were copied, how many
    customers were erased again; and what could not be: interactions too young, and of accounts that nobody has."""

    interactions: int = 0
    notes: int = 0
    erased: int = 0
    young: int = 0
    foreign: int = 0

    def __str__(self) -> str:
        lines = [f"{self.interactions} interactions are on the inbox, {self.notes} notes copied"]
        if self.erased:
            lines.append(f"{self.erased} who asked for it since are erased again")
        if self.young:
            lines.append(f"{self.young} are so young that they could be answered twice: run this again in 20 minutes")
        if self.foreign:
            lines.append(f"{self.foreign} are of accounts that the apps file does not have: see make apps")
        return "\n".join(lines)


def carry(services: Services, former: Table, now: datetime) -> Carried:
    """Brings what `former` has and the table in use has not, or otherwise. What is known already changes nothing; run
    again, it goes on. Raises AwsError, QueueUnavailable."""
    found, newly_forgotten = Carried(), False
    too_young = now - services.playbook.caps.max_age - MARGIN
    for count, item in enumerate(former.everything(), start=1):
        if count % SAY_EVERY == 0:
            print(f"{count:,} items looked through", file=sys.stderr)
        if is_interaction(item.key):
            _again(services, item.noun(Interaction), too_young, found, now)
        elif _is_note(item) and _copied(services.store.table, item):
            found.notes += 1
            newly_forgotten = newly_forgotten or is_forgotten(item.key)
    if newly_forgotten:
        for customer in _forgotten(services):
            services.eraser.erase(customer, f"restored{now:%Y%m%d%H%M%S}", now)
            found.erased += 1
    return found


def _again(services: Services, i: Interaction, too_young: datetime, found: Carried, now: datetime) -> None:
    """Puts the interaction onto the inbox, unless it is known as it is."""
    if i.erased or services.store.interaction(i.product, i.account, i.id) == i:
        return
    owner = services.apps.owner(i.product, i.account)
    if owner is None:
        found.foreign += 1
    elif not i.brand and i.at > too_young:
        found.young += 1
    else:
        app, _ = owner
        services.inbox.send(inbox.part(Envelope(services.new_token(), app.platform, app.key, now), i))
        found.interactions += 1


def _is_note(item: Item) -> bool:
    """Whether it is small and stands for itself: what is said in conversations and threads comes with its interactions.
    Counters begin anew: a look at everything passes them over."""
    key = item.key
    return not (is_conversation(key) or is_interaction(key) or is_thread(key) or key.pk == ASIDE)


def _copied(table: Table, item: Item) -> bool:
    """Whether the item was missing and is there now; of two marks of an erasure the later one counts."""
    try:
        table.put(replace(item, rev=0))
        return True
    except Conflict:
        pass
    there = table.get(item.key)
    if not (there and is_forgotten(item.key) and to_time(there.doc["at"]) < to_time(item.doc["at"])):
        return False
    try:
        table.put(replace(item, doc={"at": from_time(to_time(item.doc["at"]))}, rev=there.rev))
    except Conflict:  # somebody marks them at this moment: later still
        return False
    return True


def _forgotten(services: Services) -> Iterator[Customer]:
    """Every customer of whom the table in use still knows words that were said before they asked to be erased."""
    seen: set[Customer] = set()
    for i in services.store.interactions():
        for person in () if i.erased else people(i):
            customer = Customer(i.product, i.account, person)
            if customer in seen:
                continue
            at = services.forgotten.since(i.product, i.account, person)
            if at and before(i, at):
                seen.add(customer)
                yield customer
