"""Where an interaction belongs, settled before it is stored: the customer's one id, the account, the thread.

Platforms know a person under several ids, tell two accounts of the brand of one post, and name as parent what stands
under another comment. Each is settled once, by a document that the first one writes and all others read.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chalicelib.apps import Apps
from chalicelib.codec import from_time, to_time
from chalicelib.conversations.changed import replace
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.storage import names
from chalicelib.storage.store import Parents, Store

REMEMBERED = timedelta(days=400)  # a place; who a person is, since they wrote last


class Placer(NamedTuple):
    """Reads and writes the documents; `apps` says which accounts the brand has."""

    store: Store
    apps: Apps
    parents: Parents

    def placed(self, incoming: Interaction, now: datetime) -> Interaction | None:
        """`incoming` where it belongs; None when another account's app tells of it, so that it is known already."""
        i = self._same_person(incoming, now)
        if i.kind is Kind.SAME_PERSON:
            return i
        home = self._home(i, now)
        if home is None:
            return None
        return replace(self._in_thread(home), known_as=(), shared=False, home="", threads=())

    # --- one person under several ids ---

    def _same_person(self, i: Interaction, now: datetime) -> Interaction:
        """With the id that was the customer's first here, in place of every other that the platform knows."""
        if not i.known_as:
            return i
        called = {id: names.person(i.product, i.account, id) for id in i.known_as}
        known = {id: self._document(name) for id, name in called.items()}
        first = next((str(doc["is"]) for doc in known.values() if doc), i.known_as[0])
        untold = [id for id, doc in known.items() if doc.get("is") != first or _is_old(doc, now)]
        for id in sorted(untold, key=lambda id: id == first):  # who dies in between has left nothing that is not so:
            # without a document of its own the first id stands for itself
            doc, customer = {"is": first, "at": from_time(now)}, replace(i, author=first)
            self.store.set_document(called[id], "is", doc, now + REMEMBERED, customer)
        return replace(
            i,
            thread=first if i.thread in i.known_as else i.thread,
            author=first if i.author in i.known_as else i.author,
            to=first if i.to in i.known_as else i.to,
        )

    # --- one post, told to two accounts of the brand ---

    def _home(self, i: Interaction, now: datetime) -> Interaction | None:
        if not i.shared or not self._has_others(i):
            return i
        if i.brand:
            return self._answers_at(i)
        name = names.object_home(i.product, i.id)
        if self._is_known_home(i):  # only a release before this one may have settled it otherwise
            return self._moved(i, self._read(name, lately=True) or i.home)
        if i.kind in (Kind.DELETE, Kind.HIDE):
            account = self._read(name)
        else:  # the first one stays
            account = str(self.store.put_document(name, "is", {"is": i.account}, now + REMEMBERED)["is"])
        return self._moved(i, account or i.account)

    def _answers_at(self, reply: Interaction) -> Interaction:
        """What the brand says goes to the account which has the question that it answers."""
        if self.parents.of(reply):
            return reply
        for id in filter(None, (reply.parent, reply.thread, reply.post)):
            account = self._read(names.object_home(reply.product, id))
            if account:
                return self._moved(reply, account) or reply
        return (self._moved(reply, reply.home) if self._is_known_home(reply) else None) or reply

    def _moved(self, i: Interaction, account: str) -> Interaction | None:
        """`i` as of `account`. What one app's secret signed changes nothing of another app's account."""
        if account == i.account:
            return i
        owner, own = self.apps.owner(i.product, account), self.apps.owner(i.product, i.account)
        if owner is None:  # the account left the apps file
            return i
        return replace(i, account=account) if own and own.app.key == owner.app.key else None

    def _is_known_home(self, i: Interaction) -> bool:
        """Whether its ids tell at which account it is at home, and whoever is told of it may say so: all accounts of
        the product are of one app."""
        apps = {app.key for app in self.apps.apps for account in app.accounts if account.product == i.product}
        return len(apps) == 1 and self.apps.owner(i.product, i.home) is not None

    def _has_others(self, i: Interaction) -> bool:
        return sum(a.product == i.product for app in self.apps.apps for a in app.accounts) > 1

    # --- a comment under a comment ---

    def _in_thread(self, i: Interaction) -> Interaction:
        """Where the thread is only known by the parent, the one in which the parent stands itself; where the platform
        calls it by several names, the one in which somebody has asked."""
        if i.brand and i.threads and not self.store.conversations_in(i.product, i.account, i.thread):
            others = (t for t in i.threads if self.store.conversations_in(i.product, i.account, t))
            thread = next(others, i.thread)
            return replace(i, thread=thread, parent=thread if i.parent == i.thread else i.parent)
        if not i.parent or i.thread != i.parent or i.private:
            return i
        parent = self.parents.of(i)
        return replace(i, thread=parent.thread) if parent and parent.thread else i

    def _read(self, name: str, *, lately: bool = False) -> str | None:
        found = self._document(name, lately=lately)
        return str(found["is"]) if found else None

    def _document(self, name: str, *, lately: bool = False) -> dict[str, Any]:
        """Empty where there is none."""
        return next(iter(self.store.documents(name, lately=lately)), {})


def _is_old(doc: dict[str, Any], now: datetime) -> bool:
    """Whether it has to be written again, so that it stays as long as the customer goes on writing."""
    return "at" not in doc or to_time(str(doc["at"])) < now - REMEMBERED / 2
