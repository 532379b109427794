"""Facts: derived from what the real handlers stored, by way of the change stream, with its duplicates and disorder."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.apps import Apps
from chalicelib.codec import dump, load
from chalicelib.conversations.conversation import (
    STAFF,
    Act,
    Conversation,
    Deed,
    Outcome,
    PersonalAnswer,
    Question,
    tag,
)
from chalicelib.conversations.customer import Customer
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.handlers.bundles import SIBLINGS
from chalicelib.keys import new_keys
from chalicelib.operations.erasure import Eraser
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.base import hmac_hex
from chalicelib.reports import stream
from chalicelib.reports.asked import Asked
from chalicelib.reports.columns import End, Fact, to_lines
from chalicelib.reports.facts import Deriver, Revised
from chalicelib.reports.lake import Lake
from chalicelib.reports.ledger import ledger
from chalicelib.reports.stream import FactsOfChanges
from chalicelib.services import Services
from chalicelib.storage.item_keys import is_conversation
from chalicelib.storage.store import Store
from chalicelib.storage.table import Item, Key, _attributes
from infra.local.demo_apps import demo_apps
from infra.replay.memory import MemoryQueue, MemoryTable, VirtualClock
from infra.replay.recording import Recorded
from infra.replay.replay import replay
from infra.replay.sample import TEXTS, recording
from infra.replay.services import NO_SETTINGS, RecordedHttp
from infra.replay.streamed import StreamedTable
from tests.world import APPS, NOW, PAGE, QUESTION, comment, delivery, playbook

MINUTE = timedelta(minutes=1)
DERIVER = Deriver(playbook(), new_keys())


def posted(body: bytes, at: datetime) -> Recorded:
    headers = {"X-Hub-Signature-256": "sha256=" + hmac_hex("current", body)}
    return Recorded(at, "POST", "/webhooks/meta/main", {}, headers, body)


def told(*changes: tuple[dict[str, Any], datetime], apps: Apps = APPS, hours: int = 72) -> StreamedTable:
    """The table after these changes of the Page's feed, each delivered at its time."""
    table = StreamedTable(DERIVER)
    recorded = [posted(delivery(change), at) for change, at in changes]
    replay(recorded, apps, playbook(), timedelta(hours=hours), StringIO(), table)
    return table


def eraser_of(table: StreamedTable) -> Eraser:
    """Erases in the table, behind the replay."""
    return Services(
        NO_SETTINGS,
        store=Store(table, 90),
        escalations=MemoryQueue("again", VirtualClock(NOW)),
        dead_letters=(),
        stack_keys=lambda: DERIVER.keys,
        registrations=lambda: Apps(()),
        http=RecordedHttp(),
    ).eraser


def one(table: StreamedTable, id: str = "c1") -> Fact:
    name = DERIVER.question("facebook", PAGE, id)
    return next(f for f in table.facts() if f.question == name)


def test_the_life_of_a_question_is_one_row() -> None:
    answer = comment("r1", "Here you are.", author=PAGE, parent="c1", at=NOW + 90 * MINUTE)
    thanks = comment("c2", "thanks so much, that helped!", parent="c1", at=NOW + 95 * MINUTE)
    fact = one(told((comment("c1", QUESTION), NOW), (answer, NOW + 90 * MINUTE), (thanks, NOW + 95 * MINUTE)))
    assert (fact.platform, fact.account, fact.team, fact.language) == ("facebook", PAGE, "delivery", "en")
    assert (fact.asked_at, fact.received_at, fact.promised_by) == (NOW, NOW, NOW + 60 * MINUTE)
    assert (fact.told_at, fact.tier) == (NOW + 10 * MINUTE + SIBLINGS, 1)
    assert (fact.first_response_at, fact.first_response_by) == (NOW + 90 * MINUTE, "person")
    assert (fact.state, fact.answered_by) == (End.ANSWERED, "person")


def test_nothing_of_a_person_stands_in_a_fact() -> None:
    table = told((comment("c1", QUESTION, author="5001"), NOW))
    written = to_lines(table.facts()).decode()
    for personal in ('"5001"', '"c1"', "Ann", "order? it", f"{PAGE}_77"):
        assert personal not in written


def test_taken_back_hidden_closed_and_open_are_told_apart() -> None:
    removed = comment("c1", "", verb="remove", at=NOW + MINUTE)
    assert one(told((comment("c1", QUESTION), NOW), (removed, NOW + MINUTE))).state is End.WITHDRAWN
    hidden = comment("c1", QUESTION, verb="hide", author=PAGE, at=NOW + MINUTE)
    assert one(told((comment("c1", QUESTION), NOW), (hidden, NOW + MINUTE))).state is End.WITHDRAWN
    assert one(told((comment("c1", QUESTION), NOW))).state is End.OPEN


@pytest.mark.parametrize(
    ("question", "closed_at", "expected"),
    [
        (Question(NOW, NOW, NOW, "praise", needs_answer=False), None, (End.CLOSED, "needs_none", None)),
        (Question(NOW, NOW, NOW, "refund", needs_answer=False), NOW + MINUTE, (End.CLOSED, "by_staff", NOW + MINUTE)),
        (Question(NOW, NOW, NOW, "refund", closed_text_at=NOW), NOW + MINUTE, (End.CLOSED, "by_staff", NOW + MINUTE)),
        (Question(NOW, NOW, NOW, "refund", resolved=True), None, (End.RESOLVED, None, None)),
        (Question(NOW, NOW, NOW, "refund", deleted=True, answered_at=NOW + MINUTE), None, (End.ANSWERED, None, None)),
    ],
)
def test_why_a_question_is_no_longer_open(question: Question, closed_at: datetime | None, expected: object) -> None:
    c = Conversation("facebook", PAGE, "t", "5001", questions={"c1": question}, closed_at=closed_at)
    i = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, thread="t", author="5001")
    (fact,) = DERIVER.facts(Revised(c, 2), {"c1": Revised(i, 1)})
    assert (fact.state, fact.closed_why, fact.closed_at) == expected
    assert fact.revision == 3


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        (Deed.CLOSE, (End.CLOSED, None, "by_staff")),
        (Deed.ANSWERED, (End.ANSWERED, "person", "answered_elsewhere")),
    ],
)
def test_what_staff_did_from_the_email_ends_a_question(deed: Deed, expected: object) -> None:
    question = Question(NOW, NOW, NOW, "refund", closed_text_at=NOW)
    done = Act(deed, NOW + MINUTE, "Ann", (tag("c1", question),))
    handed = Act(Deed.HAND_OVER, NOW, "Ann", done.questions, team="stores")
    acts = {"a": handed, "b": done}
    c = Conversation("facebook", PAGE, "t", "5001", questions={"c1": question}, acts=acts)
    i = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, thread="t", author="5001")
    (fact,) = DERIVER.facts(Revised(c, 2), {"c1": Revised(i, 1)})
    assert (fact.state, fact.first_response_by, fact.closed_why) == expected
    assert (fact.first_response_at or fact.closed_at) == NOW + MINUTE
    assert fact.team == "stores"


@pytest.mark.parametrize(("by_mail", "by"), [(False, "form"), (True, "mail")])
def test_an_answer_by_form_or_mail_is_a_persons(by_mail: bool, by: str) -> None:
    question = Question(NOW, NOW, NOW, "refund", answered_at=NOW + MINUTE, answered_by=f"{STAFF}w1")
    answer = PersonalAnswer(Outcome.SENT, NOW + MINUTE, "Ann", "c1", by_mail=by_mail)
    c = Conversation("facebook", PAGE, "t", "5001", questions={"c1": question}, answers={"w1": answer})
    i = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, thread="t", author="5001")
    (fact,) = DERIVER.facts(Revised(c, 2), {"c1": Revised(i, 1)})
    assert (fact.answered_by, fact.first_response_by, fact.first_response_at) == (by, by, NOW + MINUTE)


@pytest.mark.parametrize(
    ("intent", "reaction"), [("closing", "thanks"), ("praise", "thanks"), ("complaint", "complaint"), ("refund", None)]
)
def test_what_is_written_after_an_answer_is_the_reaction(intent: str, reaction: str | None) -> None:
    answered = Question(NOW, NOW, NOW, "refund", answered_at=NOW + MINUTE, answered_by="r1")
    earlier, later = NOW + MINUTE / 2, NOW + 2 * MINUTE
    impatient = Question(earlier, earlier, earlier, "complaint", answered_at=NOW + MINUTE, answered_by="r1")
    after = Question(later, later, later, intent, needs_answer=False)
    questions = {"c1": answered, "c2": impatient, "c3": after}
    c = Conversation("facebook", PAGE, "t", "5001", questions=questions)
    interactions = {
        id: Revised(Interaction("facebook", PAGE, id, Kind.NEW, q.at, q.at, thread="t", author="5001"), 1)
        for id, q in questions.items()
    }
    first, *_ = DERIVER.facts(Revised(c, 1), interactions)
    assert (first.reaction, first.follow_ups) == (reaction, 1)
    (alone,) = DERIVER.facts(Revised(replace(c, questions={"c1": answered}), 1), interactions)
    assert (alone.reaction, alone.follow_ups) == ("silence", 0)


# --- the sample on every platform of the demo ---


@pytest.fixture(scope="module")
def sample() -> StreamedTable:
    apps = demo_apps()
    table = StreamedTable(DERIVER)
    rows = sorted(recording(apps, NOW), key=lambda row: row[0])
    recorded = [Recorded(at, "POST", d.path, {}, dict(d.headers), d.body) for at, d in rows]
    replay(recorded, apps, playbook(), timedelta(hours=72), StringIO(), table)
    return table


def test_every_stored_question_has_one_fact(sample: StreamedTable, tmp_path: Path) -> None:
    sample.write_facts(tmp_path)
    asked = Asked(Lake(tmp_path), NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=3), _ZONE)
    book = ledger(asked, sample.stored())
    assert book.reconciled.exact and book.adds_up
    assert book.total.asked == len(TEXTS) * len(PRODUCTS)


def test_duplicates_and_disorder_of_the_stream_change_nothing(sample: StreamedTable) -> None:
    """Every change of the sample as DynamoDB Streams tells it, in batches that come twice and in any order."""
    events = [_record(n, item.key, None, item) for n, item in enumerate(sample.everything())]
    facts = FactsOfChanges(sample, DERIVER)
    expected = {f.question: f for f in facts.facts(stream.changed(e) for e in events)}
    assert expected == {f.question: f for f in sample.facts()}
    batches = [events[n : n + 7] for n in range(0, len(events), 7)] * 2
    Random(4).shuffle(batches)
    put: dict[str, bytes] = {}
    for batch in batches:
        stream.work({"Records": batch}, facts, put.__setitem__)
    rows = [json.loads(line) for content in put.values() for line in content.splitlines()]
    newest: dict[str, int] = {}
    for row in rows:
        newest[row["question"]] = max(newest.get(row["question"], 0), row["revision"])
    assert newest == {f.question: f.revision for f in expected.values()}
    assert all(name.startswith(f"facts/day={NOW.date()}/") for name in put)


def test_what_expires_keeps_its_facts_and_what_is_erased_loses_the_name() -> None:
    table = told((comment("c1", QUESTION), NOW))
    (item,) = [i for i in table.everything() if is_conversation(i.key)]
    facts = FactsOfChanges(table, DERIVER)
    expired = _record(1, item.key, item, None) | {"userIdentity": {"principalId": stream.TTL, "type": "Service"}}
    assert facts.facts([stream.changed(expired)]) == []
    before = one(table)
    eraser_of(table).erase(Customer("facebook", PAGE, "5001"), "code1", NOW)
    after = one(table)
    assert before.customer and after.customer is None
    assert after.revision > before.revision
    assert after.conversation == after.question and after.post is None
    assert (after.asked_at, after.intent, after.team) == (before.asked_at, before.intent, before.team)


def test_an_erased_question_loses_the_name_in_its_fact_while_the_conversation_goes_on() -> None:
    """The customer asks to be erased, and then asks something new in the same thread."""
    table = told((comment("c1", QUESTION), NOW))
    (before,) = table.facts()
    (item,) = [i for i in table.everything() if is_conversation(i.key)]
    c = load(Conversation, item.doc)
    later = replace(c.questions["c1"], at=NOW + timedelta(days=1), received_at=NOW + timedelta(days=1))
    table.put(replace(item, doc=dump(replace(c, questions={**c.questions, "c2": later}))))
    (asked,) = [load(Interaction, i.doc) for i in table.everything() if i.key.sk == "i"]
    Store(table, 90).change_interaction(replace(asked, id="c2"), lambda old: replace(asked, id="c2"), NOW)
    eraser_of(table).erase(Customer("facebook", PAGE, "5001"), "code1", NOW + timedelta(hours=1))
    facts = {f.question: f for f in table.facts()}
    old = facts.pop(before.question)
    assert old.customer is None and old.conversation == old.question and old.revision > before.revision
    (new,) = facts.values()
    assert new.customer == before.customer


def test_a_tombstone_that_is_gone_already_does_not_keep_the_name_in_a_fact() -> None:
    table = told((comment("c1", QUESTION), NOW))
    (item,) = [i for i in table.everything() if is_conversation(i.key)]
    before = one(table)
    for key in [i.key for i in table.everything() if i.key.sk == "i"]:
        MemoryTable.delete(table, key)
    gone = _record(1, item.key, item, None)
    (fact,) = FactsOfChanges(table, DERIVER).facts([stream.changed(gone)])
    assert fact.question == before.question and fact.customer is None and fact.revision > before.revision


class Lagging(MemoryTable):
    """What was written is not there yet for who reads without waiting for it, or stands as `old` says."""

    def __init__(self, table: MemoryTable, old: dict[Key, Item] | None = None) -> None:
        super().__init__()
        self._now, self._old = table, old or {}

    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        return self._old.get(key) if lately else self._now.get(key)


def test_a_read_that_lags_hides_no_question_no_edit_and_no_erasure() -> None:
    table = told((comment("c1", QUESTION), NOW))
    (c,) = [i for i in table.everything() if is_conversation(i.key)]
    (asked,) = [i for i in table.everything() if i.key.sk == "i"]
    facts = FactsOfChanges(Lagging(table), DERIVER, seen={})
    assert facts.facts([stream.changed(_record(1, c.key, None, c))]) == [one(table)]
    edited = table.put(replace(asked, doc={**asked.doc, "author_name": "Robin"}))
    facts = FactsOfChanges(Lagging(table, {asked.key: asked}), DERIVER, seen={})
    changes = [_record(1, c.key, None, c), _record(2, asked.key, asked, edited)]
    (fact,) = facts.facts(map(stream.changed, changes))
    assert fact.revision == c.rev + edited.rev
    eraser_of(table).erase(Customer("facebook", PAGE, "5001"), "code1", NOW)
    facts = FactsOfChanges(Lagging(table, {asked.key: asked}), DERIVER, seen={})
    changes = [_record(1, c.key, None, c), _record(2, c.key, c, None)]
    (fact,) = facts.facts(map(stream.changed, changes))
    assert fact.customer is None


@dataclass
class Kept(StreamedTable):
    """A table that keeps its changes, and counts what is read of it."""

    reads: int = 0

    def _derive(self) -> None:
        """Nothing yet."""

    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        self.reads += 1
        return super().get(key, lately=lately)


def test_a_batch_says_what_its_changes_say_one_by_one_and_reads_each_conversation_s_words_once() -> None:
    """A question, its acknowledgement, two notices of three changes each, an answer, thanks; then it is taken back and
    rewritten, in one batch with all of that."""
    table = Kept(DERIVER)
    answer = comment("r1", "Here you are.", author=PAGE, parent="c1", at=NOW + 90 * MINUTE)
    thanks = comment("c2", "thanks so much, that helped!", parent="c1", at=NOW + 95 * MINUTE)
    edited = comment("c1", "Where is my parcel now?", verb="edited", at=NOW + 100 * MINUTE)
    other = comment("c9", QUESTION, author="5009", at=NOW + 2 * MINUTE)
    gone = comment("c9", "", verb="remove", author="5009", at=NOW + 50 * MINUTE)
    said = [(comment("c1", QUESTION), 0), (other, 2), (gone, 50), (answer, 90), (thanks, 95), (edited, 100)]
    replay(
        [posted(delivery(c), NOW + n * MINUTE) for c, n in said],
        APPS,
        playbook(),
        timedelta(hours=72),
        StringIO(),
        table,
    )
    changes = table._changes
    assert len(changes) > 12
    alone: dict[Any, Fact] = {}
    for change in changes:
        for fact in FactsOfChanges(table, DERIVER).facts([change]):
            at = (fact.question, fact.day)
            if at not in alone or alone[at].revision <= fact.revision:
                alone[at] = fact
    table.reads = 0
    together = FactsOfChanges(table, DERIVER, seen={}).facts(changes)
    assert {(f.question, f.day): f for f in together} == alone
    assert len(alone) == 3
    assert table.reads <= 2 * len(alone)


def test_a_question_that_a_later_change_of_the_batch_has_no_more_keeps_its_fact() -> None:
    """A conversation keeps only so many: what it drops was asked all the same."""
    table = told((comment("c1", QUESTION), NOW))
    (item,) = [i for i in table.everything() if is_conversation(i.key)]
    (asked,) = [load(Interaction, i.doc) for i in table.everything() if i.key.sk == "i"]
    Store(table, 90).change_interaction(replace(asked, id="c2"), lambda old: replace(asked, id="c2"), NOW)
    c = load(Conversation, item.doc)
    dropped = replace(item, doc=dump(replace(c, questions={"c2": c.questions["c1"]})), rev=item.rev + 1)
    changes = [_record(1, item.key, None, item), _record(2, item.key, item, dropped)]
    facts = FactsOfChanges(table, DERIVER, seen={}).facts(map(stream.changed, changes))
    assert {f.question for f in facts} == {DERIVER.question("facebook", PAGE, id) for id in ("c1", "c2")}


# --- DynamoDB's typed JSON ---

_ZONE = ZoneInfo("Europe/London")


def _record(number: int, key: Key, old: Item | None, new: Item | None) -> dict[str, Any]:
    """A stream record, written by boto3's own serializer, as `DynamoTable` stores items."""
    images = {name: _image(item) for name, item in (("OldImage", old), ("NewImage", new)) if item}
    told = {"Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}, "SequenceNumber": f"{number:021}", **images}
    return {"eventName": "MODIFY" if old and new else "INSERT" if new else "REMOVE", "dynamodb": told}


def _image(item: Item) -> dict[str, Any]:
    before = Item(item.key, item.doc, item.rev - 1, item.shard, item.wake_at, item.customer, item.expires_at)
    return dict(_attributes(before, "token"))
