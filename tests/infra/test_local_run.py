"""What stands round app.py on this machine behaves like the real thing: the gateway, the page's door, the platforms."""

import json
import shlex
from collections.abc import Iterator

import pytest
from urllib3 import PoolManager

import app
from chalicelib.platforms.simulation import Posted, SimulatedMessage
from infra.local.deliveries import author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.local.events import rest_event
from infra.local.gateway import Gateway
from infra.local.local_run import LocalRun, local_run
from infra.local.loopback import Answered, Call
from infra.local.run import Page
from infra.local.stand_in import Fault, Refusal, StandIn
from tests.patience import until

APPS = demo_apps()


# --- the gateway --------------------------------------------------------------------------------------------


def call(body: bytes = b"", *headers: tuple[str, str], query: str = "", path: str = "/webhooks/meta/main") -> Call:
    return Call("POST" if body else "GET", path, query, headers, body)


BODIES = (b'{"text":"caf\\u00e9 \\/ \\ud83d\\ude00"}', '{"text":"café"}'.encode(), b"\xff\xfe\x00", b" \n{}")


@pytest.mark.parametrize("body", BODIES)
def test_the_gateway_passes_bytes_on_unchanged(body: bytes) -> None:
    from chalice.app import Request

    event = rest_event(call(body, ("Content-Type", "application/json")), "/webhooks/{platform}/{key}", {})
    assert Request(json.loads(json.dumps(event))).raw_body == body


def test_the_gateway_keeps_repetitions_and_ignores_case() -> None:
    event = rest_event(call(b"", ("X-A", "1"), ("x-a", "2"), query="hub.mode=a&hub.mode=b&empty="), "/", {})
    assert event["headers"] == {"X-A": "2"}
    assert event["multiValueHeaders"] == {"X-A": ["1", "2"]}
    assert event["queryStringParameters"] == {"hub.mode": "b", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"hub.mode": ["a", "b"], "empty": [""]}


def test_the_gateway_knows_only_the_routes_of_the_app() -> None:
    gateway = Gateway(app.app)
    assert gateway.answer(call(path="/nowhere")).status == 404
    assert gateway.answer(call(path="/webhooks/meta/")).status == 404
    assert gateway.answer(Call("DELETE", "/webhooks/meta/main", "", ())).status == 405


# --- everything together ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[LocalRun]:
    page = Page()
    with local_run(page.on_event, own=page.answer) as found:
        yield found


def ask(url: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = PoolManager(retries=False).request("POST" if body else "GET", url + path, body=body or None, headers=sent)
    return answer.status, answer.data


def test_the_handshake_returns_the_bare_challenge(running: LocalRun) -> None:
    query = "?hub.mode=subscribe&hub.verify_token=invented-verify-token&hub.challenge=42"
    assert ask(running.url, "/webhooks/meta/main" + query) == (200, b"42")
    assert ask(running.url, "/webhooks/meta/main" + query.replace("invented", "wrong"))[0] == 403


def test_a_delivery_is_refused_with_the_status_that_says_why(running: LocalRun) -> None:
    said = SimulatedMessage("facebook", "Can I swap the size?", author_id("Ana"), "Ana")
    good = deliver(APPS, said)
    statuses = {
        401: ("/webhooks/meta/main", good.body[:-1] + b" "),
        404: ("/webhooks/meta/other", good.body),
        413: ("/webhooks/meta/main", b" " * (3 * 1024 * 1024 + 1)),
    }
    for status, (path, body) in statuses.items():
        assert ask(running.url, path, body, **good.headers)[0] == status


def test_the_curl_that_is_printed_sends_the_same_bytes(running: LocalRun) -> None:
    delivery = deliver(
        APPS, SimulatedMessage("facebook", "It's the café's \"best\" $HOME `cup`!", author_id("Ana"), "Ana")
    )
    words = shlex.split(delivery.curl(running.url))
    assert words[words.index("--data-binary") + 1].encode() == delivery.body
    assert running.url + delivery.path in words
    headers = [words[n + 1] for n, word in enumerate(words) if word == "-H"]
    assert headers == [f"{name}: {value}" for name, value in delivery.headers.items()]


def test_the_page_answers_this_machine_only(running: LocalRun) -> None:
    assert ask(running.url, "/")[0] == 200
    assert ask(running.url, "/local/state", Host="evil.example.com")[0] == 403
    wish = b'{"product":"facebook","text":"x","name":"Ana"}'
    plain = {"Content_Type": "text/plain"}
    assert ask(running.url, "/local/say", wish, **plain)[0] == 403
    foreign = {"Content_Type": "application/json", "Origin": "https://evil.example.com"}
    assert ask(running.url, "/local/say", wish, **foreign)[0] == 403
    assert ask(running.url, "/local/say", b"[]", Content_Type="application/json")[0] == 400


# --- the stand-in -------------------------------------------------------------------------------------------


def test_the_stand_in_fails_as_it_is_told_and_keeps_what_was_posted() -> None:
    on_event: list[Posted | Refusal] = []
    echoed: list[Posted] = []
    platforms = StandIn(echo=echoed.append, on_event=on_event.append)
    reply = Call("POST", "/graph.facebook.com/v25.0/77/comments", "", (), b'{"message":"Hello"}')

    def answer(fault: Fault | None) -> Answered | None:
        if fault:
            platforms.fail_next("77", fault)
        return platforms.answer(reply)

    rate, broken, lost, good = answer(Fault.RATE), answer(Fault.BROKEN), answer(Fault.LOST), answer(None)
    assert rate and rate.status == 429 and rate.headers["Retry-After"]
    assert broken and broken.status == 500
    assert lost is None
    assert good and good.status == 200
    assert [p.text for p in platforms.posted] == ["Hello", "Hello"]  # the lost one is out as well
    assert [r.fault for r in platforms.refused] == [Fault.RATE, Fault.BROKEN, Fault.LOST]
    until(lambda: [p.id for p in echoed] == [json.loads(good.body)["id"]])


def test_the_stand_in_notes_calls_that_it_does_not_know() -> None:
    platforms = StandIn()
    answer = platforms.answer(Call("POST", "/api.example.com/unknown", "", (), b"{}"))
    assert answer and answer.status == 404
    assert platforms.strange == ["POST api.example.com"]
