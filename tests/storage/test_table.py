"""The table's contract, over DynamoDB (moto) and over memory: replay and the tests of races rely on their equality."""

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.storage.item_keys import counter_item
from chalicelib.storage.packed import _WORDS, Unreadable, pack, unpack
from chalicelib.storage.store import Store
from chalicelib.storage.table import Conflict, Contention, DynamoTable, Item, Key, Table, attribute, document, overwrite
from infra.replay.memory import MemoryTable
from tests.aws_world import create_table
from tests.boto_aws import BotoAws
from tests.quick_aws import QuickAws, State

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = Key("t#x:1#2", "c#3")


@pytest.fixture(params=["dynamodb", "quick", "memory"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    if request.param == "memory":
        yield MemoryTable()
        return
    if request.param == "quick":
        yield DynamoTable(QuickAws(State()), "contract")
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        create_table(BotoAws().client("dynamodb"), "contract")
        yield DynamoTable(BotoAws(), "contract")


def test_an_item_comes_back_as_it_was_put(table: Table) -> None:
    doc = {"text": "grüße 😀", "number": 3, "share": 0.25, "yes": True, "list": [1, "two"], "map": {"a": {"b": 1}}}
    table.put(Item(KEY, doc, shard=2, wake_at=NOW, customer="x:1#3", expires_at=NOW + timedelta(days=1)))
    found = table.get(KEY)
    assert found is not None
    assert {k: float(v) if k == "share" else v for k, v in found.doc.items()} == doc
    assert (found.rev, found.shard, found.wake_at, found.customer) == (1, 2, NOW, "x:1#3")
    assert found.expires_at == NOW + timedelta(days=1)


def test_what_is_not_there_is_none(table: Table) -> None:
    assert table.get(KEY) is None
    assert table.partition(KEY.pk) == []


def test_the_first_put_wins_and_the_second_sees_what_stands_there(table: Table) -> None:
    table.put(Item(KEY, {"by": "first"}))
    with pytest.raises(Conflict) as conflict:
        table.put(Item(KEY, {"by": "second"}))
    assert conflict.value.old is not None
    assert (conflict.value.old.doc, conflict.value.old.rev) == ({"by": "first"}, 1)


def test_a_put_of_an_old_revision_is_refused_and_of_the_present_one_done(table: Table) -> None:
    table.put(Item(KEY, {"n": 1}))
    assert table.put(Item(KEY, {"n": 2}, rev=1)).rev == 2
    with pytest.raises(Conflict) as conflict:
        table.put(Item(KEY, {"n": 3}, rev=1))
    assert conflict.value.old is not None and conflict.value.old.rev == 2
    with pytest.raises(Conflict):
        table.put(Item(Key("t#x:1#2", "c#other"), {}, rev=4))


def test_who_overwrites_is_asked_again_about_what_somebody_wrote_in_between(table: Table) -> None:
    asked: list[Any] = []

    def append(old: Item | None) -> Item:
        if not asked:
            table.put(Item(KEY, {"by": ["another"]}))
        asked.append(old and old.doc)
        return Item(KEY, {"by": [*(old.doc["by"] if old else ()), "me"]})

    assert overwrite(table, KEY, append)
    assert asked == [None, {"by": ["another"]}]
    assert (found := table.get(KEY)) and (found.doc, found.rev) == ({"by": ["another", "me"]}, 2)
    assert not overwrite(table, KEY, lambda _: None)
    assert table.get(KEY) == found


def test_who_is_always_overtaken_gives_the_work_back(table: Table) -> None:
    def overtaken(old: Item | None) -> Item:
        table.put(Item(KEY, {"n": 0}, old.rev if old else 0))
        return Item(KEY, {"n": 1})

    with pytest.raises(Contention):
        overwrite(table, KEY, overtaken)
    assert (found := table.get(KEY)) and found.doc == {"n": 0}


def test_a_family_is_in_the_order_of_its_sort_keys(table: Table) -> None:
    for sk in ("c#b", "brand", "c#a"):
        table.put(Item(Key("t#1", sk), {"sk": sk}))
    table.put(Item(Key("t#2", "c#a"), {}))
    assert [item.key.sk for item in table.partition("t#1")] == ["brand", "c#a", "c#b"]


def test_overdue_gives_its_shards_ripe_keys_oldest_first_and_forgets_the_settled(table: Table) -> None:
    for minutes in (5, -5, 0, -9):
        table.put(Item(Key("t#1", f"c#{minutes}"), {}, shard=1, wake_at=NOW + timedelta(minutes=minutes)))
    table.put(Item(Key("t#1", "c#elsewhere"), {}, shard=2, wake_at=NOW - timedelta(days=1)))
    assert [key.sk for key in table.overdue(1, NOW)] == ["c#-9", "c#-5", "c#0"]
    table.put(Item(Key("t#1", "c#-9"), {}, rev=1))
    table.put(Item(Key("t#1", "c#-5"), {}, rev=1, shard=1, wake_at=NOW + timedelta(hours=1)))
    assert [key.sk for key in table.overdue(1, NOW)] == ["c#0"]


def test_a_customers_items_are_found_and_gone_when_deleted(table: Table) -> None:
    for name in ("a", "b"):
        table.put(Item(Key(f"i#{name}", "i"), {}, customer="x:1#3"))
    table.put(Item(Key("i#c", "i"), {}, customer="x:1#4"))
    assert sorted(key.pk for key in table.of_customer("x:1#3")) == ["i#a", "i#b"]
    table.delete(Key("i#a", "i"))
    table.delete(Key("i#nobody", "i"))
    assert [key.pk for key in table.of_customer("x:1#3")] == ["i#b"]
    assert table.get(Key("i#a", "i")) is None


def test_a_deletion_of_an_old_revision_is_refused_and_of_what_is_gone_done(table: Table) -> None:
    table.put(Item(KEY, {"n": 1}))
    table.put(Item(KEY, {"n": 2}, rev=1))
    with pytest.raises(Conflict) as conflict:
        table.delete(KEY, 1)
    assert conflict.value.old is not None and conflict.value.old.rev == 2
    table.delete(KEY, 2)
    table.delete(KEY, 2)
    assert table.get(KEY) is None


def test_a_counter_stops_at_its_limit(table: Table) -> None:
    key = Key("n#cap", "n")
    assert [table.count(key, 3, NOW) for _ in range(5)] == [True, True, True, False, False]


def test_a_counter_that_is_raised_by_several_never_passes_its_limit(table: Table) -> None:
    key, later = Key("n#b", "n"), NOW + timedelta(hours=1)
    assert [table.count(key, 10, later, by) for by in (4, 4, 4, 2, 1)] == [True, True, False, True, False]
    assert table.counted(key) == 10
    assert not table.count(Key("n#c", "n"), 2, later, 3)


def test_what_a_process_takes_at_once_is_used_up_and_what_is_left_when_it_ends_is_lost() -> None:
    table = MemoryTable()
    first, second = Store(table, 90), Store(table, 90)

    def taken(store: Store, times: int, limit: int = 20) -> int:
        return sum(store.count("hour", limit, timedelta(hours=1), NOW, at_once=5) for _ in range(times))

    assert taken(first, 3) == 3 and table.counted(counter_item("hour")) == 5
    assert taken(second, 30) == 15  # two of the first's are not used
    assert taken(first, 30) == 2 and table.counted(counter_item("hour")) == 20
    assert taken(Store(MemoryTable(), 90), 30, limit=3) == 3


def test_everything_gives_every_document_and_no_counter(table: Table) -> None:
    table.put(Item(KEY, {"n": 1}))
    table.count(Key("n#cap", "n"), 3, NOW)
    assert [item.key for item in table.everything()] == [KEY]


def test_a_look_at_everything_goes_on_where_another_ended_also_when_that_item_is_gone(table: Table) -> None:
    for n in range(20):
        table.put(Item(Key(f"t#{n}", "c#3"), {"n": n}))
    seen: list[Key] = []
    after: Key | None = None
    while item := next(table.everything(after), None):
        seen.append(item.key)
        after = item.key
        if len(seen) % 3 == 0:
            table.delete(item.key)
    assert sorted(key.pk for key in seen) == sorted(f"t#{n}" for n in range(20))


def test_the_items_behind_one_of_a_partition_come_in_order(table: Table) -> None:
    for n in range(5):
        table.put(Item(Key("t#1", f"c#{n}"), {}))
    table.put(Item(Key("t#2", "c#9"), {}))
    assert [item.key.sk for item in table.following("t#1", "c#1")] == ["c#2", "c#3", "c#4"]


def test_a_write_that_is_repeated_after_its_answer_was_lost_is_won(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repeated put fails its own condition; the token in the item that stands there tells that it was ours."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        create_table(BotoAws().client("dynamodb"), "contract")

        def twice(name: str, do: Callable[[], Any]) -> Any:
            if name == "dynamodb.PutItem":
                do()
            return do()

        table = DynamoTable(BotoAws(twice), "contract")
        assert table.put(Item(KEY, {"n": 1})).rev == 1
        assert table.put(Item(KEY, {"n": 2}, rev=1)).rev == 2
        found = table.get(KEY)
        assert found is not None and found.doc == {"n": 2}


def packed_without_its_key(doc: dict[str, Any]) -> bytes:
    """As SCHEMA 2 packed it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, _WORDS)
    return packer.compress(json.dumps(doc).encode()) + packer.flush()


@pytest.mark.parametrize(("schema", "written"), [("1", dict), ("2", packed_without_its_key)])
def test_a_document_of_the_releases_before_is_read_and_written_as_this_one_does(
    schema: str, written: Callable[[dict[str, Any]], Any]
) -> None:
    state = State()
    table = DynamoTable(QuickAws(state), "contract")
    doc = {"text": "grüße 😀", "list": [1, "two"], "share": 0.25, "map": {"yes": True}}
    table.put(Item(KEY, doc))
    stored = state.tables["contract"][(KEY.pk, KEY.sk)]
    assert set(stored["doc"]) == {"B"}
    stored |= {"doc": attribute(written(doc)), "v": {"N": schema}}
    found = table.get(KEY)
    assert found and found.doc == doc
    table.put(Item(KEY, {**found.doc, "n": 2}, found.rev))
    rewritten = state.tables["contract"][(KEY.pk, KEY.sk)]["doc"]
    assert set(rewritten) == {"B"}
    assert document(rewritten, KEY)["n"] == 2


@pytest.mark.parametrize("doc", [{"bytes": b"\x00\xff"}, {}, {"text": "\ud800 \u202e"}, {"n": 2**70}, {"none": None}])
def test_whatever_a_document_holds_comes_back(table: Table, doc: dict[str, Any]) -> None:
    table.put(Item(KEY, doc))
    found = table.get(KEY)
    assert found and found.doc == doc


def test_an_id_that_stands_in_the_key_costs_nothing_again() -> None:
    doc = {"id": "100200300400500_9876543210987654", "customer": "5566778899001122"}
    assert unpack(pack(doc, "other"), "other") == doc
    assert len(pack(doc, "i#100200300400500_9876543210987654#5566778899001122")) < len(pack(doc, "other")) - 30


@pytest.mark.parametrize(
    "stored",
    [
        b"\x03",
        pack({"n": 1}, "key")[:-1],
        pack({"n": 1}, "key")[:3],
        b"",
        b"damaged",
        zlib.compress(b"{}")[:-1],
        zlib.compress(b"[]"),
    ],
)
def test_what_is_damaged_is_said_and_never_taken_for_empty(stored: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(stored, "key")


def test_the_words_that_documents_are_packed_with_never_change() -> None:
    """What is stored was packed with these words: a release that changes them reads nothing of before."""
    assert sha256(_WORDS).hexdigest()[:16] == "a4056b733ab817c9"
