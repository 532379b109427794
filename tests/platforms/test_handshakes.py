"""The handshakes of Meta and X, and that nothing signed there could be a delivery."""

import json
from dataclasses import replace

import pytest

from chalicelib.platforms import base
from chalicelib.platforms.base import (
    Request,
    SignatureError,
)
from chalicelib.platforms.meta import webhook as meta_webhook
from chalicelib.platforms.x import platform as x
from tests.platforms.case import PAYLOADS
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import NOW


def test_meta_gets_its_bare_challenge_only_for_our_token() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "meta-verify", "hub.challenge": "1158201444"}
    assert meta_webhook.challenge(META, query) == base.Response(200, "1158201444")
    for wrong in ({"hub.verify_token": "é"}, {"hub.verify_token": ""}, {"hub.mode": "unsubscribe"}):
        assert meta_webhook.challenge(META, {**query, **wrong}).status == 403
    assert meta_webhook.challenge(replace(META, verify_token=""), {**query, "hub.verify_token": ""}).status == 403


def test_x_gets_its_token_signed_with_the_consumer_secret() -> None:
    response = x.challenge(X, {"crc_token": "challenge-1"})
    digest = "sha256=" + base.hmac_base64("x-secret-now", b"challenge-1")
    assert (response.status, response.content_type) == (200, "application/json")
    assert response.body == f'{{"response_token":"{digest}"}}'
    for query in ({}, {"crc_token": ""}, {"crc_token": "x" * 5000}):
        assert x.challenge(X, query).status == 400
    assert x.challenge(replace(X, secrets=()), {"crc_token": "a"}).status == 400
    for token in (
        "9b4507b3-9040-4669-9ca3-6b94edb50553",
        "MWYzZDU2OTctNGU1Mi00Y2Q1LTk4MDktZGI3OGE4ZmM2MWE0",
        "YWI+/w==",
    ):
        assert x.challenge(X, {"crc_token": token}).status == 200


NO_TOKENS = (
    "earshot act v1",
    "earshot reply v1",
    '{"data":{}}',
    "{}",
    "[]",
    "a.b",
    "a b",
    "a\n",
    "ä",
    "a" * 200,
    "a===",
)


@pytest.mark.parametrize("token", [*NO_TOKENS, *((f.read_text()) for f in sorted((PAYLOADS / "x").glob("*.json")))])
def test_x_signs_nothing_that_could_be_a_body_or_derive_a_key(token: str) -> None:
    assert x.challenge(X, {"crc_token": token}).status == 400


@pytest.mark.parametrize("token", ["9b4507b3-9040-4669-9ca3-6b94edb50553", "12345678901234567890", "bnVsbA=="])
def test_what_x_was_asked_to_sign_is_no_delivery(token: str) -> None:
    signed = json.loads(x.challenge(X, {"crc_token": token}).body)["response_token"]
    with pytest.raises(SignatureError, match="handshake"):
        x.verify(X, Request("POST", {"x-twitter-webhooks-signature": signed}, {}, token.encode(), NOW))
