"""The whole of Earshot in this process: app.py's functions amid the embedded AWS, a gateway and stand-in platforms."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.apps import Apps, load_apps
from chalicelib.playbook import Playbook, Tier
from chalicelib.rooms import SAFE_TO_REPEAT, Rooms
from chalicelib.settings import Settings
from chalicelib.timer import StepFunctionsTimer, Timer
from infra.deliveries import DEMO_APPS, Said, deliver
from infra.embedded import Embedded, client, embedded_aws
from infra.gateway import Gateway
from infra.loopback import Answered, Call, serve
from infra.pump import Pump, sources
from infra.stand_in import Posted, Refusal, StandIn

if TYPE_CHECKING:
    from chalicelib.escalate import Escalated
    from chalicelib.notify import Notified
    from chalicelib.respond import Handled
    from chalicelib.telemetry import Telemetry

DEMO_PLAYBOOK = Path(__file__).with_name("demo_playbook.yaml")
TIMER_STEP = timedelta(seconds=2)  # instead of a minute: nobody watches a demonstration that long
TIMER_MARGIN = timedelta(seconds=1)  # moto waits whole seconds, rounded down


@dataclass(frozen=True, slots=True)
class Refusals:
    """A delivery that receive turned away."""

    status: int
    platform: str


Heard = Callable[[object], None]
"""Hears, as it happens, of each Handled, Escalated, Notified and Refusals; of each reply Posted and each Refusal."""


class LocalTelemetry:
    """`Telemetry` that tells `heard` instead of writing log lines and metrics."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def handled(self, handled: "Handled") -> None:
        self._heard(handled)

    def escalated(self, escalated: "Escalated") -> None:
        self._heard(escalated)

    def notified(self, notified: "Notified") -> None:
        self._heard(notified)

    def refused(self, status: int, platform: str, app: str) -> None:
        self._heard(Refusals(status, platform))

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Everything else that `Telemetry` takes: nothing to tell."""
        return lambda *_, **__: None


class LocalRooms(Rooms):
    """The rooms on the embedded AWS. `pace` stretches the playbook's waits."""

    def __init__(self, settings: Settings, heard: Heard, pace: float = 1.0) -> None:
        super().__init__(settings)
        self._heard, self._pace = heard, pace

    @cached_property
    def telemetry(self) -> "Telemetry":
        telemetry: Any = LocalTelemetry(self._heard)
        return telemetry  # type: ignore[no-any-return]

    @cached_property
    def timer(self) -> Timer:
        stepfunctions = self.client("stepfunctions", SAFE_TO_REPEAT)
        return StepFunctionsTimer(stepfunctions, self.settings.state_machine_arn, TIMER_STEP, TIMER_MARGIN)

    @cached_property
    def playbook(self) -> Playbook:
        return slower(super().playbook, self._pace)

    def warm(self) -> None:
        """Makes every room now: threads that made one at the same time would make two."""
        _ = (self.store, self.inbox, self.due, self.escalations, self.quarantine, self.timer, self.mailer, self.http)
        _ = (self.telemetry, self.model, self.playbook, self.apps, self.responder, self.escalator, self.notifier)


def slower(playbook: Playbook, pace: float) -> Playbook:
    """`playbook` with every wait of its escalation `pace` times as long."""

    def stretched(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        return tuple(replace(tier, after=tier.after * pace) for tier in tiers)

    urgency = replace(playbook.urgency, tiers=stretched(playbook.urgency.tiers))
    return replace(playbook, tiers=stretched(playbook.tiers), urgency=urgency)


@dataclass(frozen=True, slots=True)
class House:
    """Everything running. `url` is where deliveries go, `own` the answers that stand beside the gateway's."""

    url: str
    aws: Embedded
    rooms: LocalRooms
    stand_in: StandIn
    apps: Apps

    def say(self, *said: Said, secret: str = "") -> int:
        """Delivers what was said, signed, and returns the status."""
        return deliver(self.apps, *said, secret=secret).send(self.url)[0]


@contextmanager
def house(
    heard: Heard,
    *,
    playbook: Path = DEMO_PLAYBOOK,
    apps: Path = DEMO_APPS,
    port: int = 0,
    pace: float = 1.0,
    sweep_every_s: float = 300.0,
    own: Callable[[House, Call], Answered | None] = lambda house, call: None,
) -> Iterator[House]:
    """Runs while inside. `own` answers before the gateway does. Raises OSError when `port` is taken."""
    import app as functions

    registrations = load_apps(apps.read_text("utf-8"))
    stand_in = StandIn(heard=heard)
    gateway = Gateway(functions.app)
    running: list[House] = []

    def answer(call: Call) -> Answered | None:
        if not running:
            return Answered(503)
        return own(running[0], call) or gateway.answer(call)

    with serve(answer, port) as url, embedded_aws() as aws, serve(stand_in.answer) as via:
        _keep_secret(aws, apps.read_text("utf-8"))
        settings = replace(aws.settings, playbook_file=str(playbook), platforms_via=via, public_url=url)
        rooms, before = LocalRooms(settings, heard, pace), functions.rooms
        rooms.warm()
        functions.rooms = rooms
        running.append(House(url, aws, rooms, stand_in, registrations))
        stand_in.echo = _Echo(running[0])
        try:
            with Pump(aws, sources(functions), functions.sweep, sweep_every_s):
                yield running[0]
        finally:
            functions.rooms = before


def _keep_secret(aws: Embedded, apps_text: str) -> None:
    secrets = client("secretsmanager", aws.endpoint)
    secrets.put_secret_value(SecretId=aws.settings.apps_secret, SecretString=apps_text)


@dataclass(frozen=True, slots=True)
class _Echo:
    """Tells Earshot of its own replies, as the platforms do: a comment by the Page, an echo, a status, a post."""

    house: House

    def __call__(self, posted: Posted) -> None:
        make = _ECHOES.get(posted.product)
        if make:
            self.house.say(make(posted))


_ECHOES: Mapping[str, Callable[[Posted], Said]] = {
    "facebook": lambda p: Said("facebook", p.text, id=p.id, to=p.target),
    "messenger": lambda p: Said("messenger", p.text, id=p.id.removeprefix("m_"), to=p.target, token=p.token),
    "instagram": lambda p: Said("instagram", p.text, id=p.id, to=p.target),
    "whatsapp": lambda p: Said("whatsapp", id=p.id.removeprefix("wamid."), to=p.target, token=p.token),
    "x": lambda p: Said("x", p.text, id=p.id, to=p.target),
}

__all__ = ["House", "Posted", "Refusal", "Refusals", "house"]
