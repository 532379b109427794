"""What Earshot remembers: interactions, conversations and threads, and how they change without a lost update.
What its items are called is in item_keys.py; what is small beside them is in small_things.py."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from chalicelib.codec import Dumped, dump, from_time, to_time
from chalicelib.conversations.conversation import Conversation, Thread
from chalicelib.conversations.interaction import Interaction, bare, merge
from chalicelib.storage import names
from chalicelib.storage.item_keys import (
    ASIDE,
    SHARDS,
    ConversationKey,
    brand_item,
    brand_key,
    conversation_index,
    conversation_key,
    customer_key,
    documents_pk,
    interaction_key,
    is_conversation,
    is_interaction,
    of_customer,
    own_conversation,
    parse_conversation_key,
    thread_pk,
)
from chalicelib.storage.small_things import SmallThings
from chalicelib.storage.table import ATTEMPTS, Conflict, Contention, Item, Key, overwrite

__all__ = ["SHARDS", "Change", "Contention", "ConversationKey", "Decided", "Store"]

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=2), timedelta(minutes=15)
KEPT_AFTER = timedelta(days=7)  # that an e-mail may be late
LATEST_DELIVERY = timedelta(days=8)  # a platform tells of something for a week, and a queue keeps it for a while
CLOCKS_DIFFER = timedelta(hours=1)  # a platform's and ours, at most


class Change[T](NamedTuple):
    """What stood before (None: nothing) and what stands now. Another change of it need not read `item` again."""

    before: T | None
    after: T
    item: Item | None = None


class Decided[T, R](NamedTuple):
    """What a decision about an item led to: its `result`, and the `change`; None where it was decided to write
    nothing. Another decision about what was `seen` need not read it again."""

    change: Change[T] | None
    result: R
    seen: Item | None = None


class Held[T](NamedTuple):
    """A noun and the item that it was read from, so that a change of it need not read that again."""

    noun: T
    item: Item


@dataclass(frozen=True, slots=True)
class Talk:
    """All that stands in a thread: what the brand's people said (`item`: where, if anywhere), and its conversations."""

    thread: Thread
    item: Item | None
    held: tuple[Held[Conversation], ...]

    @property
    def conversations(self) -> list[Conversation]:
        return [held.noun for held in self.held]


class Parents:
    """What interactions stand under, each read once however many rules ask for it: for as long as one is worked on.

    What the brand answers to is read as it stood a moment ago: where that was there, a worker that is a moment slower
    would have read the same, and whoever changes it meets such a one as well."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._read: dict[tuple[str, str, str], Interaction | None] = {}

    def of(self, i: Interaction) -> Interaction | None:
        """The interaction to which `i` answers directly; None where it names none, or nobody has told of it."""
        if not i.parent:
            return None
        key = (i.product, i.account, i.parent)
        if key not in self._read:
            self._read[key] = self._store.interaction(*key, lately=i.brand)
        return self._read[key]


class Store(SmallThings):
    """The nouns over a `Table`, with the small things beside them as its base."""

    def remembers(self, at: datetime, now: datetime) -> bool:
        """Whether what was said `at`, and came then or later, would still be there `now`."""
        return at >= now - max(self._kept, LATEST_DELIVERY) + CLOCKS_DIFFER

    # --- interactions ---

    def change_interaction(
        self, interaction: Interaction, merge: Callable[[Interaction | None], Interaction], now: datetime
    ) -> Change[Interaction]:
        """Writes `merge(stored)` if nobody wrote in between; most interactions are new, so nothing is read first."""
        done = self.decide_interaction(interaction, lambda old: (merge(old), None), now).change
        assert done
        return done

    def decide_interaction[R](
        self,
        interaction: Interaction,
        decide: Callable[[Interaction | None], tuple[Interaction | None, R]],
        now: datetime,
    ) -> Decided[Interaction, R]:
        """Writes the first of `decide(stored)`, unless that is None; the other is the result. A decision is asked again
        when somebody wrote in between, so it changes nothing itself. Raises Contention."""
        key = interaction_key(interaction.product, interaction.account, interaction.id)
        return self._change(key, Interaction, decide, lambda _: {}, now, new=True)

    def forget_interaction(self, interaction: Interaction, trace: str, now: datetime) -> None:
        """Leaves the bare tombstone of `interaction`, found under `trace`. Raises Contention."""
        key, gone = interaction_key(interaction.product, interaction.account, interaction.id), bare(interaction)
        index = {"customer": trace} if trace else {}
        self._change(
            key, Interaction, lambda old: (merge(old, gone), None), lambda _: index, now, new=False, always=True
        )

    def forgotten_interactions(self, trace: str) -> list[Item]:
        """The tombstones under `trace`; eventually consistent."""
        return [item for key in self.table.of_customer(trace) if (item := self.table.get(key))]

    def forgotten_ids(self, trace: str, product: str, account: str) -> Iterator[str]:
        """The ids of the account's tombstones under `trace`; eventually consistent."""
        prefix = interaction_key(product, account, "").pk
        return (key.pk.removeprefix(prefix) for key in self.table.of_customer(trace) if key.pk.startswith(prefix))

    def is_under(self, trace: str, product: str, account: str, id: str) -> bool:
        """Whether the interaction is a tombstone under `trace`."""
        item = self.table.get(interaction_key(product, account, id))
        return bool(item and item.customer == trace)

    def interaction(self, product: str, account: str, id: str, *, lately: bool = False) -> Interaction | None:
        """It as it stands; `lately`: as it stood a moment ago, for half the price, if it was there then."""
        key = interaction_key(product, account, id)
        item = (self.table.get(key, lately=True) if lately else None) or self.table.get(key)
        return item.noun(Interaction) if item else None

    def keep_interaction(self, interaction: Interaction, needed_at: datetime, now: datetime) -> None:
        """Sees to it that it is still there some days after `needed_at`, where that is later than usual."""
        until = needed_at + KEPT_AFTER
        if until <= now + self._kept:
            return
        item = self.table.get(interaction_key(interaction.product, interaction.account, interaction.id))
        if item and (item.expires_at is None or item.expires_at < until):
            try:
                self.table.put(replace(item, expires_at=until))
            except Conflict:
                return  # whoever wrote in between does the same

    # --- conversations ---

    def change_conversation(
        self,
        key: ConversationKey,
        change: Callable[[Conversation | None], Conversation],
        now: datetime,
    ) -> Change[Conversation]:
        """Writes `change(stored)`. Raises Contention."""
        done = self.decide_conversation(key, lambda old: (change(old), None), now).change
        assert done
        return done

    def decide_conversation[R](
        self,
        key: ConversationKey,
        decide: Callable[[Conversation | None], tuple[Conversation | None, R]],
        now: datetime,
        *,
        new: bool = False,
        seen: Item | None = None,
    ) -> Decided[Conversation, R]:
        """Writes the first of `decide(stored)`, unless that is None; the other is the result. A decision is asked again
        when somebody wrote in between, so it changes nothing itself. Raises Contention."""
        item = conversation_key(key)
        return self._change(item, Conversation, decide, conversation_index, now, new=new, seen=seen)

    def update_conversation(
        self,
        key: ConversationKey,
        change: Callable[[Conversation], Conversation],
        now: datetime,
        *,
        passing: Callable[[Conversation], bool] | None = None,
        always: bool = False,
        seen: Item | None = None,
    ) -> Change[Conversation] | None:
        """Writes `change(stored)`; None when there is no such conversation, so that an erased one is not revived.
        `always`: also when that changes nothing, for the table's stream to tell of it.
        `passing` says of what is written whether another change follows at once, so that the overdue index may say an
        earlier time than is true until then: moving an entry costs twice what the conversation itself does.
        `seen` is the item as it was read or written a moment ago. Raises Contention."""
        return self._change(
            conversation_key(key),
            Conversation,
            lambda old: (change(old) if old else None, None),
            conversation_index,
            now,
            new=False,
            always=always,
            passing=passing,
            seen=seen,
        ).change

    def conversation(self, key: ConversationKey) -> Conversation | None:
        item = self.item(key)
        return item.noun(Conversation) if item else None

    def item(self, key: ConversationKey) -> Item | None:
        """Where the conversation stands, read consistently."""
        return self.table.get(conversation_key(key))

    def lately(self, key: ConversationKey) -> Conversation | None:
        """The conversation as it stood a moment ago, for half the price: for who looks whether something is done that
        is never undone, and reads it again where it does not look so."""
        item = self.table.get(conversation_key(key), lately=True)
        return item.noun(Conversation) if item else None

    def standing(self, key: ConversationKey) -> tuple[Thread | None, Item | None]:
        """The conversation's item (None: there is none), read consistently; and what the brand's people said in its
        thread, where that is the customer's own, so that one call brings both."""
        if key.thread != key.customer:
            return None, self.item(key)
        talk = self.talk(key.product, key.account, key.thread)
        return talk.thread, next((h.item for h in talk.held if h.noun.customer == key.customer), None)

    def reduce_conversation(
        self, key: ConversationKey, change: Callable[[Conversation], Conversation | None], now: datetime
    ) -> Conversation | None:
        """Writes `change(stored)`, or takes the conversation away where that is None, if nobody wrote in between; what
        stood there before. Raises Contention."""
        expires_at = now + self._kept

        def written(old: Item, after: Conversation) -> Item:
            return Item(old.key, Dumped(after), old.rev, expires_at=expires_at, **conversation_index(after))

        return self._reduce(conversation_key(key), Conversation, change, written)

    def conversations_of(
        self, product: str, account: str, customer: str, *, most: int | None = None, but: ConversationKey | None = None
    ) -> list[Conversation]:
        """Every conversation of a customer at one account, or the first `most`; eventually consistent. `but` is one
        that is at hand: the others are then read as they stood a moment ago, for half the price."""
        at_hand = conversation_key(but) if but else None
        keys = (key for key in self.keys_about(product, account, customer) if is_conversation(key))
        items = (self.table.get(key, lately=but is not None) for key in islice(keys, most) if key != at_hand)
        return [item.noun(Conversation) for item in items if item]

    def overdue(self, now: datetime) -> Iterator[ConversationKey]:
        """Every conversation that escalate has to look at, oldest first within each shard. Sweeps at the same time
        begin with different shards, by the fraction of the second, so that they share the work."""
        first = now.microsecond * SHARDS // 1_000_000
        for shard in (*range(first, SHARDS), *range(first)):
            for key in self.table.overdue(shard, now):
                yield parse_conversation_key(key)

    def waiting(self, shard: int, since: datetime) -> Iterator[tuple[datetime, ConversationKey]]:
        """Every conversation of a shard that escalate has to look at some day, from `since` on, with that day."""
        for at, key in self.table.waiting(shard, since):
            yield at, parse_conversation_key(key)

    def set_aside(self, key: ConversationKey, now: datetime) -> None:
        """Notes that work on a conversation failed: the first time it is tried again by the next sweep, then after
        longer and longer."""
        place = Key(ASIDE, sha256(repr(key).encode()).hexdigest()[:32])
        index = of_customer(key.product, key.account, key.customer)

        def once_more(old: Item | None) -> Item:
            failures = int(old.doc["failures"]) + 1 if old else 1
            wait = min(FIRST_WAIT * 2 ** (failures - 2), LONGEST_WAIT) if failures > 1 else timedelta()
            doc = {**dump(key), "failures": failures, "until": from_time(now + wait)}
            return Item(place, doc, expires_at=now + KEPT_AFTER, **index)

        overwrite(self.table, place, once_more)

    def aside(self, now: datetime) -> set[ConversationKey]:
        """The conversations that a sweep leaves alone for now, because work on them keeps failing; eventually
        consistent."""
        rows = self.table.partition(ASIDE, lately=True)
        return {ConversationKey.named(row.doc) for row in rows if to_time(str(row.doc["until"])) > now}

    # --- everything: a scan, for exports, reports and the local page, never on the way of an interaction ---

    def everything(self) -> Iterator[Conversation | Interaction]:
        """Every conversation and interaction."""
        for item in self.table.everything():
            if is_conversation(item.key):
                yield item.noun(Conversation)
            elif is_interaction(item.key):
                yield item.noun(Interaction)

    def conversations(self) -> Iterator[Conversation]:
        return (noun for noun in self.everything() if isinstance(noun, Conversation))

    def interactions(self) -> Iterator[Interaction]:
        return (noun for noun in self.everything() if isinstance(noun, Interaction))

    def keys_about(self, product: str, account: str, customer: str) -> Iterator[Key]:
        """The key of every conversation of a customer of an account and of every document about them, perhaps of one
        that there is not; eventually consistent. What they said is found by their conversations, or by a look at
        everything: an entry for each interaction would double what storing it costs."""
        yield (own := own_conversation(product, account, customer))
        yield from (k for k in self.table.of_customer(customer_key(product, account, customer)) if k != own)

    def take_away(self, item: Item, *, unchanged: bool = False) -> None:
        """Takes an item away; `unchanged`: unless somebody wrote in between."""
        try:
            self.table.delete(item.key, item.rev if unchanged else None)
        except Conflict:
            return

    # --- e-mails ---

    def note_email(self, tag: str, notices: Sequence[tuple[ConversationKey, str]], expires_at: datetime) -> None:
        """Keeps which notices stand in the e-mail called `tag`; an erasure takes a customer's along, which it finds by
        the notices or by a look at everything."""
        for number, (key, name) in enumerate(notices):
            self.put_document(names.notice(tag), f"{number:04}", {**dump(key), "notice": name}, expires_at)

    def notes_of_email(self, tag: str) -> list[Item]:
        """The items of `note_email`."""
        return self.table.partition(documents_pk(names.notice(tag)))

    def notices_in(self, tag: str) -> list[tuple[ConversationKey, str]]:
        """The notices that stand in the e-mail called `tag`."""
        return [(ConversationKey.named(doc), str(doc["notice"])) for doc in self.documents(names.notice(tag))]

    # --- threads ---

    def thread(self, product: str, account: str, thread: str) -> Thread:
        item = self.table.get(brand_item(product, account, thread))
        return item.noun(Thread) if item else Thread(product, account, thread)

    def talk(self, product: str, account: str, thread: str) -> Talk:
        """All that stands in a thread, read consistently."""
        brand, held = None, []
        for item in self.table.partition(thread_pk(product, account, thread)):
            if is_conversation(item.key):
                held.append(Held(item.noun(Conversation), item))
            else:
                brand = item
        said = brand.noun(Thread) if brand else Thread(product, account, thread)
        return Talk(said, brand, tuple(held))

    def conversations_in(self, product: str, account: str, thread: str) -> list[Conversation]:
        """Every conversation of a thread, read consistently."""
        return self.talk(product, account, thread).conversations

    def conversations_behind(
        self, product: str, account: str, thread: str, customer: str = ""
    ) -> Iterator[Conversation]:
        """Those of a thread whose customers' ids come after `customer`, in order, read only as far as asked."""
        for item in self.table.following(
            thread_pk(product, account, thread),
            conversation_key(ConversationKey(product, account, thread, customer)).sk,
        ):
            if is_conversation(item.key):
                yield item.noun(Conversation)

    def change_thread(
        self,
        product: str,
        account: str,
        thread: str,
        change: Callable[[Thread], Thread],
        now: datetime,
        seen: Item | None = None,
    ) -> Thread:
        """Writes `change(stored)`; `seen` is its item as it was read a moment ago (None: there was none)."""
        key = brand_item(product, account, thread)
        first = Thread(product, account, thread)
        done = self._change(
            key, Thread, lambda old: (change(old or first), None), lambda _: {}, now, new=True, seen=seen
        ).change
        assert done
        return done.after

    def reduce_thread(self, product: str, account: str, thread: str, kept: Callable[[Thread], Thread | None]) -> None:
        """Writes `kept(stored)`, or takes away what the brand said in the thread where that is None. Raises
        Contention."""

        def written(old: Item, after: Thread) -> Item:
            return Item(old.key, Dumped(after), old.rev, expires_at=old.expires_at)

        self._reduce(brand_item(product, account, thread), Thread, kept, written)

    def ids_of_brand(self, product: str, account: str, thread: str) -> Iterator[str]:
        """The ids of what the brand said in the thread and a release before this one stored; eventually consistent."""
        prefix = interaction_key(product, account, "").pk
        return (key.pk.removeprefix(prefix) for key in self.table.of_customer(brand_key(product, account, thread)))

    # --- the two ways in which anything changes ---

    def _reduce[T](
        self, key: Key, cls: type[T], change: Callable[[T], T | None], written: Callable[[Item, T], Item]
    ) -> T | None:
        """Writes `change(stored)`, or takes it away where that is None; what stood there before, if anything."""
        item = self.table.get(key)
        for _ in range(ATTEMPTS):
            if item is None:
                return None
            before = item.noun(cls)
            after = change(before)
            try:
                if after is None:
                    self.table.delete(key, item.rev)
                elif after != before:
                    self.table.put(written(item, after))
                return before
            except Conflict as conflict:
                item = conflict.old
        raise Contention(cls.__name__)

    def _change[T, R](
        self,
        key: Key,
        cls: type[T],
        decide: Callable[[T | None], tuple[T | None, R]],
        index: Callable[[T], dict[str, Any]],
        now: datetime,
        *,
        new: bool,
        always: bool = False,
        seen: Item | None = None,
        passing: Callable[[T], bool] | None = None,
    ) -> Decided[T, R]:
        item = seen or (None if new else self.table.get(key))
        for _ in range(ATTEMPTS):
            before = item.noun(cls) if item else None
            after, result = decide(before)
            if after is None:
                return Decided(None, result, item)
            if after == before and not always:
                return Decided(Change(before, after, item), result)
            found = index(after)
            wake_at: datetime | None = found.get("wake_at")
            # what somebody is waiting for outlives any retention
            expires_at = max(now, wake_at or now) + self._kept
            if passing and wake_at and item and item.wake_at and item.wake_at < wake_at and passing(after):
                found |= {"wake_at": item.wake_at}
            written = Item(key, Dumped(after), item.rev if item else 0, expires_at=expires_at, **found)
            try:
                return Decided(Change(before, after, self.table.put(written)), result)
            except Conflict as conflict:
                item = conflict.old
        raise Contention(cls.__name__)
