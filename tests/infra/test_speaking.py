"""Every platform can be spoken to on this machine: what is said arrives as that, and a reply to it is understood."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import platforms
from chalicelib.conversations.interaction import Kind
from chalicelib.platforms.base import Reply
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import CannotSay, author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.services import RecordedHttp
from tests.http_doubles import StandInHttp
from tests.staff.desk_browser import newest
from tests.world import MemoryWorld

APPS = demo_apps()
WORDS = "How do I return a dress that I bought online? ☕"
TELLING = [name for name in platforms.PRODUCTS if platforms.product(name).simulation.tells_brand]


def asked(product: str) -> SimulatedMessage:
    return SimulatedMessage(product, WORDS, author_id("Robin"), "Robin")


def world_where(*said: SimulatedMessage) -> MemoryWorld:
    world = MemoryWorld(apps=APPS, http=RecordedHttp())
    for message in said:
        delivery = deliver(APPS, replace(message, at=world.virtual_clock.now))
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        assert world.request("POST", delivery.path, delivery.body, headers).status == 200
        world.run(timedelta(minutes=10))
    return world


@pytest.mark.parametrize("product", platforms.PRODUCTS)
def test_a_question_arrives_with_its_words_and_gets_its_reply(product: str) -> None:
    world = world_where(asked(product))
    (question,) = [i for i in world.interactions() if not i.brand]
    assert (question.product, question.text) == (product, WORDS) and question.author_name in ("Robin", None)
    (conversation,) = world.conversations()
    assert [a.state.value for a in conversation.acknowledgements.values()] == ["sent"], world.records("interaction")


@pytest.mark.parametrize("product", platforms.PRODUCTS)
def test_a_forged_delivery_is_refused(product: str) -> None:
    world = MemoryWorld(apps=APPS, http=RecordedHttp())
    delivery = deliver(
        APPS, replace(asked(product), at=world.virtual_clock.now), secret="bm90IHRoZSBzaG9wJ3Mgc2VjcmV0ISEh"
    )
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    assert world.request("POST", delivery.path, delivery.body, headers).status == 401
    assert not world.interactions()


@pytest.mark.parametrize("product", platforms.PRODUCTS)
def test_who_answers_there_is_told_where_the_platform_does_not_tell_of_it(product: str) -> None:
    """Else the next tier is called about a customer whom somebody has answered, and may answer twice."""
    world = MemoryWorld(apps=APPS, http=RecordedHttp(), public_url="https://earshot.shop.example.com/api")
    delivery = deliver(APPS, replace(asked(product), at=world.virtual_clock.now))
    world.request("POST", delivery.path, delivery.body, {k.lower(): v for k, v in delivery.headers.items()})
    world.run(timedelta(hours=2))
    email = world.emails[0]
    desk = newest(world).html
    for shown in (email.text, email.html, desk):
        assert ("does not tell Earshot what is answered there" in shown) is (product == "line")


@pytest.mark.parametrize("product", TELLING)
def test_the_shops_answer_arrives_as_a_persons(product: str) -> None:
    question = asked(product)
    to = question.author if platforms.product(product).simulation.direct else question.id
    world = world_where(question, SimulatedMessage(product, "It comes tomorrow, we have looked.", to=to))
    (conversation,) = world.conversations()
    assert conversation.state.value == "answered"


@pytest.mark.parametrize("product", sorted(set(platforms.PRODUCTS) - set(TELLING)))
def test_what_a_platform_does_not_tell_is_said_to_whoever_tries(product: str) -> None:
    with pytest.raises(CannotSay, match=platforms.title(product)):
        deliver(APPS, SimulatedMessage(product, "It comes tomorrow.", to="1"))


@pytest.mark.parametrize("product", platforms.PRODUCTS)
def test_the_stand_in_takes_the_reply_as_the_platform_would(product: str) -> None:
    (interaction,) = [i for i in world_where(asked(product)).interactions() if not i.brand]
    wire, owner = StandInHttp(), APPS.owner(product, interaction.account)
    assert owner
    reply = Reply(interaction, "Thank you, we got it.", "0" * 32, at=interaction.received_at)
    id = platforms.product(product).reply(wire, owner.app, owner.account, reply)
    (posted,) = wire.stand_in.posted
    assert (posted.product, posted.text) == (product, "Thank you, we got it.") and not wire.stand_in.strange
    echo = platforms.product(product).simulation.echo(posted)
    assert id and (echo is None or echo.brand)
    assert interaction.kind in (Kind.NEW, Kind.MENTION)
