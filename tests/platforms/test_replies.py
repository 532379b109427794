"""Replies, checks, fetches and backfills of Meta's products and X, over a scripted wire."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import oauthlib.oauth1
import pytest

from chalicelib import platforms
from chalicelib.apps import Account, App
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.platforms import base
from chalicelib.platforms.base import (
    Blocked,
    NotSent,
    OutcomeUnknown,
    Refused,
    Reply,
    ReplyError,
    Request,
    SignatureError,
    TokenInvalid,
    WindowClosed,
)
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from chalicelib.platforms.meta import facebook, instagram, messenger, whatsapp
from chalicelib.platforms.meta import graph as meta
from chalicelib.platforms.meta import webhook as meta_webhook
from chalicelib.platforms.x import api as x_api
from chalicelib.platforms.x import platform as x
from tests.http_doubles import PaperHttp
from tests.platforms.case import PAYLOADS
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import NOW, TOKEN, answer, http, reply_to

PAGE, IG, WA, ME = "100200300400500", "17841400000000001", "106500000000001", "700100200300400500"
GRAPH = "https://graph.facebook.com/v25.0"


def account_of(product: str, **options: Any) -> Account:
    app = X if product == "x" else META
    found = next(a for a in app.accounts if a.product == product)
    return replace(found, options=options)


def send(wire: PaperHttp, reply: Reply, **options: Any) -> str | None:
    product = reply.interaction.product
    app = X if product == "x" else META
    return platforms.product(product).reply(wire, app, account_of(product, **options), reply)


def comment(**fields: Any) -> Reply:
    return reply_to("facebook", PAGE, "900_1001", parent=f"{PAGE}_900", author="5001", **fields)


def private(reply: Reply) -> Reply:
    return reply._replace(private=True)


MESSAGE = {"text": "Thank you, we got it.", "metadata": TOKEN}
FB = comment()
IGC = reply_to("instagram", IG, "1802", parent="1801", reply_to="1801", author="8001", post="1790")
IGD = reply_to("instagram", IG, "aWdf1", private=True, reply_to="9001", author="9001")
MSG = reply_to("messenger", PAGE, "m_1", private=True, reply_to="6001", author="6001")
WAM = reply_to("whatsapp", WA, "wamid.1", private=True, reply_to="4915550000002", author="4915550000002")
WAU = reply_to("whatsapp", WA, "wamid.1", private=True, reply_to="US.1349", author="US.1349")
XP = reply_to("x", ME, "3001", author="4001")
XE = reply_to("x", ME, "3001", author="4001", reply_to="3002")
XD = reply_to("x", ME, "5001", private=True, reply_to="4001", author="4001")


def mention(id: str, post: str) -> Reply:
    found = reply_to("instagram", IG, id, post=post, author="@anna_example")
    return found._replace(interaction=replace(found.interaction, kind=Kind.MENTION))


def whatsapp_body(**recipient: str) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": "text",
        "text": {"body": "Thank you, we got it.", "preview_url": False},
        "context": {"message_id": "wamid.1"},
        "biz_opaque_callback_data": TOKEN,
    }


TEXT = "Thank you, we got it."
DIRECT = {"messaging_type": "RESPONSE", "message": MESSAGE}
PLACES = [
    ("facebook comment", FB, f"{GRAPH}/900_1001/comments", {"message": TEXT}, {"id": "r1"}),
    (
        "facebook private reply to a comment",
        private(FB),
        f"{GRAPH}/{PAGE}/messages",
        {"recipient": {"comment_id": "900_1001"}, "message": MESSAGE},
        {"message_id": "r1"},
    ),
    (
        "facebook private reply to a post",
        private(reply_to("facebook", PAGE, f"{PAGE}_901", author="5001")),
        f"{GRAPH}/{PAGE}/messages",
        {"recipient": {"post_id": f"{PAGE}_901"}, "message": MESSAGE},
        {"message_id": "r1"},
    ),
    ("messenger", MSG, f"{GRAPH}/{PAGE}/messages", {"recipient": {"id": "6001"}, **DIRECT}, {"message_id": "r1"}),
    ("instagram comment", IGC, f"{GRAPH}/1801/replies", {"message": TEXT}, {"id": "r1"}),
    (
        "instagram private reply",
        private(IGC),
        f"{GRAPH}/me/messages",
        {"recipient": {"comment_id": "1802"}, "message": MESSAGE},
        {"message_id": "r1"},
    ),
    ("instagram message", IGD, f"{GRAPH}/me/messages", {"recipient": {"id": "9001"}, **DIRECT}, {"message_id": "r1"}),
    (
        "instagram mention in a comment",
        mention("1820", "1795"),
        f"{GRAPH}/{IG}/mentions",
        {"media_id": "1795", "comment_id": "1820", "message": TEXT},
        {"id": "r1"},
    ),
    (
        "instagram mention in a caption",
        mention("1796", "1796"),
        f"{GRAPH}/{IG}/mentions",
        {"media_id": "1796", "message": TEXT},
        {"id": "r1"},
    ),
    (
        "whatsapp to a number",
        WAM,
        f"{GRAPH}/{WA}/messages",
        whatsapp_body(to="4915550000002"),
        {"messages": [{"id": "r1"}]},
    ),
    (
        "whatsapp to a business-scoped id",
        WAU,
        f"{GRAPH}/{WA}/messages",
        whatsapp_body(recipient="US.1349"),
        {"messages": [{"id": "r1"}]},
    ),
    (
        "x post",
        XP,
        "https://api.x.com/2/tweets",
        {"text": TEXT, "reply": {"in_reply_to_tweet_id": "3001"}},
        {"data": {"id": "r1"}},
    ),
    (
        "x edited post",
        XE,
        "https://api.x.com/2/tweets",
        {"text": TEXT, "reply": {"in_reply_to_tweet_id": "3002"}},
        {"data": {"id": "r1"}},
    ),
    (
        "x message",
        XD,
        "https://api.x.com/2/dm_conversations/with/4001/messages",
        {"text": TEXT},
        {"data": {"dm_event_id": "r1"}},
    ),
    (
        "x private reply to a post",
        private(XP),
        "https://api.x.com/2/dm_conversations/with/4001/messages",
        {"text": TEXT},
        {"data": {"dm_event_id": "r1"}},
    ),
]
PUBLIC_AND_PRIVATE = [FB, private(FB), MSG, IGC, private(IGC), IGD, WAM, XP, XD]


@pytest.mark.parametrize(("name", "reply", "url", "body", "data"), PLACES, ids=[p[0] for p in PLACES])
def test_a_reply_goes_once_to_the_right_place(name: str, reply: Reply, url: str, body: Any, data: Any) -> None:
    wire = http(answer(data=data))
    assert send(wire, reply) == "r1"
    (sent,) = wire.sent
    assert (sent.method, sent.url, sent.data) == ("POST", url, body)
    assert sent.headers["Authorization"].startswith("Bearer ") and "token" not in sent.url


@pytest.mark.parametrize("reply", PUBLIC_AND_PRIVATE, ids=lambda r: f"{r.interaction.product}-{r.private}")
@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": {}}, {"data": []}, {"messages": "x"}, {"message_id": [1]}])
def test_an_odd_answer_to_a_reply_that_went_out_is_no_error(reply: Reply, data: Any) -> None:
    assert send(http(answer(data=data)), reply) is None


# --- errors -----------------------------------------------------------------------------------------------------------


def graph_error(code: int, subcode: int = 0, status: int = 400) -> Answer:
    return answer(status, {"error": {"code": code, "error_subcode": subcode, "message": "said by the platform"}})


COMMON: list[tuple[Answer | Exception, type[ReplyError], str]] = [
    (ConnectionRefused(), NotSent, "connection_refused"),
    (NoAnswer(), OutcomeUnknown, "no_answer"),
    (answer(500), OutcomeUnknown, "500"),
    (answer(503), OutcomeUnknown, "503"),
    (answer(429), NotSent, "429"),
    (answer(401), TokenInvalid, "401"),
    (answer(400), Refused, "400"),
    (answer(302), Refused, "302"),
    (answer(404), Refused, "404"),
]
PAGE_CODES: list[tuple[Answer | Exception, type[ReplyError], str]] = [
    *((graph_error(code), OutcomeUnknown, str(code)) for code in (1, 2, 20, 99, 1200)),
    (graph_error(20, 1772107), OutcomeUnknown, "20/1772107"),
    (graph_error(2, status=500), OutcomeUnknown, "2"),
    *((graph_error(code), NotSent, str(code)) for code in (4, 17, 32, 613, 80001, 80007)),
    (graph_error(4, status=500), NotSent, "4"),
    (graph_error(190, 463, 401), TokenInvalid, "190/463"),
    (graph_error(368), Blocked, "368"),
    (graph_error(10, 2018278), WindowClosed, "10/2018278"),
    (graph_error(10, 2534022), WindowClosed, "10/2534022"),
    (graph_error(551, 1545041), WindowClosed, "551/1545041"),
    *((graph_error(code), Refused, str(code)) for code in (10, 100, 200, 283, 551)),
    (answer(400, {"error": "no object"}), Refused, "400"),
]
WHATSAPP_CODES: list[tuple[Answer | Exception, type[ReplyError], str]] = [
    *((graph_error(code), NotSent, str(code)) for code in (4, 80007, 130429, 131056)),
    *((graph_error(code), OutcomeUnknown, str(code)) for code in (1, 131016, 131000, 131057)),
    *((graph_error(code), Blocked, str(code)) for code in (368, 131031, 131042)),
    *((graph_error(code), TokenInvalid, str(code)) for code in (0, 190, 3, 10, 200, 299, 131005)),
    (graph_error(131047), WindowClosed, "131047"),
    *(
        (graph_error(code), Refused, str(code))
        for code in (100, 131026, 131051, 131008, 131021, 131030, 132000, 131062)
    ),
]
X_STATUSES: list[tuple[Answer | Exception, type[ReplyError], str]] = [
    (answer(403, {"detail": "You are not permitted to perform this action."}), Refused, "403"),
    (answer(402), Blocked, "402"),
]
ERRORS = [
    *((r, *row) for r in PUBLIC_AND_PRIVATE for row in COMMON),
    *((r, *row) for r in (FB, private(FB), MSG, IGC, IGD) for row in PAGE_CODES),
    *((WAM, *row) for row in WHATSAPP_CODES),
    *((r, *row) for r in (XP, XD) for row in X_STATUSES),
]


@pytest.mark.parametrize(
    ("reply", "given", "verdict", "code"),
    ERRORS,
    ids=[f"{r.interaction.product}-{verdict.__name__}-{code}" for r, _, verdict, code in ERRORS],
)
def test_an_error_is_classed_and_nothing_is_sent_twice(
    reply: Reply, given: Answer | Exception, verdict: type[ReplyError], code: str
) -> None:
    wire = http(given)
    with pytest.raises(ReplyError) as caught:
        send(wire, reply)
    assert type(caught.value) is verdict and caught.value.code == code
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x_rate_limit_reset": "1795255500", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, timedelta(minutes=5)),
        ({"x_rate_limit_reset": "1", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, timedelta(seconds=1)),
        ({"x_rate_limit_reset": "soon"}, timedelta(minutes=15)),
        ({}, timedelta(minutes=15)),
    ],
)
def test_x_says_when_its_rate_limit_ends(headers: dict[str, str], wait: timedelta) -> None:
    with pytest.raises(NotSent) as caught:
        send(http(answer(429, None, **headers)), XP)
    assert caught.value.wait == wait


@pytest.mark.parametrize(
    "reply",
    [
        private(mention("1820", "1795")),
        MSG._replace(interaction=replace(MSG.interaction, reply_to=None, author=None)),
        WAM._replace(interaction=replace(WAM.interaction, reply_to=None, author=None)),
        WAM._replace(interaction=replace(WAM.interaction, repliable=False)),
        private(XP._replace(interaction=replace(XP.interaction, author=None))),
        XP._replace(text="https://example.com/returns"),
    ],
    ids=["mention in private", "messenger to nobody", "whatsapp to nobody", "group", "x to nobody", "only a link"],
)
def test_what_cannot_be_sent_is_refused_without_a_request(reply: Reply) -> None:
    wire = http()
    with pytest.raises(Refused):
        send(wire, reply)
    assert not wire.sent


# --- what a reply says ------------------------------------------------------------------------------------------------

LONG = "Thank you for your message about the parcel. " * 400
LIMITS: list[tuple[Reply, int, Callable[[str], int]]] = [
    (FB, 8000, len),
    (private(FB), 2000, len),
    (MSG, 2000, len),
    (IGC, 1000, len),
    (IGD, 1000, lambda words: len(words.encode())),
    (private(IGC), 1000, lambda words: len(words.encode())),
    (WAM, 4096, len),
    (XP, 280, x_api.weight),
    (XD, 10_000, len),
]


@pytest.mark.parametrize(("reply", "limit", "size"), LIMITS, ids=[f"{r.interaction.product}-{n}" for r, n, _ in LIMITS])
@pytest.mark.parametrize("words", [LONG, "ä" * 20_000, "Größe 👍🏽 " * 2000], ids=["words", "one word", "emoji"])
def test_a_reply_fits_the_platform_and_is_what_was_announced(
    reply: Reply, limit: int, size: Callable[[str], int], words: str
) -> None:
    wire = http(answer())
    send(wire, reply._replace(text=words))
    sent = wire.sent[0].data
    posted = sent["message"] if "message" in sent else sent["text"]
    posted = str((posted.get("text") or posted.get("body")) if isinstance(posted, dict) else posted)
    assert limit - 60 < size(posted) <= limit and posted.endswith("…")
    module: Any = platforms.product(reply.interaction.product)
    announced = module.wording(account_of(reply.interaction.product), reply.interaction, words, reply.private)
    assert posted == announced == module.wording(account_of("x"), reply.interaction, announced, reply.private)


@pytest.mark.parametrize(
    ("words", "limit", "cut"),
    [
        ("short", 5, "short"),
        ("one two three", 8, "one two…"),
        ("one two three", 9, "one two…"),
        ("one, two three", 6, "one…"),
        ("abcdefghij", 4, "abc…"),
    ],
)
def test_fit_cuts_at_a_word(words: str, limit: int, cut: str) -> None:
    assert base.fit(words, limit) == cut


def test_a_link_counts_as_x_counts_it() -> None:
    assert x_api.weight("See https://example.com/a/very/long/path/that/goes/on/and/on") == 4 + 23
    assert x_api.weight("日本") == 4 and x_api.weight("Grüße") == 5


@pytest.mark.parametrize(
    ("words", "posted"),
    [
        ("Returns: https://example.com/returns. Thanks!", "Returns: . Thanks!"),
        ("See example.com/returns for more", "See for more"),
        ("Write to help@example.com", "Write to help@example.com"),
        ("Open 10.30 to 18.00, e.g. today.Then closed", "Open 10.30 to 18.00, e.g. today.Then closed"),
    ],
)
def test_links_leave_a_post_on_x_unless_they_are_allowed(words: str, posted: str) -> None:
    assert x_api.wording(account_of("x"), XP.interaction, words, False) == posted
    assert x_api.wording(account_of("x", allow_links=True), XP.interaction, words, False) == words
    assert x_api.wording(account_of("x"), XD.interaction, words, False) == words


def test_x_takes_a_token_that_does_not_end_when_it_is_signed() -> None:
    """The example of X's own page on signatures."""
    app = App("x", "main", ("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",))
    options = {
        "consumer_key": "xvz1evFS4wEEPTGEFPHBog",
        "token_secret": "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
    }
    account = Account("1", "x", token="370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", options=options)
    query = {"include_entities": "true", "status": "Hello Ladies + Gentlemen, a signed OAuth request!"}
    url, nonce = "https://api.twitter.com/1/statuses/update.json", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"
    header = x_api.signed(app, account, "POST", url, query, nonce, 1318622958)
    assert 'oauth_signature="tnnArxj06cWHq44gCs1OSKk%2FjLY%3D"' in header

    wire = http(answer(data={"data": {"id": "r1"}}))
    assert send(wire, XP, **options) == "r1"
    sent = wire.sent[0].headers["Authorization"]
    assert sent.startswith("OAuth ") and f'oauth_timestamp="{int(NOW.timestamp())}"' in sent
    assert "x-secret-now" not in sent and options["token_secret"] not in sent


def test_instagram_login_has_a_host_of_its_own() -> None:
    wire = http(answer(), answer())
    send(wire, IGC, login="instagram")
    send(wire, IGD, login="instagram")
    assert [s.url for s in wire.sent] == [
        "https://graph.instagram.com/v25.0/1801/replies",
        f"https://graph.instagram.com/v25.0/{IG}/messages",
    ]


def test_instagram_messages_go_through_the_linked_page() -> None:
    wire = http(answer())
    send(wire, IGD, page_id=PAGE)
    assert wire.sent[0].url == f"{GRAPH}/{PAGE}/messages"


def test_an_account_named_by_the_business_account_replies_from_its_number() -> None:
    wire = http(answer())
    send(wire, WAM, phone_number_id="77")
    assert wire.sent[0].url == f"{GRAPH}/77/messages"


def test_whatsapp_takes_an_account_by_number_or_by_business_account() -> None:
    body = (
        b'{"object":"whatsapp_business_account","entry":[{"id":"1022","changes":[{"field":"messages","value":'
        b'{"metadata":{"phone_number_id":"77"},"messages":[{"from":"49155","id":"w","type":"text","text":{"body":"Hi"}}]}}]}]}'
    )

    def found(*accounts: Account) -> list[str]:
        parsed = meta_webhook.parse(App("meta", "main", ("s",), accounts=accounts), body, NOW)
        return [p.account if isinstance(p, Interaction) else p.reason for p in parsed if not isinstance(p, base.Poison)]

    assert found(Account("77", "whatsapp")) == ["77"]
    assert found(Account("1022", "whatsapp")) == ["1022"]
    assert found(Account("1022", "whatsapp", options={"phone_number_id": "77"})) == ["1022"]
    assert found(Account("1022", "whatsapp", options={"phone_number_id": "78"})) == ["foreign_account"]
    assert found(Account("77", "facebook")) == ["foreign_account"]


# --- handshakes -------------------------------------------------------------------------------------------------------


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


# --- fetching what a mention leaves out -------------------------------------------------------------------------------


def test_a_mention_on_facebook_is_fetched() -> None:
    wire = http(answer(data={"id": "7001_33", "message": "Ask them", "from": {"id": 5001, "name": "Anna"}}))
    asked = reply_to("facebook", PAGE, "7001_33").interaction
    assert facebook.fetch(wire, account_of("facebook"), asked) == {
        "author": "5001",
        "author_name": "Anna",
        "text": "Ask them",
    }
    assert wire.sent[0].url == f"{GRAPH}/7001_33"


@pytest.mark.parametrize(
    ("data", "author"),
    [
        ({"username": "exampleshop", "mentioned_comment": {"text": "Hi", "username": "anna"}}, "@anna"),
        ({"username": "exampleshop", "mentioned_comment": {"text": "Hi", "from": {"id": "8", "username": "a"}}}, "8"),
        ({"username": "exampleshop", "mentioned_comment": {"text": "Hi", "username": "exampleshop"}}, IG),
        ({"username": "exampleshop", "mentioned_comment": {"text": "Hi"}}, None),
    ],
)
def test_a_mention_on_instagram_is_fetched_and_the_brands_own_is_known(data: Any, author: str | None) -> None:
    wire = http(answer(data=data))
    found = instagram.fetch(wire, account_of("instagram"), mention("1820", "1795").interaction)
    assert (found["author"], found["text"]) == (author, "Hi")
    assert wire.sent[0].url == f"{GRAPH}/{IG}" and "mentioned_comment.comment_id(1820)" in wire.sent[0].query["fields"]


def test_a_mention_in_a_caption_is_fetched() -> None:
    wire = http(answer(data={"mentioned_media": {"caption": "With @exampleshop", "username": "anna"}}))
    found = instagram.fetch(wire, account_of("instagram"), mention("1796", "1796").interaction)
    assert found == {"author": "@anna", "author_name": "anna", "text": "With @exampleshop"}


def test_a_comment_on_instagram_that_came_without_its_author_is_fetched() -> None:
    wire = http(answer(data={"from": {"id": "8001", "username": "anna"}, "text": "Hi"}))
    asked = reply_to("instagram", IG, "1809").interaction
    assert instagram.fetch(wire, account_of("instagram"), asked)["author"] == "8001"


# --- checking a registration ------------------------------------------------------------------------------------------


def subscribed(module: Any) -> Answer:
    return answer(data={"data": [{"id": "424242", "subscribed_fields": list(module.FIELDS)}]})


def enabled(module: Any, name: str) -> Answer:
    row = {"object": name, "active": True, "fields": [{"name": f, "version": "v25.0"} for f in module.FIELDS]}
    return answer(data={"data": [row]})


CHECKS = [
    ("facebook", "page", facebook, {}, 3),
    ("messenger", "page", messenger, {}, 3),
    ("instagram", "instagram", instagram, {"login": "instagram"}, 3),
    ("instagram", "instagram", instagram, {"page_id": PAGE}, 3),
    ("whatsapp", "whatsapp_business_account", whatsapp, {"waba_id": "1022"}, 3),
    ("whatsapp", "whatsapp_business_account", whatsapp, {}, 2),
]


@pytest.mark.parametrize(("product", "name", "module", "options", "calls"), CHECKS)
def test_a_good_registration_has_no_findings(product: str, name: str, module: Any, options: Any, calls: int) -> None:
    answers = [answer(data={"id": "1"}), subscribed(module), enabled(module, name)]
    wire = http(*(answers if calls == 3 else [answers[0], answers[2]]))
    assert module.check(wire, META, account_of(product, **options)) == []
    assert len(wire.sent) == calls and all(s.method == "GET" for s in wire.sent)


@pytest.mark.parametrize(("product", "name", "module", "options", "calls"), CHECKS)
def test_what_is_wrong_is_found_and_how_to_mend_it(
    product: str, name: str, module: Any, options: Any, calls: int
) -> None:
    nothing = answer(data={"data": []})
    wire = http(graph_error(190, status=401), *[nothing] * (calls - 1))
    findings = module.check(wire, META, account_of(product, **options))
    assert len(findings) == calls and all(f.account and f.what and f.fix for f in findings)
    assert "token" in findings[0].what and "not enabled" in findings[-1].what
    assert not any(secret in f.what + f.fix for f in findings for secret in META.secrets)


def test_missing_fields_are_named() -> None:
    wire = http(
        answer(data={"id": PAGE}),
        answer(data={"data": [{"id": "424242", "subscribed_fields": ["feed"]}]}),
        answer(data={"data": [{"object": "page", "active": True, "fields": [{"name": "feed"}, "ratings"]}]}),
    )
    assert [f.what for f in facebook.check(wire, META, account_of("facebook"))] == [
        "facebook does not send: mention, ratings",
        "the webhook for page lacks: mention",
    ]


def test_an_app_without_its_id_is_found() -> None:
    wire = http(answer(data={"id": PAGE}), subscribed(facebook))
    (finding,) = facebook.check(wire, replace(META, app_id=""), account_of("facebook"))
    assert "app_id" in finding.what


def test_the_registration_at_x_is_checked() -> None:
    me = answer(data={"data": {"id": ME}})
    events = [{"event_type": e, "filter": {"user_id": ME}} for e in x_api.EVENTS]
    good = (me, answer(data={"data": [{"id": "1", "valid": True}]}), answer(data={"data": events}))
    assert x_api.check(http(*good), X, account_of("x", app_token="t")) == []
    bad = (me, answer(data={"data": [{"id": "1", "valid": False}]}), answer(data={"data": events[1:]}))
    found = [f.what for f in x_api.check(http(*bad), X, account_of("x", app_token="t"))]
    assert found == ["the webhook is not enabled", "not subscribed: post.mention.create"]
    assert "not accepted" in x_api.check(http(answer(401)), X, account_of("x"))[0].what
    other = x_api.check(http(answer(data={"data": {"id": "1"}})), X, account_of("x"))
    assert "another account" in other[0].what and "cannot be checked" in other[1].what


# --- backfill: what came while deliveries did not ---------------------------------------------------------------------

SINCE = NOW - timedelta(hours=6)


def iso(**ago: float) -> str:
    return (NOW - timedelta(**ago)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def listed(module: Any, wire: PaperHttp, product: str, since: datetime = SINCE, **options: Any) -> list[Interaction]:
    app = X if product == "x" else META
    found = module.PRODUCT.backfill(wire, app, account_of(product, **options), since, NOW)
    return [i for i in found if isinstance(i, Interaction)]


def test_comments_and_posts_are_listed_from_facebook() -> None:
    post, old = {"id": f"{PAGE}_901", "from": {"id": "5001", "name": "Anna"}, "message": "Norway?"}, {"id": f"{PAGE}_7"}
    wire = http(
        answer(
            data={
                "data": [
                    {**post, "created_time": iso(hours=2), "updated_time": iso(hours=1)},
                    {**old, "created_time": iso(days=9), "updated_time": iso(hours=3)},
                    {"id": f"{PAGE}_6", "created_time": iso(days=9), "updated_time": iso(days=8)},
                ]
            }
        ),
        answer(data={"data": []}),
        answer(
            data={
                "data": [
                    {
                        "id": "7_2",
                        "from": {"id": PAGE},
                        "message": "Yes",
                        "created_time": iso(hours=3),
                        "parent": {"id": "7_1"},
                    },
                    {"id": "7_1", "from": {"id": "5002"}, "message": "Open?", "created_time": iso(hours=4)},
                    {"id": "7_0", "from": {"id": "5002"}, "message": "Old", "created_time": iso(hours=9)},
                ],
                "paging": {"cursors": {"after": "c"}, "next": "https://graph.facebook.com/next"},
            }
        ),
    )
    found = listed(facebook, wire, "facebook")
    assert [(i.id, i.kind, i.author, i.thread, i.parent) for i in found] == [
        (f"{PAGE}_901", Kind.NEW, "5001", f"{PAGE}_901", None),
        ("7_2", Kind.BRAND_REPLY, PAGE, "7_1", "7_1"),
        ("7_1", Kind.NEW, "5002", "7_1", f"{PAGE}_7"),
    ]
    assert len(wire.sent) == 3


@pytest.mark.parametrize(("module", "product", "brand"), [(messenger, "messenger", PAGE), (instagram, "instagram", IG)])
def test_direct_messages_are_listed(module: Any, product: str, brand: str) -> None:
    def message(id: str, sender: str, to: str, **ago: float) -> dict[str, Any]:
        words = {"id": id, "message": "Hello", "created_time": iso(**ago)}
        return {**words, "from": {"id": sender}, "to": {"data": [{"id": to}]}}

    messages = [
        message("m2", brand, "6001", hours=1),
        message("m1", "6001", brand, hours=2),
        message("m0", "6001", brand, hours=9),
    ]
    conversations = [
        {"updated_time": iso(hours=1), "messages": {"data": messages}},
        {"updated_time": iso(hours=7), "messages": {"data": [message("n1", "6002", brand, hours=7)]}},
    ]
    media = [answer(data={"data": []})] if product == "instagram" else []
    found = listed(module, http(*media, answer(data={"data": conversations})), product)
    assert [(i.id, i.brand, i.thread, i.private) for i in found] == [
        ("m2", True, "6001", True),
        ("m1", False, "6001", True),
    ]


def test_comments_and_their_replies_are_listed_from_instagram() -> None:
    reply = {"id": "12", "from": {"id": IG}, "text": "Yes", "timestamp": iso(hours=1)}
    top = {"id": "11", "from": {"id": "8001", "username": "anna"}, "text": "In stock?", "timestamp": iso(hours=2)}
    wire = http(
        answer(data={"data": [{"id": "1790", "timestamp": iso(days=2)}, {"id": "1", "timestamp": iso(days=99)}]}),
        answer(data={"data": [{**top, "replies": {"data": [reply]}}, {**top, "id": "10", "timestamp": iso(hours=8)}]}),
        answer(data={"data": []}),
    )
    found = listed(instagram, wire, "instagram")
    assert [(i.id, i.brand, i.thread, i.post) for i in found] == [
        ("11", False, "11", "1790"),
        ("12", True, "11", "1790"),
    ]


def test_mentions_and_messages_are_listed_from_x() -> None:
    post = {
        "id": "3001",
        "author_id": "4001",
        "conversation_id": "3001",
        "created_at": iso(hours=1),
        "text": "@ExampleShop hi",
    }
    message = {
        "id": "5001",
        "event_type": "MessageCreate",
        "text": "hi",
        "sender_id": "4001",
        "dm_conversation_id": f"4001-{ME}",
    }
    wire = http(
        answer(
            data={
                "data": [post],
                "includes": {"users": [{"id": "4001", "username": "anna"}]},
                "meta": {"next_token": "n"},
            }
        ),
        answer(data={"meta": {"result_count": 0}}),
        answer(
            data={"data": [{**message, "created_at": iso(hours=2)}, {**message, "id": "1", "created_at": iso(hours=9)}]}
        ),
    )
    found = listed(x, wire, "x")
    assert [(i.id, i.kind, i.author_name, i.thread) for i in found] == [
        ("3001", Kind.MENTION, "anna", "3001"),
        ("5001", Kind.NEW, None, "4001"),
    ]
    assert wire.sent[0].query["start_time"] == "2026-11-21T04:00:00Z" and wire.sent[1].query["pagination_token"] == "n"


def test_whatsapp_lists_nothing() -> None:
    with pytest.raises(base.Unsupported):
        listed(whatsapp, http(), "whatsapp")


def test_a_list_ends_after_so_many_pages() -> None:
    page = answer(data={"data": [{"id": "1"}], "paging": {"cursors": {"after": "c"}, "next": "https://example.com"}})
    wire = http(*[page] * (meta.MAX_PAGES + 5))
    assert len(list(meta.pages(wire, account_of("facebook"), "me/feed", {}))) == len(wire.sent) == meta.MAX_PAGES


@pytest.mark.parametrize(
    "query", [{}, {"start_time": "2026-11-21T10:00:00Z", "tweet.fields": "a,b", "q": "ä ~*'()!&="}]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_oauth_1_signatures_are_those_of_oauthlib(method: str, query: dict[str, str]) -> None:
    account = replace(account_of("x"), token="us&er", options={"consumer_key": "k%ey", "token_secret": "s+ec ret"})
    url = "https://api.x.com/2/users/700/mentions"
    header = x_api.signed(X, account, method, url, query, "nonce-1", 1_795_000_000)
    keys = {"client_secret": X.secrets[0], "resource_owner_key": "us&er", "resource_owner_secret": "s+ec ret"}
    client = oauthlib.oauth1.Client("k%ey", **keys, nonce="nonce-1", timestamp="1795000000")
    _, expected, _ = client.sign(f"{url}?{urlencode(query, quote_via=quote)}" if query else url, method)
    assert sorted(header.removeprefix("OAuth ").split(", ")) == sorted(
        expected["Authorization"].removeprefix("OAuth ").split(", ")
    )
