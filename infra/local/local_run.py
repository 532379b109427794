"""The whole of Earshot in this process: app.py's functions amid the embedded AWS, a gateway and stand-in platforms."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from chalicelib import platforms
from chalicelib.apps import Apps, read_apps
from chalicelib.aws.timer import StepFunctionsTimer, Timer
from chalicelib.outcomes.types import Escalated, Failed, Handled, Notified, Replied, Stored
from chalicelib.platforms.simulation import Posted, SimulatedMessage
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.parts import Tier
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import read_playbook
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.local.deliveries import deliver
from infra.local.demo_apps import demo_apps, demo_text
from infra.local.embedded import Embedded, client, embedded_aws
from infra.local.gateway import Gateway
from infra.local.loopback import Answered, Call, serve
from infra.local.queue_poller import QueuePoller, sources
from infra.local.stand_in import Refusal, StandIn

DEMO_PLAYBOOK = Path(__file__).with_name("demo_playbook.yaml")
TIMER_STEP = timedelta(seconds=2)  # instead of a minute: nobody watches a demonstration that long
TIMER_MARGIN = timedelta(seconds=1)  # moto waits whole seconds, rounded down


@dataclass(frozen=True, slots=True)
class Refusals:
    """A delivery that receive turned away."""

    status: int
    platform: str


OnEvent = Callable[[object], None]
"""Hears, as it happens, of each Stored, Escalated, Notified and Refusals; of each reply Posted and each Refusal."""


class LocalOutcomes:
    """Tells `on_event` of each outcome instead of writing log lines and metrics."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event

    def delivery(self, id: str) -> None:
        """The correlation id is for logs."""

    def stored(self, outcome: Stored) -> None:
        self._on_event(outcome)

    def skipped(self, parts: Sequence[str]) -> None:
        """Nobody waits for it."""

    def replied(self, outcome: Replied) -> None:
        self._on_event(outcome)

    def escalated(self, outcome: Escalated) -> None:
        self._on_event(outcome)

    def notified(self, outcome: Notified) -> None:
        self._on_event(outcome)

    def channel_failed(self, kind: str, code: str) -> None:
        """The page shows the e-mail."""

    def received(self, outcome: Handled) -> None:
        self._on_event(outcome)

    def refused(self, status: int, platform: str, app: str) -> None:
        self._on_event(Refusals(status, platform))

    def failed(self, outcome: Failed) -> None:
        """The alarm's business; the page shows what became of each conversation."""

    def swept(self, complete: bool) -> None:
        """Nothing to tell."""

    def flush(self) -> None:
        """Everything is told as it happens."""


class LocalServices(Services):
    """The services on the embedded AWS. `pace` stretches the playbook's waits."""

    def __init__(self, settings: Settings, on_event: OnEvent, pace: float = 1.0) -> None:
        super().__init__(settings, telemetry=LocalOutcomes(on_event))
        self._pace = pace

    @cached_property
    def timer(self) -> Timer:
        return StepFunctionsTimer(self.lean_aws, self.settings.state_machine_arn, TIMER_STEP, TIMER_MARGIN)

    @cached_property
    def playbook(self) -> Playbook:
        return slower(super().playbook, self._pace)

    def warm(self) -> None:
        """Makes every service now: threads that made one at the same time would make two."""
        _ = (self.store, self.inbox, self.due, self.escalations, self.quarantine, self.timer, self.mailer, self.http)
        _ = (self.telemetry, self.model, self.playbook, self.apps, self.responder, self.escalator, self.notifier)


def slower(playbook: Playbook, pace: float) -> Playbook:
    """`playbook` with every wait of its escalation `pace` times as long."""

    def stretched(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        return tuple(replace(tier, after=tier.after * pace) for tier in tiers)

    def slowed(wait: timedelta | None) -> timedelta | None:
        return wait * pace if wait else None

    urgency = replace(playbook.urgency, tiers=stretched(playbook.urgency.tiers))
    teams = {
        name: replace(team, answer_within=slowed(team.answer_within), tell_after=slowed(team.tell_after))
        for name, team in playbook.teams.items()
    }
    return replace(
        playbook,
        teams=teams,
        later_tiers=stretched(playbook.later_tiers),
        urgency=urgency,
        answer_within=playbook.answer_within * pace,
        tell_after=playbook.tell_after * pace,
        apart=playbook.apart * pace,
    )


@dataclass(frozen=True, slots=True)
class LocalRun:
    """Everything running. `url` is where deliveries go, `own` the answers that stand beside the gateway's."""

    url: str
    aws: Embedded
    services: LocalServices
    stand_in: StandIn
    apps: Apps
    browse: Callable[[Call], Answered]
    """What the deployed API would answer to a call."""

    def say(self, *said: SimulatedMessage, secret: str = "") -> int:
        """Delivers what was said, signed, and returns the status."""
        return deliver(self.apps, *said, secret=secret).send(self.url)[0]


@contextmanager
def local_run(
    on_event: OnEvent,
    *,
    playbook: Path = DEMO_PLAYBOOK,
    apps: Path | None = None,
    port: int = 0,
    pace: float = 1.0,
    sweep_every_s: float = 60.0,  # as the template has it
    own: Callable[[LocalRun, Call], Answered | None] = lambda local_run, call: None,
) -> Iterator[LocalRun]:
    """Runs while inside, with the registrations in the file `apps` or the demo's. `own` answers before the gateway
    does. Raises OSError when `port` is taken."""
    # app.py makes its services when it is imported: not before the local run has made its own
    import app as functions

    registrations = read_apps(apps) if apps else demo_apps()
    text = apps.read_text("utf-8") if apps else demo_text()
    check_accounts(read_playbook(playbook), registrations)
    stand_in = StandIn(on_event=on_event)
    gateway = Gateway(functions.app)
    running: list[LocalRun] = []

    def answer(call: Call) -> Answered | None:
        if not running:
            return Answered(503)
        return own(running[0], call) or gateway.answer(call)

    with serve(answer, port) as url, embedded_aws() as aws, serve(stand_in.answer) as via:
        _keep_secret(aws, text)
        settings = aws.settings._replace(playbook_file=str(playbook), platforms_via=via, public_url=url)
        services, before = LocalServices(settings, on_event, pace), functions.services
        services.warm()
        functions.services = services
        running.append(LocalRun(url, aws, services, stand_in, registrations, gateway.answer))
        stand_in.echo = _Echo(running[0])
        try:
            with QueuePoller(aws, sources(functions), functions.sweep, sweep_every_s):
                yield running[0]
        finally:
            functions.services = before


def _keep_secret(aws: Embedded, apps_text: str) -> None:
    secrets = client("secretsmanager", aws.endpoint)
    secrets.put_secret_value(SecretId=aws.settings.apps_secret, SecretString=apps_text)


@dataclass(frozen=True, slots=True)
class _Echo:
    """Tells Earshot of its own replies, as the platforms do: a comment by the Page, an echo, a status, a post."""

    local_run: LocalRun

    def __call__(self, posted: Posted) -> None:
        if echo := platforms.product(posted.product).simulation.echo(posted):
            self.local_run.say(echo)


__all__ = ["LocalRun", "Posted", "Refusal", "Refusals", "local_run"]
