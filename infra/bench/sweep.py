"""What a sweep's time depends on: 100 questions fall due amid a thousand that wait, and amid a hundred thousand. The
calls and bytes are bounded by a test (tests/handlers/test_sweep_cost.py); here is the CPU time, side by side."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from time import process_time

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.storage.item_keys import ConversationKey, conversation_key
from chalicelib.storage.store import SHARDS
from infra.local.deliveries import author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.memory import MemoryTable, VirtualClock
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Recorded
from infra.replay.replay import Replay
from infra.replay.services import NO_SETTINGS, ReplayServices

DUE, FEW, MANY, TIMES = 100, 1_000, 100_000, 5
DIRECT = next(name for name in platforms.PRODUCTS if platforms.product(name).simulation.direct)
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def sweep_s(apps: Apps, playbook: Playbook, waiting: int) -> float:
    """CPU seconds of the sweep that finds DUE questions amid so many that wait."""
    said = [SimulatedMessage(DIRECT, "Where is it?", author_id(str(n)), "Robin", at=START) for n in range(DUE)]
    d, table, clock = deliver(apps, *said), MemoryTable(), VirtualClock(START)
    outcomes = Outcomes(StringIO(), clock)
    services = ReplayServices(apps, playbook, clock, outcomes, NO_SETTINGS, table=table)
    recorded = [Recorded(START, "POST", d.path, {}, d.headers, d.body)]
    Replay(recorded, services, outcomes).run(START + timedelta(minutes=9))
    pattern = next(item for item in table.everything() if item.wake_at)
    for n in range(waiting):
        later = START + timedelta(days=1, seconds=n)
        table.put(
            replace(
                pattern,
                key=conversation_key(ConversationKey(DIRECT, "1", f"other-{n}", "x")),
                rev=0,
                shard=n % SHARDS,
                wake_at=later,
            )
        )
    clock.now = START + timedelta(minutes=10, seconds=30)
    began = process_time()
    services.escalator.sweep(services.now)
    return process_time() - began


def main() -> int:
    apps, playbook = demo_apps(), read_playbook(DEFAULT_PLAYBOOK)
    pairs = [(sweep_s(apps, playbook, FEW), sweep_s(apps, playbook, MANY)) for _ in range(TIMES)]
    few, many = (min(times) for times in zip(*pairs, strict=True))
    print(f"sweep:   {DUE} due amid {FEW:,} waiting {few * 1000:.1f} ms CPU, amid {MANY:,} {many * 1000:.1f} ms:")
    print(f"         {many / few:.2f} times (least of {TIMES} each)")
    return 0
