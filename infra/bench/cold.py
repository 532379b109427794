"""How much processor time a cold start takes under Lambda's runtime client, beside a bare Chalice handler.

CPU milliseconds, because a function of 512 MB has 0.29 of a core and seconds depend on who else uses this machine. The
floor of each function is a process under the same client that imports the standard library's modules which the
function uses and nothing else: what stands above it is ours, Chalice's and the libraries'.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import USUAL, Delivery, api_event, deliver, inbox_event
from infra.local.deployed import Deployed, deployed
from infra.local.events import message, rest_event, schedule_event, sqs_event
from infra.local.lambda_runtime import bare_chalice, function
from infra.local.loopback import Call

RUNS = 10
POWERTOOLS = "respond's library"
PROBE = """import sys

from app import app, respond, escalate, notify, sweep, mail_events, incoming_mail, doctor

NAMES = dict(app=app, respond=respond, escalate=escalate, notify=notify)


def handler(event, context):
    NAMES[event["function"]](event["event"], context)
    ours = sys.stdlib_module_names | {"aws_lambda_powertools"}
    return sorted(m for m in sys.modules if m.partition(".")[0] in ours)
"""
FLOOR = """import importlib

for name in {modules!r}:
    try:
        importlib.import_module(name)
    except Exception:
        pass


def handler(event, context):
    return None
"""
_numbers = count(1)


@dataclass(slots=True)
class Row:
    """CPU milliseconds of each run: from the start of the process until it asks for work, of the first and the second
    invocation."""

    name: str
    init: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)


def main() -> int:
    with deployed(poll=False) as running, tempfile.TemporaryDirectory() as scratch:
        for line in table(running, Path(scratch)):
            print(line)
    return 0


def table(running: Deployed, scratch: Path) -> list[str]:
    """Each function beside its floor and a bare Chalice handler, run by run in turn."""
    events: Mapping[str, Callable[[], Any]] = {
        "app": lambda: api_event(_comment(running)),
        "respond": lambda: inbox_event(_comment(running), f"bench-{next(_numbers)}"),
        "escalate": lambda: sqs_event([message('{"v": 1, "wake_at": "2026-11-21T10:00:00Z"}')], "due"),
        "sweep": lambda: schedule_event(datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
    }
    task = running.task
    bare = bare_chalice(task, _folder(scratch, "bare"))
    floors = {name: _floor(running, name, events[name](), scratch) for name in ("app", "respond")}
    with_powertools = _floor(running, "respond", events["respond"](), scratch, powertools=True)
    rows = {name: Row(name) for name in ("bare", *(f"floor {n}" for n in floors), POWERTOOLS, *events)}
    for _ in range(RUNS):
        _measure(rows["bare"], bare, "app.app", {"AWS_DEFAULT_REGION": "eu-central-1"}, _root)
        for name, folder in floors.items():
            _measure(rows[f"floor {name}"], folder, "floor.handler", {}, lambda: {})
        _measure(rows[POWERTOOLS], with_powertools, "floor.handler", {}, lambda: {})
        for name, event in events.items():
            _measure(rows[name], task, f"app.{name}", running.variables(name), event)
    return [*_lines(rows, set(floors)), "", *_memory(rows)]


SIZES = (256, 512, 1_024, 1_769)  # MB; AWS gives one whole core at 1,769 and less in proportion
CORE_MB = 1_769
GB_SECOND = 0.0000133334  # US dollars, as infra/stack/prices.yaml has it
WAITS = {
    "app": (40, 6),
    "respond": (120, 60),
}  # ms for answers of AWS and a platform: the first time, and warm; assumed


def _memory(rows: Mapping[str, Row]) -> list[str]:
    """What a size makes of the processor time measured above: from a start to the first answer, warm, and dollars for
    a million warm invocations. A start has a whole core, whatever the size."""
    lines = [f"{'by memory':<12}{'MB':>7}{'start to answer, ms':>22}{'warm, ms':>11}{'$ a million':>13}"]
    for name, (first_wait, wait) in WAITS.items():
        row = rows[name]
        for size in SIZES:
            share = min(1.0, size / CORE_MB)
            start = min(row.init) + min(row.first) / share + first_wait
            warm = min(row.second) / share + wait
            cost = warm / 1000 * size / 1024 * GB_SECOND * 1e6
            lines.append(f"{name:<12}{size:>7,}{start:>22,.0f}{warm:>11,.0f}{cost:>13,.2f}")
    return lines


def _measure(row: Row, task: Path, handler: str, variables: Mapping[str, str], event: Callable[[], Any]) -> None:
    with function(task, handler, variables) as environment:
        times = [environment.cpu_s()]
        for _ in range(2):
            environment.invoke(event())
            times.append(environment.cpu_s())
    row.init.append(times[0] * 1000)
    row.first.append((times[1] - times[0]) * 1000)
    row.second.append((times[2] - times[1]) * 1000)


def _lines(rows: Mapping[str, Row], floors: set[str]) -> list[str]:
    bare = min(rows["bare"].init)
    lines = [
        f"CPU ms under the runtime client, least of {RUNS}; above the floor: over the stdlib modules it imports",
        f"{'':<18}{'init':>7}{'first':>8}{'second':>8}{'init above floor':>18}{'with first':>12}{'init / bare':>13}",
    ]
    for name, row in rows.items():
        init, first = min(row.init), min(row.first)
        shown = f"{name:<18}{init:>7.0f}{first:>8.0f}{min(row.second):>8.1f}"
        if name == POWERTOOLS:
            shown += f"{init - min(rows['floor respond'].init):>18.0f}  (powertools' logger, metrics and batches alone)"
        if name in floors:
            over = init - min(rows[f"floor {name}"].init)
            shown += f"{over:>18.0f}{over + first:>12.0f}{init / bare:>13.1f}"
        lines.append(shown)
    return lines


def _floor(running: Deployed, name: str, event: Any, scratch: Path, *, powertools: bool = False) -> Path:
    """A folder with a handler that imports the standard library's modules of `name`, and nothing else; or what it
    imports of `powertools` too."""
    kind = f"{name}-powertools" if powertools else name
    probe = _folder(scratch, f"probe-{kind}")
    with ExitStack() as stack:
        _link(running.task, probe)
        (probe / "probe.py").write_text(PROBE)
        environment = stack.enter_context(function(probe, "probe.handler", running.variables(name)))
        modules = environment.invoke({"function": name, "event": event})
    folder = _folder(scratch, f"floor-{kind}")
    if powertools:
        _link(running.task, folder)
    else:
        modules = [module for module in modules if not module.startswith("aws_lambda_powertools")]
    (folder / "floor.py").write_text(FLOOR.format(modules=modules))
    return folder


def _link(task: Path, folder: Path) -> None:
    for path in task.iterdir():
        (folder / path.name).symlink_to(path)


def _folder(scratch: Path, name: str) -> Path:
    folder = scratch / name
    folder.mkdir()
    return folder


def _root() -> Any:
    return rest_event(Call("GET", "/", "", ()), "/", {})


def _comment(running: Deployed) -> Delivery:
    """A question that is acknowledged, by somebody who has not asked before, under a post of its own."""
    number = next(_numbers)
    said = SimulatedMessage(USUAL, "Do you ship to Norway?", f"70{number:06}", "Robin", id=f"9{number:08}")
    return deliver(running.apps, said)
