"""Replay: recorded deliveries through the real handlers on a virtual clock, to see what Earshot would have done.

    python -m infra.replay DELIVERIES.jsonl --apps APPS.json --out OUTCOMES.jsonl [--playbook FILE] [--until 72h]
                           [--bodies] [--facts FOLDER] [--report FILE.html]

No network: replies and e-mails are recorded; everything else is app.py's own handlers over infra/replay/memory.py.
The formats of both files are in README, "Replay".
"""

import argparse
import base64
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, Unpack
from urllib.parse import urlencode

from chalicelib import platforms
from chalicelib.apps import Apps, AppsError, read_apps
from chalicelib.codec import to_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.keys import new_keys
from chalicelib.platforms.base import Poison, Request, Skipped
from chalicelib.platforms.http import Answer, ApiCall, ConnectionRefused
from chalicelib.platforms.read import PayloadError
from chalicelib.playbook.policy import Playbook, PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.services import Overrides, Services
from chalicelib.settings import Settings
from chalicelib.storage.store import Store
from chalicelib.textfile import NotText, read_text
from infra.local.events import schedule_event
from infra.local.gateway import Gateway
from infra.local.loopback import Call
from infra.local.stand_in import endpoint_of, look
from infra.replay.memory import (
    Deliverer,
    Due,
    MemoryMailBucket,
    MemoryMailer,
    MemoryQueue,
    MemoryTable,
    MemoryTimer,
    MemoryVisibility,
    VirtualClock,
)
from infra.replay.outcomes import Outcomes
from infra.replay.story import (
    PUBLIC_URL,
    REPLY_DOMAIN,
    Mail,
    MailEvent,
    Opened,
    PlatformAnswers,
    Script,
    StaffAct,
    StaffRoom,
    StoryLine,
    read_line,
)

if TYPE_CHECKING:
    from infra.replay.streamed import StreamedTable

REPLAY_KEYS = new_keys()  # of this process: nothing that a replay makes leaves it
NO_SETTINGS = Settings("", "", "", "", "", "", "")


class ReplayError(ValueError):
    """The recording cannot be read; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded delivery, as a platform sent it at `at`."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def request(self) -> Request:
        """The same as receive sees it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.method, headers, self.query, self.body, self.at)

    def call(self) -> Call:
        """The same as a request to the gateway."""
        headers = {"Content-Type": "application/json"} | dict(self.headers)
        return Call(self.method, self.path, urlencode(self.query), tuple(headers.items()), self.body)


Line = Recorded | StoryLine


def read_recording(path: Path) -> list[Line]:
    """The lines of a recording, one JSON object each: deliveries, and with a `type` what else happened. Raises
    ReplayError."""
    recorded: list[Line] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row.get("type", "delivery") != "delivery":
                recorded.append(read_line(row))
                continue
            recorded.append(
                Recorded(
                    at=to_time(row["at"]),
                    method=str(row.get("method", "POST")).upper(),
                    path=str(row["path"]),
                    query={str(k): str(v) for k, v in (row.get("query") or {}).items()},
                    headers={str(k): str(v) for k, v in (row.get("headers") or {}).items()},
                    body=base64.b64decode(row.get("body_base64") or "", validate=True),
                )
            )
        except KeyError as error:
            raise ReplayError(f"{path}:{number}: {error.args[0]!r} is missing; see README, Replay") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ReplayError(f"{path}:{number}: {type(error).__name__}: {error}; see README, Replay") from None
    return recorded


class RecordedHttp:
    """Http that sends nothing: a call gets what the `script` says, a reply its platform's answer, anything else is not
    reached."""

    def __init__(self) -> None:
        self.script = Script()
        self._ids = count(5_000_000_001)

    def request(self, call: ApiCall) -> Answer:
        if (scripted := self.script.answer(call)) is not None:
            return scripted
        if call.method == "GET":
            if found := look(call.place):
                return Answer.of(200, found, {})
            raise ConnectionRefused("replay")
        reply = endpoint_of(call.method, call.place, call.data)
        return Answer(data=reply[1].answer(reply[1].id.format(next(self._ids))) if reply else {})


class ReplayServices(Services):
    """The services of a replay: time is the virtual clock's, and what leaves is recorded in `outcomes`."""

    def __init__(
        self,
        apps: Apps,
        policy: Playbook,
        virtual_clock: VirtualClock,
        outcomes: Outcomes,
        settings: Settings = NO_SETTINGS,
        table: MemoryTable | None = None,
        **overrides: Unpack[Overrides],
    ) -> None:
        self.virtual_clock = virtual_clock
        ids = count(1)
        recorded: Overrides = {
            "playbook": policy,
            "store": Store(table or MemoryTable()),
            "inbox": MemoryQueue("inbox", virtual_clock),
            "due": MemoryQueue("due", virtual_clock),
            "escalations": MemoryQueue("escalations", virtual_clock),
            "quarantine": MemoryQueue("quarantine", virtual_clock),
            "visibility": MemoryVisibility(),
            "timer": MemoryTimer(virtual_clock),
            "mailer": MemoryMailer(),
            "mail_bucket": MemoryMailBucket(),
            "http": RecordedHttp(),
            "telemetry": outcomes,
            "clock": lambda: virtual_clock.now,
            "new_token": lambda: f"{next(ids):032x}",
            "registrations": lambda: apps,
            "stack_keys": lambda: REPLAY_KEYS,
        }
        recorded.update(overrides)
        super().__init__(settings, **recorded)


class Replay:
    """Plays the clock: deliveries, queue messages, timers and the safety schedule, in the order of their times."""

    def __init__(self, recorded: Sequence[Line], services: ReplayServices, outcomes: Outcomes) -> None:
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
        answer = self._gateway.answer(recorded.call())
        self._outcomes.answered(index, answer.status, answer.body.decode("utf-8", "replace"))
        if recorded.method == "POST" and answer.status == 200 and recorded.path.startswith("/webhooks/"):
            for skipped in self._skipped(recorded):
                self._outcomes.count(f"skipped {skipped.product or recorded.path}: {skipped.reason}")

    def _skipped(self, recorded: Recorded) -> Iterator[Skipped | Poison]:
        _, _, platform, key = recorded.path.split("/")[:4]
        app, webhook = self._services.apps.get(platform, key), platforms.webhook(platform)
        if app is None or webhook is None:
            return
        try:
            body = webhook.content(recorded.request())
            for parsed in webhook.read(app, body, recorded.at):
                if not isinstance(parsed, Interaction):
                    yield parsed
        except PayloadError:
            return

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
        if not self._deliverer.deliver(due, handler):
            self._outcomes.count(f"dead letters in {due.name}")

    def _sweep(self) -> None:
        self._entry.sweep(schedule_event(self._services.now()), None)
        self._services.virtual_clock.add(self._services.now() + self._sweep_every, "sweep")

    def conversations(self) -> list[Conversation]:
        """Every conversation as it stands at the end."""
        return list(self._services.store.conversations())


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
    settings = replace(NO_SETTINGS, public_url=PUBLIC_URL, reply_domain=REPLY_DOMAIN)
    services = ReplayServices(apps, playbook, virtual_clock, outcomes, settings, table=table)
    run = Replay(recorded, services, outcomes)
    run.run(end)
    virtual_clock.now = end
    for conversation in run.conversations():
        outcomes.conversation(conversation)
    outcomes.summary()
    return outcomes


def streamed(playbook: Playbook, folder: Path | None) -> "StreamedTable":
    """A table whose changes become facts, under pseudonyms of this process's key. Raises ReplayError for a folder
    that already holds facts: two replays in one would count everything twice."""
    from chalicelib.reports.facts import Deriver
    from infra.replay.streamed import StreamedTable

    if folder and folder.exists() and any(folder.iterdir()):
        raise ReplayError(f"{folder} is not empty; name a new folder for the facts, or empty this one")
    return StreamedTable(Deriver(playbook, REPLAY_KEYS))


def learn(
    table: "StreamedTable", playbook: Playbook, apps: Apps, recorded: Sequence[Line], options: argparse.Namespace
) -> None:
    """Writes the facts, and the report of the days that were recorded."""
    from chalicelib.reports.span import policy_of, whole_days
    from infra.reports.made import make

    with tempfile.TemporaryDirectory() as kept:
        folder = options.facts or Path(kept)
        print(f"  {table.write_facts(folder):,} facts{f' in {options.facts}' if options.facts else ''}")
        if options.report:
            first, last = min(r.at for r in recorded), max(r.at for r in recorded)
            now = last + options.until
            policy = policy_of(playbook, now, apps=apps, years=range(first.year, now.year + 2))
            since, until = whole_days(first, last, policy.zone)
            make(
                folder, options.report, policy, since=since, until=until, now=now, stored=table.stored(),
                playbook=playbook, asked=list(table.asked()),
            )  # fmt: skip
            print(f"  report: {options.report.resolve()}")


def duration(text: str) -> timedelta:
    """E.g. 90s, 30m, 72h, 5d. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write for example 90m, 72h or 5d")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.replay", description=__doc__.splitlines()[0])
    parser.add_argument("deliveries", type=Path, help="recorded deliveries, JSON lines")
    parser.add_argument("--apps", type=Path, required=True, help="the apps file")
    parser.add_argument("--out", type=Path, required=True, help="where the outcomes go, JSON lines")
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK, help="instead of the default playbook")
    parser.add_argument(
        "--until", type=duration, default=timedelta(hours=72), help="go on this long after the last delivery"
    )
    parser.add_argument(
        "--facts", type=Path, help="a new or empty folder for the facts, one row a question, as Parquet"
    )
    parser.add_argument("--report", type=Path, help="where the report goes, HTML; JSON and CSV lie beside it")
    parser.add_argument("--bodies", action="store_true", help="write the e-mails' text and HTML as well")
    options = parser.parse_args(arguments)
    try:
        apps = read_apps(options.apps)
        playbook = read_playbook(options.playbook)
        recorded = read_recording(options.deliveries)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with options.out.open("w", encoding="utf-8") as out:
            table = streamed(playbook, options.facts) if options.facts or options.report else None
            outcomes = replay(recorded, apps, playbook, options.until, out, table, bodies=options.bodies)
    except (AppsError, PlaybookError, ReplayError, NotText, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    print(outcomes.table(len(recorded), time.monotonic() - began))
    if table:
        learn(table, playbook, apps, recorded, options)
    return 0
