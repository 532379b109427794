"""Storms: many questions under one post stand in one e-mail, a full mailbox gets a digest, urgent ones never wait; each
(conversation, tier) stands in exactly one e-mail, also when something fails in between."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.aws.mailer import Email, MailRefused
from chalicelib.codec import from_time
from chalicelib.conversations.conversation import Deed
from chalicelib.storage.item_keys import ConversationKey
from tests.handlers.test_notify import Postman
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, done_by_staff, message, playbook


def storm(world: MemoryWorld, count: int, *, apart: timedelta = timedelta(seconds=1), urgent: int = 0) -> None:
    """`count` customers ask under one post, `apart`; the first `urgent` of them report a fire."""
    for n in range(count):
        text = "your lamp caught fire, my lawyer will call" if n < urgent else f"hm, and what about number {n}?"
        world.post(delivery(comment(f"c{n}", text, author=str(7000 + n), at=NOW + n * apart)))


def told(emails: list[Email]) -> Counter[tuple[str, str]]:
    """How often each question stands in an e-mail of each tier."""
    return Counter((n, e.tags["tier"]) for e in emails for n in set(re.findall(r"what about number (\d+)\?", e.text)))


def test_many_questions_under_one_post_stand_in_one_email_each_exactly_once() -> None:
    world = MemoryWorld()
    storm(world, 60)
    world.run(timedelta(hours=1), sweep=True)
    first = [e for e in world.emails if e.tags["tier"] == "1"]
    assert len(first) == 1 and first[0].tags["kind"] == "group"
    assert set(told(world.emails).values()) == {1} and len(told(first)) == 60
    assert all(c.notices["1.1"].state == "sent" for c in world.conversations())


def test_as_many_as_the_playbook_allows_come_on_their_own() -> None:
    world = MemoryWorld()
    storm(world, world.services.playbook.bundling.questions)
    world.run(timedelta(hours=1), sweep=True)
    assert {e.tags["kind"] for e in world.emails} == {"notice"}
    assert len(world.emails) == 5


def test_a_quarter_of_an_hour_on_the_clock_parts_nothing() -> None:
    world = MemoryWorld()
    for minute in (3, 6):  # they fall due at 10:13 and at 10:16
        world.run(NOW + timedelta(minutes=minute) - world.services.now())
        for n in range(5 * minute, 5 * minute + 5):
            asked = comment(f"c{n}", f"hm, and what about number {n}?", author=str(7000 + n), at=world.services.now())
            world.post(delivery(asked))
    world.run(timedelta(hours=1), sweep=True)
    first = [e for e in world.emails if e.tags["tier"] == "1"]
    assert Counter(e.tags["kind"] for e in first) == {"notice": 5, "group": 1}
    assert set(told(first).values()) == {1} and len(told(first)) == 10


def test_urgent_ones_never_wait_and_never_stand_among_others() -> None:
    world = MemoryWorld()
    storm(world, 30, urgent=8)
    world.run(timedelta(minutes=1))
    assert len(world.emails) == 8
    assert {e.tags["kind"] for e in world.emails} == {"notice"}
    assert all("URGENT" in e.subject for e in world.emails)


def test_a_full_mailbox_gets_digests() -> None:
    world = MemoryWorld()
    for n in range(50):
        world.post(message(f"m{n}", f"hm, and what about number {n}?", author=f"psid-{n}"))
    world.run(timedelta(minutes=80), sweep=True)
    kinds = Counter(e.tags["kind"] for e in world.emails if e.tags["tier"] == "1")
    assert kinds == {"notice": 20, "digest": 1}
    assert set(told(world.emails).values()) == {1} and len(told(world.emails)) == 50


def test_the_number_of_emails_in_a_storm_is_bounded() -> None:
    policy = playbook()
    policy = replace(policy, bundling=replace(policy.bundling, emails_per_hour=3))
    world = MemoryWorld(policy)
    storm(world, 400, apart=timedelta(seconds=9))  # for an hour
    world.run(timedelta(hours=3), sweep=True)
    hours = 3
    by_mailbox = Counter(e.to for e in world.emails)
    assert max(by_mailbox.values()) <= hours * (3 + 4)  # and a digest a quarter of an hour
    first = [e for e in world.emails if e.tags["tier"] == "1"]
    listed = Counter({key: n for key, n in told(first).items()})
    assert len(listed) == 300 and set(listed.values()) == {1}  # a hundred in each of three
    assert ["100 further questions" in e.text for e in first] == [False, False, True]
    assert first[-1].subject.startswith("[Earshot] 200 questions under one post")
    notices = [c.notices["1.1"] for c in world.conversations()]
    assert {n.state for n in notices} == {"sent"} and len(notices) == 400
    assert Counter(n.id for n in notices).most_common(1)[0][1] == 200  # each in exactly one of them


@pytest.mark.parametrize("failing", [1, 2])
def test_a_throttled_group_is_sent_again_and_nobody_is_lost_or_told_twice(failing: int) -> None:
    postman = Postman(*[MailRefused("TooManyRequestsException", again=True)] * failing)
    world = MemoryWorld(mailer=postman)
    storm(world, 20)
    world.run(timedelta(hours=1), sweep=True)
    assert set(told(postman.sent).values()) == {1} and len(told(postman.sent)) == 20


def test_of_a_group_that_goes_to_two_teams_by_now_one_is_told_while_the_others_email_is_refused() -> None:
    postman = Postman(MailRefused("TooManyRequestsException", again=True))
    world = MemoryWorld(mailer=postman)
    storm(world, 20)
    world.run(timedelta(minutes=10, seconds=30))
    for c in [c for c in world.conversations() if c.customer < "7010"]:
        corrected = done_by_staff(c, Deed.CORRECT, world.services.now(), intent="refund")
        world.store.update_conversation(ConversationKey.of(c), lambda old, to=corrected: to, world.services.now())
    world.run(timedelta(minutes=3), sweep=True)
    assert len({e.to for e in postman.sent}) == 2 and set(told(postman.sent).values()) == {1}
    assert len(told(postman.sent)) == 20


def test_a_lost_message_about_a_group_delays_it_and_loses_nobody() -> None:
    world = MemoryWorld()
    storm(world, 20)
    world.run(timedelta(minutes=10, seconds=40))
    world.virtual_clock._heap[:] = [due for due in world.virtual_clock._heap if due.name != "escalations"]
    world.run(timedelta(hours=1), sweep=True)
    assert set(told(world.emails).values()) == {1} and len(told(world.emails)) == 20


def test_who_was_answered_meanwhile_stands_in_no_email() -> None:
    world = MemoryWorld()
    storm(world, 20)
    world.run(timedelta(minutes=10, seconds=30))
    for n in range(18):
        world.post(delivery(comment(f"r{n}", "We do!", author=PAGE, parent=f"c{n}", at=world.services.now())))
    world.run(timedelta(minutes=10), sweep=True)
    assert set(told(world.emails)) == {("18", "1"), ("19", "1")}


def test_a_bounced_group_goes_to_the_fallback_once_for_each_that_still_waits() -> None:
    postman = Postman()
    world = MemoryWorld(mailer=postman)
    storm(world, 10)
    world.run(timedelta(minutes=13))
    (group,) = postman.sent
    world.post(delivery(comment("r0", "We do!", author=PAGE, parent="c0", at=world.services.now())))
    world.run()
    bounce = {"eventType": "Bounce", "mail": {"messageId": "1", "tags": {n: [v] for n, v in group.tags.items()}}}
    for _ in range(3):
        world.services.mail_events.hear(bounce, world.services.now())
    world.run(timedelta(minutes=30), sweep=True)
    again = [e for e in postman.sent if e.to != group.to]
    assert sorted(n for n, _ in told(again).elements()) == [str(n) for n in range(1, 10)]


def test_common_questions_under_one_post_are_acknowledged_and_grouped_alike() -> None:
    world = MemoryWorld()
    for n in range(8):
        world.post(delivery(comment(f"c{n}", COMMON, author=str(7000 + n))))
    world.run(timedelta(minutes=65))
    assert [e.tags["kind"] for e in world.emails] == ["group"]
    assert "promised" in world.emails[0].text


def test_who_was_answered_and_asks_again_is_told_of_once_and_in_their_own_time() -> None:
    """Their first question waited for a digest; the second is due by its own promise, not with the first."""
    world = MemoryWorld(replace(playbook(), bundling=replace(playbook().bundling, emails_per_hour=1)))
    for id, author in (("m1", "psid-1"), ("m2", "psid-2")):
        world.post(message(id, "hm, and what about the other one?", author=author))
    world.run(timedelta(minutes=11), sweep=True)
    (told,) = world.records("email")
    waits = "psid-2" if "psid-1" in told["conversation"] else "psid-1"
    at = world.services.now()
    world.post(message("r1", "Of course!", author=waits, is_echo=True, at=at))
    world.post(message("m3", "hm, and the green one?", author=waits, at=at + timedelta(seconds=1)))
    world.run(timedelta(minutes=40), sweep=True)
    again = [r for r in world.records("email") if waits in r["conversation"]]
    assert [r["conversation"].partition("~")[2] for r in again] == ["2"]
    assert again[0]["at"] > from_time(at + timedelta(minutes=10))
