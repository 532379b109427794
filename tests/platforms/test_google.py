"""Google's signed tokens, compared with the library cryptography; its keys, reviews and replies."""

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from chalicelib.conversations.interaction import Interaction
from chalicelib.platforms.base import (
    NotSent,
    OutcomeUnknown,
    Refused,
    ReplyError,
    Request,
    SignatureError,
    TokenInvalid,
    Unsupported,
)
from chalicelib.platforms.google import api as google_api
from chalicelib.platforms.google import oidc, push
from chalicelib.platforms.google import platform as google
from chalicelib.platforms.http import ConnectionRefused, NoAnswer
from tests.platforms.cases import CASES
from tests.platforms.cases.google import GOOGLE
from tests.platforms.scripted_http import NOW, answer, http, reply_to
from tests.platforms.signed_tokens import base64url, key_set, private_key, token

CASE = next(case for case in CASES if case.product == "google")
ACCOUNT = GOOGLE.accounts[0]
NAME = f"{ACCOUNT.id}/reviews/AbFvOqmExample1"
CERTS = "https://www.googleapis.com/oauth2/v3/certs"
CLAIMS = {
    "aud": GOOGLE.verify_token,
    "email": GOOGLE.app_id,
    "email_verified": True,
    "iss": "https://accounts.google.com",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
}
REVIEW = {
    "name": NAME,
    "reviewId": "AbFvOqmExample1",
    "reviewer": {"displayName": "Nora Example", "isAnonymous": False},
    "starRating": "TWO",
    "comment": "The parcel came late.",
    "createTime": "2026-11-21T09:50:00.5Z",
    "updateTime": "2026-11-21T09:58:00Z",
}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    oidc._fetched.clear()
    google_api._access.clear()
    yield


def bearer(signed: str) -> Request:
    return Request("POST", {"authorization": f"Bearer {signed}"}, {}, b"{}", NOW)


# --- signatures ------------------------------------------------------------------------------------------------------


def test_a_token_that_google_signed_for_us_is_accepted() -> None:
    push.verify(GOOGLE, bearer(token("now", CLAIMS)))
    push.verify(GOOGLE, bearer(token("before", {**CLAIMS, "iss": "accounts.google.com"})))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example.com"},
        {"aud": [GOOGLE.verify_token]},
        {"aud": None},
        {"email": "push@other-project.iam.gserviceaccount.com"},
        {"email": "é"},
        {"email_verified": "true"},
        {"email_verified": False},
        {"iss": "https://accounts.example.com"},
        {"exp": int(NOW.timestamp()) - 301},
        {"iat": int(NOW.timestamp()) + 301},
        {"exp": None},
        {"exp": "4102444800"},
        {"exp": float("nan")},
    ],
)
def test_a_token_for_others_or_for_another_time_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        push.verify(GOOGLE, bearer(token("now", {**CLAIMS, **claims})))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "now"},
        {"alg": "HS256", "kid": "now"},
        {"alg": "RS256", "kid": "before"},
        {"alg": "RS256", "kid": "unknown"},
        {"alg": "RS256"},
        {"alg": "RS256", "kid": ["now"]},
        {"alg": "RS256", "kid": "now", "crit": ["exp"]},
    ],
)
def test_the_token_chooses_neither_the_algorithm_nor_the_key(header: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        push.verify(GOOGLE, bearer(token("now", CLAIMS, header)))


@pytest.mark.parametrize("value", ["", "a.b", "a.b.c", "....", "é.é.é", "W10.W10.W10", "x" * 9000, "bnVsbA.e30.e30"])
def test_what_is_no_token_is_refused(value: str) -> None:
    with pytest.raises(SignatureError):
        push.verify(GOOGLE, bearer(value))


@pytest.mark.parametrize("unset", [{"verify_token": ""}, {"app_id": ""}, {"secrets": ()}, {"secrets": ("no keys",)}])
def test_an_app_that_names_too_little_lets_nothing_in(unset: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        push.verify(replace(GOOGLE, **unset), bearer(token("now", {**CLAIMS, "aud": "", "email": ""})))


def test_a_signature_has_one_spelling() -> None:
    """The last character of 342 has bits to spare; a lenient decoder takes several tokens for the same."""
    signed, alphabet = token("now", CLAIMS), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for last in alphabet:
        try:
            push.verify(GOOGLE, bearer(signed[:-1] + last))
            accepted.append(last)
        except SignatureError:
            pass
    assert accepted == [signed[-1]]


def test_verifying_agrees_with_cryptography_on_true_and_on_spoilt_signatures() -> None:
    rng, public = random.Random(7), private_key("now").public_key()
    numbers = public.public_numbers()
    key = oidc.Key("now", numbers.n, numbers.e)
    tail = b"\x00" + oidc._DIGEST_INFO
    verdicts = set()
    for round in range(600):
        message = rng.randbytes(40)
        signature = bytearray(private_key("now").sign(message, PKCS1v15(), SHA256()))
        if round % 3 == 1:
            signature[rng.randrange(256)] ^= 1 << rng.randrange(8)
        elif round % 3 == 2:
            signature = bytearray(rng.randbytes(rng.choice((0, 1, 255, 256, 257))) + tail * (round % 2))
        try:
            public.verify(bytes(signature), message, PKCS1v15(), SHA256())
            expected = True
        except InvalidSignature:
            expected = False
        verdicts.add(expected)
        assert oidc._signed_by(key, message, bytes(signature)) is expected
    assert verdicts == {True, False}


def test_weak_and_odd_keys_are_left_out() -> None:
    good = json.loads(key_set("now"))["keys"][0]
    weak = generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    rows = [
        {**good, "n": base64url(weak.n.to_bytes(128))},
        {**good, "e": base64url(b"\x01")},
        {**good, "e": base64url(b"\x04")},
        {**good, "kty": "EC"},
        {**good, "use": "enc"},
        {**good, "n": "=="},
        {**good, "n": 5},
        {"kty": "RSA"},
        "key",
    ]
    assert oidc.read_keys({"keys": rows}) == ()
    assert [k.kid for k in oidc.read_keys({"keys": [*rows, good]})] == ["now"]
    assert oidc.read_keys({"keys": {}}) == oidc.read_keys({}) == ()


# --- fetching the keys -----------------------------------------------------------------------------------------------


def keys_of(*kids: str) -> Any:
    return answer(data=json.loads(key_set(*kids)))


def prepared(wire: Any, signed: str, minutes: int = 0) -> bool:
    """Whether a delivery that many minutes from now is accepted."""
    app = replace(GOOGLE, secrets=(CERTS,))
    request = bearer(signed)._replace(received_at=NOW + timedelta(minutes=minutes))
    push.prepare(wire, app, request)
    try:
        push.verify(app, request)
    except SignatureError:
        return False
    return True


def test_keys_are_fetched_once_and_kept() -> None:
    wire, signed = http(keys_of("now")), token("now", CLAIMS)
    assert all(prepared(wire, signed, minutes) for minutes in (0, 1, 59))
    assert [s.url for s in wire.sent] == [CERTS]


def test_a_key_that_is_new_is_fetched_after_a_pause() -> None:
    wire, signed = http(keys_of("before"), keys_of("before", "now")), token("now", CLAIMS)
    assert [prepared(wire, signed, minutes) for minutes in (0, 0, 2)] == [False, False, True]
    assert len(wire.sent) == 2


def test_old_keys_are_fetched_again_and_survive_a_failure() -> None:
    late = token("now", {**CLAIMS, "exp": int(NOW.timestamp()) + 10**6})
    wire = http(keys_of("now"), NoAnswer(), keys_of("before"))
    assert [prepared(wire, late, minutes) for minutes in (0, 361, 723)] == [True, True, False]


def test_without_any_keys_nothing_gets_in() -> None:
    assert not prepared(http(ConnectionRefused()), token("now", CLAIMS))


def test_keys_in_the_apps_file_need_no_network() -> None:
    push.prepare(http(), GOOGLE, bearer(token("now", CLAIMS)))


# --- reviews ---------------------------------------------------------------------------------------------------------


def review() -> Interaction:
    (found,) = google.parse(GOOGLE, CASE.body("question"), NOW)
    assert isinstance(found, Interaction)
    return found


def test_a_notification_waits_to_be_fetched_and_keeps_its_customer() -> None:
    found, wire = review(), http(answer(data=REVIEW))
    fields = google.fetch(wire, ACCOUNT, found)
    assert wire.sent[0].url == f"https://mybusiness.googleapis.com/v4/{NAME}"
    full = replace(found, **fields)
    assert (full.text, full.author_name, full.customer) == (REVIEW["comment"], "Nora Example", found.customer)


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("Zu spät.", "Zu spät."),
        ("(Translated by Google) Too late.\n\n(Original)\nZu spät.", "Zu spät."),
        ("Zu spät.\n\n(Translated by Google)\nToo late.", "Zu spät."),
        (None, ""),
    ],
)
def test_only_the_customers_own_words_are_read(comment: str | None, words: str) -> None:
    assert google.fetch(http(answer(data={**REVIEW, "comment": comment})), ACCOUNT, review())["text"] == words


def test_a_location_is_known_by_its_bare_number_too() -> None:
    for id in ("444555666", "locations/444555666"):
        (found,) = google.parse(replace(GOOGLE, accounts=(replace(ACCOUNT, id=id),)), CASE.body("question"), NOW)
        assert isinstance(found, Interaction) and found.account == id


def test_a_reply_is_put_under_the_review() -> None:
    wire = http(answer(data=REVIEW), answer(data={"comment": "…", "updateTime": "2026-11-21T10:00:00Z"}))
    reply = reply_to("google", ACCOUNT.id, "AbFvOqmExample1", reply_to=NAME)
    assert google.reply(wire, GOOGLE, ACCOUNT, reply) == "AbFvOqmExample1/reply"
    assert (wire.sent[1].method, wire.sent[1].url) == ("PUT", f"https://mybusiness.googleapis.com/v4/{NAME}/reply")
    assert wire.sent[1].data == {"comment": reply.text}


def test_a_persons_reply_is_never_replaced() -> None:
    wire = http(
        answer(data={**REVIEW, "reviewReply": {"comment": "We are sorry.", "updateTime": "2026-11-21T09:59:00Z"}})
    )
    with pytest.raises(Refused):
        google.reply(wire, GOOGLE, ACCOUNT, reply_to("google", ACCOUNT.id, "A", reply_to=NAME))
    assert len(wire.sent) == 1


@pytest.mark.parametrize("name", [None, "", "accounts/1/locations/2", f"{NAME}/../x", f"{NAME}?x=y"])
def test_a_name_that_is_no_review_is_never_asked_for(name: str | None) -> None:
    wire = http()
    with pytest.raises(Refused):
        google.reply(wire, GOOGLE, ACCOUNT, reply_to("google", ACCOUNT.id, "A", reply_to=name))
    assert not wire.sent


def test_a_long_reply_is_cut_to_googles_bytes() -> None:
    wire = http(answer(data=REVIEW), answer())
    google.reply(wire, GOOGLE, ACCOUNT, reply_to("google", ACCOUNT.id, "A", "äöü " * 2000, reply_to=NAME))
    assert len(wire.sent[1].data["comment"].encode()) <= 4096


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (answer(401), TokenInvalid),
        (answer(403), TokenInvalid),
        (answer(404), Refused),
        (answer(429), NotSent),
        (answer(500), OutcomeUnknown),
        (NoAnswer(), OutcomeUnknown),
    ],
)
def test_each_failure_has_its_class(result: Any, error: type[ReplyError]) -> None:
    with pytest.raises(error):
        google.reply(
            http(answer(data=REVIEW), result), GOOGLE, ACCOUNT, reply_to("google", ACCOUNT.id, "A", reply_to=NAME)
        )


def test_when_the_review_cannot_be_read_first_nothing_was_posted() -> None:
    wire = http(NoAnswer())
    with pytest.raises(NotSent):
        google.reply(wire, GOOGLE, ACCOUNT, reply_to("google", ACCOUNT.id, "A", reply_to=NAME))
    assert len(wire.sent) == 1


# --- the access token ------------------------------------------------------------------------------------------------

RENEWED = replace(ACCOUNT, token="", options={"client_id": "c", "client_secret": "s", "refresh_token": "r"})


def test_an_access_token_is_fetched_once_and_renewed_when_refused() -> None:
    fresh = [answer(data={"access_token": f"access-{n}"}) for n in (1, 2)]
    wire = http(fresh[0], answer(data=REVIEW), answer(data=REVIEW), answer(401), fresh[1], answer(data=REVIEW))
    for _ in range(3):
        google.fetch(wire, RENEWED, review())
    assert [s.headers.get("Authorization", "")[-1:] for s in wire.sent] == ["", "1", "1", "1", "", "2"]
    assert b"grant_type=refresh_token" in wire.sent[0].body


@pytest.mark.parametrize(
    ("result", "error"),
    [(answer(400, {"error": "invalid_grant"}), TokenInvalid), (NoAnswer(), NotSent), (answer(500), NotSent)],
)
def test_without_an_access_token_nothing_was_posted(result: Any, error: type[ReplyError]) -> None:
    wire = http(result)
    with pytest.raises(error):
        google.reply(wire, GOOGLE, RENEWED, reply_to("google", ACCOUNT.id, "A", reply_to=NAME))
    assert len(wire.sent) == 1


# --- check and backfill ----------------------------------------------------------------------------------------------

SETTING = {"pubsubTopic": "projects/p/topics/t", "notificationTypes": ["NEW_REVIEW", "UPDATED_REVIEW"]}


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ((answer(), answer(data=SETTING)), ""),
        ((answer(), answer(data={**SETTING, "notificationTypes": ["NEW_REVIEW"]})), "not told"),
        ((answer(), answer()), "not told"),
        ((answer(403),), "(403)"),
    ],
)
def test_check_says_what_is_wrong(answers: tuple[Any, ...], what: str) -> None:
    findings = google.check(http(*answers), GOOGLE, ACCOUNT)
    assert len(findings) == bool(what) and all(what in f.what and f.fix for f in findings)


def test_check_says_when_the_apps_file_names_too_little() -> None:
    findings = google.check(http(), replace(GOOGLE, app_id=""), replace(ACCOUNT, id="444555666"))
    assert len(findings) == 2
    with pytest.raises(Unsupported):
        list(google.backfill(http(), GOOGLE, replace(ACCOUNT, id="444555666"), NOW, NOW))


def test_backfill_lists_reviews_with_their_replies_back_to_the_time_that_was_missed() -> None:
    answered = {**REVIEW, "reviewReply": {"comment": "We are sorry.", "updateTime": "2026-11-21T09:59:00Z"}}
    other = {**REVIEW, "reviewId": "B", "updateTime": "2026-11-21T09:30:00Z"}
    old = {**REVIEW, "reviewId": "C", "updateTime": "2026-11-20T09:00:00Z"}
    wire = http(
        answer(data={"reviews": [answered], "nextPageToken": "p2"}),
        answer(data={"reviews": [other, {}, old]}),
    )
    listed = google.backfill(wire, GOOGLE, ACCOUNT, NOW - timedelta(hours=2), NOW)
    found = [i for i in listed if isinstance(i, Interaction)]
    assert [(i.id, i.brand, i.parent) for i in found] == [
        ("AbFvOqmExample1", False, None),
        ("AbFvOqmExample1/reply-b5fd2a7c8cbc", True, "AbFvOqmExample1"),  # by its words: a person can replace ours
        ("B", False, None),
    ]
    assert found[0].customer == review().customer and found[0].reply_to == NAME
    assert wire.sent[1].query["pageToken"] == "p2"


def test_the_payloads_are_what_pubsub_sends() -> None:
    message = json.loads(CASE.body("question"))["message"]
    assert json.loads(base64.b64decode(message["data"]))["reviewName"] == NAME
