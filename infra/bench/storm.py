"""`make storm`: a hundred thousand comments under one post in an hour, and ten thousand questions that fall due in one
minute, through the real handlers on a virtual clock: e-mails, caps, and the seconds of work on Lambda.

Time in it is virtual, so it says nothing about speed by itself. The seconds are worked out: the CPU time measured here,
on the share of a core that the template's memory buys, and the calls that were counted, each with the latency given.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from time import process_time
from typing import Any

import yaml

import app
from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email
from chalicelib.conversations.conversation import Outcome
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.reports.facts import Deriver
from chalicelib.reports.stream import FactsOfChanges
from infra.bench.counted import CountedTable
from infra.given_numbers import whole
from infra.local.deliveries import author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.memory import MemoryMailer, VirtualClock
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Recorded
from infra.replay.replay import Replay
from infra.replay.services import NO_SETTINGS, ReplayServices
from infra.stack.package import ROOT

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday morning
COMMENTS, RUSH = 100_000, 10_000
BATCH = 100  # comments in one delivery
# The first platform whose questions stand under a post, and the first whose are messages
PUBLIC, DIRECT = (
    next(name for name in platforms.PRODUCTS if platforms.product(name).simulation.direct is direct)
    for direct in (False, True)
)
AFTER = timedelta(hours=8)  # so long that every step has come
CORE_MB = 1769  # Lambda's memory that buys one core
# Milliseconds a call: what AWS and those who measured it give for one region, rounded up
CALL_MS, SES_MS = 6.0, 60.0
TEXT = "Where is my parcel? It was to be here yesterday."
PROMISE = timedelta(seconds=120)  # from due until told


@dataclass(slots=True)
class Meter:
    """CPU seconds and calls by function; queue and Step Functions calls are one each for what they send."""

    table: CountedTable = field(default_factory=CountedTable)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def measured(self, *names: str) -> Iterator[None]:
        """Measures these functions of app.py while inside."""
        before = {name: getattr(app, name) for name in names}
        for name, function in before.items():
            setattr(app, name, self._metered(name, function))
        try:
            yield
        finally:
            for name, function in before.items():
                setattr(app, name, function)

    def _metered(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def metered(*arguments: Any) -> Any:
            began, calls = process_time(), self.table.asked.total()
            try:
                return function(*arguments)
            finally:
                self.seconds[name] += process_time() - began
                self.calls[name] += self.table.asked.total() - calls

        return metered


class Progress(StringIO):
    """Where the outcomes go: counted, and every tenth delivery told on the terminal."""

    def __init__(self, deliveries: int) -> None:
        super().__init__()
        self._deliveries = deliveries
        self.replies: Counter[str] = Counter()

    def write(self, line: str) -> int:
        row = json.loads(line)
        if row["type"] == "reply":
            self.replies[row["result"]] += 1
        elif row["type"] == "delivery" and (row["index"] + 1) % max(1, self._deliveries // 10) == 0:
            print(f"  {row['index'] + 1:,} of {self._deliveries:,} deliveries", file=sys.stderr, flush=True)
        return len(line)


class DatedMailer(MemoryMailer):
    """Keeps when each e-mail was sent, to the hour."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.hours: list[str] = []

    def send(self, email: Email) -> str:
        self.hours.append(f"{self.clock.now:%dT%H}")
        return super().send(email)


def played(recorded: list[Recorded], apps: Apps, playbook: Playbook, meter: Meter) -> tuple[ReplayServices, Progress]:
    """The recording through the real handlers, until AFTER its end."""
    out, clock = Progress(len(recorded)), VirtualClock(recorded[0].at)
    outcomes, mailer = Outcomes(out, clock), DatedMailer(clock)
    services = ReplayServices(apps, playbook, clock, outcomes, NO_SETTINGS, table=meter.table, mailer=mailer)
    with meter.measured("escalate", "sweep", "notify"):
        Replay(recorded, services, services.telemetry).run(recorded[-1].at + AFTER)  # type: ignore[arg-type]
    return services, out


def comments(apps: Apps, count: int) -> list[Recorded]:
    """So many under one post within an hour."""
    made = []
    for first in range(0, count, BATCH):
        at = START + timedelta(hours=1) * first / count
        said = [
            SimulatedMessage(PUBLIC, TEXT, author_id(str(n)), f"Customer {n}", id=f"8{n:09}", at=at)
            for n in range(first, min(first + BATCH, count))
        ]
        d = deliver(apps, *said)
        made.append(Recorded(at, "POST", d.path, {}, d.headers, d.body))
    return made


def messages(apps: Apps, count: int) -> list[Recorded]:
    """So many private messages within one second."""
    made = []
    for first in range(0, count, BATCH):
        said = [
            SimulatedMessage(DIRECT, TEXT, author_id(str(n)), f"Customer {n}", id=f"8{n:09}", at=START)
            for n in range(first, min(first + BATCH, count))
        ]
        d = deliver(apps, *said)
        made.append(Recorded(START + timedelta(seconds=1) * first / count, "POST", d.path, {}, d.headers, d.body))
    return made


def storm(apps: Apps, playbook: Playbook, count: int) -> bool:
    """The hour under one post; whether everything stayed within its bounds."""
    meter = Meter()
    services, out = played(comments(apps, count), apps, playbook, meter)
    sent = services.mailer.sent  # type: ignore[attr-defined]
    caps, bundling = playbook.caps, playbook.bundling
    by_hour = Counter((e.to, n) for e, n in zip(sent, services.mailer.hours, strict=True))  # type: ignore[attr-defined]
    bound = bundling.emails_per_hour + 4
    print(f"{count:,} comments under one post in an hour, nobody answers; {playbook.shop.name}'s playbook")
    print(f"  automatic replies  {out.replies['sent']:,}; at most {caps.post_per_hour} a post and hour by the clock")
    ok = out.replies["sent"] <= 2 * caps.post_per_hour  # the hour by the clock may change in between
    for tier in sorted({e.tags["tier"] for e in sent}):
        ok &= _tier(services, tier, count)
    print(
        f"  e-mails            {len(sent)}, at most {max(by_hour.values(), default=0)} to one mailbox in an hour;",
        end="",
    )
    print(f" the bound is {bound}: emails.digest_over and a digest a quarter of an hour")
    return ok and max(by_hour.values(), default=0) <= bound and reconciled(services, playbook, meter.table, count)


def reconciled(services: ReplayServices, playbook: Playbook, table: CountedTable, count: int) -> bool:
    """Whether each question has one fact after it, and each fact a stored question."""
    facts = FactsOfChanges(table, Deriver(playbook, services.keys))
    derived, stored = [f.question for f in facts.everything()], set(facts.stored())
    exact = len(derived) == len(stored) == count and set(derived) == stored
    print(f"  the ledger         {len(derived):,} facts of {len(stored):,} stored questions: ", end="")
    print("exact" if exact else f"NOT exact: {len(stored - set(derived)):,} have none")
    return exact


def _tier(services: ReplayServices, tier: str, count: int) -> bool:
    """One step: its e-mails, and whether each question stands in exactly one of them."""
    sent = [e for e in services.mailer.sent if e.tags["tier"] == tier]  # type: ignore[attr-defined]
    notices = [n for c in services.store.conversations() for n in c.notices.values() if str(n.tier) == tier]
    told = [n for n in notices if n.state is Outcome.SENT and n.sent_at]
    waits = sorted(n.sent_at - n.due_at for n in told if n.sent_at)
    listed = sum(len(re.findall(re.escape(TEXT), e.text)) for e in sent)
    to = ", ".join(sorted({e.to for e in sent}))
    print(f"  step {tier}             {len(told):,} questions in {len(sent)} e-mails to {to}, each in exactly one;")
    print(f"                     {listed:,} listed with their buttons, {len(told) - listed:,} counted;")
    usual, longest = _span(waits[len(waits) // 2]), _span(waits[-1])
    print(f"                     told {usual} after they fell due (median), {longest} at most")
    return len(told) == len(notices) == count and len({n.id for n in told}) <= len(sent)


def rush(apps: Apps, playbook: Playbook, count: int) -> None:
    """So many private questions that fall due in one minute: the seconds until the last is told."""
    meter = Meter()
    services, _ = played(messages(apps, count), apps, playbook, meter)
    tiers = len(playbook.tiers(None))
    core, notifiers = _template()
    handled = count * tiers
    sweeping = meter.seconds["escalate"] + meter.seconds["sweep"]
    calls = (meter.calls["escalate"] + meter.calls["sweep"]) / handled + 2  # and SQS, and Step Functions
    escalating = sweeping / handled / core + calls * CALL_MS / 1000
    notify_calls = meter.calls["notify"] / handled
    emails = len(services.mailer.sent) / handled  # type: ignore[attr-defined]
    notifying = meter.seconds["notify"] / handled / core + (notify_calls * CALL_MS + emails * SES_MS) / 1000
    per_s = min(_SWEEPERS / escalating, notifiers / notifying)
    print(f"\n{count:,} private questions that fall due in one minute")
    print(
        f"  escalate  {sweeping / handled * 1000:.2f} ms CPU here, {calls:.1f} calls a question: "
        f"{escalating * 1000:.0f} ms on {core:.2f} of a core and {CALL_MS:.0f} ms a call; {_SWEEPERS} sweeps at once"
    )
    print(
        f"  notify    {meter.seconds['notify'] / handled * 1000:.2f} ms CPU here, {notify_calls:.1f} calls a question: "
        f"{notifying * 1000:.0f} ms; {notifiers} at once (MaximumConcurrency)"
    )
    print(
        f"  all are worked on after {count / per_s:,.0f} s; within {PROMISE.seconds} s: {per_s * PROMISE.seconds:,.0f}"
    )
    most = playbook.bundling.emails_per_hour
    print(f"  a mailbox gets {most} e-mails an hour at once; what comes after stands in digests")
    print(
        "  alarms that tell: OverdueAlarm (escalated over 120 s late), EscalationsAgeAlarm (not mailed for ten minutes)"
    )


_SWEEPERS = 2  # the timer's and the schedule's


def _template() -> tuple[float, int]:
    """The share of a core that a function has, and how many of notify run at once, in a new stack."""
    parameters = yaml.safe_load((ROOT / "infra/stack/resources.yaml").read_text("utf-8"))["Parameters"]
    return parameters["Memory"]["Default"] / CORE_MB, int(parameters["NotifyConcurrency"]["Default"])


def _span(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.storm", description=__doc__.splitlines()[0])
    parser.add_argument("--comments", type=whole(1), default=COMMENTS)
    parser.add_argument("--rush", type=whole(1), default=RUSH, help="questions that fall due in one minute")
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK)
    options = parser.parse_args(arguments)
    apps, playbook = demo_apps(), read_playbook(options.playbook)
    ok = storm(apps, playbook, options.comments)
    rush(apps, playbook, options.rush)
    print("\nwithin its bounds" if ok else "\nNOT within its bounds")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
