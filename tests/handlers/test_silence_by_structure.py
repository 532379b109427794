"""Where silence is right whatever the text says, on every kind of platform: who has spoken, to whom, and when."""

import json
from datetime import datetime, timedelta

import pytest

from chalicelib import platforms
from chalicelib.apps import Apps, load_apps
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import deliver
from infra.local.demo_apps import demo_apps, demo_text
from tests.test_orders import COMMON
from tests.world import NOW, MemoryWorld

APPS = demo_apps()
PRODUCTS = [name for name in platforms.PRODUCTS if name != "google"]  # it tells only that there is a review
SPOKEN_IN = [name for name in PRODUCTS if platforms.product(name).simulation.tells_brand]
PUBLIC = [name for name in SPOKEN_IN if not platforms.product(name).simulation.direct]
ANN, BEN = "100000000000001", "100000000000002"


def heard(*said: SimulatedMessage, apps: Apps = APPS) -> MemoryWorld:
    """The world after each was delivered at its own time, in the order given."""
    world = MemoryWorld(apps=apps)
    for one in said:
        if one.at > world.virtual_clock.now:
            world.run(one.at - world.virtual_clock.now)
        delivery = deliver(APPS, one)
        assert world.post(delivery.body, path=delivery.path, headers=delivery.headers) == 200
        world.run()
    return world


def asks(
    product: str, author: str = ANN, id: str = "8000000002", to: str = "", at: datetime = NOW, text: str = COMMON
) -> SimulatedMessage:
    return SimulatedMessage(product, text, author, "Ann Example", id=id, at=at, to=to)


def silences(world: MemoryWorld) -> list[str]:
    """The labels of why nothing was said, of the questions that wait for a person."""
    return [q.silence for c in world.conversations() for q in c.questions.values() if q.pending and q.silence]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_question_of_a_stranger_gets_its_reply(product: str) -> None:
    """The control: without any of the following, the same question is acknowledged everywhere."""
    assert len(heard(asks(product)).platforms.posted) == 1


@pytest.mark.parametrize("product", [name for name in PRODUCTS if name != "standard"])  # such a delivery is refused
def test_what_is_old_by_the_platforms_own_time_is_left_to_people(product: str) -> None:
    world = heard(asks(product, at=NOW - timedelta(minutes=11)))
    assert world.platforms.posted == [] and silences(world) == ["too_old"]


@pytest.mark.parametrize("product", SPOKEN_IN)
def test_nothing_is_said_where_a_person_of_the_brand_has_written(product: str) -> None:
    direct = platforms.product(product).simulation.direct
    first = asks(product, id="8000000001", text="What a lovely shop you have there, my aunt says")
    brand = SimulatedMessage(
        product, "Thank you, dear Ann!", id="7000000001", at=NOW + timedelta(minutes=1), to=ANN if direct else first.id
    )
    later = asks(product, to="" if direct else first.id, at=NOW + timedelta(minutes=5))
    world = heard(first, brand, later)
    assert world.platforms.posted == [] and silences(world)[-1:] == ["person_wrote"]


@pytest.mark.parametrize("product", PUBLIC)
def test_nothing_is_said_below_another_customers_words_unless_the_brand_is_spoken_to(product: str) -> None:
    first = asks(product, BEN, "8000000001", text="What a lovely shop you have there, my aunt says")
    answered = "@ben_example @MarigoldFinch " if product == "x" else ""  # X puts in front whom a reply answers
    below = asks(product, to=first.id, at=NOW + timedelta(minutes=5), text=answered + COMMON)
    world = heard(first, below)
    assert world.platforms.posted == [] and silences(world)[-1] in ("others_thread", "to_somebody_else")


@pytest.mark.parametrize("product", PUBLIC)
def test_nothing_is_said_to_who_calls_another_customer(product: str) -> None:
    first = asks(product, id="8000000001", text="What a lovely shop you have there, my aunt says")
    to_ben = asks(product, to=first.id, at=NOW + timedelta(minutes=5), text=f"@ben_example {COMMON}")
    world = heard(first, to_ben)
    assert world.platforms.posted == [] and silences(world)[-1] == "to_somebody_else"


def test_whoever_calls_one_of_the_brands_people_is_answered() -> None:
    first = asks("discourse", id="8000000001", text="What a lovely shop you have there, my aunt says")
    called = asks("discourse", to=first.id, at=NOW + timedelta(minutes=5), text=f"@kim {COMMON}")
    assert heard(first, called).platforms.posted == []
    registered = json.loads(demo_text())
    forum = next(a for app in registered["apps"] for a in app["accounts"] if a["product"] == "discourse")
    forum["brand_users"] = ["kim"]
    assert len(heard(first, called, apps=load_apps(json.dumps(registered))).platforms.posted) == 1
