"""A storm at the door: deliveries offered at a steady rate, whatever becomes of them, to the packaged receive under
Lambda's runtime client; most have nothing to do (a reaction), some ask. None may be lost, none answered too late.

The rate that is reached here is this machine's: its cores are shared with the offering side, with the queue's process
and with a Runtime API written in Python. What carries over is the processor time of one delivery, from which the
executions follow that a rate needs on Lambda.
"""

import itertools
import json
import queue
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

from chalicelib.apps import Apps, load_apps
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.settings import variables
from infra.bench.warm import sqs_that_counts
from infra.local.deliveries import USUAL, api_event, deliver
from infra.local.demo_apps import demo_text
from infra.local.deployed import built
from infra.local.lambda_runtime import Environment, function
from infra.replay.services import NO_SETTINGS

SECONDS, RATES = 60, (100, 1_000)
ENVIRONMENTS = 4
IDLE_EACH = 10  # reactions beside each question
PATIENCE_S = 2.0  # until the least patient platform gives a delivery up; the others wait five times as long or more
SHARE = 0.29  # of a core at 512 MB
SQS_MS = 6.0  # its answer within the region, while the execution is taken; an assumption


@dataclass(slots=True)
class Taken:
    """What became of what was offered: seconds from the moment of the offer to the answer, by kind; what failed."""

    idle: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> int:
    print(f"a storm at receive: {IDLE_EACH} reactions beside each question, {ENVIRONMENTS} environments")
    idle_us, asked_us = _costs()
    print(f"CPU a delivery: {idle_us:,.0f} µs with nothing to do, {asked_us:,.0f} µs for a question")
    held = [_held(rate, SECONDS) for rate in RATES]
    idle, asked = idle_us / 1e6 / SHARE, asked_us / 1e6 / SHARE + SQS_MS / 1000
    needed = RATES[-1] * (IDLE_EACH * idle + asked) / (IDLE_EACH + 1)
    print(f"{RATES[-1]:,} a second take {needed:,.1f} executions at once ({SHARE} of a core, SQS in {SQS_MS:g} ms)")
    return 0 if all(held) else 1


def _held(rate: int, seconds: int) -> bool:
    """Offers `rate` a second for so long, and says how it went; whether nothing was lost or late."""
    with _running() as (environments, counted, apps):
        taken, took = _offer(environments, _events(apps), rate, seconds)
        sent, kept = len(taken.asked), counted()
    every = sorted(taken.idle + taken.asked)
    late = sum(s > PATIENCE_S for s in every)
    reached = len(every) / took
    print(
        f"  offered {rate:,}/s for {seconds} s: answered {reached:,.0f}/s, {taken.failed} failed, "
        f"{sent - kept} of {sent:,} questions lost, p50 {every[len(every) // 2] * 1000:,.0f} ms, "
        f"slowest {every[-1]:.2f} s, {late:,} later than {PATIENCE_S:g} s"
    )
    return not (taken.failed or late or sent - kept)


def _costs() -> tuple[float, float]:
    """µs of CPU of the function for a delivery with nothing to do, and for a question; the least of five rounds."""
    with _running(1) as (environments, _, apps):
        (environment,) = environments
        rounds = [[_cpu(environment, event) for event in _pair(apps)] for _ in range(6)][1:]
    idle, asked = (min(costs) for costs in zip(*rounds, strict=True))
    return idle, asked


def _cpu(environment: Environment, event: bytes, times: int = 200) -> float:
    before = environment.cpu_s()
    for _ in range(times):
        environment.invoke_raw(event)
    return (environment.cpu_s() - before) / times * 1e6


@contextmanager
def _running(count: int = ENVIRONMENTS) -> Iterator[tuple[list[Environment], Callable[[], int], Apps]]:
    """`count` environments of receive, how many messages its queue took, and the registrations."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        apps_file = folder / "apps.json"
        apps_file.write_text(demo_text())
        port, counted = stack.enter_context(sqs_that_counts())
        at = f"http://127.0.0.1:{port}"
        named = variables(NO_SETTINGS._replace(inbox_url=f"{at}/inbox", apps_file=str(apps_file))) | {
            "AWS_ENDPOINT_URL": at,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        task = built() / "task"
        made = [stack.enter_context(function(task, "app.app", named)) for _ in range(count)]
        yield made, counted, load_apps(apps_file.read_text("utf-8"))


def _pair(apps: Apps, number: int = 0) -> tuple[bytes, bytes]:
    """A reaction and a question, as API Gateway hands them on."""
    author, name = f"7{number:07}", "Robin"
    reaction = SimulatedMessage(USUAL, "", author=author, name=name, verb="react")
    question = SimulatedMessage(USUAL, "Can I return this dress?", author=author, name=name)
    made = [json.dumps(api_event(deliver(apps, said))).encode() for said in (reaction, question)]
    return made[0], made[1]


def _events(apps: Apps) -> Iterator[tuple[bool, bytes]]:
    """(it asks, event): some hundred different ones, again and again."""
    pairs = [_pair(apps, number) for number in range(50)]
    for number in itertools.count():
        asks = number % (IDLE_EACH + 1) == IDLE_EACH
        yield asks, pairs[number % len(pairs)][asks]


def _offer(
    environments: list[Environment], events: Iterator[tuple[bool, bytes]], rate: int, seconds: int
) -> tuple[Taken, float]:
    """Each delivery is offered at its own moment, whether or not those before it have been answered."""
    waiting: queue.SimpleQueue[tuple[float, bool, bytes] | None] = queue.SimpleQueue()
    taken = [Taken() for _ in environments]
    threads = [
        Thread(target=_work, args=(e, waiting, t), daemon=True) for e, t in zip(environments, taken, strict=True)
    ]
    for thread in threads:
        thread.start()
    started = monotonic()
    for number in range(rate * seconds):
        at = started + number / rate
        if (ahead := at - monotonic()) > 0.002:
            sleep(ahead)
        waiting.put((at, *next(events)))
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    took = monotonic() - started
    one = Taken()
    for part in taken:
        one.idle += part.idle
        one.asked += part.asked
        one.failed += part.failed
    return one, took


def _work(environment: Environment, waiting: Any, taken: Taken) -> None:
    while (offered := waiting.get()) is not None:
        at, asks, event = offered
        answer = json.loads(environment.invoke_raw(event))
        if answer["statusCode"] != 200:
            taken.failed += 1
        (taken.asked if asks else taken.idle).append(monotonic() - at)


if __name__ == "__main__":
    sys.exit(main())
