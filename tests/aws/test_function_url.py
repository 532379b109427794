"""A request means the same whether a function URL or API Gateway brings it: path, query, headers, and every byte of the
body, which the signatures are over."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from chalice.app import Request
from hypothesis import given
from hypothesis import strategies as st

import app as entry
from chalicelib.aws.function_url import NOT_FOUND, Paths, from_url, gateway_event, url_answer
from infra.local.events import Context, rest_event, url_event
from infra.local.loopback import Call

PATHS = Paths(entry.app.routes)
# as AWS documents it, with what we read; the values are invented
DOCUMENTED: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/webhooks/meta/main",
    "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
    "cookies": ["cookie1", "cookie2"],
    "headers": {"header1": "value1", "header2": "value1,value2"},
    "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
    "requestContext": {
        "accountId": "anonymous",
        "apiId": "<urlid>",
        "authentication": None,
        "domainName": "<url-id>.lambda-url.us-west-2.on.aws",
        "http": {"method": "POST", "path": "/webhooks/meta/main", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
        "requestId": "id",
        "stage": "$default",
    },
    "body": "Hello from client!",
    "pathParameters": None,
    "isBase64Encoded": False,
    "stageVariables": None,
}

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
parts = words.filter(bool)
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(lambda name: name != "cookie")
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
TYPES = ("application/json", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain", "")


def request(event: Any) -> Any:
    """What Chalice makes of the event once it has been JSON on its way to the function."""
    return Request(json.loads(json.dumps(event)))


def test_the_documented_event_is_read() -> None:
    assert from_url(DOCUMENTED)
    found = gateway_event(DOCUMENTED, PATHS)
    assert found
    read = request(found)
    assert (read.method, read.path, read.uri_params) == (
        "POST",
        "/webhooks/{platform}/{key}",
        {"platform": "meta", "key": "main"},
    )
    assert read.query_params.getlist("parameter1") == ["value1", "value2"]
    assert read.headers["Header2"] == "value1,value2"
    assert read.raw_body == b"Hello from client!"


@given(
    key=parts,
    query=st.lists(st.tuples(words, words), max_size=4),
    headers=st.dictionaries(names, values, max_size=4),
    body=st.binary(max_size=60) | words.map(str.encode),
    type=st.sampled_from(TYPES),
)
def test_both_doors_bring_the_same_request(
    key: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes, type: str
) -> None:
    sent = {**headers, **({"content-type": type} if type else {})}
    call = Call("POST", f"/webhooks/meta/{quote(key, safe='')}", urlencode(query), tuple(sent.items()), body)
    event = gateway_event(url_event(call), PATHS)
    assert event
    by_url = request(event)
    by_api = request(rest_event(call, "/webhooks/{platform}/{key}", {"platform": "meta", "key": key}))
    assert by_url.raw_body == by_api.raw_body == body
    assert by_url.uri_params == by_api.uri_params == {"platform": "meta", "key": key}
    assert (by_url.method, by_url.path) == (by_api.method, by_api.path)
    assert dict(by_url.headers) == dict(by_api.headers) == sent
    for read in (by_url, by_api):
        found = {name: read.query_params.getlist(name) for name in read.query_params or ()}
        assert found == {name: [v for n, v in query if n == name] for name, _ in query}


@pytest.mark.parametrize("path", ["/", "/else", "/webhooks/meta", "/webhooks//main", "/webhooks/meta/main/", "/act/"])
def test_a_path_that_is_none_of_ours_is_not_found_and_reaches_nothing(path: str) -> None:
    call = Call("POST", path, "", (), b"{}")
    assert gateway_event(url_event(call), PATHS) is None
    assert entry.app(url_event(call), Context("api")) == NOT_FOUND


def test_a_method_that_a_path_does_not_take_is_said_to_be_that() -> None:
    answer = entry.app(url_event(Call("DELETE", "/webhooks/meta/main", "", ())), Context("api"))
    assert answer["statusCode"] == 405


def test_a_path_of_fixed_parts_goes_before_none_of_anothers_variables() -> None:
    assert Paths(["/a/b", "/{x}/b"]).find("/a/b") == ("/a/b", {})
    assert Paths(["/a/{x}"]).find("/a/%2Fb%25") == ("/a/{x}", {"x": "/b%"})


def test_an_answer_holds_only_what_a_url_takes() -> None:
    answer = {"statusCode": 200, "headers": {"a": "1"}, "multiValueHeaders": {"b": ["2", "3"]}, "body": ""}
    assert url_answer(answer) == {"statusCode": 200, "headers": {"a": "1", "b": "2, 3"}, "body": ""}


def test_bytes_that_are_no_text_travel_as_base64_and_forms_do_too() -> None:
    form = url_event(Call("POST", "/act/x", "", (("Content-Type", "application/x-www-form-urlencoded"),), b"a=1"))
    assert (form["body"], form["isBase64Encoded"]) == (base64.b64encode(b"a=1").decode(), True)
    event = url_event(Call("POST", "/act/x", "", (("Content-Type", "application/json"),), b"\xff"))
    assert event["isBase64Encoded"]


def test_api_gateways_event_is_left_as_it_comes() -> None:
    call = Call("GET", "/webhooks/meta/nobody", "hub.mode=subscribe", ())
    event = rest_event(call, "/webhooks/{platform}/{key}", {"platform": "nobody", "key": "nobody"})
    assert not from_url(event)
    assert entry.app(event, Context("api"))["statusCode"] == entry.app(url_event(call), Context("api"))["statusCode"]
