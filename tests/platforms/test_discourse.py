"""Discourse's event name, replies, `check` and `backfill`; its payloads are the contract's (test_contract.py)."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.conversations.interaction import Interaction, Kind, merge
from chalicelib.platforms import discourse
from chalicelib.platforms.base import NotSent, OutcomeUnknown, Refused, ReplyError, Request
from chalicelib.platforms.http import NoAnswer
from tests.platforms.cases import CASES
from tests.platforms.cases.discourse import DISCOURSE
from tests.platforms.scripted_http import NOW, answer, http, reply_to

CASE = next(case for case in CASES if case.product == "discourse")
ACCOUNT = DISCOURSE.accounts[0]
POST = json.loads(CASE.body("question"))["post"]


def delivered(event: str, post: dict[str, Any]) -> Interaction:
    """What becomes of a delivery as it comes: the event in the header, the post in the body."""
    request = Request("POST", {"x-discourse-event": event}, {}, json.dumps({"post": post}).encode(), NOW)
    (part,) = discourse.parse(DISCOURSE, discourse.content(request), NOW)
    assert isinstance(part, Interaction)
    return part


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("post_created", Kind.NEW),
        ("post_edited", Kind.EDIT),
        ("post_destroyed", Kind.DELETE),
        ("post_recovered", Kind.EDIT),
    ],
)
def test_the_header_says_what_happened_to_the_same_post(event: str, kind: Kind) -> None:
    assert delivered(event, POST).kind is kind


def test_a_body_that_is_no_json_is_left_to_parse() -> None:
    request = Request("POST", {"x-discourse-event": "post_created"}, {}, b"<html>", NOW)
    assert discourse.content(request) == b"<html>"


def test_a_destroyed_post_stays_destroyed_in_any_order() -> None:
    new, gone = (delivered(e, POST) for e in ("post_created", "post_destroyed"))
    gone = replace(gone, unproven=False)  # as the forum confirmed it when respond asked
    assert merge(merge(None, gone), new).deleted
    assert merge(merge(None, new), gone).text == ""


def test_a_post_hidden_by_flags_can_be_shown_again() -> None:
    later = {"hidden": True, "updated_at": "2026-11-21T09:58:00Z"}
    hidden = delivered("post_edited", POST | later)
    shown = delivered("post_edited", POST | later | {"hidden": False, "updated_at": "2026-11-21T09:59:00Z"})
    assert hidden.hidden and not merge(hidden, shown).hidden and not merge(shown, hidden).hidden


def test_private_messages_are_kept_only_where_the_shop_wants_them() -> None:
    app = replace(DISCOURSE, accounts=(replace(ACCOUNT, options={**ACCOUNT.options, "private_messages": True}),))
    body = json.dumps({"post": {**POST, "topic_archetype": "private_message"}}).encode()
    (part,) = discourse.parse(app, body, NOW)
    assert isinstance(part, Interaction) and part.private and not part.repliable


def test_a_reply_is_a_post_in_the_topic() -> None:
    wire = http(answer(data={"id": 9300}))
    reply = reply_to("discourse", "forum", "9101", thread="410", reply_to="3")
    assert discourse.reply(wire, DISCOURSE, ACCOUNT, reply) == "9300"
    sent = wire.sent[0]
    assert (sent.method, sent.url) == ("POST", "https://forum.example.com/posts.json")
    assert sent.data == {"topic_id": "410", "raw": reply.text, "reply_to_post_number": "3"}
    assert sent.headers == {"Api-Key": "discourse-key", "Api-Username": "earshot"}


def test_a_forum_without_a_secure_address_gets_no_key() -> None:
    wire = http()
    account = replace(ACCOUNT, options={"base_url": "http://forum.example.com"})
    with pytest.raises(Refused):
        discourse.reply(wire, DISCOURSE, account, reply_to("discourse", "forum", "9101"))
    assert not wire.sent


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(403, {"error_type": "invalid_access"}), Refused),
        (answer(404), Refused),
        (answer(422, {"action": "create_post", "errors": ["closed"]}), Refused),
        (answer(429, {"error_type": "rate_limit", "extras": {"wait_seconds": 12}}), NotSent),
        (answer(502), OutcomeUnknown),
        (NoAnswer(), OutcomeUnknown),
    ],
)
def test_each_failure_has_its_class(result: Any, error: type[ReplyError]) -> None:
    with pytest.raises(error) as raised:
        discourse.reply(http(result), DISCOURSE, ACCOUNT, reply_to("discourse", "forum", "9101"))
    if isinstance(raised.value, NotSent):
        assert raised.value.wait == timedelta(seconds=12)


@pytest.mark.parametrize(
    ("hooks", "what"),
    [
        ({"web_hooks": []}, "no webhook"),
        ({"web_hooks": [{"payload_url": "https://e.example.com/webhooks/discourse/main", "active": False}]}, "off"),
        ({"web_hooks": [{"payload_url": "https://e.example.com/webhooks/discourse/main", "active": True}]}, ""),
        ({"web_hooks": "?"}, ""),
    ],
)
def test_check_looks_at_the_key_and_the_webhook(hooks: dict[str, Any], what: str) -> None:
    findings = discourse.check(http(answer(), answer(data=hooks)), DISCOURSE, ACCOUNT)
    assert len(findings) == bool(what) and all(what in f.what and f.fix for f in findings)


def test_check_says_when_the_key_is_wrong_and_nothing_when_it_may_not_look() -> None:
    assert "(403)" in discourse.check(http(answer(403)), DISCOURSE, ACCOUNT)[0].what
    assert not discourse.check(http(answer(), answer(404)), DISCOURSE, ACCOUNT)


def test_backfill_lists_back_to_the_time_that_was_missed() -> None:
    def post(id: int, minutes: int, **fields: Any) -> dict[str, Any]:
        return {**POST, "id": id, "created_at": (NOW - timedelta(minutes=minutes)).isoformat(), **fields}

    first = {"latest_posts": [post(30, 1), post(29, 2, staff=True), post(28, 3, post_type=3)]}
    second = {"latest_posts": [post(27, 4), post(26, 90)]}
    wire = http(answer(data=first), answer(data=second))
    listed = list(discourse.backfill(wire, DISCOURSE, ACCOUNT, NOW - timedelta(hours=1), NOW))
    found = [i for i in listed if isinstance(i, Interaction)]
    assert found == listed  # what is not for people, as post 28, is no interaction for the inbox
    assert [(i.id, i.brand) for i in found] == [("30", False), ("29", True), ("27", False)]
    assert [s.url for s in wire.sent] == [
        "https://forum.example.com/posts.json",
        "https://forum.example.com/posts.json?before=27",
    ]
