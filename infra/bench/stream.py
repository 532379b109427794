"""What the facts cost on a delivery's way: the same deliveries through receive and respond with the facts' bucket named
and without. The table's stream is read by a function of its own, so the calls have to be the same, and none to S3."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from time import process_time
from typing import Any

from chalicelib.apps import Apps
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from infra.bench.counted import CountedTable
from infra.local.deliveries import USUAL, author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.memory import VirtualClock
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Recorded
from infra.replay.replay import Replay
from infra.replay.services import NO_SETTINGS, ReplayServices

DELIVERIES, TIMES = 300, 5
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NAMED = NO_SETTINGS._replace(facts_bucket="facts")


def played(apps: Apps, playbook: Playbook, *, facts: bool) -> tuple[Counter[str], float]:
    """The calls by name, and the CPU seconds, of DELIVERIES questions until they are acknowledged."""
    recorded = []
    for n in range(DELIVERIES):
        at = START + timedelta(seconds=n)
        d = deliver(apps, SimulatedMessage(USUAL, f"Can I return this? {n}", author_id(str(n)), "Robin", str(n), at))
        recorded.append(Recorded(at, "POST", d.path, {}, d.headers, d.body))
    made: list[str] = []  # clients for what is not on the lean way: S3 is one

    def client(service: str, config: Mapping[str, Any]) -> Any:
        made.append(service)
        raise RuntimeError(f"a delivery's way asks {service}")

    table, clock = CountedTable(), VirtualClock(START)
    outcomes = Outcomes(StringIO(), clock)
    settings = NAMED if facts else NO_SETTINGS
    services = ReplayServices(apps, playbook, clock, outcomes, settings, table=table, client=client)
    began = process_time()
    Replay(recorded, services, outcomes).run(START + timedelta(seconds=DELIVERIES + 60))
    taken = process_time() - began
    return table.asked + Counter(made), taken


def main() -> int:
    apps, playbook = demo_apps(), read_playbook(DEFAULT_PLAYBOOK)
    pairs = [(played(apps, playbook, facts=False), played(apps, playbook, facts=True)) for _ in range(TIMES)]
    (without, _), (with_facts, _) = pairs[0]
    off, on = (min(pair[side][1] for pair in pairs) for side in (0, 1))
    same = without == with_facts
    calls = ", ".join(f"{name} {n / DELIVERIES:.2f}" for name, n in sorted(with_facts.items()) if n)
    verdict = "the same" if same else f"NOT the same ({dict(without)})"
    print(f"stream:  calls a delivery with the facts' bucket named: {calls}; {verdict} without it, none to S3;")
    print(f"         CPU {on / off:.2f} times (least of {TIMES} each, {DELIVERIES} questions)")
    return 0 if same else 1
