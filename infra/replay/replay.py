"""Plays a recording through the real handlers on a virtual clock, and writes what came of it."""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TextIO

from chalice.app import SQSEventConfig

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.codec import to_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.handlers.respond import without_work
from infra.local.events import schedule_event
from infra.local.gateway import Gateway
from infra.replay.memory import (
    Deliverer,
    Due,
    MemoryTable,
    VirtualClock,
)
from infra.replay.outcomes import Outcomes
from infra.replay.recording import Line, Recorded
from infra.replay.services import NO_SETTINGS, ReplayServices
from infra.replay.story import (
    PUBLIC_URL,
    REPLY_DOMAIN,
    Mail,
    MailEvent,
    Opened,
    PlatformAnswers,
    StaffAct,
    StaffRoom,
)


class Replay:
    """Plays the clock: deliveries, queue messages, timers and the safety schedule, in the order of their times."""

    def __init__(self, recorded: Sequence[Line], services: ReplayServices, outcomes: Outcomes) -> None:
        # app.py makes its services when it is imported: not before a replay has made its own
        import app

        self._entry: Any = app
        self._gateway = Gateway(app.app)
        self._recorded = [line for line in recorded if isinstance(line, Recorded)]
        self._story = [line for line in recorded if not isinstance(line, Recorded)]
        self._opened: dict[int, Opened | None] = {}
        self._staff = StaffRoom(services, lambda: services.mailer.sent, self._gateway.answer)  # type: ignore[attr-defined]
        self._services = services
        self._outcomes = outcomes
        self._sweep_every = timedelta(minutes=app.SWEEP_MINUTES)
        self._deliverer = Deliverer(services.virtual_clock, services.visibility)  # type: ignore[arg-type]
        self._at_once: dict[str, int] = {
            str(source.queue): source.batch_size
            for source in app.app.event_sources
            if isinstance(source, SQSEventConfig)
        }

    def run(self, until: datetime) -> None:
        """Everything up to `until`."""
        previous, self._entry.services = self._entry.services, self._services
        virtual_clock = self._services.virtual_clock
        steps: dict[str, Callable[[Due], Any]] = {
            "delivery": self._deliver,
            "inbox": lambda due: self._queue(due, self._entry.respond),
            "escalations": lambda due: self._queue(due, self._entry.notify),
            "due": lambda due: self._queue(due, self._entry.escalate),
            "sweep": lambda due: self._sweep(),
            "quarantine": lambda due: self._outcomes.count("quarantined"),
            "mail-events": lambda due: self._queue(due, self._entry.mail_events),
            "incoming-mail": lambda due: self._queue(due, self._entry.incoming_mail),
            "story": lambda due: self._tell(int(due.body)),
            "opened": lambda due: self._open(int(due.body)),
        }
        try:
            for index, delivery in enumerate(self._recorded):
                virtual_clock.add(delivery.at, "delivery", str(index))
            for index, line in enumerate(self._story):
                if isinstance(line, StaffAct) and line.shown_at:
                    virtual_clock.add(line.shown_at, "opened", str(index))
                virtual_clock.add(line.at, "story", str(index))
            virtual_clock.add(virtual_clock.now + self._sweep_every, "sweep")
            while due := virtual_clock.next(until):
                steps[due.name](due)
        finally:
            self._entry.services = previous

    def _deliver(self, due: Due) -> None:
        index = int(due.body)
        recorded = self._recorded[index]
        queued = self._services.virtual_clock.added
        answer = self._gateway.answer(recorded.call())
        self._outcomes.answered(index, answer.status, answer.body.decode("utf-8", "replace"))
        if self._services.virtual_clock.added > queued:  # respond tells of what it skips
            return
        if recorded.method == "POST" and answer.status == 200 and recorded.path.startswith("/webhooks/"):
            self._outcomes.skipped(self._skipped(recorded))

    def _skipped(self, recorded: Recorded) -> list[str]:
        """What receive has dropped, because the delivery carries nothing to do."""
        _, _, platform, key = recorded.path.split("/")[:4]
        app, webhook = self._services.apps.get(platform, key), platforms.webhook(platform)
        if app is None or webhook is None:
            return []
        body = webhook.content(recorded.request())
        return without_work(webhook.read(app, body, recorded.at), recorded.path)

    # --- what else happened ---

    def _open(self, index: int) -> None:
        line = self._story[index]
        assert isinstance(line, StaffAct)
        self._opened[index] = self._staff.open(line.conversation)

    def _tell(self, index: int) -> None:
        line = self._story[index]
        match line:
            case PlatformAnswers():
                self._services.http.script.add(line)  # type: ignore[attr-defined]
            case StaffAct():
                result, reason = self._staff.act(line, self._opened.get(index))
                self._outcomes.acted(line.conversation, line.action, result, reason)
            case Mail():
                self._mail(line, f"mail-{index}")
            case MailEvent():
                self._mail_event(line)

    def _mail(self, line: Mail, name: str) -> None:
        mime, notification = self._staff.post(line)
        notification["receipt"]["action"]["objectKey"] = name
        self._services.mail_bucket.kept[name] = mime  # type: ignore[attr-defined]
        self._services.virtual_clock.add(line.at, "incoming-mail", json.dumps(notification))

    def _mail_event(self, line: MailEvent) -> None:
        email = self._staff.email_about(line.conversation, line.tier)
        if email is None:
            self._outcomes.count("mail events about no e-mail")
            return
        mail = {"messageId": "replay", "tags": {name: [value] for name, value in email.tags.items()}}
        event = {"eventType": line.event, "mail": mail}
        self._services.virtual_clock.add(line.at, "mail-events", json.dumps(event))

    def _queue(self, due: Due, handler: Any) -> None:
        batch = self._services.virtual_clock.with_others(due, self._at_once[due.name])
        for _ in range(self._deliverer.deliver(batch, handler)):
            self._outcomes.count(f"dead letters in {due.name}")

    def _sweep(self) -> None:
        self._entry.sweep(schedule_event(self._services.now()), None)
        self._services.virtual_clock.add(self._services.now() + self._sweep_every, "sweep")

    def conversations(self) -> list[Conversation]:
        """Every conversation as it stands at the end."""
        return list(self._services.store.conversations())


@contextmanager
def _uncollected() -> Iterator[None]:
    """What a replay makes it keeps to its end, and what it drops goes in no circles: there is nothing for the garbage
    collector to find."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def replay(
    recorded: Sequence[Line],
    apps: Apps,
    playbook: Any,
    after: timedelta,
    out: TextIO,
    table: MemoryTable | None = None,
    *,
    bodies: bool = False,
) -> Outcomes:
    """Replays `recorded` until `after` the last delivery and writes the outcomes, a JSON object a line, to `out`.
    `table` is where everything is stored, for who wants to look at it afterwards; `bodies`: e-mails with all they
    say."""
    start = min((r.at for r in recorded), default=to_time("2026-01-01T00:00:00Z"))
    end = max((r.at for r in recorded), default=start) + after
    virtual_clock = VirtualClock(start)
    outcomes = Outcomes(out, virtual_clock, bodies=bodies)
    settings = NO_SETTINGS._replace(public_url=PUBLIC_URL, reply_domain=REPLY_DOMAIN)
    read = bodies or any(not isinstance(line, Recorded) for line in recorded)  # staff follow an e-mail's link
    services = ReplayServices(apps, playbook, virtual_clock, outcomes, settings, table=table, emails_are_read=read)
    run = Replay(recorded, services, outcomes)
    with _uncollected():
        run.run(end)
    virtual_clock.now = end
    for conversation in run.conversations():
        outcomes.conversation(conversation)
    outcomes.summary()
    return outcomes
