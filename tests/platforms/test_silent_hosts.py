"""A platform that takes calls and answers none: the others' customers are told of in time all the same."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.platforms.http import REST_S, TIMEOUT_S, ApiCall, ConnectionRefused, NoAnswer, PlatformHttp
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.wire import Lost, NotConnected, Received
from infra.local.deliveries import deliver
from infra.local.demo_apps import demo_apps
from infra.replay.memory import Due, VirtualClock
from tests.world import NOW, MemoryWorld

APPS = demo_apps()
COMMON, URGENT = "What are your opening hours on Sunday?", "Your charger burned my daughter, my lawyer will sue you"
GRAPH = "https://graph.facebook.com/v25.0/me"


class Onward(VirtualClock):
    """A clock that whoever waits moves on."""

    def next(self, until: datetime) -> Due | None:
        before = self.now
        due = super().next(max(until, before))
        self.now = max(self.now, before)
        return due


class HangingWire:
    """The wire to platforms of which `silent` take a call and say nothing, until the time is out."""

    def __init__(self, silent: set[str]) -> None:
        self.silent, self.now = silent, 0.0
        self.calls: Counter[str] = Counter()
        self.posted: list[bytes] = []
        self.waited: Callable[[float], None] = lambda seconds: None

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Received:
        host = url.split("/")[2]
        self.calls[host] += 1
        if host in self.silent:
            self.now += TIMEOUT_S
            self.waited(TIMEOUT_S)
            raise Lost("TimeoutError")
        self.posted.append(body or b"")
        return Received(200, {}, b'{"id": "posted-%d"}' % len(self.posted))


def shop(wire: HangingWire) -> MemoryWorld:
    http: Any = PlatformHttp(wire=wire, clock=lambda: (world.virtual_clock.now - NOW).total_seconds())
    world = MemoryWorld(apps=APPS, http=http)
    world.virtual_clock.__class__ = Onward

    def waited(seconds: float) -> None:
        world.virtual_clock.now += timedelta(seconds=seconds)

    wire.waited = waited
    return world


def say(world: MemoryWorld, product: str, text: str, author: str) -> None:
    made = deliver(APPS, SimulatedMessage(product, text, author, "Ann", at=world.virtual_clock.now))
    assert world.request("POST", made.path, made.body, made.headers).status == 200


def test_an_urgent_matter_is_told_in_time_behind_many_questions_of_a_platform_that_hangs() -> None:
    wire = HangingWire({"graph.facebook.com"})
    world = shop(wire)
    for n in range(60):
        say(world, "facebook", COMMON, f"7700{n:02}")
    say(world, "x", URGENT, "660001")
    world.run(timedelta(minutes=30), sweep=True)
    told = [datetime.fromisoformat(row["at"]) for row in world.records("email") if "press" in row["to"]]
    assert told and told[0] - NOW <= timedelta(seconds=120)
    escalated = {row["conversation"].split(":")[3] for row in world.records("escalation")}
    assert {f"7700{n:02}" for n in range(60)} <= escalated


def test_what_waited_for_the_platform_is_said_once_when_it_answers_again() -> None:
    wire = HangingWire({"graph.facebook.com"})
    world = shop(wire)
    for n in range(20):
        say(world, "facebook", COMMON, f"7700{n:02}")
    world.run(timedelta(seconds=30))
    assert wire.calls["graph.facebook.com"] == 2 and not wire.posted
    wire.silent.clear()
    world.run(timedelta(minutes=8))
    assert len(wire.posted) == 18  # of two nobody knows whether they stand there
    world.run(timedelta(hours=2), sweep=True)
    assert len(wire.posted) == 18


@pytest.mark.parametrize("error", [Lost("TimeoutError"), NotConnected("TimeoutError")])
def test_a_silent_host_is_asked_once_a_minute_and_the_others_as_ever(error: Exception) -> None:
    asked: list[tuple[float, str]] = []

    class Wire:
        answers = False

        def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Received:
            asked.append((now[0], url.split("/")[2]))
            if not self.answers and "graph" in url:
                raise error
            return Received(200, {}, b"{}")

    now, wire = [0.0], Wire()
    http = PlatformHttp(wire=wire, clock=lambda: now[0])
    for second in range(int(3 * REST_S)):
        now[0] = float(second)
        with pytest.raises((ConnectionRefused, NoAnswer)):
            http.request(ApiCall("POST", GRAPH))
        assert http.request(ApiCall("POST", "https://api.x.com/2/tweets")).status == 200
    assert [at for at, host in asked if "graph" in host] == [0, 1, 61, 121]
    wire.answers, now[0] = True, 190.0
    assert [http.request(ApiCall("POST", GRAPH)).status for _ in range(3)] == [200] * 3


def test_one_call_without_an_answer_is_no_silence() -> None:
    wire = HangingWire({"graph.facebook.com"})
    http = PlatformHttp(wire=wire, clock=lambda: 0.0)
    for _ in range(5):
        wire.silent = {"graph.facebook.com"}
        with pytest.raises(NoAnswer):
            http.request(ApiCall("POST", GRAPH))
        wire.silent = set()
        assert http.request(ApiCall("POST", GRAPH)).status == 200
