"""Two things true at once: each platform's late, urgent, edited, shared and automatic words, and what else may hold at
that moment. Everything is delivered as the platform sends it and worked on by the real handlers."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib import platforms
from chalicelib.apps import App, Apps
from chalicelib.conversations.conversation import State
from chalicelib.conversations.customer import Customer
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import CannotSay, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.services import RecordedHttp
from tests.handlers.test_placing import ONE, OTHER, WHATSAPP, echo, told, whatsapp, x_apps
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message

APPS = demo_apps()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
QUESTION = "Can I return this dress?"
COMMON = "What are your opening hours on Sunday?"
BY_HAND = "hm, and what about the other one?"
URGENT = "Your charger burned my daughter, my lawyer will sue you"
SIGNED_FOR_NOW = {"standard"}  # whose signature names the time, so that nothing late can come
BY_ID_ALONE = {"google"}  # whose deliveries name a review and nothing of it
PRODUCTS = sorted(set(platforms.PRODUCTS) - BY_ID_ALONE)
DIRECT = [p for p in PRODUCTS if platforms.product(p).simulation.direct]


class Shop:
    """A world of all platforms, on one of which people speak."""

    def __init__(self, product: str) -> None:
        self.product = product
        self.world = MemoryWorld(apps=APPS, http=RecordedHttp())

    def said(self, text: str, author: str = "770011", *, ago: timedelta = timedelta(), **more: Any) -> SimulatedMessage:
        at = self.world.virtual_clock.now - ago
        said = SimulatedMessage(self.product, text, author, "Ann" if author else "", at=at, **more)
        if self.product == "telegram" and author and "id" not in more:
            said = replace(said, id=f"{author}_{said.id}")
        made = deliver(APPS, said)
        assert self.world.request("POST", made.path, made.body, made.headers).status == 200
        self.world.run(MINUTE, sweep=True)
        return said

    def answered(self, text: str, asked: SimulatedMessage) -> None:
        """The brand's people write. Raises CannotSay."""
        self.said(text, "", to=asked.author if self.product in DIRECT else asked.id)

    @property
    def replies(self) -> int:
        return len(self.world.records("reply"))

    def states(self) -> dict[str, State]:
        return {c.customer: c.state for c in self.world.conversations()}


def press(world: MemoryWorld) -> int:
    return sum(email.to.startswith("press") for email in world.emails)


@pytest.mark.parametrize("product", sorted(set(PRODUCTS) - SIGNED_FOR_NOW))
def test_what_comes_two_hours_late_gets_no_reply_and_is_told_at_once_and_urgent_too(product: str) -> None:
    shop = Shop(product)
    shop.said(QUESTION, ago=2 * HOUR)
    assert shop.replies == 0 and len(shop.world.emails) == 1
    shop.said(URGENT, "770012", ago=2 * HOUR)
    assert press(shop.world) == 1


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_urgent_matter_after_the_answer_reaches_the_press_at_once(product: str) -> None:
    shop = Shop(product)
    asked = shop.said(QUESTION)
    with suppress(CannotSay):
        shop.answered("Yes, bring it to any of our stores.", asked)
    shop.said(URGENT, to="" if product in DIRECT else asked.id)
    assert press(shop.world) == 1


@pytest.mark.parametrize("product", DIRECT)
def test_a_greeting_a_second_after_the_first_message_answers_nothing(product: str) -> None:
    shop = Shop(product)
    asked = SimulatedMessage(product, BY_HAND, "770011", "Ann", at=NOW)
    greeting = SimulatedMessage(product, "Hi! We will be with you soon.", to="770011", at=NOW + timedelta(seconds=1))
    try:
        made = [deliver(APPS, asked), deliver(APPS, greeting)]
    except CannotSay:
        return  # it tells nothing of what the brand writes, so nothing can be taken for an answer
    for one in made:
        assert shop.world.request("POST", one.path, one.body, one.headers).status == 200
    shop.world.run(HOUR, sweep=True)
    assert list(shop.states().values()) == [State.OPEN] and shop.world.emails


@pytest.mark.parametrize("product", sorted(set(PRODUCTS) - set(DIRECT)))
def test_of_two_customers_in_a_thread_only_the_one_who_is_answered_is(product: str) -> None:
    shop = Shop(product)
    first = shop.said(BY_HAND, "770011")
    shop.said(BY_HAND, "660022", to=first.id)
    shop.answered("Hello Ann, we call you.", first)
    assert shop.states()["660022"] is State.OPEN


# --- edits ---


def messenger_edit(world: MemoryWorld) -> None:
    body = json.loads(message("m1", ""))
    part = body["entry"][0]["messaging"][0]
    del part["message"]
    part["timestamp"] = int(world.virtual_clock.now.timestamp() * 1000)
    part["message_edit"] = {"mid": "m1", "text": URGENT}
    world.post(json.dumps(body).encode())


def messenger() -> MemoryWorld:
    world = MemoryWorld()
    world.post(message("m1", QUESTION))
    world.run(5 * MINUTE)
    world.post(message("m2", "Yes, we do.", is_echo=True, at=world.virtual_clock.now))
    world.run(MINUTE)
    messenger_edit(world)
    return world


def on_whatsapp() -> MemoryWorld:
    world, who = MemoryWorld(apps=WHATSAPP), "491510000001"
    whatsapp(world, "wamid.1", **{"from": who}, body=QUESTION)
    echo(world, to=who)
    edit = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": URGENT}}}
    whatsapp(world, "wamid.9", **{"from": who}, type="edit", edit=edit)
    return world


def on_x_by_the_other_account() -> MemoryWorld:
    world = MemoryWorld(apps=x_apps())
    told(world, ONE)
    answer = {"id": "3002", "author_id": ONE, "text": "Just bring it.", "in_reply_to_user_id": "5001"}
    refers: dict[str, Any] = {"referenced_tweets": [{"type": "replied_to", "id": "3001"}]}
    told(world, ONE, "post.create", **answer, **refers)
    assert [c.state for c in world.conversations()] == [State.ANSWERED]
    told(world, OTHER, id="3009", text=f"@shop {URGENT}", edit_history_tweet_ids=["3001", "3009"])
    assert len(world.platforms.posted) == 1
    return world


def on_x_after_its_account_left() -> MemoryWorld:
    world = MemoryWorld(apps=x_apps())
    told(world, ONE)
    (app,) = world.registered.apps
    world.registered, world.services._apps = Apps((App("x", "main", ("s",), accounts=app.accounts[1:]),)), None
    told(world, OTHER, id="3009", text=f"@shop {URGENT}", edit_history_tweet_ids=["3001", "3009"])
    return world


def on_standby() -> MemoryWorld:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", "standby", **{"from": "491510000001"}, body=URGENT)
    assert world.platforms.posted == []
    return world


def after_an_erasure() -> MemoryWorld:
    world = MemoryWorld()
    world.post(delivery(comment("c1", QUESTION)))
    world.run(MINUTE)
    world.services.eraser.request([Customer("facebook", PAGE, "5001")], "code1", world.services.now())
    world.run(MINUTE)
    world.post(delivery(comment("c2", URGENT, at=world.virtual_clock.now)))
    return world


def while_somebody_is_on_it() -> MemoryWorld:
    world, act = opened()
    act("claim", until="2h")
    world.post(delivery(comment("c2", URGENT, parent="c1", at=world.virtual_clock.now)))
    return world


def opened() -> tuple[MemoryWorld, Callable[..., int]]:
    """Staff have opened the page of an open question."""
    world = MemoryWorld(public_url="https://earshot.example.com")
    world.post(delivery(comment("c1", BY_HAND)))
    world.run(12 * MINUTE, sweep=True)
    found = re.search(r"/act/([\w.~=-]+)", world.emails[-1].text)
    assert found
    page = world.request("GET", f"/act/{found[1]}").body.decode()
    shown = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))

    def act(action: str, **fields: str) -> int:
        form = urlencode({**shown, "who": "Robin", "action": action, **fields}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return world.request("POST", f"/act/{found[1]}", form, headers).status

    return world, act


@pytest.mark.parametrize(
    "story",
    [
        messenger,
        on_whatsapp,
        on_x_by_the_other_account,
        on_x_after_its_account_left,
        on_standby,
        after_an_erasure,
        while_somebody_is_on_it,
    ],
)
def test_urgent_is_urgent_whatever_else_holds(story: Callable[[], MemoryWorld]) -> None:
    world = story()
    world.run(2 * MINUTE, sweep=True)
    assert press(world) >= 1


@pytest.mark.parametrize("action", ["close", "answered", "claim", "snooze"])
def test_what_staff_do_on_a_page_leaves_a_rewritten_question_open_and_told(action: str) -> None:
    world, act = opened()
    world.post(delivery(comment("c1", URGENT, verb="edited", at=world.virtual_clock.now)))
    world.run(MINUTE)
    act(action, until="2h")
    world.run(MINUTE, sweep=True)
    assert [c.state for c in world.conversations()] == [State.OPEN] and press(world) >= 1


@pytest.mark.parametrize("words", [COMMON, QUESTION])
def test_what_people_were_called_about_at_once_gets_no_reply_once_it_is_rewritten(words: str) -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", URGENT)))
    world.post(delivery(comment("c1", words, verb="edited", at=NOW + timedelta(seconds=5))))
    world.run(30 * MINUTE, sweep=True)
    assert not world.platforms.posted and press(world) == 1


# --- a retention that is shorter than the wait ---


@pytest.mark.parametrize("days", [1, 2])
def test_a_question_outlives_any_retention_as_long_as_somebody_waits(days: int) -> None:
    """Asked on a Friday evening, due on Monday, kept for a day: every tier is told, with the customer's words."""
    world = MemoryWorld()
    world.store._kept = timedelta(days=days)
    world.virtual_clock.now = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)
    world.post(delivery(comment("c1", BY_HAND, at=world.virtual_clock.now)))
    for _ in range(24 * 4):
        world.run(HOUR, sweep=True)
        for item in list(world.store.table.everything()):
            if item.expires_at and item.expires_at <= world.services.now():
                world.store.table.delete(item.key)
    assert len(world.emails) >= 3 and all(BY_HAND in email.text for email in world.emails)


def forget_what_expired(world: MemoryWorld) -> None:
    """What DynamoDB does by itself."""
    for item in list(world.store.table.everything()):
        if item.expires_at and item.expires_at <= world.services.now():
            world.store.table.delete(item.key)


@pytest.mark.parametrize("then", ["nothing", "answered", "deleted", "erased"])
@pytest.mark.parametrize("product", sorted(set(PRODUCTS) - SIGNED_FOR_NOW))
def test_a_recorded_delivery_changes_nothing_either_once_all_of_it_is_forgotten(product: str, then: str) -> None:
    """By then nobody could tell whether it was answered, deleted or its author erased."""
    shop = Shop(product)
    world = shop.world
    said = SimulatedMessage(product, QUESTION, "770011", "Ann", at=NOW, id="770011_4711")
    made = deliver(APPS, said)
    world.request("POST", made.path, made.body, made.headers)
    world.run(MINUTE, sweep=True)
    if then == "answered":
        with suppress(CannotSay):
            shop.answered("Yes, of course.", said)
    elif then == "deleted":
        with suppress(CannotSay):
            gone = deliver(APPS, replace(said, text="", verb="remove", at=NOW + MINUTE))
            world.request("POST", gone.path, gone.body, gone.headers)
    elif then == "erased":
        (c,) = world.conversations()
        world.services.eraser.request([Customer(product, c.account, c.customer)], "code1", world.services.now())
    world.run(timedelta(days=100), sweep=False)
    forget_what_expired(world)
    assert not world.interactions() and not world.conversations()
    mails, replies = len(world.emails), shop.replies
    world.request("POST", made.path, made.body, made.headers)
    world.run(timedelta(days=2), sweep=True)
    assert all(i.erased for i in world.interactions()) and not world.conversations()
    assert (len(world.emails), shop.replies) == (mails, replies)


def test_what_is_remembered_still_is_worked_on_however_old_it_is() -> None:
    """A question that waits since long ago is edited, answered and deleted as ever."""
    world = MemoryWorld()
    world.post(delivery(comment("c1", BY_HAND)))
    world.run(timedelta(days=60), sweep=False)
    world.post(delivery(comment("c1", BY_HAND + " The red one.", verb="edited", entry_at=NOW + timedelta(days=60))))
    world.run(timedelta(days=60))
    forget_what_expired(world)
    world.post(delivery(comment("c1", BY_HAND)))
    world.run(MINUTE)
    assert [i.text for i in world.interactions()] == [BY_HAND + " The red one."]
    world.post(delivery(comment("c1", "", verb="remove", entry_at=world.services.now())))
    world.run(MINUTE)
    assert [c.state for c in world.conversations()] == [State.DELETED]


@pytest.mark.parametrize("late", [timedelta(days=3), timedelta(days=7, hours=20)])
def test_what_a_platform_tells_of_a_week_late_is_taken_in_however_short_the_retention(late: timedelta) -> None:
    world = MemoryWorld()
    world.store._kept = timedelta(days=1)
    world.post(delivery(comment("c1", BY_HAND, at=NOW - late)))
    world.run(HOUR, sweep=True)
    assert world.emails


AHEAD = (timedelta(minutes=4), HOUR, timedelta(days=1), timedelta(days=365))


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("product", sorted(set(DIRECT) - SIGNED_FOR_NOW))
def test_a_clock_that_is_ahead_answers_nothing_that_is_asked_later(product: str, ahead: timedelta) -> None:
    """The brand's words of tomorrow are no answer to what is asked today; a question of tomorrow is answered today."""
    shop = Shop(product)
    asked = shop.said(BY_HAND, ago=-ahead)
    shop.world.run(20 * MINUTE, sweep=True)
    try:
        answered = SimulatedMessage(
            product, "Yes, of course.", "", at=shop.world.virtual_clock.now + ahead, to=asked.author
        )
        made = deliver(APPS, answered)
    except CannotSay:
        return
    shop.world.request("POST", made.path, made.body, made.headers)
    shop.world.run(MINUTE, sweep=True)
    assert set(shop.states().values()) == {State.ANSWERED}
    shop.world.run(6 * MINUTE, sweep=True)
    shop.said(BY_HAND + " And the red one?")
    shop.world.run(20 * MINUTE, sweep=True)
    assert set(shop.states().values()) == {State.OPEN}
    assert len(shop.world.emails) == 2
