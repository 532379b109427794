"""Conditional writes: the result is that of the decision which was written, and what is asked once is asked once."""

from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.conversations.conversation import Conversation
from chalicelib.storage.item_keys import ConversationKey
from chalicelib.storage.store import Store
from infra.replay.memory import MemoryTable
from tests.test_orders import COMMON, Interleaved
from tests.world import NOW, MemoryWorld, comment, delivery

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = ConversationKey("facebook", "1", "c1", "5001")


def named(delivery: str) -> Callable[[Conversation | None], tuple[Conversation, str]]:
    def decide(old: Conversation | None) -> tuple[Conversation, str]:
        before = old.delivery if old else "nothing"
        return replace(old or Conversation("facebook", "1", "c1", "5001"), delivery=delivery), before

    return decide


def test_the_result_is_of_the_decision_that_was_written() -> None:
    store = Store(MemoryTable(), 90)
    plain = store.table

    def meanwhile() -> None:
        Store(plain, 90).decide_conversation(KEY, named("other"), AT)

    store.table = Interleaved(plain, 2, meanwhile)  # between the look and the write
    done = store.decide_conversation(KEY, named("mine"), AT)
    assert done.change and done.change.after.delivery == "mine"
    assert done.result == "other"


def test_a_decision_to_write_nothing_leaves_everything_and_what_was_seen_is_not_read_again() -> None:
    store = Store(MemoryTable(), 90)
    store.decide_conversation(KEY, named("first"), AT)
    done = store.decide_conversation(KEY, lambda old: (None, old and old.delivery), AT)
    assert (done.change, done.result) == (None, "first")
    counted = store.table = Interleaved(store.table, 0, lambda: None)
    again = store.decide_conversation(KEY, named("second"), AT, seen=done.seen)
    assert again.change and again.result == "first"
    assert counted.calls == 1


def test_caps_are_counted_once_whoever_writes_in_between() -> None:
    """Another worker's write makes the claim be decided again."""
    world = MemoryWorld()
    counts: list[Any] = []
    plain = world.services.store.table
    key = ConversationKey("facebook", "100200300400500", "c1", "5001")

    class Contended(Interleaved):
        def __getattr__(self, name: str) -> Any:
            if name == "count":
                counts.append(name)
                Store(plain, 90).change_conversation(
                    key, lambda old: replace(old or Conversation(*astuple(key)), delivery=f"{len(counts)}"), NOW
                )
            return super().__getattr__(name)

    world.services.store.table = Contended(plain, 0, lambda: None)
    world.post(delivery(comment("c1", COMMON)))
    world.run()
    assert len(counts) == 3  # the author's, the post's, the account's
    assert len(world.platforms.texts()) == 1
