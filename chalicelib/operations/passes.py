"""The passes of an erasure: what is taken away, in steps of which each goes on where time stopped it.

A pass looks first, so that what gives the customer away is known before anything of it goes. It takes their own words,
then their conversations with what stands round them, then the documents; it looks through the dead letters. The second
pass also looks at everything that the table holds: what was on its way at the first, and mentions of the customer in
places where they never spoke.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib import platforms
from chalicelib.codec import to_time
from chalicelib.conversations.conversation import Conversation, Thread
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.conversations.interaction import Interaction
from chalicelib.operations.footprint import (
    Role,
    Seen,
    has_for_itself,
    is_identity,
    is_said,
    key_of,
    noted_emails,
    own,
    round_about,
    tells_of,
    traces_of,
)
from chalicelib.operations.letters import Letters
from chalicelib.operations.masks import masked, names_person, without, without_ids
from chalicelib.operations.scrub import Person
from chalicelib.storage import names
from chalicelib.storage.forgotten import Forgotten, before
from chalicelib.storage.item_keys import collection_of, is_conversation, is_interaction, is_of_account, is_thread
from chalicelib.storage.optouts import SAID_AT
from chalicelib.storage.people import mirror
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import Item, Key

IN_FLIGHT = timedelta(hours=1)  # what the brand said so shortly before may have been stored after the first pass


@dataclass(frozen=True, slots=True)
class Erased:
    """How many things were taken away: what the customer said and what was kept about it, answers to them, what others
    said that named them (their words stay, the name is gone), and dead letters."""

    items: int = 0
    answers: int = 0
    mentions: int = 0
    letters: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """An erasure on its way: of what `customer` said `until` then. `step` counts the steps of the pass `number` that
    are done, `after` is the place in the next one behind which it goes on, `within` the place inside of that."""

    customer: Customer
    code: str
    number: int
    until: datetime
    traces: Traces = field(default_factory=Traces)
    step: int = 0
    after: str = ""
    within: str = ""
    erased: Erased = field(default_factory=Erased)

    def at(self, after: str, within: str = "", **counts: int) -> "Work":
        """As far as that, with what was taken away since."""
        e = self.erased
        more = {name: getattr(e, name) + n for name, n in counts.items()}
        return replace(self, after=after, within=within, erased=replace(e, **more))


Step = Callable[[Work, datetime], Iterator[Work]]


@dataclass(frozen=True, slots=True)
class Passes:
    """What the steps work with. All raise Contention and QueueUnavailable for the queue to bring the message again."""

    store: Store
    forgotten: Forgotten
    letters: Letters

    def steps(self, number: int) -> tuple[Step, ...]:
        """Those of the first or the second pass, behind the look."""
        first: tuple[Step, ...] = (self.take, self.search)
        return first if number == 1 else (*first, self.everywhere, self.leave)

    def run(self, w: Work, now: datetime, time_left: Callable[[], bool]) -> tuple[Work, bool]:
        """As far as time allows; whether that is to the end."""
        self.forgotten.mark(w.customer.product, w.customer.account, w.customer.id, w.until)
        for step in self.steps(w.number)[w.step :]:
            for done in step(w, now):
                w = done
                if not time_left():
                    return w, False
            w = replace(w, step=w.step + 1, after="", within="")
        return w, True

    def look(self, w: Work) -> Iterator[Work]:
        """Gathers the traces; every id of the customer is marked, so that nothing new is kept of any."""
        c = w.customer
        self.forgotten.mark(c.product, c.account, c.id, w.until)
        for place, item in own(self.store, c, w.after):
            traces = traces_of(item, c, w.until, w.traces)
            if is_conversation(item.key):
                talk = item.noun(Conversation)
                traces = traces.and_of(threads=[talk.thread] if has_for_itself(self.store, talk) else [])
            for id in traces.known_as[len(w.traces.known_as) :]:
                self.forgotten.mark(c.product, c.account, id, w.until)
            w = replace(w, traces=traces, after=place)
            yield w

    # --- what the index finds ---

    def take(self, w: Work, now: datetime) -> Iterator[Work]:
        """Interactions before conversations: as long as a tombstone stands, a conversation that is made again by a
        repeated delivery has nothing to answer."""
        for place, item in own(self.store, w.customer, w.after, once_more=bool(w.within)):
            if is_conversation(item.key):
                for left in self._conversation(w, place, item.noun(Conversation), now):
                    yield (w := left)
            elif is_interaction(item.key):
                said = is_said(item, w.customer, w.until)
                if said:
                    self._forget(item.noun(Interaction), w, now)
                w = w.at(place, items=int(said))
            else:
                goes = not (self._speaks(w.customer) if is_identity(item) else self._stands(item, w.until))
                if goes:
                    self._drop(item)
                w = w.at(place, items=int(goes))
            yield w

    def _conversation(self, w: Work, place: str, c: Conversation, now: datetime) -> Iterator[Work]:
        """The customer's conversation, after what stands round it."""
        within = w.within if w.after == place else ""
        for seen in round_about(self.store, c, w.traces, w.until, lambda id: self._is_theirs(id, w), within):
            yield (w := self._seen(w, place, seen, now))
        emails = list(noted_emails(self.store, c))
        self.store.reduce_conversation(key_of(c), lambda old: _after(old, w.until), now)
        for item in emails:
            if not self._stands(item, w.until):
                self._drop(item)
        self._quiet(c.product, c.account, c.thread, w)
        yield w.at(place, items=1)

    def _seen(self, w: Work, place: str, seen: Seen, now: datetime) -> Work:
        match seen.role, seen.noun:
            case Role.ANSWER, Interaction() as i:
                self._forget(i, w, now)
                return w.at(place, seen.place, answers=1)
            case Role.MENTION, Interaction() as i:
                self._mask(i, w, now)
                return w.at(place, seen.place, mentions=1)
            case Role.THEIRS, Conversation() as c:
                self.store.update_conversation(key_of(c), lambda old: without(old, w.traces), now)
                return w.at(place, seen.place, mentions=1)
            case Role.THANKED, Conversation() as c:  # written anew, its facts are derived anew: without who is erased
                self.store.update_conversation(key_of(c), lambda old: old, now, always=True)
        return w.at(place, seen.place)

    def _forget(self, i: Interaction, w: Work, now: datetime) -> None:
        self.store.forget_interaction(i, self._trace(w), now)

    def _trace(self, w: Work) -> str:
        return self.forgotten.trace(w.customer.product, w.customer.account, w.customer.id)

    def _is_theirs(self, id: str, w: Work) -> bool:
        """Whether what the customer had said stood under this id: its tombstone is theirs."""
        return self.store.is_under(self._trace(w), w.customer.product, w.customer.account, id)

    def _mask(self, i: Interaction, w: Work, now: datetime, *, elsewhere: bool = False) -> None:
        def change(old: Interaction | None) -> Interaction:
            there = old or i
            to = None if there.to in w.traces.known_as else there.to
            places = (there.post, there.parent, there.link)
            post, parent, link = (place and without_ids(place, w.traces) for place in places)
            text = masked(there.text, w.traces, elsewhere=elsewhere)
            return replace(there, text=text, to=to, post=post, parent=parent, link=link)

        self.store.change_interaction(i, change, now)

    def _quiet(self, product: str, account: str, thread: str, w: Work) -> None:
        """What the thread remembers of the brand's replies, without those to the customer."""
        told = self.store.thread(product, account, thread).replies
        answered = {id for id in told if self._is_forgotten(product, account, id)}
        self.store.reduce_thread(product, account, thread, lambda old: _unanswered(old, w.traces, answered, w.until))

    def _is_forgotten(self, product: str, account: str, id: str) -> bool:
        """Whether a reply that the thread names was erased while it was being noted there."""
        stored = self.store.interaction(product, account, id)
        return stored is None or stored.erased

    def _speaks(self, customer: Customer) -> bool:
        """Whether the customer has a conversation, by what they have said since."""
        return bool(self.store.conversations_of(customer.product, customer.account, customer.id))

    def _stands(self, item: Item, until: datetime) -> bool:
        """Whether a document is about something that the customer has said since."""
        if SAID_AT in item.doc:
            return to_time(str(item.doc[SAID_AT])) > until
        if {"product", "account", "thread", "customer"} <= item.doc.keys():
            return self.store.conversation(ConversationKey.named(item.doc)) is not None
        said = names.labelled(item.key.sk)
        i = self.store.interaction(*said) if said else None
        return bool(i and not i.deleted)

    def _drop(self, item: Item) -> None:
        self.store.take_away(item)
        if other := mirror(item.key):  # it names the customer from the other side
            self.store.table.delete(other)

    # --- the dead letters ---

    def search(self, w: Work, now: datetime) -> Iterator[Work]:
        """Those of every queue, whether they name the customer by id or by name."""
        person = Person(w.traces, platforms.product(w.customer.product).one_form)
        for number, taken in self.letters.search(w.customer, person, now, int(w.after or 0)):
            yield (w := w.at(str(number), letters=taken))

    # --- everything ---

    def everywhere(self, w: Work, now: datetime) -> Iterator[Work]:
        """Every item of the account: what the index did not show, and mentions where the customer never spoke."""
        pk, _, sk = w.after.partition("\n")
        gone = set(self.store.forgotten_ids(self._trace(w), w.customer.product, w.customer.account))
        for item in self.store.table.everything(Key(pk, sk) if pk else None):
            self._anywhere(item, w, gone, now)
            yield (w := w.at(f"{item.key.pk}\n{item.key.sk}"))

    def _anywhere(self, item: Item, w: Work, gone: set[str], now: datetime) -> None:
        ours = is_of_account(item.key, w.customer.product, w.customer.account)
        if ours and is_interaction(item.key):
            self._interaction_anywhere(item.noun(Interaction), w, gone, now)
        elif not ours:
            self._document_anywhere(item, w)
        elif is_thread(item.key):
            kept = item.noun(Thread)
            if _unanswered(kept, w.traces, set(), w.until) != kept:
                self._quiet(kept.product, kept.account, kept.thread, w)
        else:
            self._conversation_anywhere(item.noun(Conversation), w, now)

    def _interaction_anywhere(self, i: Interaction, w: Work, gone: set[str], now: datetime) -> None:
        elsewhere = i.thread not in w.traces.talks
        if not i.erased and before(i, w.until) and self._concerns(i, w, gone):
            self._forget(i, w, now)
            gone.add(i.id)
        elif not i.erased and tells_of(i, w.traces, elsewhere=elsewhere):
            self._mask(i, w, now, elsewhere=elsewhere)

    def _concerns(self, i: Interaction, w: Work, gone: set[str]) -> bool:
        """Whether the customer said it, or the brand to the customer; `gone` are the ids of what is forgotten."""
        known = set(w.traces.known_as)
        if not i.brand:
            return i.customer in known
        private = i.private and i.thread in (*w.traces.threads, *known)
        recent = i.parent is not None and i.received_at >= w.until - IN_FLIGHT
        under = i.parent in gone or (recent and self._is_theirs(str(i.parent), w))  # `gone` lags by a moment
        return bool(private or {i.to, i.reply_to} & known or under)

    def _conversation_anywhere(self, c: Conversation, w: Work, now: datetime) -> None:
        if c.customer in w.traces.known_as:
            self.store.reduce_conversation(key_of(c), lambda old: _after(old, w.until), now)
        elif without(c, w.traces, elsewhere=True) != c:
            self.store.update_conversation(key_of(c), lambda old: without(old, w.traces, elsewhere=True), now)

    def _document_anywhere(self, item: Item, w: Work) -> None:
        """A document about one of the customer's conversations that the index did not show."""
        doc, c = item.doc, w.customer
        thing = names.object_named(collection_of(item.key) or "")
        if thing and without_ids(thing, w.traces) != thing:
            self._drop(item)
        if not {"product", "account", "thread", "customer"} <= doc.keys():
            return
        theirs = (doc["product"], doc["account"]) == (c.product, c.account) and doc["customer"] in w.traces.known_as
        if theirs and not self._stands(item, w.until):
            self._drop(item)

    # --- the tombstones ---

    def leave(self, w: Work, now: datetime) -> Iterator[Work]:
        """Tombstones that nobody finds by the customer any more; those whose ids name the customer go."""
        for item in self.store.forgotten_interactions(self._trace(w)):
            i = item.noun(Interaction)
            if names_person(i.id, w.traces):
                self.store.take_away(item, unchanged=True)  # else something new came under the same id
            else:
                self.store.forget_interaction(i, "", now)
            yield w


def _after(c: Conversation, until: datetime) -> Conversation | None:
    """What is left of a conversation: what the customer has asked since."""
    later = {id: q for id, q in c.questions.items() if min(q.at, q.received_at) > until}
    if not later:
        return None
    mine = {id: a for id, a in c.acknowledgements.items() if id.partition("/")[0] in later}
    acts = {id: a for id, a in c.acts.items() if a.at > until}
    answers = {id: a for id, a in c.answers.items() if a.at > until}
    said = {id: r for id, r in c.replies.items() if r.at > until}
    return replace(c, questions=later, acknowledgements=mine, acts=acts, answers=answers, unlisted=0, replies=said)


def _unanswered(thread: Thread, traces: Traces, answered: set[str], until: datetime) -> Thread | None:
    private = thread.thread in (*traces.threads, *traces.known_as)
    replies = {
        id: r
        for id, r in thread.replies.items()
        if id not in answered and (r.at > until or not (private or r.to in traces.known_as))
    }
    return replace(thread, replies=replies) if replies else None
