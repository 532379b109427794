"""A sweep costs what is due, not what waits: its calls and bytes for 100 due questions are the same amid a thousand
that wait and amid a hundred thousand."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.storage.store import SHARDS, Store
from chalicelib.storage.table import DynamoTable
from tests.quick_aws import QuickAws, State
from tests.world import NOW, MemoryWorld, message

DUE = 100


@dataclass
class Cost:
    """What went over the wire to DynamoDB."""

    calls: int = 0
    bytes: int = 0

    def through(self, name: str, do: Callable[[], Any]) -> Any:
        answer = do()
        self.calls += 1
        self.bytes += len(json.dumps(answer))
        return answer


def sweep_amid(waiting: int) -> tuple[Cost, int]:
    """The cost of the sweep that finds DUE questions, with so many others that wait; and how many it escalated."""
    cost, state = Cost(), State()
    world = MemoryWorld(store=Store(DynamoTable(QuickAws(state, cost.through), "earshot"), 90))
    for n in range(DUE):
        world.post(message(f"m{n}", f"hm, and what about number {n}?", author=f"psid-{n}"))
    world.run(timedelta(minutes=9))
    world.services.escalator.sweep(world.services.now)  # a first one also notes the playbook's clocks
    table = state.tables["earshot"]
    pattern = next(item for item in table.values() if "wake_at" in item)
    for n in range(waiting):
        key, later = f"t#messenger:1#other-{n}", f"2026-11-24T{n % 24:02}:00:00.000Z"
        shard = {"N": str(n % SHARDS)}
        table[key, "c#x"] = {**pattern, "pk": {"S": key}, "sk": {"S": "c#x"}, "shard": shard, "wake_at": {"S": later}}
    cost.calls = cost.bytes = 0
    world.virtual_clock.now = NOW + timedelta(minutes=10, seconds=30)
    assert world.services.escalator.sweep(world.services.now)
    return Cost(cost.calls, cost.bytes), len(world.records("escalation"))


def test_a_hundred_due_questions_cost_the_same_amid_a_hundred_thousand_that_wait() -> None:
    few, escalated = sweep_amid(1_000)
    many, escalated_too = sweep_amid(100_000)
    assert escalated == escalated_too == DUE
    assert many.calls <= 1.2 * few.calls
    assert many.bytes <= 1.2 * few.bytes
    assert few.calls <= 8 * DUE  # so a minute's sweep of it is hundreds of calls, not thousands
