"""Erasure and export: everything that one account knows of one customer, taken away or handed over.

First a mark that every worker sees (storage/forgotten.py): from then on nothing that the customer had said is stored
or answered. Then the first pass takes away what is stored. What was being worked on at that moment, and what the index
did not show yet, the second pass meets SECOND_PASS later; only then the request is reported as done. Of each
interaction a tombstone of its own id and times stays, unless that id names the customer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import platforms
from chalicelib.apps import App, Apps
from chalicelib.aws.queues import Queue
from chalicelib.codec import dump, from_time, load, to_time
from chalicelib.conversations.conversation import Conversation, Thread
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.conversations.interaction import Interaction
from chalicelib.handlers.messages import Erase, FindPerson, encode
from chalicelib.operations.footprint import (
    first_known,
    footprint,
    is_identity,
    key_of,
    masked,
    names_person,
    without,
)
from chalicelib.platforms.http import Http
from chalicelib.storage import names
from chalicelib.storage.forgotten import Forgotten
from chalicelib.storage.optouts import SAID_AT
from chalicelib.storage.people import mirror
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import Item

SECOND_PASS = timedelta(minutes=15)  # longer than any invocation runs that did not see the mark
OPEN = "erasure-open"  # the collection of requests that nobody could be matched to
STAYS_OPEN = timedelta(days=400)
REMEMBERED = timedelta(days=90)  # how long the state of a request can be asked for


@dataclass(frozen=True, slots=True)
class Erased:
    """How many things one pass took away: what the customer said and what was kept about it, answers to them, and what
    others said that named them (their words stay, the name is gone)."""

    items: int = 0
    answers: int = 0
    mentions: int = 0


def _can_ask(app: App) -> bool:
    """Whether the app's platform tells of those who ask to be erased."""
    webhook = platforms.webhook(app.platform)
    return bool(webhook and webhook.asks_erasure)


@dataclass(frozen=True, slots=True)
class Eraser:
    """`again` is the queue that brings the passes."""

    store: Store
    again: Queue
    forgotten: Forgotten
    apps: Apps
    http: Http

    def request(self, customers: list[Customer], code: str, now: datetime) -> None:
        """Notes the request under its confirmation `code` and queues the work. Raises QueueUnavailable."""
        self._note(code, "received", now)
        for customer in customers:  # from now on, also for what waits in the inbox before this message
            self.forgotten.mark(customer.product, customer.account, customer.id, now)
            self.again.send(encode(Erase(customer, code, 1, now)))

    def request_person(self, app: str, user: str, code: str, now: datetime) -> None:
        """Notes the request of a person whom only a platform's `app` knows as `user`. Raises QueueUnavailable."""
        self._note(code, "received", now)
        self.again.send(encode(FindPerson(app, user, code, now)))

    def find_person(self, message: FindPerson, now: datetime) -> None:
        """Asks the platform under which ids the app's accounts know the person. Where it does not say, the request
        stays open until an operator has erased them. Raises ReplyError for the queue to bring it again."""
        app, unknown = next(filter(_can_ask, (a for a in self.apps.apps if a.key == message.app)), None), []
        for account in app.accounts if app else ():
            ids = platforms.product(account.product).ids_of(self.http, app, account, message.user) if app else None
            if ids is None:
                unknown.append(f"{account.product}:{account.id}")
            for id in ids or ():
                customer = Customer(account.product, account.id, id)
                self.again.send(encode(Erase(customer, message.code, 1, message.at)))
        if unknown or app is None:
            doc = {"app": message.app, "user": message.user, "at": from_time(message.at), "accounts": unknown}
            self.store.put_document(OPEN, message.code, doc, now + STAYS_OPEN)
            self._note(message.code, "needs_operator", now)

    def close(self, code: str) -> None:
        """An operator has found the person: when the passes under way are through, the request is done."""
        self.store.drop_document(OPEN, code)

    def state(self, code: str) -> Mapping[str, str]:
        """How far the request came: {"received": time, "erased": time}; empty when there is none of that code."""
        return {str(doc["state"]): str(doc["at"]) for doc in self.store.documents(names.erasure(code))}

    def work(self, message: Erase, now: datetime) -> None:
        """One pass for one customer: a message that `request` queued."""
        customer, until = first_known(self.store, message.customer), message.until or now
        if message.number == 1:
            found = self.first_pass(customer, until, now)[1]
            self.again.send(encode(Erase(customer, message.code, 2, until, found)), SECOND_PASS)
        else:
            self.second_pass(customer, until, message.traces, now)
            still_open = any(name == message.code for name, _ in self.store.document_names(OPEN))
            self._note(message.code, "partly_erased" if still_open else "erased", now)

    def erase(self, customer: Customer, code: str, now: datetime) -> Erased:
        """The first pass at once, and the second queued. Raises QueueUnavailable."""
        self._note(code, "received", now)
        customer = first_known(self.store, customer)
        erased, traces = self.first_pass(customer, now, now)
        self.again.send(encode(Erase(customer, code, 2, now, traces)), SECOND_PASS)
        return erased

    def first_pass(self, customer: Customer, until: datetime, now: datetime) -> tuple[Erased, Traces]:
        """Marks the customer as forgotten and takes away what is stored of what they said until then."""
        return self._pass(customer, until, Traces(), now)

    def second_pass(self, customer: Customer, until: datetime, traces: Traces, now: datetime) -> Erased:
        """What was on its way at the first; tombstones whose ids name the customer go as well."""
        erased, told = self._pass(customer, until, traces, now)
        trace = self.forgotten.trace(customer.product, customer.account, customer.id)
        for item in self.store.forgotten_interactions(trace):
            i = load(Interaction, item.doc)
            if names_person(i.id, told):
                self.store.take_away(item, unchanged=True)  # else something new came under the same id
            else:
                self.store.forget_interaction(i, "", now)
        return erased

    def export(self, customer: Customer, now: datetime) -> list[dict[str, Any]]:
        """The stored documents about the customer, as they are."""
        found = footprint(self.store, first_known(self.store, customer), now)
        kinds: dict[str, list[Any]] = {
            "said": found.said,
            "conversation": found.conversations,
            "answer": found.answers,
            "mention": [*found.mentions, *found.theirs],
        }
        rows = [{"kind": kind, "document": dump(value)} for kind, values in kinds.items() for value in values]
        return rows + [{"kind": "document", "key": i.key.pk, "document": dict(i.doc)} for i in found.documents]

    def _pass(self, customer: Customer, until: datetime, traces: Traces, now: datetime) -> tuple[Erased, Traces]:
        """Interactions before conversations: as long as a tombstone stands, a conversation that is made again by a
        repeated delivery has nothing to answer."""
        self.forgotten.mark(customer.product, customer.account, customer.id, until)
        found = footprint(self.store, customer, until, traces)
        for id in found.traces.known_as:
            self.forgotten.mark(customer.product, customer.account, id, until)
        trace = self.forgotten.trace(customer.product, customer.account, customer.id)
        for i in [*found.said, *found.answers]:
            self.store.forget_interaction(i, trace, now)
        for i in found.mentions:
            self._mask(i, found.traces, now)
        for c in found.theirs:
            self.store.update_conversation(key_of(c), lambda old: without(old, found.traces), now)
        for c in found.conversations:
            self.store.reduce_conversation(key_of(c), lambda old: _after(old, until), now)
        answered = {i.id for i in found.answers}
        answered |= {id for t in found.replies for id in t.replies if self._is_forgotten(t, id)}
        for thread in found.replies:
            self.store.reduce_thread(
                thread.product,
                thread.account,
                thread.thread,
                lambda old: _unanswered(old, found.traces, answered, until),
            )
        speaks = any(self.store.conversation(key_of(c)) for c in found.conversations)
        documents = [i for i in found.documents if not (speaks if is_identity(i) else self._stands(i, until))]
        for item in documents:
            self.store.take_away(item)
            if other := mirror(item.key):  # it names the customer from the other side
                self.store.table.delete(other)
        items = len(found.said) + len(found.conversations) + len(documents)
        return Erased(items, len(found.answers), len(found.mentions) + len(found.theirs)), found.traces

    def _mask(self, i: Interaction, traces: Traces, now: datetime) -> None:
        def change(old: Interaction | None) -> Interaction:
            there = old or i
            to = None if there.to in traces.known_as else there.to
            return replace(there, text=masked(there.text, traces), to=to)

        self.store.change_interaction(i, change, now)

    def _is_forgotten(self, thread: Thread, id: str) -> bool:
        """Whether a reply that the thread names was erased while it was being noted there."""
        stored = self.store.interaction(thread.product, thread.account, id)
        return stored is None or stored.erased

    def _stands(self, item: Item, until: datetime) -> bool:
        """Whether a document is about something that the customer has said since."""
        if SAID_AT in item.doc:
            return to_time(str(item.doc[SAID_AT])) > until
        if {"product", "account", "thread", "customer"} <= item.doc.keys():
            return self.store.conversation(ConversationKey.named(item.doc)) is not None
        said = names.labelled(item.key.sk)
        i = self.store.interaction(*said) if said else None
        return bool(i and not i.deleted)

    def _note(self, code: str, state: str, now: datetime) -> None:
        doc = {"state": state, "at": from_time(now)}
        self.store.put_document(names.erasure(code), state, doc, now + REMEMBERED)


def _after(c: Conversation, until: datetime) -> Conversation | None:
    """What is left of a conversation: what the customer has asked since."""
    later = {id: q for id, q in c.questions.items() if min(q.at, q.received_at) > until}
    if not later:
        return None
    mine = {id: a for id, a in c.acknowledgements.items() if id.partition("/")[0] in later}
    acts = {id: a for id, a in c.acts.items() if a.at > until}
    answers = {id: a for id, a in c.answers.items() if a.at > until}
    return replace(c, questions=later, acknowledgements=mine, acts=acts, answers=answers, unlisted=0)


def _unanswered(thread: Thread, traces: Traces, answered: set[str], until: datetime) -> Thread | None:
    replies = {
        id: r
        for id, r in thread.replies.items()
        if id not in answered and (r.to not in traces.known_as or r.at > until)
    }
    return replace(thread, replies=replies) if replies else None
