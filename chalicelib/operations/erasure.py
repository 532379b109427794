"""Erasure and export: everything that one account knows of one customer, taken away or handed over.

Of each interaction a tombstone of ids and times stays, so that a delivery or a list that names it again revives
nothing. Conversations go altogether, with the e-mails' documents; the brand's answers lose their words, which may name
the customer. What deliveries carry on their way is gone when they are worked on; a second pass, SECOND_PASS after the
first, meets what was still on its way and what the index did not show yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.aws.queues import Queue
from chalicelib.codec import from_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.storage.store import ConversationKey, Store, conversation_key, customer_key, interaction_key, thread_pk
from chalicelib.storage.table import Key

SECOND_PASS = timedelta(minutes=15)  # the longest that a queue can hold a message back
REMEMBERED = timedelta(days=90)  # how long the state of a request can be asked for


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom an erasure or export is for, as the platform names them."""

    product: str
    account: str
    id: str


@dataclass(frozen=True, slots=True)
class Eraser:
    """`again` is the queue that brings the second pass."""

    store: Store
    again: Queue

    def request(self, customers: list[Customer], code: str, now: datetime) -> None:
        """Notes the request under its confirmation `code` and queues the work. Raises QueueUnavailable."""
        self._note(code, "received", now)
        for customer in customers:
            self.again.send(_message(customer, code, 1))

    def state(self, code: str) -> Mapping[str, str]:
        """How far the request came: {"received": time, "erased": time}; empty when there is none of that code."""
        return {str(doc["state"]): str(doc["at"]) for doc in self.store.documents(f"erasure#{code}")}

    def work(self, message: Mapping[str, Any], now: datetime) -> None:
        """One pass for one customer: a message that `request` queued."""
        customer = Customer(**message["erase"])
        self.erase(customer, now)
        if message["pass"] == 1:
            self.again.send(_message(customer, message["code"], 2), SECOND_PASS)
        else:
            self._note(message["code"], "erased", now)

    def erase(self, customer: Customer, now: datetime) -> int:
        """Erases at once; how many items there were."""
        keys = list(self._keys(customer))
        prefix = interaction_key(customer.product, customer.account, "").pk
        ids = {key.pk.removeprefix(prefix) for key in keys if key.pk.startswith(prefix)}
        for key in keys:
            if key.sk.startswith("c#"):
                self._conversation(key, customer, ids, now)
            elif not key.pk.startswith(prefix):  # a text that staff labelled, where an e-mail belongs
                self.store.table.delete(key)
        for id in ids:
            blank = Interaction(customer.product, customer.account, id, Kind.DELETE, now, now, deleted=True)
            self.store.change_interaction(blank, lambda old, blank=blank: _tombstone(old or blank), now)  # type: ignore[misc]
        return len(keys)

    def export(self, customer: Customer) -> list[dict[str, Any]]:
        """The stored documents about the customer, as they are."""
        items = (self.store.table.get(key) for key in self._keys(customer))
        return [{"key": item.key.pk, "document": dict(item.doc)} for item in items if item]

    def _keys(self, customer: Customer) -> Iterator[Key]:
        return self.store.table.of_customer(customer_key(customer.product, customer.account, customer.id))

    def _conversation(self, key: Key, customer: Customer, ids: set[str], now: datetime) -> None:
        c = self.store.conversation(_conversation_key(key, customer))
        if c is None:
            return
        others = [o for o in self.store.conversations_in(c.product, c.account, c.thread) if o.customer != c.customer]
        for id in self._answers(c, ids, alone=not others):
            told = self.store.interaction(c.product, c.account, id)
            if told and told.brand:
                self.store.change_interaction(told, lambda old, told=told: _without_words(old or told), now)  # type: ignore[misc]
        self.store.table.delete(key)
        if c.private and not others:  # the thread's name is the customer's own id
            self.store.table.delete(Key(thread_pk(c.product, c.account, c.thread), "brand"))

    def _answers(self, c: Conversation, ids: set[str], *, alone: bool) -> Iterator[str]:
        """The brand's interactions that answer this customer, or nobody else in the thread."""
        yield from (ack.id for ack in c.acknowledgements.values() if ack.id)
        answered_by = {q.answered_by for q in c.questions.values()}
        for id, reply in self.store.thread(c.product, c.account, c.thread).replies.items():
            if alone or reply.parent in ids or id in answered_by:
                yield id

    def _note(self, code: str, state: str, now: datetime) -> None:
        doc = {"state": state, "at": from_time(now)}
        self.store.put_document(f"erasure#{code}", state, doc, now + REMEMBERED)


def _message(customer: Customer, code: str, number: int) -> dict[str, Any]:
    who = {"product": customer.product, "account": customer.account, "id": customer.id}
    return {"v": 1, "erase": who, "code": code, "pass": number}


def _conversation_key(key: Key, customer: Customer) -> ConversationKey:
    thread = key.pk.removeprefix(thread_pk(customer.product, customer.account, ""))
    found = ConversationKey(customer.product, customer.account, thread, customer.id)
    assert conversation_key(found) == key
    return found


def _tombstone(i: Interaction) -> Interaction:
    return Interaction(i.product, i.account, i.id, Kind.DELETE, i.at, i.received_at, app=i.app, deleted=True)


def _without_words(i: Interaction) -> Interaction:
    return replace(i, text="", author_name=None, raw="", reading=None, attachments=0, link=None, token=None)
