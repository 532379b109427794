"""The generic intake: its schema, its signatures and the signed replies."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from standardwebhooks.webhooks import Webhook

from chalicelib.apps import Account
from chalicelib.conversations.interaction import Interaction, merge
from chalicelib.platforms import standard
from chalicelib.platforms.base import (
    NotSent,
    OutcomeUnknown,
    Poison,
    Refused,
    ReplyError,
    Request,
    SignatureError,
    Skipped,
    TokenInvalid,
    Unsupported,
)
from chalicelib.platforms.http import ConnectionRefused, NoAnswer
from chalicelib.platforms.read import PayloadError
from tests.platforms.cases import CASES
from tests.platforms.cases.standard import STANDARD
from tests.platforms.scripted_http import NOW, TOKEN, answer, http, reply_to

CASE = next(case for case in CASES if case.product == "standard")
SCHEMA = json.loads(Path(standard.__file__).with_name("standard.schema.json").read_text())
ACCOUNT = STANDARD.accounts[0]
QUESTION = CASE.body("question")


def delivery(body: bytes = QUESTION, headers: dict[str, str] | None = None) -> Request:
    """A good delivery of `body`, with these headers instead of its own."""
    return Request("POST", CASE.sign(STANDARD.secrets[0], body, NOW) | (headers or {}), {}, body, NOW)


def only(body: dict[str, Any], accounts: tuple[Account, ...] = STANDARD.accounts) -> Any:
    (part,) = standard.parse(replace(STANDARD, accounts=accounts), json.dumps(body).encode(), NOW)
    return part


# --- the schema ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASE.payloads(), ids=lambda path: path.stem)
def test_what_the_schema_allows_is_understood_and_the_rest_is_quarantined(path: Path) -> None:
    valid = Draft202012Validator(SCHEMA).is_valid(json.loads(path.read_bytes()))
    parts = list(standard.parse(STANDARD, path.read_bytes(), NOW))
    assert valid is not any(isinstance(part, Poison) for part in parts)


def test_the_schema_itself_is_sound() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_reply_is_what_the_schema_says() -> None:
    wire = http(answer(data={"id": 77}))
    standard.reply(wire, STANDARD, ACCOUNT, reply_to("standard", "shop-1", "comment-501", thread="article-12"))
    Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": "#/$defs/reply"}]}).validate(wire.sent[0].data)


# --- signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_a_delivery_within_five_minutes_either_way_is_accepted(minutes: int) -> None:
    headers = CASE.sign(STANDARD.secrets[0], QUESTION, NOW + timedelta(minutes=minutes))
    standard.verify(STANDARD, Request("POST", headers, {}, QUESTION, NOW))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_older_or_newer_one_is_refused(seconds: int) -> None:
    headers = CASE.sign(STANDARD.secrets[0], QUESTION, NOW + timedelta(seconds=seconds))
    with pytest.raises(SignatureError):
        standard.verify(STANDARD, Request("POST", headers, {}, QUESTION, NOW))


def test_one_good_signature_in_a_list_is_enough() -> None:
    good = delivery().headers["webhook-signature"]
    standard.verify(STANDARD, delivery(headers={"webhook-signature": f"v1a,xyz v1,AAAA {good} v2,zzz"}))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-id", "msg_other"),
        ("webhook-id", "msg_\u00e9"),
        ("webhook-timestamp", "1795255201"),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "9" * 40),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v2,AAAA"),
        ("webhook-signature", " "),
        ("webhook-signature", "v1,AAAA  v1,BBBB"),
        ("webhook-signature", "v1,AAAA nonsense"),
    ],
)
def test_a_changed_or_malformed_header_is_refused(header: str, value: str) -> None:
    with pytest.raises(SignatureError):
        standard.verify(STANDARD, delivery(headers={header: value}))


def test_a_secret_that_is_no_key_lets_nothing_in() -> None:
    for secret in ("whsec_", "whsec_é", "not base64 at all!"):
        with pytest.raises(SignatureError):
            standard.verify(replace(STANDARD, secrets=(secret,)), delivery())


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(SignatureError):
        standard.verify(STANDARD, delivery(b"\xff\xfe"))


def test_verifying_agrees_with_the_library() -> None:
    secret, body = STANDARD.secrets[0], QUESTION
    signature = Webhook(secret).sign("msg_1", NOW, body.decode())
    stamp = str(int(NOW.timestamp()))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}
    standard.verify(STANDARD, Request("POST", headers, {}, body, NOW))


# --- events ----------------------------------------------------------------------------------------------------------


def test_an_event_without_account_belongs_to_the_only_one() -> None:
    found = only({"type": "interaction.created", "data": {"id": 1, "text": "Hello?"}})
    assert isinstance(found, Interaction) and found.account == "shop-1"


def test_with_several_accounts_the_event_must_name_one() -> None:
    two = (*STANDARD.accounts, replace(ACCOUNT, id="shop-2"))
    assert isinstance(only({"type": "interaction.created", "data": {"id": 1}}, two), Poison)


def test_without_an_account_nothing_belongs_here() -> None:
    found = only({"type": "interaction.created", "data": {"id": 1}}, ())
    assert found == Skipped("foreign_account", "standard", "")


def test_more_events_than_a_delivery_may_hold_are_refused() -> None:
    with pytest.raises(PayloadError):
        list(standard.parse(STANDARD, json.dumps({"events": [1] * 1001}).encode(), NOW))


def test_hidden_and_shown_again_in_any_order() -> None:
    shown, hidden = (
        next(standard.parse(STANDARD, CASE.folder.joinpath(f"{name}__comment.json").read_bytes(), NOW))
        for name in ("shown", "hidden")
    )
    assert isinstance(shown, Interaction) and isinstance(hidden, Interaction)
    assert merge(hidden, shown) == merge(shown, hidden)
    assert hidden.hidden and not merge(hidden, shown).hidden


def test_our_own_reply_comes_back_with_its_claim() -> None:
    (echo,) = standard.parse(STANDARD, CASE.body("own_echo"), NOW)
    assert isinstance(echo, Interaction) and echo.ours and echo.token == TOKEN


def test_a_link_that_is_no_web_address_is_dropped() -> None:
    (found,) = standard.parse(STANDARD, (CASE.folder / "created__script_link.json").read_bytes(), NOW)
    assert isinstance(found, Interaction) and found.link is None


# --- replies ---------------------------------------------------------------------------------------------------------


def test_a_reply_is_signed_with_the_first_secret_and_carries_its_claim() -> None:
    wire = http(answer(201, {"id": 9001}))
    reply = reply_to("standard", "shop-1", "comment-501", thread="article-12")
    assert standard.reply(wire, STANDARD, ACCOUNT, reply) == "9001"
    sent = wire.sent[0]
    assert (sent.method, sent.url) == ("POST", "https://shop.example.com/earshot/replies")
    assert sent.headers["webhook-id"] == TOKEN and sent.data["data"]["in_reply_to"] == "comment-501"
    request = Request("POST", sent.headers, {}, sent.body, NOW)
    standard.verify(replace(STANDARD, secrets=STANDARD.secrets[:1]), request)


def test_a_reply_url_in_a_payload_is_not_used() -> None:
    event = {
        "type": "interaction.created",
        "reply_url": "https://evil.example.com",
        "data": {"id": 1, "reply_url": "x"},
    }
    found = only(event)
    wire = http(answer())
    standard.reply(wire, STANDARD, ACCOUNT, reply_to("standard", "shop-1", "1")._replace(interaction=found))
    assert wire.sent[0].url == ACCOUNT.options["reply_url"]


@pytest.mark.parametrize(
    "url",
    ["https://shop.example.com/r", "http://127.0.0.1:8000/r", "http://localhost/r", "http://[::1]:8000/r"],
)
def test_https_and_this_machine_are_good_reply_addresses(url: str) -> None:
    assert standard.reply_url(replace(ACCOUNT, options={"reply_url": url})) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        "shop.example.com/r",
        "http://shop.example.com/r",
        "http://127.0.0.1.example.com/r",
        "ftp://shop.example.com/r",
        "https:///r",
        "https://user:word@shop.example.com/r",
        "https://shop.example.com/\r\nX: y",
        "https://[::1",
    ],
)
def test_any_other_reply_address_is_refused_before_anything_is_sent(url: object) -> None:
    account = replace(ACCOUNT, options={"reply_url": url})
    wire = http()
    with pytest.raises(Refused):
        standard.reply(wire, STANDARD, account, reply_to("standard", "shop-1", "1"))
    assert not wire.sent
    assert [finding.account for finding in standard.check(wire, STANDARD, account)] == ["shop-1"]


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(301), Refused),
        (answer(400), Refused),
        (answer(401), TokenInvalid),
        (answer(410), Refused),
        (answer(408), OutcomeUnknown),
        (answer(429, retry_after="30"), NotSent),
        (answer(500), OutcomeUnknown),
        (answer(503, retry_after="30"), OutcomeUnknown),
        (ConnectionRefused(), NotSent),
        (NoAnswer(), OutcomeUnknown),
    ],
)
def test_each_failure_has_its_class(result: Any, error: type[ReplyError]) -> None:
    wire = http(result)
    with pytest.raises(error) as raised:
        standard.reply(wire, STANDARD, ACCOUNT, reply_to("standard", "shop-1", "1"))
    assert len(wire.sent) == 1
    if isinstance(raised.value, NotSent) and not isinstance(result, Exception):
        assert raised.value.wait == timedelta(seconds=30)


@pytest.mark.parametrize("id", [None, True, {}, [], "", "x" * 9000])
def test_an_odd_id_after_a_reply_that_went_out_raises_nothing(id: object) -> None:
    found = standard.reply(http(answer(data={"id": id})), STANDARD, ACCOUNT, reply_to("standard", "shop-1", "1"))
    assert found is None or len(found) <= 512


def test_a_long_reply_is_cut() -> None:
    wire = http(answer())
    standard.reply(wire, STANDARD, ACCOUNT, reply_to("standard", "shop-1", "1", "word " * 5000))
    assert len(wire.sent[0].data["data"]["text"]) <= standard.MAX_REPLY


def test_check_finds_a_secret_that_is_none() -> None:
    app = replace(STANDARD, secrets=(STANDARD.secrets[0], "whsec_"))
    assert "secret 2" in standard.check(http(), app, ACCOUNT)[0].what
    assert not standard.check(http(), STANDARD, ACCOUNT)


def test_there_is_nothing_to_list() -> None:
    with pytest.raises(Unsupported):
        standard.PRODUCT.backfill(http(), STANDARD, ACCOUNT, NOW, NOW)


def test_the_example_secrets_are_as_long_as_the_standard_wants() -> None:
    assert all(24 <= len(base64.b64decode(s.removeprefix("whsec_"))) <= 64 for s in STANDARD.secrets)
