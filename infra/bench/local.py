"""How fast the local parts are: replay, and receive's way beside a bare Chalice view."""

import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import app
from chalicelib.apps import Apps
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from infra.local.deliveries import USUAL, Delivery, author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.local.gateway import Gateway
from infra.replay.memory import VirtualClock
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Recorded
from infra.replay.replay import replay
from infra.replay.sample import TEXTS
from infra.replay.services import ReplayServices

DELIVERIES = 10_000
REQUESTS = 2_000
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def main() -> int:
    apps, playbook = demo_apps(), load_playbook(DEFAULT_PLAYBOOK.read_text("utf-8"))
    recorded = comments(apps, DELIVERIES)
    seconds = _timed(lambda: replay(recorded, apps, playbook, timedelta(hours=72), StringIO()))
    print(f"replay: {DELIVERIES:,} deliveries and the 72 hours after them in {seconds:.1f} s")
    print(f"        {DELIVERIES / seconds:,.0f} deliveries a second, {_peak_mb():.0f} MB at the most")
    bare, receive = _bare(recorded[0]), _receive(apps, playbook, recorded[0])
    print(f"receive: {receive * 1e6 / REQUESTS:,.0f} µs a delivery (verify, parse, queue), a bare Chalice view")
    print(f"         {bare * 1e6 / REQUESTS:,.0f} µs: {receive / bare:.1f} times")
    return 0


def comments(apps: Apps, count: int) -> list[Recorded]:
    """So many questions and other comments under one post, one each two seconds."""
    made = [_comment(apps, number) for number in range(count)]
    return [Recorded(at, "POST", d.path, {}, d.headers, d.body) for at, d in made]


def _comment(apps: Any, number: int) -> tuple[datetime, Delivery]:
    at = START + timedelta(seconds=2 * number)
    text = TEXTS[number % len(TEXTS)]
    return at, deliver(apps, SimulatedMessage(USUAL, text, author_id(str(number)), "Robin", id=f"8{number:09}", at=at))


def _bare(delivery: Recorded) -> float:
    """Seconds for REQUESTS through a view that does nothing."""
    empty = app.Earshot(app_name="bare")
    empty.route("/webhooks/{platform}/{key}", methods=["POST"])(lambda platform, key: "ok")
    return _timed(lambda: _many(Gateway(empty), delivery))


def _receive(apps: Any, playbook: Any, delivery: Recorded) -> float:
    """Seconds for REQUESTS through receive, with the inbox in memory."""
    virtual_clock = VirtualClock(START)
    previous, app.services = (
        app.services,
        ReplayServices(apps, playbook, virtual_clock, Outcomes(StringIO(), virtual_clock)),
    )
    try:
        return _timed(lambda: _many(Gateway(app.app), delivery))
    finally:
        app.services = previous


def _many(gateway: Gateway, delivery: Recorded) -> None:
    call = delivery.call()
    for _ in range(REQUESTS):
        gateway.answer(call)


def _timed(do: Callable[[], Any]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
