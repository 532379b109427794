"""What single platforms mean by what they send, where it decides who is answered, waited for or forgotten."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.apps import App, Apps
from chalicelib.conversations.conversation import Outcome, State
from chalicelib.conversations.interaction import Interaction, Kind, merge
from chalicelib.platforms.base import Parsed
from chalicelib.platforms.http import Answer, ConnectionRefused
from chalicelib.platforms.meta import instagram
from chalicelib.platforms.telegram import platform as telegram
from tests.http_doubles import PaperHttp
from tests.platforms.case import RECEIVED_AT, PlatformCase
from tests.platforms.cases import CASES
from tests.platforms.cases.discourse import DISCOURSE
from tests.platforms.cases.google import GOOGLE
from tests.platforms.cases.line import LINE
from tests.platforms.cases.meta import META
from tests.platforms.cases.telegram import TELEGRAM
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import answer, http, reply_to
from tests.world import MemoryWorld

BY_HAND = "I want to talk to a human please"


def read(app: App, payload: Any) -> list[Parsed]:
    webhook = platforms.webhook(app.platform)
    assert webhook
    return list(webhook.read(app, json.dumps(payload).encode(), RECEIVED_AT))


def one(app: App, payload: Any) -> Interaction:
    (found,) = read(app, payload)
    assert isinstance(found, Interaction)
    return found


def page(object: str, account: str, **lists: Any) -> dict[str, Any]:
    return {"object": object, "entry": [{"id": account, "time": int(RECEIVED_AT.timestamp()), **lists}]}


PAGE, IG, WA = "100200300400500", "17841400000000001", "106500000000001"


def messenger(**message: Any) -> Any:
    part = {"sender": {"id": "6001"}, "recipient": {"id": PAGE}, "timestamp": int(RECEIVED_AT.timestamp() * 1000)}
    return page("page", PAGE, messaging=[part | message])


def whatsapp(**message: Any) -> Any:
    value = {"metadata": {"phone_number_id": WA}, "messages": [{"from": "4915550000002", "id": "wamid.1", **message}]}
    return page("whatsapp_business_account", "555", changes=[{"field": "messages", "value": value}])


def line(event_type: str = "message", **message: Any) -> Any:
    event = {
        "type": event_type,
        "timestamp": int(RECEIVED_AT.timestamp() * 1000),
        "source": {"type": "user", "userId": "U1"},
    }
    return {"destination": LINE.accounts[0].id, "events": [{**event, "message": {"id": "11", **message}}]}


def chat(**message: Any) -> Any:
    private = {"id": 51, "type": "private"}
    return {"update_id": 1, "message": {"message_id": 7, "from": {"id": 51}, "chat": private, **message}}


def rating(**value: Any) -> Any:
    told = {"item": "rating", "verb": "add", "reviewer_id": "5001", "open_graph_story_id": "4455", **value}
    return page("page", PAGE, changes=[{"field": "ratings", "value": told}])


STICKER = {
    "attachments": [{"type": "image", "payload": {"url": "https://example.com/1", "sticker_id": 369239263222822}}]
}
TAPS = [
    (META, messenger(postback={"mid": "m1", "title": "Get Started", "payload": "start"})),
    (META, messenger(postback={"mid": "m1", "title": "Los geht's", "payload": "GET_STARTED"})),
    (META, messenger(message={"mid": "m1", **STICKER})),
    (META, messenger(message={"mid": "m1", "text": "👍🏽"})),
    (META, messenger(message={"mid": "m1", "text": "❤️ ❤️"})),
    (META, whatsapp(type="sticker", sticker={"id": "1"})),
    (META, whatsapp(type="text", text={"body": "🙏!"})),
    (META, rating(recommendation_type="POSITIVE")),
    (META, rating(rating=5)),
    (TELEGRAM, chat(text="/start")),
    (TELEGRAM, chat(text="/start from_the_shop")),
    (TELEGRAM, chat(sticker={"emoji": "👍"})),
    (LINE, line(type="sticker")),
    (LINE, line(text="😊")),
]
WORDS = [
    (META, messenger(postback={"mid": "m1", "title": "Where is my order?", "payload": "ORDER"})),
    (META, messenger(message={"mid": "m1", "text": "👍?", **STICKER})),
    (
        META,
        messenger(message={"mid": "m1", "attachments": [{"type": "image", "payload": {"url": "https://example.com"}}]}),
    ),
    (META, messenger(message={"mid": "m1", "text": "😡"})),
    (META, whatsapp(type="image", image={"id": "1"})),
    (META, rating(recommendation_type="negative")),
    (META, rating(recommendation_type="positive", review_text="Where do I find you?")),
    (META, rating(rating=2)),
    (TELEGRAM, chat(text="/start is what I typed, where is my order?\nAnd when?")),
    (TELEGRAM, chat(text="/started but nothing came")),
    (LINE, line(type="image")),
    (LINE, line(text="!!!")),
]


@pytest.mark.parametrize(("app", "payload"), TAPS)
def test_nobody_waits_for_an_answer_to_a_tap(app: App, payload: Any) -> None:
    assert one(app, payload).tap


@pytest.mark.parametrize(("app", "payload"), WORDS)
def test_words_pictures_and_anger_are_no_taps(app: App, payload: Any) -> None:
    assert not one(app, payload).tap


# --- X ---


def test_x_escapes_three_characters_and_the_customer_wrote_none_of_the_escapes() -> None:
    text = "@shop I &lt;3 it &amp; you, but &amp;lt; is broken &amp;amp; &eacute;"
    plain = "@shop I <3 it & you, but &lt; is broken &amp; &eacute;"
    post = {"id": "1", "text": text, "author_id": "5", "conversation_id": "1"}
    account = X.accounts[0].id
    event = {"event_type": "post.mention.create", "filter": {"user_id": account}, "payload": post}
    assert one(X, {"data": event}).text == plain
    tweet = {"id_str": "1", "user": {"id_str": "5"}, "truncated": True, "extended_tweet": {"full_text": text}}
    assert one(X, {"for_user_id": account, "tweet_create_events": [tweet]}).text == plain
    direct = {"id": "9", "message_create": {"sender_id": "5", "target": {"recipient_id": account}}}
    direct["message_create"]["message_data"] = {"text": text}  # type: ignore[index]
    assert one(X, {"for_user_id": account, "direct_message_events": [direct]}).text == plain


@pytest.mark.parametrize("history", [{"initial_tweet_id": "1"}, {"edit_tweet_ids": ["1", "2"]}])
def test_an_edit_on_xs_older_webhook_is_of_the_first_post_and_answered_below_the_last(history: Any) -> None:
    tweet = {"id_str": "2", "text": "@shop open on Sunday?", "user": {"id_str": "5"}, "edit_history": history}
    found = one(X, {"for_user_id": X.accounts[0].id, "tweet_create_events": [tweet]})
    assert (found.id, found.kind, found.reply_to, found.thread) == ("1", Kind.EDIT, "2", "1")


# --- Instagram ---


def ig(field: str = "comments", *, by: dict[str, str]) -> Any:
    value = {"id": "1801", "text": "What time do you open?", "media": {"id": "1790"}, "from": by}
    return page("instagram", IG, changes=[{"field": field, "value": value}])


def test_a_live_comment_is_only_answered_privately() -> None:
    found = one(META, ig("live_comments", by={"id": "8001", "username": "anna"}))
    assert found.private_only and found.repliable
    wire = http(answer(data={"message_id": "r1"}))
    account = next(a for a in META.accounts if a.product == "instagram")
    reply = reply_to("instagram", IG, "1801")._replace(interaction=found)
    assert instagram.reply(wire, META, account, reply) == "r1"
    assert wire.sent[0].data["recipient"] == {"comment_id": "1801"}


def test_the_accounts_own_comment_without_an_id_is_told_by_its_username() -> None:
    assert one(META, ig(by={"username": "ExampleShop"})).brand
    assert not one(META, ig(by={"username": "anna"})).brand
    name = {"username": "exampleshop.official"}
    wire = http(answer(data={**name, "text": "Hello"}), answer(data=name))
    stranger = one(META, ig(by=name))
    account = next(a for a in META.accounts if a.product == "instagram")
    assert instagram.fetch(wire, account, stranger)["author"] == IG


# --- LINE, Telegram ---


def test_an_edited_message_on_line_is_an_edit_and_the_latest_wins() -> None:
    first, edit = one(LINE, line(text="Where is it")), one(LINE, line("messageEdited", text="Where is my parcel?"))
    edit = replace(edit, text_at=edit.at + timedelta(minutes=1))
    assert edit.kind is Kind.EDIT and edit.id == first.id
    assert merge(merge(None, first), edit).text == merge(merge(None, edit), first).text == "Where is my parcel?"


def test_each_reader_of_a_channel_has_a_thread_of_their_own_and_is_answered_in_it() -> None:
    where = {"id": -1009, "type": "supergroup", "is_direct_messages": True}
    topics = [one(TELEGRAM, chat(text=BY_HAND, chat=where, direct_messages_topic={"topic_id": n})) for n in (51, 52)]
    assert [t.thread for t in topics] == ["-1009_51", "-1009_52"] and all(t.private and t.repliable for t in topics)
    channel = {"id": -1008, "type": "channel"}
    said = {"direct_messages_topic": {"topic_id": 51}, "sender_chat": channel}
    brand = one(TELEGRAM, chat(text="Hello", chat=where, **said))
    assert brand.brand and brand.thread == topics[0].thread and brand.kind is Kind.BRAND_REPLY
    wire = http(answer(data={"result": {"message_id": 8}}))
    telegram.reply(wire, TELEGRAM, TELEGRAM.accounts[0], reply_to("telegram", "1", "1")._replace(interaction=topics[0]))
    assert (wire.sent[0].data["chat_id"], wire.sent[0].data["direct_messages_topic_id"]) == ("-1009", 51)


# --- Discourse: what only a header says ---


def forum(there: bool | None) -> tuple[MemoryWorld, PlatformCase]:
    """A forum in which post 9101 is `there` or not, or that does not answer (None)."""
    post = Answer(data={"id": 9101}) if there else Answer(404)
    wire = PaperHttp(always=ConnectionRefused("no network") if there is None else post)
    return MemoryWorld(apps=Apps((DISCOURSE,)), http=wire), next(c for c in CASES if c.product == "discourse")


def post(world: MemoryWorld, case: PlatformCase, event: str, **more: Any) -> None:
    told = json.loads(case.body("question"))["post"]
    body = json.dumps({"post": {**told, "raw": BY_HAND, **more}}).encode()
    headers = {**case.sign(DISCOURSE.secrets[0], body, RECEIVED_AT), "x-discourse-event": event}
    assert world.request("POST", "/webhooks/discourse/main", body, headers).status == 200
    world.run(timedelta(minutes=1))


def state(world: MemoryWorld) -> State:
    (conversation,) = world.conversations()
    return conversation.state


@pytest.mark.parametrize(("there", "stands"), [(True, State.OPEN), (None, State.OPEN), (False, State.DELETED)])
def test_a_captured_body_under_another_header_deletes_nothing_unless_the_forum_says_so(
    there: bool | None, stands: State
) -> None:
    world, case = forum(there)
    post(world, case, "post_created")
    post(world, case, "post_destroyed")
    assert state(world) is stands


def test_a_deletion_that_the_body_itself_tells_needs_no_asking() -> None:
    world, case = forum(None)
    post(world, case, "post_created")
    post(world, case, "post_edited", user_deleted=True)
    assert state(world) is State.DELETED


def test_a_recovered_post_is_open_again_and_escalated() -> None:
    world, case = forum(False)
    post(world, case, "post_created")
    post(world, case, "post_destroyed")
    assert state(world) is State.DELETED
    world.services.http.always = Answer(data={"id": 9101})  # type: ignore[attr-defined]
    post(world, case, "post_recovered")
    assert state(world) is State.OPEN and world.interactions()[0].text == BY_HAND
    world.run(timedelta(hours=3))
    assert world.emails


@pytest.mark.parametrize(("there", "stands"), [(False, State.DELETED), (None, State.OPEN), (True, State.OPEN)])
def test_a_captured_body_under_another_header_brings_nothing_back_that_the_forum_says_is_gone(
    there: bool | None, stands: State
) -> None:
    world, case = forum(there)
    post(world, case, "post_created")
    post(world, case, "post_destroyed", user_deleted=True)
    assert state(world) is State.DELETED
    post(world, case, "post_recovered")
    assert state(world) is stands


# --- Google ---


def review(world: MemoryWorld, type: str) -> None:
    case = next(c for c in CASES if c.product == "google")
    name = f"{GOOGLE.accounts[0].id}/reviews/R1"
    data = base64.b64encode(json.dumps({"type": type, "review": name}).encode()).decode()
    body = json.dumps({"message": {"data": data, "publishTime": world.virtual_clock.now.isoformat()}}).encode()
    headers = case.sign(GOOGLE.secrets[0], body, world.virtual_clock.now)
    assert world.request("POST", "/webhooks/google/main", body, headers).status == 200
    world.run(timedelta(minutes=1))


@pytest.mark.parametrize("when", ["before", "later"])
def test_a_review_that_its_manager_answered_is_answered(when: str) -> None:
    told: dict[str, Any] = {}
    world = MemoryWorld(apps=Apps((GOOGLE,)), http=PaperHttp(always=Answer(data=told)))
    at = world.virtual_clock.now
    told |= {"comment": BY_HAND, "starRating": "ONE", "reviewer": {"displayName": "Nora"}}
    told |= {"createTime": at.isoformat(), "updateTime": at.isoformat()}
    reply = {"comment": "We called you.", "updateTime": (at + timedelta(minutes=5)).isoformat()}
    world.run(timedelta(minutes=10))
    if when == "before":
        told["reviewReply"] = reply
    review(world, "NEW_REVIEW")
    if when == "later":
        assert state(world) is State.OPEN
        told["reviewReply"] = reply
        review(world, "UPDATED_REVIEW")
    assert state(world) is State.ANSWERED
    # rewritten after the answer
    told |= {"comment": "Nobody called, this is a scandal!", "updateTime": world.virtual_clock.now.isoformat()}
    review(world, "UPDATED_REVIEW")
    assert state(world) is State.OPEN


# --- WhatsApp ---


def test_a_message_that_did_not_arrive_was_not_sent() -> None:
    world = MemoryWorld(apps=Apps((META,)))
    asked = whatsapp(type="text", text={"body": "How do I return a dress that I bought online?"})
    asked["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = str(int(world.virtual_clock.now.timestamp()))
    assert world.post(json.dumps(asked).encode(), secret=META.secrets[0]) == 200
    world.run()
    (ack,) = world.conversations()[0].acknowledgements.values()
    assert ack.state is Outcome.SENT
    status = {"id": "wamid.9", "status": "failed", "timestamp": "1795428005", "recipient_id": "4915550000002"}
    value = {"metadata": {"phone_number_id": WA}, "statuses": [{**status, "biz_opaque_callback_data": ack.token}]}
    told = page("whatsapp_business_account", "555", changes=[{"field": "messages", "value": value}])
    assert world.post(json.dumps(told).encode(), secret=META.secrets[0]) == 200
    world.run()
    (ack,) = world.conversations()[0].acknowledgements.values()
    assert ack.state is Outcome.REFUSED and state(world) is State.OPEN and len(world.platforms.posted) == 1
