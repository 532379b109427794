"""Erasure and export: everything that one account knows of one customer, taken away or handed over.

First a mark that every worker sees (storage/forgotten.py): from then on nothing that the customer had said is stored
or answered. Then the first pass takes away what is stored. What was being worked on at that moment, and what the index
did not show yet, the second pass meets SECOND_PASS later (passes.py); only then, for every id that the request is
about, it is reported as done. Until then it stands among the open ones, which doctor and an alarm watch. Of each
interaction a tombstone of its own id and times stays, unless that id names the customer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import platforms
from chalicelib.apps import App, Apps
from chalicelib.aws.queues import Queue
from chalicelib.codec import dump, from_time, to_time
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.handlers.messages import Erase, FindPerson, encode
from chalicelib.operations.footprint import first_known, footprint
from chalicelib.operations.passes import Erased, Passes, Work
from chalicelib.platforms.http import Http
from chalicelib.storage import names
from chalicelib.storage.store import Store

SECOND_PASS = timedelta(minutes=15)  # longer than any invocation runs that did not see the mark
OPEN = "erasure-open"  # the collection of requests that are not done; `accounts` of one could not be matched
STAYS_OPEN = timedelta(days=400)
REMEMBERED = timedelta(days=90)  # how long the state of a request can be asked for


def always() -> bool:
    """Time for everything."""
    return True


def _can_ask(app: App) -> bool:
    """Whether the app's platform tells of those who ask to be erased."""
    webhook = platforms.webhook(app.platform)
    return bool(webhook and webhook.asks_erasure)


@dataclass(frozen=True, slots=True)
class Eraser:
    """`again` is the queue that brings the passes."""

    store: Store
    again: Queue
    passes: Passes
    apps: Apps
    http: Http

    def request(self, customers: list[Customer], code: str, now: datetime) -> None:
        """Notes the request under its confirmation `code` and queues the work. Raises QueueUnavailable."""
        self._note(code, "received", now)
        for customer in customers:  # from now on, also for what waits in the inbox before this message
            self._begin(first_known(self.store, customer), code, now)

    def request_person(self, app: str, user: str, code: str, now: datetime) -> None:
        """Notes the request of a person whom only a platform's `app` knows as `user`. Raises QueueUnavailable."""
        self._note(code, "received", now)
        self.store.put_document(OPEN, code, {"app": app, "at": from_time(now), "accounts": []}, now + STAYS_OPEN)
        self.again.send(encode(FindPerson(app, user, code, now)))

    def _begin(self, customer: Customer, code: str, at: datetime) -> None:
        self.passes.forgotten.mark(customer.product, customer.account, customer.id, at)
        self.store.put_document(OPEN, code, {"app": "", "at": from_time(at), "accounts": []}, at + STAYS_OPEN)
        self.store.put_document(names.erasure_under_way(code), self._name(customer), {}, at + STAYS_OPEN)
        self.again.send(_message(Work(customer, code, 1, at)))

    def find_person(self, message: FindPerson, now: datetime) -> None:
        """Asks the platform under which ids the app's accounts know the person. Where it does not say, the request
        stays open until an operator has erased them. Raises ReplyError for the queue to bring it again."""
        app, unknown = next(filter(_can_ask, (a for a in self.apps.apps if a.key == message.app)), None), []
        for account in app.accounts if app else ():
            ids = platforms.product(account.product).ids_of(self.http, app, account, message.user) if app else None
            if ids is None:
                unknown.append(f"{account.product}:{account.id}")
            for id in ids or ():
                customer = first_known(self.store, Customer(account.product, account.id, id))
                self._begin(customer, message.code, message.at)
        if unknown or app is None:
            accounts = unknown or ["-"]
            doc = {"app": message.app, "user": message.user, "at": from_time(message.at), "accounts": accounts}
            self.store.set_document(OPEN, message.code, doc, now + STAYS_OPEN)
            self._note(message.code, "needs_operator", now)

    def waiting(self) -> set[str]:
        """The codes of the requests that are not done."""
        return {name for name, _ in self.store.document_names(OPEN)}

    def close(self, code: str) -> None:
        """An operator has found the person: when the passes under way are through, the request is done."""
        for name, doc in self.store.document_names(OPEN):
            if name == code:
                closed = {**doc, "accounts": []}
                self.store.set_document(OPEN, code, {k: v for k, v in closed.items() if k != "user"}, _later(doc))

    def state(self, code: str) -> Mapping[str, str]:
        """How far the request came: {"received": time, "erased": time}; empty when there is none of that code."""
        return {str(doc["state"]): str(doc["at"]) for doc in self.store.documents(names.erasure(code))}

    def work(self, message: Erase, now: datetime, time_left: Callable[[], bool] = always) -> None:
        """One pass for one customer, or as much of it as there is time for: a message that `request` queued."""
        work = _work(message, now)
        work = replace(work, customer=first_known(self.store, work.customer))
        if work.number == 1 and not work.step:
            work, looked = self._look(work, time_left)
            if not looked:
                self.again.send(_message(work))
                return
        done, through = self.passes.run(replace(work, step=max(work.step - 1, 0)), now, time_left)
        if not through:
            self.again.send(_message(replace(done, step=done.step + 1)))
        elif done.number == 2:
            self._finished(done, now)

    def _look(self, work: Work, time_left: Callable[[], bool]) -> tuple[Work, bool]:
        """Gathers the traces; the second pass has them, whatever becomes of this process."""
        work = replace(work, traces=work.traces.and_of(known_as=[work.customer.id]))
        for looked in self.passes.look(work):
            work = looked
            if not time_left():
                return work, False
        work = replace(work, step=1, after="")
        self.again.send(_message(replace(work, number=2)), SECOND_PASS)
        return work, True

    def _finished(self, work: Work, now: datetime) -> None:
        """The request is done when it is for every id that it is about."""
        code = work.code
        self.store.drop_document(names.erasure_under_way(code), self._name(work.customer))
        if self.store.document_names(names.erasure_under_way(code)):
            return
        open = dict(self.store.document_names(OPEN)).get(code)
        if open and open["accounts"]:
            self._note(code, "partly_erased", now)
            return
        self._note(code, "erased", now)
        self.store.drop_document(OPEN, code)

    def erase(self, customer: Customer, code: str, now: datetime) -> Erased:
        """The first pass at once, and the second queued. Raises QueueUnavailable."""
        self._note(code, "received", now)
        customer = first_known(self.store, customer)
        self.store.put_document(OPEN, code, {"app": "", "at": from_time(now), "accounts": []}, now + STAYS_OPEN)
        self.store.put_document(names.erasure_under_way(code), self._name(customer), {}, now + STAYS_OPEN)
        work, _ = self._look(Work(customer, code, 1, now), always)
        done, _ = self.passes.run(replace(work, step=0), now, always)
        return done.erased

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

    def _name(self, customer: Customer) -> str:
        """A customer's pseudonym among those whom one request is about."""
        return self.passes.forgotten.trace(customer.product, customer.account, customer.id)

    def _note(self, code: str, state: str, now: datetime) -> None:
        doc = {"state": state, "at": from_time(now)}
        self.store.put_document(names.erasure(code), state, doc, now + REMEMBERED)


def _later(doc: Mapping[str, Any]) -> datetime:
    return to_time(doc["at"]) + STAYS_OPEN


def _message(w: Work) -> dict[str, Any]:
    """`step` 0 is the look; the pass's own steps follow it."""
    return encode(Erase(w.customer, w.code, w.number, w.until, w.traces, w.step, w.after, w.within))


def _work(m: Erase, now: datetime) -> Work:
    return Work(m.customer, m.code, m.number, m.until or now, m.traces or Traces(), m.step, m.after, m.within)
