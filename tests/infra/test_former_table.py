"""After a restore: what the former table took in since is brought into the one in use, once, and nobody is answered
twice or known again who asked to be forgotten."""

from datetime import timedelta

import pytest

from chalicelib.conversations.customer import Customer
from chalicelib.storage.store import Store
from infra.ops.former_table import Carried, carry
from infra.replay.memory import MemoryTable
from tests.world import NOW, PAGE, ComparedTable, MemoryWorld, comment, delivery, message

COMMON = "Can I return this dress?"
HOUR = timedelta(hours=1)
LATER = NOW + HOUR  # the restore is to the time just before


def copied(table: MemoryTable) -> ComparedTable:
    """The table as it is now, restored."""
    other = ComparedTable()
    for item in table.everything():
        for rev in range(item.rev):  # written as often
            other.put(type(item)(item.key, item.doc, rev, item.shard, item.wake_at, item.customer, item.expires_at))
    return other


class Shop:
    """Before: Ann and Ben ask and are answered by machine. Since: Cem asks, Dot says stop, Ben asks something more, the
    Page answers Ann, and Eve, who had asked before, is erased."""

    def __init__(self) -> None:
        self.before = MemoryWorld()
        world = self.before
        for id, author in (("70001", "ann"), ("70002", "ben"), ("70003", "eve")):
            world.post(delivery(comment(id, COMMON, author=author)))
        world.run(HOUR)
        restored = copied(world.store.table)
        world.post(delivery(comment("70011", COMMON, author="cem", at=LATER)))
        world.post(delivery(comment("70002", "Can I return this lamp?", author="ben", at=LATER, verb="edited")))
        world.post(message("m1", "stop", author="dot", at=LATER))
        world.post(delivery(comment("70012", "And do you ship to Norway?", author="ben", at=LATER, parent="70002")))
        world.post(delivery(comment("70013", "We are on it, Ann", author=PAGE, at=LATER, parent="70001")))
        world.run(HOUR)
        eve = Customer("facebook", PAGE, "eve")
        world.services.eraser.erase(eve, "code", world.services.now())
        world.run(HOUR)
        self.after = MemoryWorld(store=Store(restored, 90))
        self.after.virtual_clock.now = world.virtual_clock.now

    def carry(self) -> Carried:
        done = carry(self.after.services, self.before.store.table, self.after.services.now())
        self.after.run()
        return done

    def customers(self) -> set[str]:
        return {c.customer for c in self.after.conversations()}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_questions_and_answers_of_the_time_between_are_there_and_nobody_is_answered_again(shop: Shop) -> None:
    assert "cem" not in shop.customers()
    done = shop.carry()
    assert done.interactions == 5 and not done.young and not done.foreign
    cem = next(c for c in shop.after.conversations() if c.customer == "cem")
    assert cem.due_at and cem.state == "open"
    ann = next(c for c in shop.after.conversations() if c.customer == "ann")
    assert ann.answered_at
    ben = next(c for c in shop.after.conversations() if c.customer == "ben")
    assert {"70002", "70012"} <= set(ben.questions)
    assert next(i.text for i in shop.after.interactions() if i.id == "70002") == "Can I return this lamp?"
    assert shop.after.records("reply") == []


def test_who_asked_to_be_erased_since_is_erased_again(shop: Shop) -> None:
    assert "eve" in shop.customers()
    assert shop.carry().erased == 1
    assert "eve" not in shop.customers()
    assert all(i.author != "eve" for i in shop.after.interactions())


def test_a_stop_said_since_is_kept(shop: Shop) -> None:
    shop.carry()
    now = shop.after.services.now()
    for id, author in (("m2", "dot"), ("m3", "gil")):
        shop.after.post(message(id, COMMON, author=author, at=now))
    shop.after.run(timedelta(seconds=5))
    assert [row["interaction"] for row in shop.after.records("reply")] == ["m3"]


def test_again_nothing_is_carried(shop: Shop) -> None:
    shop.carry()
    again = shop.carry()
    assert (again.interactions, again.notes, again.erased) == (0, 0, 0)


def test_what_is_so_young_that_it_could_be_answered_twice_waits(shop: Shop) -> None:
    at = shop.before.services.now()
    shop.before.post(delivery(comment("70021", COMMON, author="fay", at=at)))
    shop.before.run()
    shop.after.virtual_clock.now = shop.before.virtual_clock.now
    done = shop.carry()
    assert done.young == 1 and "run this again" in str(done)
    assert "fay" not in shop.customers()
    shop.after.virtual_clock.now += timedelta(minutes=20)
    assert shop.carry().interactions == 1
    assert "fay" in shop.customers() and shop.after.records("reply") == []
