"""A reply that the playbook says is the answer: who got it waits for nobody; who did not, or asks anew, does."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.apps import Apps
from chalicelib.conversations.conversation import State
from chalicelib.platforms.http import Answer
from chalicelib.playbook.policy import Playbook
from tests.handlers.test_acknowledge import asked, graph_error, no_answer
from tests.platforms.cases.meta import META
from tests.platforms.test_facts_of_platforms import WA, page, whatsapp
from tests.test_orders import COMMON
from tests.world import MemoryWorld, comment, delivery, playbook

DAYS = timedelta(days=3)


def resolving() -> Playbook:
    shop = playbook()
    return replace(shop, intents={name: replace(policy, resolves=True) for name, policy in shop.intents.items()})


def state(world: MemoryWorld) -> State:
    (c,) = world.conversations()
    return c.state


def test_who_got_the_answer_is_told_to_nobody() -> None:
    world = asked(policy=resolving())
    world.run(DAYS, sweep=True)
    assert len(world.platforms.posted) == 1 and state(world) is State.ANSWERED
    assert world.emails == []


@pytest.mark.parametrize("answer", [no_answer, graph_error(500, 1), graph_error(400, 100)])
def test_who_may_not_have_got_it_is_told_to_people_in_time(answer: Callable[[], Answer]) -> None:
    world = asked(answer, policy=resolving())
    world.run(timedelta(hours=1), sweep=True)
    assert world.platforms.posted == [] and state(world) is State.OPEN
    assert len(world.emails) == 1


def test_who_asks_something_else_in_its_place_is_told_to_people_and_gets_no_second_reply() -> None:
    world = asked(policy=resolving())
    world.run(timedelta(minutes=5))
    world.post(
        delivery(comment("c1", "My parcel came, and it is broken", verb="edited", entry_at=world.services.now()))
    )
    world.run(timedelta(hours=1), sweep=True)
    assert state(world) is State.OPEN
    assert len(world.platforms.posted) == 1 and len(world.emails) == 1


def test_who_asks_again_after_it_is_told_to_people() -> None:
    world = asked(policy=resolving())
    later = world.services.now() + timedelta(minutes=5)
    world.run(timedelta(minutes=5))
    world.post(delivery(comment("c2", "That is not what I asked", parent="c1", at=later)))
    world.run(timedelta(minutes=70), sweep=True)
    assert state(world) is State.OPEN and len(world.emails) == 1


def test_an_answer_that_did_not_arrive_after_all_leaves_the_question_open() -> None:
    world = MemoryWorld(resolving(), Apps((META,)))
    said = whatsapp(type="text", text={"body": COMMON})
    stamp = str(int(world.services.now().timestamp()))
    said["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = stamp
    assert world.post(json.dumps(said).encode(), secret=META.secrets[0]) == 200
    world.run()
    assert len(world.platforms.posted) == 1 and state(world) is State.ANSWERED
    (ack,) = world.conversations()[0].acknowledgements.values()
    status = {"id": "wamid.9", "status": "failed", "timestamp": stamp, "recipient_id": "4915550000002"}
    value = {"metadata": {"phone_number_id": WA}, "statuses": [{**status, "biz_opaque_callback_data": ack.token}]}
    told = page("whatsapp_business_account", "555", changes=[{"field": "messages", "value": value}])
    assert world.post(json.dumps(told).encode(), secret=META.secrets[0]) == 200
    world.run(timedelta(hours=2), sweep=True)
    assert state(world) is State.OPEN
    assert len(world.platforms.posted) == 1 and len(world.emails) >= 1
