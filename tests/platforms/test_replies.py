"""Replies of Meta's products and X, and what they fetch, over a scripted wire."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
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
    TokenInvalid,
    WindowClosed,
)
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from chalicelib.platforms.meta import facebook, instagram
from chalicelib.platforms.meta import webhook as meta_webhook
from chalicelib.platforms.x import api as x_api
from tests.http_doubles import PaperHttp
from tests.platforms.cases.meta import META
from tests.platforms.cases.x import X
from tests.platforms.scripted_http import IG, ME, NOW, PAGE, TOKEN, WA, account_of, answer, graph_error, http, reply_to

GRAPH = "https://graph.facebook.com/v25.0"


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
