"""Where an interaction belongs: one post for two accounts, one person under several ids, a comment under a comment."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apps import Account, App, Apps
from chalicelib.conversations.conversation import State
from chalicelib.platforms.base import hmac_base64, hmac_hex
from chalicelib.storage.item_keys import collection_of
from chalicelib.storage.names import object_home, person_named
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery

QUESTION = "How do I return a dress that I bought online?"
BY_HAND = "I want to talk to a human please"
ONE, OTHER = "880001", "880002"


def x_apps(*, apart: bool = False) -> Apps:
    one, other = Account(ONE, "x", "Shop", "t1"), Account(OTHER, "x", "ShopHelp", "t2")
    if apart:
        return Apps((App("x", "main", ("s",), accounts=(one,)), App("x", "help", ("h",), accounts=(other,))))
    return Apps((App("x", "main", ("s",), accounts=(one, other)),))


def told(world: MemoryWorld, account: str, type: str = "post.mention.create", app: str = "main", **post: Any) -> None:
    """X tells `account` of a post."""
    payload = {"id": "3001", "text": f"@shop {QUESTION}", "author_id": "5001", "conversation_id": "3001", **post}
    payload = {"created_at": world.virtual_clock.now.isoformat(), **payload}
    body = json.dumps({"data": {"filter": {"user_id": account}, "event_type": type, "payload": payload}}).encode()
    secret = "s" if app == "main" else "h"
    headers = {"x-twitter-webhooks-signature": "sha256=" + hmac_base64(secret, body)}
    assert world.request("POST", f"/webhooks/x/{app}", body, headers).status == 200
    world.run(timedelta(minutes=1))


@pytest.mark.parametrize("order", [(ONE, OTHER), (OTHER, ONE), (ONE, OTHER, ONE, OTHER)])
@pytest.mark.parametrize("apart", [False, True])
def test_a_post_that_names_two_accounts_is_one_question_with_one_reply(order: tuple[str, ...], apart: bool) -> None:
    world = MemoryWorld(apps=x_apps(apart=apart))
    for account in order:
        told(world, account, app="help" if apart and account == OTHER else "main")
    assert len(world.platforms.posted) == 1 and len(world.interactions()) == 1
    (conversation,) = world.conversations()
    assert conversation.account == order[0] and conversation.state is State.OPEN


def test_either_accounts_people_answer_it_and_its_edit_and_deletion_are_of_the_same_post() -> None:
    world = MemoryWorld(apps=x_apps())
    told(world, ONE)
    told(world, OTHER)
    answer = {"id": "3002", "author_id": OTHER, "text": "Just bring it to a store.", "in_reply_to_user_id": "5001"}
    refers: dict[str, Any] = {"referenced_tweets": [{"type": "replied_to", "id": "3001"}]}
    told(world, OTHER, "post.create", **answer, **refers)
    assert [c.state for c in world.conversations()] == [State.ANSWERED]
    told(world, OTHER, "post.delete")
    assert [c.state for c in world.conversations()] == [State.DELETED]


def test_what_another_apps_secret_signed_changes_nothing_of_this_apps_account() -> None:
    world = MemoryWorld(apps=x_apps(apart=True))
    told(world, ONE)
    told(world, OTHER, app="help", text="changed", edit_history_tweet_ids=["3001", "3009"])
    (question,) = world.interactions()
    assert question.text == f"@shop {QUESTION}"
    told(world, OTHER, "post.delete", app="help")
    assert [c.state for c in world.conversations()] == [State.OPEN]


def test_a_post_whose_account_left_the_apps_file_is_of_the_account_that_is_told_of_it() -> None:
    world = MemoryWorld(apps=x_apps())
    told(world, ONE)
    (app,) = x_apps().apps
    staying = (app.accounts[1], Account("880003", "x", "ShopNews", "t3"))
    world.registered, world.services._apps = Apps((replace(app, accounts=staying),)), None
    told(world, OTHER, text=f"@shop {BY_HAND}", edit_history_tweet_ids=["3001", "3009"])
    assert {c.account: c.state for c in world.conversations()}[OTHER] is State.OPEN


def test_a_post_that_mentions_two_pages_is_one_question() -> None:
    pages = (Account(PAGE, "facebook", "Shop", "t1"), Account("900900", "facebook", "Shop Leeds", "t2"))
    world = MemoryWorld(apps=Apps((App("meta", "main", ("current",), accounts=pages),)))
    post = {
        "item": "post",
        "verb": "add",
        "post_id": "700_1",
        "message": QUESTION,
        "from": {"id": "700", "name": "Ann"},
    }
    change = {"field": "mention", "value": {**post, "created_time": int(NOW.timestamp())}, "_at": int(NOW.timestamp())}
    for page in (PAGE, "900900"):
        assert world.post(delivery(dict(change), page=page)) == 200
        world.run()
    assert len(world.conversations()) == 1 and len(world.platforms.posted) <= 1


OTHER_PAGE = "900900"


def pages(*, apart: bool) -> Apps:
    one, other = Account(PAGE, "facebook", "Shop", "t1"), Account(OTHER_PAGE, "facebook", "Shop Leeds", "t2")
    if apart:
        return Apps((App("meta", "main", ("current",), accounts=(one,)), App("meta", "b", ("x",), accounts=(other,))))
    return Apps((App("meta", "main", ("current",), accounts=(one, other)),))


def named(world: MemoryWorld, page: str, *, id: str = "77_1", app: str = "main", **more: Any) -> None:
    """A comment under a post of PAGE that names OTHER_PAGE, as `page` is told of it."""
    change = comment(id, QUESTION, at=world.virtual_clock.now, **more)
    body = delivery({**change, "field": "feed" if page == PAGE else "mention"}, page=page)
    headers = {"X-Hub-Signature-256": "sha256=" + hmac_hex("current" if app == "main" else "x", body)}
    assert world.request("POST", f"/webhooks/meta/{app}", body, headers).status == 200
    world.run(timedelta(minutes=1))


@pytest.mark.parametrize("order", [(PAGE, OTHER_PAGE), (OTHER_PAGE, PAGE), (OTHER_PAGE, PAGE, OTHER_PAGE)])
@pytest.mark.parametrize("apart", [False, True])
def test_a_comment_that_names_another_page_is_one_question_of_the_page_below_whose_post_it_stands(
    order: tuple[str, ...], apart: bool
) -> None:
    world = MemoryWorld(apps=pages(apart=apart))
    for page in order:
        named(world, page, app="b" if apart and page == OTHER_PAGE else "main")
    (conversation,) = world.conversations()
    assert len(world.interactions()) == 1 and len(world.platforms.posted) == 1
    assert conversation.account == (order[0] if apart else PAGE)
    if not apart:  # whichever page is told of the answer
        named(world, OTHER_PAGE, id="77_2", author=PAGE, parent="77_1")
        assert [c.state for c in world.conversations()] == [State.ANSWERED]


def test_a_comment_that_the_release_before_put_elsewhere_stays_there() -> None:
    world = MemoryWorld(apps=pages(apart=False))
    world.store.put_document(object_home("facebook", "77_1"), "is", {"is": OTHER_PAGE}, NOW + timedelta(days=400))
    named(world, OTHER_PAGE)
    named(world, PAGE, verb="remove")
    assert [(c.account, c.state) for c in world.conversations()] == [(OTHER_PAGE, State.DELETED)]


# --- one person ---

NUMBER = "106500000000001"
WHATSAPP = Apps((App("meta", "main", ("current",), accounts=(Account(NUMBER, "whatsapp", "Shop", "t"),)),))


def whatsapp(world: MemoryWorld, id: str, field: str = "messages", **message: Any) -> None:
    name = "message_echoes" if field == "smb_message_echoes" else "messages"
    at = str(int(world.virtual_clock.now.timestamp()))
    text = {} if message.get("type") == "system" else {"type": "text", "text": {"body": message.pop("body", BY_HAND)}}
    metadata = {"display_phone_number": "15550100200", "phone_number_id": NUMBER}
    value = {"metadata": metadata, name: [{"id": id, "timestamp": at, **text, **message}]}
    change = {"field": field, "value": value, "_at": int(at)}
    body = json.loads(delivery(change, page="555"))
    assert world.post(json.dumps({**body, "object": "whatsapp_business_account"}).encode()) == 200
    world.run(timedelta(minutes=20))


def echo(world: MemoryWorld, **to: str) -> None:
    whatsapp(world, "wamid.E", "smb_message_echoes", **{"from": "15550100200"}, **to, body="Hello Ann, this is Tom.")


BOTH = {"from": "491510000001", "from_user_id": "DE.1349"}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"from": "555180201045"}, {"to": "5551980201045"}),
        ({"from": "5551980201045"}, {"to": "555180201045"}),
        ({"from": "5215512345678"}, {"to": "525512345678"}),
        ({"from": "541112345678"}, {"to": "5491112345678"}),
        ({"from": "491510000001"}, {"to": "+49 151 0000001"}),
        (BOTH, {"to_user_id": "DE.1349"}),
        (BOTH, {"to": "491510000001"}),
        ({"from_user_id": "DE.1349"}, {"to_user_id": "DE.1349"}),
    ],
)
def test_one_person_under_two_ids_is_one_customer(asked: dict[str, str], answered: dict[str, str]) -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", **asked)
    echo(world, **answered)
    assert [c.state for c in world.conversations()] == [State.ANSWERED]
    assert [i.reply_to for i in world.interactions() if not i.brand] == [next(iter(asked.values()))]


def test_whoever_was_first_known_by_one_id_keeps_it_when_another_is_told() -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", from_user_id="DE.1349")
    whatsapp(world, "wamid.2", **BOTH)
    whatsapp(world, "wamid.3", **{"from": "491510000001"})
    (conversation,) = world.conversations()
    assert conversation.customer == "DE.1349" and len(conversation.questions) == 3


def test_who_somebody_is_stays_known_as_long_as_they_go_on_writing() -> None:
    """What is remembered for 400 days is remembered from the last message on, and not from the first."""
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", from_user_id="DE.1349")
    for id in ("wamid.2", "wamid.3", "wamid.4"):
        whatsapp(world, id, **BOTH)
        world.virtual_clock.now += timedelta(days=250)
        for item in list(world.store.table.everything()):
            if item.expires_at and item.expires_at <= world.virtual_clock.now:
                world.store.table.delete(item.key)
    whatsapp(world, "wamid.5", **BOTH)
    assert {c.customer for c in world.conversations()} == {"DE.1349"}


def test_a_changed_number_is_the_same_person() -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", **{"from": "491510000001"})
    system = {"type": "user_changed_number", "wa_id": "491510000099", "body": "Ann changed their number"}
    whatsapp(world, "wamid.2", **{"from": "491510000001"}, type="system", system=system)
    whatsapp(world, "wamid.3", **{"from": "491510000099"})
    (conversation,) = world.conversations()
    assert len(conversation.questions) == 2
    echo(world, to="491510000099")
    assert [c.state for c in world.conversations()] == [State.ANSWERED]


def test_ids_of_one_account_say_nothing_about_anothers_customers() -> None:
    two = (Account(NUMBER, "whatsapp", "Shop", "t"), Account("other", "whatsapp", "Other", "t"))
    world = MemoryWorld(apps=Apps((App("meta", "main", ("current",), accounts=two),)))
    whatsapp(world, "wamid.1", **BOTH)
    found = [collection_of(i.key) or "" for i in world.store.table.everything()]
    people = [name for name in found if person_named(name)]
    assert len(people) == 2 and all(f"whatsapp:{NUMBER}#" in name for name in people)


def test_standby_is_kept_and_escalated_and_never_replied_to() -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", "standby", **{"from": "491510000001"}, body=QUESTION)
    world.run(timedelta(hours=4))
    assert world.platforms.posted == [] and world.emails and world.conversations()[0].state is State.OPEN


# --- a comment under a comment ---


@pytest.mark.parametrize("parent", ["c1", "c3"])
def test_an_answer_to_a_reply_stands_in_the_thread_of_its_first_comment(parent: str) -> None:
    world = MemoryWorld()
    said = [("c1", BY_HAND, "5001", None), ("c2", "Hello Ann, what is it about?", PAGE, "c1")]
    said += [("c3", "My parcel was stolen, can somebody call me?", "5001", "c2"), ("c4", "We call you.", PAGE, parent)]
    for id, text, author, under in said:
        world.post(delivery(comment(id, text, author=author, parent=under, at=world.virtual_clock.now)))
        world.run(timedelta(minutes=5))
    (conversation,) = world.conversations()
    assert conversation.thread == "c1" and conversation.state is State.ANSWERED


def test_the_pages_comment_answers_the_recommendation_below_which_it_stands() -> None:
    world = MemoryWorld()
    at = int(NOW.timestamp())
    rating = {"item": "rating", "verb": "add", "reviewer_id": "5001", "reviewer_name": "Ann", "created_time": at}
    rating |= {"open_graph_story_id": "4455", "recommendation_type": "negative", "review_text": BY_HAND}
    world.post(delivery({"field": "ratings", "value": rating, "_at": at}))
    world.run(timedelta(minutes=5))
    world.post(delivery(comment("4455_1", "We are sorry.", author=PAGE, post="800_4455", at=world.virtual_clock.now)))
    world.run()
    assert [c.state for c in world.conversations()] == [State.ANSWERED]
