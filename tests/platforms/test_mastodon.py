"""Mastodon's replies, threads, errors, `check` and `backfill`; its payloads are the contract's (test_contract.py)."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.apps import Apps
from chalicelib.conversations.conversation import Outcome, State
from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms import mastodon
from chalicelib.platforms.base import NotSent, OutcomeUnknown, Poison, Refused, ReplyError, TokenInvalid
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from tests.platforms.case import RECEIVED_AT
from tests.platforms.cases import CASES
from tests.platforms.cases.mastodon import MASTODON
from tests.platforms.scripted_http import NOW, TOKEN, answer, http, reply_to
from tests.world import MemoryWorld, playbook

CASE = next(case for case in CASES if case.product == "mastodon")
ACCOUNT = MASTODON.accounts[0]
STATUSES = "https://social.example.com/api/v1/statuses"
NORA = {"author": "110000000000000077", "reply_to": "nora"}
QUESTION = json.loads(CASE.body("question"))["object"]


def asked(**fields: Any) -> Any:
    return reply_to("mastodon", ACCOUNT.id, "115000000000000001", **{**NORA, **fields})


# --- replies ---------------------------------------------------------------------------------------------------------


def test_a_reply_answers_the_post_mentions_its_author_and_carries_the_claim() -> None:
    wire = http(answer(data={"id": "115000000000000002"}))
    assert mastodon.reply(wire, MASTODON, ACCOUNT, asked()) == "115000000000000002"
    (sent,) = wire.sent
    assert (sent.method, sent.url) == ("POST", STATUSES)
    assert sent.headers == {"Authorization": "Bearer mastodon-token", "Idempotency-Key": TOKEN}
    assert sent.data == {
        "status": "@nora Thank you, we got it.",
        "in_reply_to_id": "115000000000000001",
        "visibility": "unlisted",
    }


@pytest.mark.parametrize("reply", [asked(private=True), asked()._replace(private=True)])
def test_a_private_reply_is_for_the_customer_alone(reply: Any) -> None:
    wire = http(answer(data={"id": "1"}))
    mastodon.reply(wire, MASTODON, ACCOUNT, reply)
    assert wire.sent[0].data["visibility"] == "direct"


def test_somebody_of_another_server_is_mentioned_with_its_name() -> None:
    wire = http(answer(data={"id": "1"}))
    mastodon.reply(wire, MASTODON, ACCOUNT, asked(reply_to="zoe@other.example"))
    assert wire.sent[0].data["status"].startswith("@zoe@other.example Thank")


@pytest.mark.parametrize("text", ["word " * 300, "https://shop.example.com/" + "a" * 400 + " word" * 300])
def test_a_reply_fits_with_the_mention_as_mastodon_counts(text: str) -> None:
    wire = http(answer(data={"id": "1"}))
    reply = asked(reply_to="zoe@other.example")._replace(text=text)
    mastodon.reply(wire, MASTODON, ACCOUNT, reply)
    status = wire.sent[0].data["status"]
    assert 480 < mastodon.weight(status) <= 500 and status.endswith("…")
    assert status == "@zoe@other.example " + mastodon.wording(ACCOUNT, reply.interaction, text, private=False)


def test_nobody_is_replied_to_without_a_mention_and_no_server_without_its_address() -> None:
    for account, reply in ((ACCOUNT, asked(reply_to=None)), (replace(ACCOUNT, options={}), asked())):
        wire = http()
        with pytest.raises(Refused):
            mastodon.reply(wire, MASTODON, account, reply)
        assert not wire.sent


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(401, {"error": "The access token is invalid"}), TokenInvalid),
        (answer(403, {"error": "This action is outside the authorized scopes"}), TokenInvalid),
        (answer(404, {"error": "The post you are trying to reply to does not appear to exist."}), Refused),
        (answer(422, {"error": "Validation failed: Text character limit of 500 exceeded"}), Refused),
        (answer(500, {"error": "…"}), OutcomeUnknown),
        (answer(503), OutcomeUnknown),
        (NoAnswer(), OutcomeUnknown),
        (ConnectionRefused(), NotSent),
    ],
)
def test_each_failure_has_its_class_and_nothing_is_posted_twice(result: Any, error: type[ReplyError]) -> None:
    wire = http(result)
    with pytest.raises(error):
        mastodon.reply(wire, MASTODON, ACCOUNT, asked())
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    ("reset", "wait"),
    [("2026-11-21T10:04:00.000000Z", 240), ("2026-11-21T09:00:00Z", 1), ("2027-11-21T10:04:00Z", 3600), ("soon", 60)],
)
def test_the_server_says_when_its_rate_limit_ends(reset: str, wait: int) -> None:
    limit = answer(429, x_ratelimit_reset=reset, date="Sat, 21 Nov 2026 10:00:00 GMT")
    with pytest.raises(NotSent) as raised:
        mastodon.reply(http(limit), MASTODON, ACCOUNT, asked())
    assert raised.value.wait == timedelta(seconds=wait)


# --- threads: a post names only what it answers ----------------------------------------------------------------------


def tell(world: MemoryWorld, part: str, **fields: Any) -> None:
    told = json.loads((CASE.folder / f"{part}.json").read_bytes())
    told["object"] |= fields
    body = json.dumps(told).encode()
    headers = CASE.sign(MASTODON.secrets[0], body, RECEIVED_AT)
    assert world.request("POST", "/webhooks/mastodon/main", body, headers).status == 200
    world.run(timedelta(minutes=1))


def world_at(now: datetime = RECEIVED_AT, **overrides: Any) -> MemoryWorld:
    world = MemoryWorld(apps=Apps((MASTODON,)), **overrides)
    world.virtual_clock.now = now
    return world


def test_what_the_customer_writes_below_the_shops_answer_is_one_conversation() -> None:
    world = world_at()
    tell(world, "status_created__mention")
    tell(world, "status_created__brand_reply")
    assert world.conversations()[0].state is State.ANSWERED
    tell(world, "status_created__reply_to_the_brand", content="<p>And when does it come?</p>")
    (conversation,) = world.conversations()
    assert list(conversation.questions) == ["115000000000000001", "115000000000000005"]
    assert conversation.state is State.OPEN


def test_our_own_post_is_no_persons_answer_though_it_comes_before_the_send_returns() -> None:
    world = world_at()

    def echoed_and_then_lost() -> Answer:
        (ack,) = world.conversations()[0].acknowledgements.values()
        words = f"<p>@nora {ack.text}</p>".replace("\n", "<br>")
        tell(world, "status_created__own_reply", content=words, application={"name": "Web"})
        raise NoAnswer("timed out")

    world.platforms.answers = [echoed_and_then_lost]
    tell(world, "status_created__mention", content="<p>How do I return a dress that I bought online?</p>")
    (conversation,) = world.conversations()
    (ack,) = conversation.acknowledgements.values()
    assert (ack.state, ack.id, conversation.state) == (Outcome.SENT, "115000000000000002", State.OPEN)
    assert len(world.platforms.sent) == 1


def test_a_text_that_the_platform_would_cut_gives_way_to_a_plainer_one() -> None:
    shop = playbook()
    long = replace(
        shop.intents["return"], replies={"en": "You can return it, " + "and this is how, " * 40 + "as ever."}
    )
    world = world_at(policy=replace(shop, intents={**shop.intents, "return": long}))
    tell(world, "status_created__mention", content="<p>How do I return a dress that I bought online?</p>")
    ((_, posted),) = world.platforms.posted
    assert "this is how" not in posted["status"] and not posted["status"].endswith("…")


def test_what_a_server_tells_of_its_other_people_is_answered_200_and_kept_nowhere() -> None:
    world = world_at()
    tell(world, "status_created__private_between_strangers")
    assert not world.interactions() and not world.quarantined


# --- check and backfill ----------------------------------------------------------------------------------------------


def test_check_looks_at_the_token_and_at_the_application() -> None:
    me, program = answer(data={"id": ACCOUNT.id}), answer(data={"name": "Earshot"})
    assert mastodon.check(http(me, program), MASTODON, ACCOUNT) == []
    (wrong,) = mastodon.check(http(me, answer(data={"name": "Shop bot"})), MASTODON, ACCOUNT)
    assert "told from" in wrong.what and '"Shop bot"' in wrong.fix
    (other,) = mastodon.check(http(answer(data={"id": "7"}), program), MASTODON, ACCOUNT)
    assert "another account" in other.what
    (refused,) = mastodon.check(http(answer(401)), MASTODON, ACCOUNT)
    assert "(401)" in refused.what and "base_url" in refused.fix
    (nowhere,) = mastodon.check(http(), MASTODON, replace(ACCOUNT, options={}))
    assert "(base_url)" in nowhere.what


def listed(*rows: Any) -> Answer:
    return Answer.of(200, list(rows), {})


def test_backfill_lists_who_mentioned_the_brand_from_anywhere_and_what_its_people_answered() -> None:
    def post(id: str, minutes: int, **fields: Any) -> dict[str, Any]:
        return {**QUESTION, "id": id, "created_at": (NOW - timedelta(minutes=minutes)).isoformat(), **fields}

    far = {**QUESTION["account"], "id": "9", "acct": "zoe@other.example"}
    first = [{"id": "n3", "status": post("3", 1, account=far)}, {"id": "n2", "status": {"created_at": NOW.isoformat()}}]
    second = [{"id": "n1", "status": post("2", 50)}, {"id": "n0", "status": post("1", 90)}]
    own = {**QUESTION["account"], "id": ACCOUNT.id}
    posted = [
        post("5", 2, account=own, in_reply_to_id="3", in_reply_to_account_id="9", mentions=[]),
        post("4", 99, account=own),
    ]
    wire = http(listed(*first), listed(*second), listed(*posted))
    found = list(mastodon.backfill(wire, MASTODON, ACCOUNT, NOW - timedelta(hours=1), NOW))
    assert [f.reason for f in found if isinstance(f, Poison)] == ["an id is missing"]  # and the rest goes on
    assert [(i.id, i.brand, i.reply_to) for i in found if isinstance(i, Interaction)] == [
        ("3", False, "zoe@other.example"),
        ("2", False, "nora"),
        ("5", True, None),
    ]
    assert [call.url.removeprefix("https://social.example.com/api/v1/") for call in wire.sent] == [
        "notifications",
        "notifications",
        f"accounts/{ACCOUNT.id}/statuses",
    ]
    assert wire.sent[0].query == {"types[]": "mention", "limit": "40"} and wire.sent[1].query["max_id"] == "n2"
