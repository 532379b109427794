"""P2 under faults: whatever single call fails once, an urgent question reaches its people within 120 seconds.

The calls are found by recording a run without faults: every one of the table, the queues, the timer, the mailer and the
registrations, on replay's virtual clock and with the visibility and retry figures of resources.yaml.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.apps import AppsError
from chalicelib.aws.client import AwsError
from chalicelib.aws.mailer import Email, MailRefused, MailUnknown
from chalicelib.aws.queues import QueueUnavailable, retry_after
from chalicelib.aws.timer import TimerError
from chalicelib.storage.store import Store
from infra.local.events import send_event
from infra.replay.memory import VirtualClock
from infra.replay.services import NO_SETTINGS, REPLAY_KEYS, ReplayServices
from infra.stack.definitions import redeliveries
from tests.world import APPS, NOW, MemoryWorld, comment, delivery, playbook

URGENT = delivery(comment("c1", "your lamp caught fire and burned my child, my lawyer will call you"))
PROMISED = timedelta(seconds=120)
SES_TELLS = timedelta(seconds=2)


@dataclass
class OneFault:
    """Counts calls; the one numbered `at` fails before it is made."""

    at: int = 0
    names: list[str] = field(default_factory=list)

    def call(self, name: str, do: Callable[[], Any], error: Exception) -> Any:
        self.names.append(name)
        if len(self.names) == self.at:
            raise error
        return do()


class Failing:
    """`inner`, whose methods fail as `fault` says, with `error`."""

    def __init__(self, inner: Any, fault: OneFault, error: Exception) -> None:
        self._inner, self._fault, self._error = inner, fault, error

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):
            return method
        label = f"{type(self._inner).__name__}.{name}"
        return lambda *given, **named: self._fault.call(label, lambda: method(*given, **named), self._error)


@dataclass
class TimedMailer:
    """Keeps when each e-mail went out, and tells of it by an event, as SES does."""

    clock: VirtualClock
    sent_at: list[datetime] = field(default_factory=list)

    def send(self, email: Email) -> str:
        self.sent_at.append(self.clock.now)
        id = f"mail-{len(self.sent_at)}"
        self.clock.add(self.clock.now + SES_TELLS, "mail-events", json.dumps(send_event(id, email.to, email.tags)))
        return id


def told_after(fault: OneFault, ses: Exception | None = None) -> list[timedelta]:
    """When the urgent question's e-mails went out, from the moment the platform first sent it. `ses`: how SES fails."""
    shop = MemoryWorld()
    made, clock, mailer = shop.services, shop.virtual_clock, TimedMailer(shop.virtual_clock)
    throttled, refused = AwsError("ThrottlingException"), QueueUnavailable("ThrottlingException")

    def read(name: str, what: Any, error: Exception) -> Any:
        return lambda: fault.call(name, lambda: what, error)

    wrapped: Any = {
        "store": Store(Failing(made.store.table, fault, throttled), 90),
        **{name: Failing(getattr(made, name), fault, refused) for name in ("inbox", "due", "escalations")},
        "timer": Failing(made.timer, fault, TimerError("ThrottlingException")),
        "mailer": Failing(mailer, fault, ses or MailRefused("TooManyRequestsException", again=True)),
        "visibility": made.visibility,
        "registrations": read("registrations", APPS, AppsError("the registrations cannot be read")),
        "stack_keys": read("keys", REPLAY_KEYS, AwsError("InternalServiceError")),
        "http": shop.platforms,
    }
    shop.services = ReplayServices(APPS, playbook(), clock, shop.outcomes, NO_SETTINGS, **wrapped)
    while shop.post(URGENT) != 200:  # the platform sends again what it got a 503 for
        clock.now += timedelta(seconds=20)
    shop.run(timedelta(minutes=4), sweep=True)
    return [at - NOW for at in mailer.sent_at]


def test_an_urgent_question_reaches_its_people_at_once() -> None:
    fault = OneFault()
    told = told_after(fault)
    assert len(told) == 1
    assert told[0] <= timedelta(seconds=1)
    assert {"ComparedTable.put", "MemoryQueue.send", "MemoryTimer.wake", "TimedMailer.send", "registrations"} <= {
        *fault.names
    }


def test_no_single_fault_makes_it_late_or_double() -> None:
    recorded = OneFault()
    told_after(recorded)
    late = {}
    for at, name in enumerate(recorded.names, start=1):
        told = told_after(OneFault(at))
        if len(told) != 1 or told[0] > PROMISED:
            late[f"{at}: {name}"] = told
    assert late == {}


def test_an_email_of_which_ses_says_nothing_goes_out_again_in_time() -> None:
    recorded = OneFault()
    told_after(recorded)
    at = recorded.names.index("TimedMailer.send") + 1
    told = told_after(OneFault(at), MailUnknown("ReadTimeoutError"))
    assert len(told) == 1 and told[0] <= PROMISED


def test_what_failed_comes_again_in_seconds_and_an_outage_of_half_an_hour_makes_no_dead_letters() -> None:
    assert retry_after(1) <= timedelta(seconds=10)
    for name in ("InboxQueue", "DueQueue", "EscalationsQueue", "MailEventsQueue", "IncomingMailQueue"):
        waits = [retry_after(n) for n in range(1, redeliveries()[name].receives)]
        assert waits == sorted(waits)
        assert sum(waits, timedelta()) >= timedelta(minutes=30)
    assert retry_after(10_000) == max(waits) < PROMISED  # and when it is over, what is urgent is told in time
