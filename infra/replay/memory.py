"""DynamoDB's table, SQS's queues, Step Functions and SES in memory, for replay: the same, in microseconds.

`MemoryTable` is proven equal to `DynamoTable` by the contract in tests/test_table.py, which runs over both.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chalicelib.aws.mail_bucket import HEAD, StoredMail
from chalicelib.aws.mailer import Email
from chalicelib.aws.queues import encode
from chalicelib.aws.timer import bucket
from chalicelib.handlers import messages
from chalicelib.storage.table import Conflict, Item, Key
from infra.local import events
from infra.stack.definitions import redeliveries

TEMPLATE_NAMES = {
    "inbox": "InboxQueue",
    "due": "DueQueue",
    "escalations": "EscalationsQueue",
    "mail-events": "MailEventsQueue",
    "incoming-mail": "IncomingMailQueue",
}


class MemoryTable:
    """`chalicelib.storage.table.Table` in memory, with the same indexes. One thread at a time."""

    def __init__(self) -> None:
        self._items: dict[Key, Item] = {}
        self._families: dict[str, dict[str, None]] = {}
        self._customers: dict[str, dict[Key, None]] = {}
        self._overdue: dict[int, list[tuple[datetime, str, str]]] = {}
        self._counters: dict[Key, int] = {}
        self._numbers: dict[Key, int] = {}  # in which order keys came, also those that are gone

    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        return self._items.get(key)

    def put(self, item: Item) -> Item:
        key = item.key
        old = self._items.get(key)
        if (old.rev if old else 0) != item.rev:
            raise Conflict(old)
        new = Item(key, item.doc, item.rev + 1, item.shard, item.wake_at, item.customer, item.expires_at)
        self._items[key] = new
        if old is None:
            self._numbers.setdefault(key, len(self._numbers) + 1)
            self._families.setdefault(key.pk, {})[key.sk] = None
        self._index(old, new)
        return new

    def _index(self, old: Item | None, new: Item | None) -> None:
        """Moves the entries of `old` to where those of `new` belong, unless they stand there."""
        before, after = old and old.customer, new and new.customer
        if before != after:
            if old and before:
                self._customers[before].pop(old.key, None)
            if new and after:
                self._customers.setdefault(after, {})[new.key] = None
        if old is None or new is None or old.wake_at != new.wake_at or old.shard != new.shard:
            self._take_out(old)
            self._put_in(new)

    def _put_in(self, item: Item | None) -> None:
        if item and item.shard is not None and item.wake_at:
            insort(self._overdue.setdefault(item.shard, []), (item.wake_at, item.key.pk, item.key.sk))

    def delete(self, key: Key, rev: int | None = None) -> None:
        old = self._items.get(key)
        if rev is not None and old and old.rev != rev:
            raise Conflict(old)
        self._index(self._items.pop(key, None), None)
        self._families.get(key.pk, {}).pop(key.sk, None)

    def partition(self, pk: str, most: int | None = None, *, lately: bool = False) -> list[Item]:
        return [self._items[Key(pk, sk)] for sk in sorted(self._families.get(pk, ()))[:most]]

    def following(self, pk: str, sk: str) -> Iterator[Item]:
        return (item for item in self.partition(pk) if item.key.sk > sk)

    def overdue(self, shard: int, now: datetime) -> Iterator[Key]:
        rows = self._overdue.get(shard, [])
        ripe = rows[: bisect_right(rows, now, key=lambda row: row[0])]
        return (Key(pk, sk) for _, pk, sk in ripe)

    def waiting(self, shard: int, since: datetime) -> Iterator[tuple[datetime, Key]]:
        rows = list(self._overdue.get(shard, []))
        return ((at, Key(pk, sk)) for at, pk, sk in rows[bisect_left(rows, since, key=lambda row: row[0]) :])

    def of_customer(self, customer: str) -> Iterator[Key]:
        return iter(list(self._customers.get(customer, ())))

    def everything(self, after: Key | None = None) -> Iterator[Item]:
        if after is None:
            return iter(list(self._items.values()))
        first = self._numbers.get(after, 0)
        return iter([item for key, item in list(self._items.items()) if self._numbers[key] > first])

    def count(self, key: Key, limit: int, expires_at: datetime, by: int = 1) -> bool:
        stands_at = self._counters.get(key, 0)
        if stands_at + by > limit:
            return False
        self._counters[key] = stands_at + by
        return True

    def counted(self, key: Key, *, lately: bool = False) -> int:
        return self._counters.get(key, 0)

    def _take_out(self, old: Item | None) -> None:
        if old and old.shard is not None and old.wake_at:
            rows = self._overdue[old.shard]
            del rows[bisect_left(rows, (old.wake_at, old.key.pk, old.key.sk))]


class Due(NamedTuple):
    """Something that happens at `at`; `order`, of which no two have the same, keeps what falls together in the order it
    was made."""

    at: datetime
    order: int
    name: str
    body: str = ""
    receives: int = 0  # how often a queue's message has come before


class VirtualClock:
    """What happens when: queue messages, timers and schedules on a virtual clock."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._heap: list[Due] = []
        self._order = 0

    @property
    def added(self) -> int:
        """How much has been put on it so far."""
        return self._order

    def add(self, at: datetime, name: str, body: str = "", receives: int = 0) -> None:
        self._order += 1
        heapq.heappush(self._heap, Due(max(at, self.now), self._order, name, body, receives))

    def next(self, until: datetime) -> Due | None:
        """The next thing that is due by `until`, with the clock set to its time; None when there is none."""
        if not self._heap or self._heap[0].at > until:
            return None
        due = heapq.heappop(self._heap)
        self.now = due.at
        return due

    def with_others(self, due: Due, most: int) -> list[Due]:
        """`due` and what comes next, as long as it is the same thing at the same time: at most so many in all."""
        together, heap = [due], self._heap
        while len(together) < most and heap and heap[0].name == due.name and heap[0].at == due.at:
            together.append(heapq.heappop(heap))
        return together


@dataclass(frozen=True, slots=True)
class MemoryQueue:
    """`chalicelib.aws.queues.Queue` whose messages arrive on the virtual_clock."""

    name: str
    virtual_clock: VirtualClock

    def send(self, message: Mapping[str, Any], delay: timedelta = timedelta()) -> None:
        self.virtual_clock.add(self.virtual_clock.now + delay, self.name, encode(message))

    def send_all(self, messages: Sequence[Mapping[str, Any]], delays: Sequence[timedelta] = ()) -> None:
        for message, delay in zip(messages, delays or [timedelta()] * len(messages), strict=True):
            self.send(message, delay)


@dataclass(slots=True)
class MemoryVisibility:
    """`chalicelib.aws.queues.Visibility` for the messages that are being worked on, by receipt handle."""

    shortened: dict[str, timedelta] = field(default_factory=dict)

    def shorten(self, arn: str, after: Mapping[str, timedelta]) -> None:
        self.shortened.update(after)


@dataclass(slots=True)
class Deliverer:
    """SQS and Lambda: hands messages to their function, and brings each again as resources.yaml says when it failed."""

    virtual_clock: VirtualClock
    visibility: MemoryVisibility

    def deliver(self, batch: Sequence[Due], function: Callable[[Any, Any], Any]) -> int:
        """Hands one queue's messages to one invocation; how many of them are dead letters now."""
        queue, by_id = batch[0].name, {str(number): due for number, due in enumerate(batch, start=1)}
        self.visibility.shortened.clear()
        taken = [events.message(due.body, due.receives + 1, id) for id, due in by_id.items()]
        failed = function(events.sqs_event(taken, queue), None)["batchItemFailures"]
        if not failed:
            return 0
        rule = redeliveries()[TEMPLATE_NAMES[queue]]
        again = [(id, by_id[id]) for id in (row["itemIdentifier"] for row in failed)]
        again = [(id, due) for id, due in again if due.receives + 1 < rule.receives]
        for id, due in again:
            after = self.visibility.shortened.get(id, rule.visibility)
            self.virtual_clock.add(self.virtual_clock.now + after, queue, due.body, due.receives + 1)
        return len(failed) - len(again)


@dataclass(slots=True)
class MemoryTimer:
    """`chalicelib.aws.timer.Timer` on the virtual_clock: one wake-up a minute."""

    virtual_clock: VirtualClock
    _started: set[datetime] = field(default_factory=set)

    def wake(self, at: datetime) -> None:
        minute = bucket(at)
        if minute not in self._started:
            self._started.add(minute)
            self.virtual_clock.add(minute, "due", encode(messages.encode(messages.WakeUp(minute))))


@dataclass(slots=True)
class MemoryMailBucket:
    """`chalicelib.aws.mail_bucket.MailBucket` in memory."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str, most: int) -> StoredMail | None:
        mime = self.kept.get(name)
        if mime is None:
            return None
        return StoredMail(mime, True) if len(mime) <= most else StoredMail(mime[:HEAD], False)

    def drop(self, name: str) -> None:
        self.kept.pop(name, None)


@dataclass(slots=True)
class MemoryMailer:
    """`chalicelib.aws.mailer.Mailer` that keeps what was sent."""

    sent: list[Email] = field(default_factory=list)

    def send(self, email: Email) -> str:
        self.sent.append(email)
        return f"mail-{len(self.sent)}"
