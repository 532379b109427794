"""LINE's replies by token and by push, and what `check` finds; its payloads are the contract's (test_contract.py)."""

import uuid
from typing import Any

import pytest

from chalicelib.platforms import line
from chalicelib.platforms.base import NotSent, OutcomeUnknown, Refused, Reply, ReplyError, TokenInvalid, Unsupported
from chalicelib.platforms.http import ConnectionRefused, NoAnswer
from tests.platforms.cases.line import LINE
from tests.platforms.scripted_http import NOW, TOKEN, answer, http, reply_to

ACCOUNT = LINE.accounts[0]
SENT = answer(data={"sentMessages": [{"id": "461230966842064897", "quoteToken": "q"}]})
BY_TOKEN, PUSH = ("https://api.line.me/v2/bot/message/reply", "https://api.line.me/v2/bot/message/push")


def question(**fields: Any) -> Reply:
    return reply_to("line", ACCOUNT.id, "4687", thread="U4af4", reply_to="token-1", **fields)


def test_the_reply_token_comes_first_because_it_is_free() -> None:
    wire = http(SENT)
    assert line.reply(wire, LINE, ACCOUNT, question()) == "461230966842064897"
    assert wire.sent[0].url == BY_TOKEN and wire.sent[0].data["replyToken"] == "token-1"
    assert "X-Line-Retry-Key" not in wire.sent[0].headers


def test_an_expired_reply_token_becomes_a_push() -> None:
    wire = http(answer(400, {"message": "Invalid reply token"}), SENT)
    assert line.reply(wire, LINE, ACCOUNT, question()) == "461230966842064897"
    assert [s.url for s in wire.sent] == [BY_TOKEN, PUSH]
    assert wire.sent[1].data["to"] == "U4af4" and wire.sent[1].headers["X-Line-Retry-Key"] == TOKEN


@pytest.mark.parametrize("lost", [NoAnswer(), answer(500), answer(503)])
def test_a_reply_by_token_whose_answer_was_lost_is_never_followed_by_a_push(lost: Any) -> None:
    wire = http(lost)
    with pytest.raises(OutcomeUnknown):
        line.reply(wire, LINE, ACCOUNT, question())
    assert len(wire.sent) == 1


@pytest.mark.parametrize("lost", [NoAnswer(), answer(500)])
@pytest.mark.parametrize(("second", "id"), [(SENT, "461230966842064897"), (answer(409), None)])
def test_a_push_whose_answer_was_lost_is_sent_again_under_the_same_key(lost: Any, second: Any, id: str | None) -> None:
    wire = http(answer(400), lost, second)
    assert line.reply(wire, LINE, ACCOUNT, question()) == id
    assert wire.sent[1] == wire.sent[2]


@pytest.mark.parametrize(
    "second", [NoAnswer(), ConnectionRefused(), answer(400), answer(401), answer(429), answer(500)]
)
def test_when_the_second_push_is_not_accepted_either_the_outcome_stays_unknown(second: Any) -> None:
    wire = http(answer(400), NoAnswer(), second)
    with pytest.raises(OutcomeUnknown):
        line.reply(wire, LINE, ACCOUNT, question())


def test_a_push_that_was_accepted_before_counts_as_sent() -> None:
    assert line.reply(http(answer(400), answer(409)), LINE, ACCOUNT, question()) is None


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(400), Refused),
        (answer(401), TokenInvalid),
        (answer(403), TokenInvalid),
        (answer(429), NotSent),
        (ConnectionRefused(), NotSent),
    ],
)
def test_each_definite_no_to_a_push_has_its_class(result: Any, error: type[ReplyError]) -> None:
    wire = http(result)
    with pytest.raises(error):
        line.reply(wire, LINE, ACCOUNT, reply_to("line", ACCOUNT.id, "4687", thread="U4af4"))
    assert len(wire.sent) == 1


def test_a_claim_that_is_no_uuid_gives_one_all_the_same() -> None:
    wire = http(SENT, SENT)
    reply = reply_to("line", ACCOUNT.id, "4687", thread="U4af4")
    for _ in range(2):
        line.reply(wire, LINE, ACCOUNT, reply._replace(token="claim-7"))
    first, second = (s.headers["X-Line-Retry-Key"] for s in wire.sent)
    assert first == second == str(uuid.UUID(first))


def test_a_long_reply_is_cut_to_what_line_counts() -> None:
    wire = http(SENT)
    line.reply(wire, LINE, ACCOUNT, question(text="😀 " * 4000))
    assert len(wire.sent[0].data["messages"][0]["text"].encode("utf-16-le")) // 2 <= 5000


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ((answer(401),), "(401)"),
        (
            (answer(data={"userId": "Uother"}), answer(data={"endpoint": "/webhooks/line/main", "active": True})),
            "another",
        ),
        ((answer(data={"userId": ACCOUNT.id}), answer(404)), "does not come here"),
        (
            (answer(data={"userId": ACCOUNT.id}), answer(data={"endpoint": "/webhooks/line/main", "active": False})),
            "switched off",
        ),
        ((answer(data={"userId": ACCOUNT.id}), answer(data={"endpoint": "/webhooks/line/main", "active": True})), ""),
    ],
)
def test_check_says_what_is_wrong(answers: tuple[Any, ...], what: str) -> None:
    findings = line.check(http(*answers), LINE, ACCOUNT)
    assert len(findings) == bool(what) and all(what in f.what and f.fix for f in findings)


def test_there_is_nothing_to_list() -> None:
    with pytest.raises(Unsupported):
        line.PRODUCT.backfill(http(), LINE, ACCOUNT, NOW, NOW)
