"""The table's change stream → facts. Duplicates and disorder do no harm: a fact carries its revision.

Each change of a conversation gives its questions' facts anew; nothing is counted here, so nothing is counted twice. A
conversation that goes because its time is up keeps its facts; one that is erased loses the customer's name in them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, Final

from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.reports.columns import End, Fact, to_lines
from chalicelib.reports.community import thanked
from chalicelib.reports.facts import Deriver, Revised
from chalicelib.reports.questions import Asked
from chalicelib.reports.writers import Writers, unsigned
from chalicelib.storage.item_keys import (
    ConversationKey,
    conversation_key,
    interaction_key,
    is_conversation,
    is_interaction,
)
from chalicelib.storage.table import Item, Key, Table, document

GONE: Final = 1_000_000  # the revision of what is no more: later than any other
NEIGHBOURS: Final = 50  # other customers of a thread who are looked at for one who helped
TTL: Final = "dynamodb.amazonaws.com"  # who deletes what has expired


@dataclass(frozen=True, slots=True)
class Changed:
    """An item before and after a write (None: not there); `expired`: it went because its time was up."""

    key: Key
    old: Item | None
    new: Item | None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class FactsOfChanges:
    """Derives the facts of changes; `table` is where a conversation's interactions are read. `seen` keeps what was
    found there while one batch is worked on: whatever changes after it comes with a change of its own."""

    table: Table
    deriver: Deriver
    seen: dict[Key, Item] | None = None

    def facts(self, changes: Iterable[Changed]) -> list[Fact]:
        """The newest fact of each question that `changes` tell of, and of each day that it was counted under."""
        newest: dict[tuple[str, date], Fact] = {}
        told = list(changes)
        last = {change.key: change.new for change in told if change.new and is_conversation(change.key)}
        for change in told:
            for fact in self._of(change, last.get(change.key)):
                at = (fact.question, fact.day)
                if at not in newest or newest[at].revision <= fact.revision:
                    newest[at] = fact
        return list(newest.values())

    def everything(self) -> list[Fact]:
        """The facts of all that the table holds now: for a stack whose stream began later, and for the local run."""
        return self.facts(Changed(i.key, None, i) for i in self.table.everything() if is_conversation(i.key))

    def asked(self) -> Iterator[Asked]:
        """What customers wrote, as far as it is still stored and was not taken back: for the questions' own words."""
        writers = Writers()
        for item in self.table.everything():
            if is_interaction(item.key):
                i = item.noun(Interaction)
                if i.thread and not i.brand and i.reading and i.text:
                    r = i.reading
                    yield Asked(r.intent, r.language or "", writers.of(i), unsigned(i), r.confidence)

    def stored(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[str]:
        """The pseudonyms of the questions that the table itself holds, asked in [`since`, `until`), found without
        looking at conversations."""
        for item in self.table.everything():
            if is_interaction(item.key):
                i = item.noun(Interaction)
                if i.thread and not i.brand and not (since and i.at < since) and not (until and i.at >= until):
                    yield self.deriver.question(i.product, i.account, i.id)

    def _of(self, change: Changed, last: Item | None) -> Iterator[Fact]:
        """What one change tells; `last` is how its conversation stands after all of them."""
        if is_conversation(change.key):
            yield from self._conversation(change, last)
        elif is_interaction(change.key) and change.old and change.new:  # a new one comes with its conversation
            i = change.new.noun(Interaction)
            if self.seen is not None and ((read := self.seen.get(change.key)) is None or read.rev < change.new.rev):
                self.seen[change.key] = change.new
            item = self._get(conversation_key(ConversationKey.of(i))) if i.thread and not i.brand else None
            if item:
                yield from self._derived(item)

    def _conversation(self, change: Changed, last: Item | None) -> Iterator[Fact]:
        if change.new:
            if not (last and _says_more(last, change.new)):  # a notice alone changes its conversation three times
                yield from self._derived(change.new)
            yield from self._moved(change.old, change.new)
            if change.old:
                left = change.old.noun(Conversation).questions.keys() - change.new.noun(Conversation).questions
                yield from self._erased(change.old, left, whole=False)
        elif change.old and not change.expired:
            yield from self._erased(change.old, change.old.noun(Conversation).questions.keys(), whole=True)

    def _derived(self, item: Item) -> Iterator[Fact]:
        c = item.noun(Conversation)
        # a change of theirs that this misses comes by the stream itself
        interactions = {id: found for id in c.questions if (found := self._interaction(c, id, lately=True))}
        others = tuple(self._others(c)) if thanked(c) else ()
        yield from self.deriver.facts(Revised(c, item.rev), interactions, others=others)

    def _others(self, c: Conversation) -> Iterator[Interaction]:
        """What other customers said in the thread of `c`, of the newest of them."""
        found = (i.noun(Conversation) for i in self.table.partition(_thread(c)) if is_conversation(i.key))
        newest = sorted((o for o in found if o.customer != c.customer), key=_last, reverse=True)
        for other in newest[:NEIGHBOURS]:
            for id in other.questions:
                if item := self._get(interaction_key(c.product, c.account, id)):
                    yield item.noun(Interaction)

    def names(self, wanted: Collection[str]) -> dict[str, str]:
        """What the customers of these pseudonyms are called in public, as far as it is still stored."""
        found: dict[str, str] = {}
        for item in self.table.everything() if wanted else ():
            if is_interaction(item.key):
                i = item.noun(Interaction)
                who = self.deriver.customer(i.product, i.account, i.customer)
                if i.author_name and not (i.brand or i.private) and who in wanted:
                    found[who] = i.author_name
        return found

    def _interaction(self, c: Conversation, id: str, *, lately: bool = False) -> Revised[Interaction] | None:
        item = self._get(interaction_key(c.product, c.account, id), lately=lately)
        return Revised(item.noun(Interaction), item.rev) if item else None

    def _get(self, key: Key, *, lately: bool = False) -> Item | None:
        """It as it stands; `lately`: as it stood a moment ago, for half the price, if it was there then. Such a one is
        not kept: it must not be taken for one that an erasure has left since."""
        found = (self.seen or {}).get(key) or (self.table.get(key, lately=True) if lately else None)
        if found:
            return found
        item = self.table.get(key)
        if item and self.seen is not None:
            self.seen[key] = item
        return item

    def _erased(self, old: Item, ids: Collection[str], *, whole: bool) -> Iterator[Fact]:
        """The facts without the customer's name of those questions of `ids` that an erasure took out of the
        conversation; what it only has too many of keeps its facts. `whole`: the conversation went with it."""
        c = old.noun(Conversation) if ids else None
        if c is None:
            return
        taken: dict[str, Revised[Interaction]] = {}
        for id in ids:
            found = self._interaction(c, id)
            if found and (whole or found.noun.erased):
                taken[id] = Revised(replace(found.noun, author=c.customer), found.rev)
            elif found is None and whole:  # a tombstone whose id names the customer goes as well
                q = c.questions[id]
                noun = Interaction(c.product, c.account, id, Kind.DELETE, q.at, q.received_at, author=c.customer)
                taken[id] = Revised(noun, GONE)
        yield from self.deriver.facts(Revised(c, old.rev + 1), taken, erased=True)

    def _moved(self, old: Item | None, new: Item) -> Iterator[Fact]:
        """For each question that turned out to be of another day, a row that takes its place on the day before."""
        if old is None:
            return
        before, after = old.noun(Conversation), new.noun(Conversation)
        moved = {
            id: q.at for id, q in before.questions.items() if id in after.questions and q.at != after.questions[id].at
        }
        names = {self.deriver.question(after.product, after.account, id): at for id, at in moved.items()}
        for fact in self._derived(new) if names else ():
            at = names.get(fact.question)
            if at and at.date() != fact.day:
                yield replace(fact, asked_at=at, state=End.MOVED)


def _says_more(later: Item, item: Item) -> bool:
    """Whether every fact of `item` has a newer one of `later`."""
    if later.rev <= item.rev:
        return False
    return item.noun(Conversation).questions.keys() <= later.noun(Conversation).questions.keys()


def _thread(c: Conversation) -> str:
    return conversation_key(ConversationKey.of(c)).pk


def _last(c: Conversation) -> datetime:
    return max(q.at for q in c.questions.values()) if c.questions else datetime.min.replace(tzinfo=UTC)


Put = Callable[[str, bytes], None]
"""(object key, content): writes an object, replacing what had that key."""


def work(event: Mapping[str, Any], facts: FactsOfChanges, put: Put) -> int:
    """One batch of the stream: an object for each day that its facts belong to; how many facts. The objects are named
    by the batch, so that a batch which comes again replaces what it wrote."""
    records = event["Records"]
    if not records:
        return 0
    batch = replace(facts, seen={})
    found = sorted(batch.facts(changed(r) for r in records), key=lambda f: (f.day, f.question))
    first, last = (r["dynamodb"]["SequenceNumber"] for r in (records[0], records[-1]))
    for day, rows in groupby(found, key=lambda f: f.day):
        put(f"facts/day={day}/{first}-{last}.jsonl", to_lines(rows))
    return len(found)


def changed(record: Mapping[str, Any]) -> Changed:
    """A stream's record. Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html"""
    told = record["dynamodb"]
    key = Key(told["Keys"]["pk"]["S"], told["Keys"]["sk"]["S"])
    expired = record.get("userIdentity", {}).get("principalId") == TTL
    return Changed(key, _item(key, told.get("OldImage")), _item(key, told.get("NewImage")), expired)


def _item(key: Key, image: Mapping[str, Any] | None) -> Item | None:
    if not image or "doc" not in image:  # counters are no documents
        return None
    return Item(key, document(image["doc"], key), int(image.get("rev", {"N": "0"})["N"]))
