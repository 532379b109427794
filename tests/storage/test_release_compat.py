"""What another release has written is read by this one, and what this one writes has everything that the other needs.

release_items/ beside it holds items and messages as the release before this one wrote them: it did not write some
fields that this one has, and it wrote some that this one does not know. While a deployment runs, both releases work on
the same table and queues. Change these files only with SCHEMA in storage/table.py or VERSION in handlers/inbox.py.
"""

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apps import load_apps
from chalicelib.codec import dump, lean, load
from chalicelib.conversations import ladders, rules
from chalicelib.conversations.conversation import (
    Acknowledgement,
    Act,
    BrandReply,
    Conversation,
    Ladder,
    Notice,
    Outcome,
    PersonalAnswer,
    Question,
    State,
    Thread,
)
from chalicelib.conversations.interaction import Interaction, Kind, Reading, merge
from chalicelib.handlers.inbox import VERSION, Envelope, UnknownVersion, decode, part
from chalicelib.storage.item_keys import ConversationKey, brand_item, conversation_key
from chalicelib.storage.store import Store
from chalicelib.storage.table import Item
from infra.replay.memory import MemoryTable
from tests.world import playbook

ITEMS = Path(__file__).with_name("release_items")
NOW = datetime(2026, 10, 1, 13, 0, tzinfo=UTC)
KEY = ConversationKey("facebook", "100200300", "c1", "77001")


def written(name: str) -> Any:
    return json.loads((ITEMS / f"{name}.json").read_text("utf-8"))


def _no_chunks(name: str) -> bytes:
    raise AssertionError


@pytest.mark.parametrize(
    ("name", "cls"), [("interaction", Interaction), ("conversation", Conversation), ("thread", Thread)]
)
def test_items_of_the_release_before_are_read_and_written_back_without_loss(name: str, cls: type[Any]) -> None:
    old = written(name)
    known = {f.name for f in fields(cls)}
    again = json.loads(json.dumps(dump(load(cls, old))))
    for field in known & set(old):
        assert _within(old[field], again[field]), field


def _within(old: Any, new: Any) -> bool:
    """Whether `new` says all of `old`, apart from names that this release does not know."""
    if isinstance(old, dict):
        return all(_within(value, new[key]) for key, value in old.items() if key not in ("priority", "staff"))
    return bool(old == new)


def test_a_conversation_of_the_release_before_goes_on_where_it_was() -> None:
    stored = load(Conversation, written("conversation"))
    assert stored.state is State.OPEN
    assert (stored.tier, stored.round) == (1, 1)
    assert stored.notices["1.1"].state is Outcome.SENT
    later = NOW + timedelta(hours=1)
    again = ladders.escalate(ladders.arrange(stored, stored, playbook(), later), playbook(), later)
    assert again.tier == 2
    assert set(again.notices) == {"1.1", "1.2"}
    settled = rules.apply_replies(stored, load(Thread, written("thread")), playbook(), NOW)
    assert settled.state is State.OPEN or settled.answered_at is not None


def test_the_store_changes_an_item_of_the_release_before() -> None:
    table = MemoryTable()
    store = Store(table, 90)
    table.put(Item(conversation_key(KEY), written("conversation")))
    table.put(Item(brand_item("facebook", "100200300", "c1"), written("thread")))
    change = store.change_conversation(KEY, lambda old: replace(old or pytest.fail(), delivery="d2"), NOW)
    assert change.after.delivery == "d2"
    stored = store.conversation(KEY)
    assert stored and stored.acknowledgements["c1"].id == "r1"
    assert store.thread("facebook", "100200300", "c1").replies["r9"].parent == "c1"


def test_an_interaction_of_the_release_before_merges_with_todays() -> None:
    old = load(Interaction, written("interaction"))
    gone = replace(old, kind=Kind.DELETE, deleted=True, received_at=NOW)
    assert merge(old, gone).deleted
    assert merge(old, gone).text == ""


@pytest.mark.parametrize("name", ["inbox_body", "inbox_interaction"])
def test_messages_of_the_release_before_are_taken_and_go_back_in_its_shape(name: str) -> None:
    old = written(name)
    envelope = decode(json.dumps(old), _no_chunks)
    assert (envelope.id, envelope.platform, envelope.app) == ("d1", "meta", "main")
    if envelope.interaction:
        again = part(envelope, envelope.interaction)
        assert set(again) >= set(old)
        assert decode(json.dumps(again), _no_chunks) == envelope


def test_a_message_of_a_release_that_is_two_ahead_goes_back_to_its_queue() -> None:
    with pytest.raises(UnknownVersion):
        decode(json.dumps({**written("inbox_body"), "v": VERSION + 1}), _no_chunks)


def test_a_wake_up_and_a_notice_of_the_release_before_have_all_that_is_read() -> None:
    assert ConversationKey.named(written("escalation")) == KEY
    assert written("escalation")["notice"] in written("conversation")["notices"]
    assert "customer" not in written("due")  # so that escalate sweeps


def test_the_apps_file_of_the_release_before_is_read_and_unknown_fields_of_accounts_are_kept() -> None:
    found = load_apps(json.dumps(written("apps")), strict=False).apps[0].accounts[0]  # as a function reads the secret
    assert found.options == {"locale": "de"}


def test_every_field_that_is_stored_has_a_default_or_stood_in_the_first_release() -> None:
    """A field without a default would make the items of the release before unreadable."""
    first: dict[type[Any], set[str]] = {
        Interaction: {"product", "account", "id", "kind", "at", "received_at"},
        Conversation: {"product", "account", "thread", "customer"},
        Thread: {"product", "account", "thread"},
        Question: {"at", "received_at", "text_at"},
        Notice: {"tier", "due_at"},
        BrandReply: {"at"},
        Envelope: {"id", "platform", "app", "received_at"},
    }
    for cls, needed in first.items():
        assert _needed(cls) <= needed, cls


def _needed(cls: type[Any]) -> set[str]:
    """The fields without a default of a dataclass or a named tuple."""
    if not is_dataclass(cls):
        return set(cls._fields) - set(cls._field_defaults)
    return {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}


def test_the_defaults_of_what_is_stored_never_change() -> None:
    """A field that is as its default is not written: with another default, everything stored would say that one."""
    stored: tuple[type[Any], ...] = (Interaction, Reading, Conversation, Question, Acknowledgement, Notice, Ladder)
    stored += (Act, PersonalAnswer, Thread, BrandReply)
    defaults = {
        f"{cls.__name__}.{f.name}": f.default for cls in stored for f in fields(cls) if f.default is not MISSING
    }
    assert {name for name, usual in defaults.items() if usual} == {
        "Question.needs_answer",
        "Question.round",
        "Question.root",
        "Notice.state",
        "Notice.round",
        "Conversation.round",
        "Interaction.repliable",
    }
    assert {defaults[f"{name}.round"] for name in ("Question", "Notice", "Conversation")} == {1}
    assert defaults["Notice.state"] is Outcome.PENDING


def test_what_is_stored_leaves_out_what_reading_it_adds_again() -> None:
    for name, cls in (("interaction", Interaction), ("conversation", Conversation), ("thread", Thread)):
        noun: Any = load(cls, written(name))
        short = json.loads(json.dumps(lean(noun)))
        assert load(cls, short) == noun
        assert len(json.dumps(short)) < len(json.dumps(dump(noun)))
