"""The one DynamoDB table behind `store.py`: conditional writes, two sparse indexes, counters.

An item is `pk`, `sk`, a revision `rev` that every write raises by one, the token of the write that made it, a schema
version `v`, the document `doc` (packed.py), and the attributes of the indexes where they apply.
`infra/replay/memory.py` has the same interface in memory; tests/storage/test_table.py runs one contract over both.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from secrets import token_urlsafe
from typing import Any, NamedTuple, Protocol

from chalicelib.aws.client import DYNAMODB, AwsError, LeanAws
from chalicelib.codec import Dumped, from_time, load, to_time
from chalicelib.conversations.changed import swift
from chalicelib.storage.packed import pack, unpack

SCHEMA = 3  # readers accept this one and those before (2: packed without its key, 1: the document as a map)
OVERDUE_INDEX = "overdue"
CUSTOMER_INDEX = "customer"
ATTEMPTS = 12  # of a conditional write before the queue has to bring the message again
_CONDITION = "ConditionalCheckFailedException"


class Key(NamedTuple):
    pk: str
    sk: str

    @property
    def whole(self) -> str:
        return f"{self.pk}#{self.sk}"


@swift
@dataclass(frozen=True, slots=True)
class Item:
    """A stored document. `shard` and `wake_at` put it into the overdue index, `customer` into the customer's."""

    key: Key
    doc: Mapping[str, Any]
    rev: int = 0
    shard: int | None = None
    wake_at: datetime | None = None
    customer: str | None = None
    expires_at: datetime | None = None
    _read: Any = field(default=None, init=False, compare=False, repr=False)

    def noun[T](self, cls: type[T]) -> T:
        """What the document says: as it was written, or decoded the first time that it is asked for, because the same
        item may be looked at again. Raises as `load` does."""
        if isinstance(self.doc, Dumped) and type(self.doc.value) is cls:
            return self.doc.value
        if type(self._read) is not cls:
            object.__setattr__(self, "_read", load(cls, self.doc))
        return self._read  # type: ignore[no-any-return]


class Conflict(Exception):
    """Somebody wrote in between; `old` is what stands there now."""

    def __init__(self, old: Item | None) -> None:
        super().__init__("the item has changed")
        self.old = old


class Contention(Exception):
    """Others kept writing the same item; the message comes back from the queue."""


class Table(Protocol):
    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        """The item, read consistently; `lately`: as it stood a moment ago, for half the price."""

    def put(self, item: Item) -> Item:
        """Writes revision `item.rev` + 1 if the stored one still is `item.rev` (0: none); raises Conflict."""

    def delete(self, key: Key, rev: int | None = None) -> None:
        """Takes it away; with `rev` only if the stored one still is that: raises Conflict."""

    def partition(self, pk: str, most: int | None = None, *, lately: bool = False) -> list[Item]:
        """All items of a partition, or the first `most`, read consistently (`lately`: as it stood a moment ago, for
        half the price), in the order of their sort keys."""

    def following(self, pk: str, sk: str) -> Iterator[Item]:
        """The items of a partition behind the sort key `sk`, in order, read consistently and only as far as asked."""

    def overdue(self, shard: int, now: datetime) -> Iterator[Key]:
        """Keys in this shard whose `wake_at` is not after `now`, oldest first; eventually consistent."""

    def waiting(self, shard: int, since: datetime) -> Iterator[tuple[datetime, Key]]:
        """Keys in this shard from `since` on, each with its `wake_at`, soonest first; eventually consistent."""

    def of_customer(self, customer: str) -> Iterator[Key]:
        """Keys of everything about a customer; eventually consistent."""

    def everything(self, after: Key | None = None) -> Iterator[Item]:
        """Every item, from behind `after` on where a look before has ended there: a scan, for exports, checks and
        erasures, never on the way of an interaction."""

    def count(self, key: Key, limit: int, expires_at: datetime, by: int = 1) -> bool:
        """Raises the counter `by` so many, unless that would pass `limit`; whether it did."""

    def counted(self, key: Key, *, lately: bool = False) -> int:
        """Where the counter stands, read consistently, or as it stood a moment ago; 0 when there is none."""


class DynamoTable:
    """`Table` on DynamoDB."""

    def __init__(self, aws: LeanAws, name: str) -> None:
        self._aws = aws
        self._name = name

    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        found = self._call("GetItem", Key=_key(key), ConsistentRead=not lately).get("Item")
        return _item(found) if found else None

    def put(self, item: Item) -> Item:
        token = token_urlsafe(6)
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if item.rev:
            values = {":rev": {"N": str(item.rev)}}
            condition = {"ConditionExpression": "rev = :rev", "ExpressionAttributeValues": values}
        written = _attributes(item, token)
        try:
            self._call("PutItem", Item=written, ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition)
        except AwsError as error:
            if error.code != _CONDITION:
                raise
            old = error.answer.get("Item")
            # a write whose answer was lost and that was sent again fails its own condition: our token means we won
            if old is None or old.get("token", {}).get("S") != token:
                raise Conflict(_item(old) if old else None) from None
        return _revised(item)

    def delete(self, key: Key, rev: int | None = None) -> None:
        condition: dict[str, Any] = {}
        if rev is not None:  # one that is gone already, by a call whose answer was lost, is as it should be
            values = {":rev": {"N": str(rev)}}
            condition = {
                "ConditionExpression": "attribute_not_exists(pk) OR rev = :rev",
                "ExpressionAttributeValues": values,
            }
        try:
            self._call("DeleteItem", Key=_key(key), ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition)
        except AwsError as error:
            if error.code != _CONDITION:
                raise
            old = error.answer.get("Item")
            raise Conflict(_item(old) if old else None) from None

    def partition(self, pk: str, most: int | None = None, *, lately: bool = False) -> list[Item]:
        limit = {"Limit": most} if most else {}
        pages = self._pages(
            "Query", KeyConditionExpression="pk = :pk", values={":pk": pk}, ConsistentRead=not lately, **limit
        )
        return [_item(found) for found in islice(pages, most)]

    def following(self, pk: str, sk: str) -> Iterator[Item]:
        condition, values = "pk = :pk AND sk > :sk", {":pk": pk, ":sk": sk}
        pages = self._pages("Query", KeyConditionExpression=condition, values=values, ConsistentRead=True)
        return (_item(found) for found in pages)

    def overdue(self, shard: int, now: datetime) -> Iterator[Key]:
        pages = self._pages(
            "Query",
            IndexName=OVERDUE_INDEX,
            KeyConditionExpression="shard = :shard AND wake_at <= :now",
            values={":shard": shard, ":now": from_time(now)},
        )
        return (Key(found["pk"]["S"], found["sk"]["S"]) for found in pages)

    def waiting(self, shard: int, since: datetime) -> Iterator[tuple[datetime, Key]]:
        pages = self._pages(
            "Query",
            IndexName=OVERDUE_INDEX,
            KeyConditionExpression="shard = :shard AND wake_at >= :since",
            values={":shard": shard, ":since": from_time(since)},
        )
        return ((to_time(found["wake_at"]["S"]), Key(found["pk"]["S"], found["sk"]["S"])) for found in pages)

    def of_customer(self, customer: str) -> Iterator[Key]:
        pages = self._pages(
            "Query", IndexName=CUSTOMER_INDEX, KeyConditionExpression="customer = :c", values={":c": customer}
        )
        return (Key(found["pk"]["S"], found["sk"]["S"]) for found in pages)

    def everything(self, after: Key | None = None) -> Iterator[Item]:
        start = {"ExclusiveStartKey": _key(after)} if after else {}
        return (_item(found) for found in self._pages("Scan", values=None, **start) if "doc" in found)

    def count(self, key: Key, limit: int, expires_at: datetime, by: int = 1) -> bool:
        if by > limit:
            return False
        try:
            self._call(
                "UpdateItem",
                Key=_key(key),
                UpdateExpression="ADD n :one SET expires_at = :expires",
                ConditionExpression="attribute_not_exists(n) OR n < :limit",
                ExpressionAttributeValues={
                    ":one": {"N": str(by)},
                    ":limit": {"N": str(limit - by + 1)},
                    ":expires": {"N": str(int(expires_at.timestamp()))},
                },
            )
        except AwsError as error:
            if error.code != _CONDITION:
                raise
            return False
        return True

    def counted(self, key: Key, *, lately: bool = False) -> int:
        found = self._call("GetItem", Key=_key(key), ConsistentRead=not lately).get("Item", {})
        return int(found.get("n", {}).get("N", 0))

    def _call(self, action: str, **request: Any) -> dict[str, Any]:
        return self._aws.call(DYNAMODB, action, {"TableName": self._name, **request})

    def _pages(self, action: str, *, values: Mapping[str, Any] | None, **request: Any) -> Iterator[dict[str, Any]]:
        if values:
            request["ExpressionAttributeValues"] = {name: attribute(value) for name, value in values.items()}
        while True:
            page = self._call(action, **request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _attributes(item: Item, token: str) -> dict[str, Any]:
    index = {
        "shard": item.shard,
        "wake_at": from_time(item.wake_at) if item.wake_at else None,
        "customer": item.customer,
        "expires_at": int(item.expires_at.timestamp()) if item.expires_at else None,
    }
    plain = {"rev": item.rev + 1, "token": token, "v": SCHEMA, "doc": _packed(item.doc, item.key)}
    present = {name: value for name, value in index.items() if value is not None}
    return _key(item.key) | {name: attribute(value) for name, value in (plain | present).items()}


def _packed(doc: Mapping[str, Any], key: Key) -> bytes | Mapping[str, Any]:
    """`doc` packed; one that holds bytes (a part of a delivery) as it is."""
    if isinstance(doc, Dumped):
        return pack(doc.plain, key.whole)
    return doc if any(isinstance(value, bytes) for value in doc.values()) else pack(doc, key.whole)


def document(stored: Mapping[str, Any], key: Key) -> Mapping[str, Any]:
    """The document in the attribute `doc` of the item `key`, as this release or those before wrote it; raises
    Unreadable."""
    doc = value_of(stored)
    return unpack(doc, key.whole) if isinstance(doc, bytes) else doc


def _item(found: Mapping[str, Any]) -> Item:
    plain = {name: value_of(stored) for name, stored in found.items() if name != "doc"}
    expires, key = plain.get("expires_at"), Key(plain["pk"], plain["sk"])
    return Item(
        key=key,
        doc=document(found["doc"], key) if "doc" in found else {},
        rev=int(plain.get("rev", 0)),
        shard=int(plain["shard"]) if "shard" in plain else None,
        wake_at=datetime.fromisoformat(plain["wake_at"]) if "wake_at" in plain else None,
        customer=plain.get("customer"),
        expires_at=datetime.fromtimestamp(int(expires), UTC) if expires else None,
    )


def attribute(value: Any) -> dict[str, Any]:
    """A plain value as DynamoDB takes it. Raises TypeError for what it has no type for.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
    """
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, Mapping):
        return {"M": {name: attribute(inner) for name, inner in value.items()}}
    if isinstance(value, bytes):
        return {"B": b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return {"L": [attribute(inner) for inner in value]}
    raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


def value_of(stored: Mapping[str, Any]) -> Any:
    """The plain value that `attribute` made of it."""
    ((kind, value),) = stored.items()
    return _READ[kind](value)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "S": str,
    "N": _number,
    "BOOL": bool,
    "NULL": lambda _: None,
    "M": lambda value: {name: value_of(inner) for name, inner in value.items()},
    "L": lambda value: [value_of(inner) for inner in value],
    "B": b64decode,
}


def _revised(item: Item) -> Item:
    return Item(item.key, item.doc, item.rev + 1, item.shard, item.wake_at, item.customer, item.expires_at)


def overwrite(table: Table, key: Key, change: Callable[[Item | None], Item | None]) -> bool:
    """Writes `change(stored)`, or nothing where that is None; whether it wrote. Asked again when somebody wrote in
    between, so it changes nothing itself. Raises Contention."""
    old = table.get(key)
    for _ in range(ATTEMPTS):
        new = change(old)
        if new is None:
            return False
        try:
            table.put(replace(new, rev=old.rev if old else 0))
            return True
        except Conflict as conflict:
            old = conflict.old
    raise Contention(key.pk[:1])  # the rest may name somebody
