"""Telegram's replies, and what `check` finds; its payloads are the contract's (test_contract.py)."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms.base import NotSent, OutcomeUnknown, Refused, ReplyError, Skipped, TokenInvalid, Unsupported
from chalicelib.platforms.http import ConnectionRefused, NoAnswer
from chalicelib.platforms.telegram import platform as telegram
from tests.platforms.cases.telegram import TELEGRAM
from tests.platforms.scripted_http import NOW, answer, http, reply_to

ACCOUNT = TELEGRAM.accounts[0]
HOOK = {"url": "https://earshot.example.com/webhooks/telegram/main", "pending_update_count": 0}
ME = answer(data={"ok": True, "result": {"id": 7000000001, "is_bot": True}})


def parsed(update: dict[str, Any], **options: Any) -> Any:
    app = replace(TELEGRAM, accounts=(replace(ACCOUNT, options=options),))
    (part,) = telegram.parse(app, json.dumps(update).encode(), NOW)
    return part


def test_a_reply_quotes_the_message() -> None:
    wire = http(answer(data={"ok": True, "result": {"message_id": 99}}))
    assert telegram.reply(wire, TELEGRAM, ACCOUNT, reply_to("telegram", ACCOUNT.id, "5001_31")) == "5001_99"
    sent = wire.sent[0]
    assert sent.url == "https://api.telegram.org/bot7000000001:test-token/sendMessage"
    assert sent.data["chat_id"] == "5001" and sent.data["reply_parameters"]["message_id"] == 31
    assert "business_connection_id" not in sent.data


def test_a_reply_in_a_business_chat_goes_through_its_connection() -> None:
    wire = http(answer(data={"ok": True, "result": {}}))
    reply = reply_to("telegram", ACCOUNT.id, "5001_41", reply_to="biz-1")
    assert telegram.reply(wire, TELEGRAM, ACCOUNT, reply) is None
    assert wire.sent[0].data["business_connection_id"] == "biz-1"


def test_a_long_reply_is_cut_to_what_telegram_counts() -> None:
    wire = http(answer())
    telegram.reply(wire, TELEGRAM, ACCOUNT, reply_to("telegram", ACCOUNT.id, "5001_31", "😀 " * 3000))
    assert len(wire.sent[0].data["text"].encode("utf-16-le")) // 2 <= 4096


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 17}}), NotSent),
        (answer(403, {"ok": False, "error_code": 403}), Refused),
        (answer(400, {"ok": False, "error_code": 400}), Refused),
        (answer(401, {"ok": False, "error_code": 401}), TokenInvalid),
        (answer(404, {"ok": False, "error_code": 404}), TokenInvalid),
        (answer(502), OutcomeUnknown),
        (NoAnswer(), OutcomeUnknown),
        (ConnectionRefused(), NotSent),
    ],
)
def test_each_failure_has_its_class(result: Any, error: type[ReplyError]) -> None:
    with pytest.raises(error) as raised:
        telegram.reply(http(result), TELEGRAM, ACCOUNT, reply_to("telegram", ACCOUNT.id, "5001_31"))
    assert "test-token" not in repr(raised.value)
    if isinstance(raised.value, NotSent) and not isinstance(result, Exception):
        assert raised.value.wait == timedelta(seconds=17)


def test_an_id_without_a_message_number_is_refused_before_sending() -> None:
    wire = http()
    with pytest.raises(Refused):
        telegram.reply(wire, TELEGRAM, ACCOUNT, reply_to("telegram", ACCOUNT.id, "5001"))
    assert not wire.sent


def test_an_app_without_account_takes_nothing() -> None:
    (part,) = telegram.parse(replace(TELEGRAM, accounts=()), b'{"update_id": 1}', NOW)
    assert part == Skipped("foreign_account", "telegram")


def test_the_brands_people_in_a_group_are_known_by_the_apps_file() -> None:
    message = {
        "message_id": 2,
        "from": {"id": 66},
        "chat": {"id": -5, "type": "group"},
        "date": 1,
        "text": "On Monday.",
    }
    customer, person = parsed({"message": message}), parsed({"message": message}, brand_users=[66])
    assert isinstance(customer, Interaction) and customer.kind is Kind.NEW and not customer.repliable
    assert isinstance(person, Interaction) and person.kind is Kind.BRAND_REPLY and person.brand


def test_a_business_message_without_a_sender_answers_nobody() -> None:
    found = parsed({"business_message": {"message_id": 2, "chat": {"id": 5}, "date": 1, "text": "?"}})
    assert isinstance(found, Interaction) and not found.brand


def test_check_is_silent_when_all_is_well() -> None:
    assert not telegram.check(http(ME, answer(data={"result": HOOK})), TELEGRAM, ACCOUNT)


@pytest.mark.parametrize(
    ("me", "hook", "what"),
    [
        (answer(401), {}, "the token (401)"),
        (answer(data={"result": {"id": 5}}), HOOK, "another bot"),
        (ME, {"url": ""}, "does not come here"),
        (ME, {**HOOK, "allowed_updates": ["message"]}, "edited_message"),
        (ME, {**HOOK, "last_error_date": 1795255200, "pending_update_count": 4}, "delivery fails"),
    ],
)
def test_check_says_what_is_wrong(me: Any, hook: dict[str, Any], what: str) -> None:
    findings = telegram.check(http(me, answer(data={"result": hook})), TELEGRAM, ACCOUNT)
    assert len(findings) == 1 and what in findings[0].what and findings[0].fix


def test_there_is_nothing_to_list() -> None:
    with pytest.raises(Unsupported):
        telegram.PRODUCT.backfill(http(), TELEGRAM, ACCOUNT, NOW, NOW)
