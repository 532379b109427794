"""What the use cases stand on, made once, on first use: settings, clock, registrations, keys, policy, model, and AWS.

Every one can be replaced by a keyword argument: replay, the local run and the tests bring their own.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from chalicelib.apps import Apps, AppsError, load_apps, read_apps
from chalicelib.aws.client import SECRETS, AwsError, LeanAws
from chalicelib.aws.queues import DeadLetters, Queue, SqsDeadLetters, SqsQueue, SqsVisibility, Visibility
from chalicelib.aws.secret_text import CURRENT, unpack
from chalicelib.codec import to_milliseconds
from chalicelib.keys import Keys, KeysError, load_keys
from chalicelib.outcomes import metric
from chalicelib.settings import Settings, read_settings
from chalicelib.trust import amazon_tls, tls

if TYPE_CHECKING:  # each function imports only what it uses: the time to its first answer depends on it
    from collections.abc import Callable, Sequence

    from chalicelib.aws.mail_bucket import MailBucket
    from chalicelib.aws.mailer import Mailer
    from chalicelib.aws.timer import Timer
    from chalicelib.intents import IntentModel
    from chalicelib.outcomes.types import Outcomes
    from chalicelib.platforms.http import Http
    from chalicelib.playbook.live import LivePlaybook
    from chalicelib.playbook.policy import Playbook
    from chalicelib.storage.bodies import BodyStore
    from chalicelib.storage.store import Store

SECRETS_CACHED_FOR = timedelta(minutes=5)  # a rotated secret or a new account is known after that long
STALE_FOR = timedelta(minutes=1)  # when the secret store fails, until it is asked again
APPS_FRESH_FOR = timedelta(seconds=10)
REPEATED = {"retries": {"mode": "standard", "total_max_attempts": 3}, "connect_timeout": 3, "read_timeout": 10}
ONE_ATTEMPT = {"retries": {"total_max_attempts": 1}, "connect_timeout": 3, "read_timeout": 10}


class Overrides(TypedDict, total=False):
    """What may stand in place of a service that would be made from the settings."""

    clock: "Callable[[], datetime]"
    new_token: "Callable[[], str]"
    client: "Callable[[str, dict[str, Any]], Any]"
    lean_aws: LeanAws
    registrations: "Callable[[], Apps]"
    stack_keys: "Callable[[], Keys]"
    playbook: "Playbook"
    model: "IntentModel"
    store: "Store"
    inbox: Queue
    due: Queue
    escalations: Queue
    quarantine: Queue
    dead_letters: "Sequence[DeadLetters]"
    visibility: Visibility
    timer: "Timer"
    mailer: "Mailer"
    mail_bucket: "MailBucket"
    emails_are_read: bool
    http: "Http"
    telemetry: "Outcomes"


# What each function makes when it starts: handler → the services that need no call to be made; all speak to AWS, and
# those with `http` to platforms as well
_PREPARED = {
    "app.app": (),
    "app.respond": ("packaged_playbook", "model", "store", "telemetry", "http"),
    "app.escalate": ("packaged_playbook", "store", "telemetry"),
    "app.sweep": ("packaged_playbook", "store", "telemetry"),
    "app.notify": ("packaged_playbook", "store", "telemetry", "mailer", "http"),
}


class Resources:
    """Everything that is no use case."""

    def __init__(self, settings: Settings | None = None, **overrides: Unpack[Overrides]) -> None:
        if unknown := overrides.keys() - Overrides.__optional_keys__:
            raise TypeError(f"no such service: {', '.join(sorted(unknown))}")
        self._settings = settings
        self._apps: tuple[datetime, Apps] | None = None
        self._keys: tuple[datetime, Keys] | None = None
        self.__dict__ |= overrides  # where a cached property keeps what it made

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = read_settings()
        return self._settings

    def prepare(self) -> None:
        """Makes what the function that Lambda starts here will need, before work comes: a start has a whole core, an
        invocation at 512 MB 0.29 of one. Nothing here asks AWS or a platform for anything."""
        needed = _PREPARED.get(self.settings.handler)
        if needed is None:
            return
        amazon_tls()
        if "http" in needed:
            tls()
        for name in needed:
            getattr(self, name)

    @cached_property
    def clock(self) -> "Callable[[], datetime]":
        return lambda: datetime.now(UTC)

    def now(self) -> datetime:
        """The time, aware, in UTC, to the millisecond, as it is kept."""
        return to_milliseconds(self.clock())

    @cached_property
    def emails_are_read(self) -> bool:
        """Whether anybody reads what stands in the escalation e-mails; a replay may only tell that they were sent."""
        return True

    @cached_property
    def new_token(self) -> "Callable[[], str]":
        return lambda: os.urandom(16).hex()

    @cached_property
    def client(self) -> "Callable[[str, dict[str, Any]], Any]":
        """Makes a boto3 client for a service with a configuration."""
        import logging

        import boto3
        from botocore.config import Config

        from chalicelib.aws.buckets import owned

        logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it found credentials, on every start
        make: Any = boto3.client

        def made(service: str, config: dict[str, Any]) -> Any:
            client = make(service, config=Config(**config))
            return owned(client, self.settings.account) if service == "s3" else client

        return made

    # --- the registrations, the policy, the model ---

    @property
    def apps(self) -> Apps:
        """The registrations, read again every SECRETS_CACHED_FOR. Raises AppsError."""
        return self._apps_within(SECRETS_CACHED_FOR)

    def _apps_within(self, age: timedelta) -> Apps:
        now = self.now()
        if self._apps is not None and now - self._apps[0] <= age:
            return self._apps[1]
        try:
            self._apps = now, self.registrations()
        except AppsError as error:
            if self._apps is None:
                raise
            # those in memory serve on: a 503 would turn every customer away. The next look is in STALE_FOR.
            metric.count("ServedStale", self.settings.stage, now, code=type(error.__cause__ or error).__name__)
            self._apps = now - SECRETS_CACHED_FOR + STALE_FOR, self._apps[1]
        return self._apps[1]

    def fresh_apps(self) -> Apps:
        """The registrations as they are now, but not read again within APPS_FRESH_FOR: strangers must not make that
        cost a call each. Raises AppsError."""
        return self._apps_within(APPS_FRESH_FOR)

    @cached_property
    def registrations(self) -> "Callable[[], Apps]":
        """Reads the registrations, from the file or the secret store."""
        return self._read_apps

    def _read_apps(self) -> Apps:
        if self.settings.apps_file:
            return read_apps(Path(self.settings.apps_file))
        if not self.settings.apps_secret:
            raise AppsError("set EARSHOT_APPS_SECRET (deployed) or EARSHOT_APPS_FILE (local)")
        try:
            return load_apps(self._secret(self.settings.apps_secret), strict=False)
        except AwsError as error:
            raise AppsError(f"the registrations cannot be read: {error}") from error

    def _secret(self, id: str) -> str:
        def read(label: str) -> str:
            asked = {"SecretId": id, "VersionStage": label}
            return str(self.lean_aws.call(SECRETS, "GetSecretValue", asked)["SecretString"])

        return unpack(read(CURRENT), read)

    @property
    def keys(self) -> Keys:
        """The stack's own keys, read again every SECRETS_CACHED_FOR. Raises KeysError, AwsError."""
        now = self.now()
        if self._keys is None or now - self._keys[0] > SECRETS_CACHED_FOR:
            self._keys = now, self.stack_keys()
        return self._keys[1]

    @cached_property
    def stack_keys(self) -> "Callable[[], Keys]":
        """Reads the keys from the secret store."""

        def read() -> Keys:
            if not self.settings.keys_secret:
                raise KeysError("set EARSHOT_KEYS_SECRET, the secret that the stack makes for its keys")
            return load_keys(self._secret(self.settings.keys_secret))

        return read

    @property
    def playbook(self) -> "Playbook":
        """The policy: the one that was given, the local run's file, else the newest that was put into the table, asked
        for again every few minutes. Raises PlaybookError, AwsError."""
        given: Playbook | None = self.__dict__.get("playbook")
        if given is not None:
            return given
        return self.packaged_playbook if self.settings.playbook_file else self.live_playbook.at(self.now())

    @playbook.setter
    def playbook(self, given: "Playbook") -> None:
        self.__dict__["playbook"] = given

    @cached_property
    def packaged_playbook(self) -> "Playbook":
        """The one that came with the code, compiled in the zip; or the local run's own file."""
        from chalicelib.playbook.compiled import PACKAGED, load_compiled

        if not self.settings.playbook_file and PACKAGED.exists():
            return load_compiled(PACKAGED.read_text("utf-8"))
        from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook

        return read_playbook(Path(self.settings.playbook_file) if self.settings.playbook_file else DEFAULT_PLAYBOOK)

    @cached_property
    def live_playbook(self) -> "LivePlaybook":
        from chalicelib.playbook.live import LivePlaybook, PlaybookVersions

        def stale(code: str, now: datetime) -> None:
            metric.count("ServedStale", self.settings.stage, now, code=code)

        return LivePlaybook(PlaybookVersions(self.store.table), lambda: self.packaged_playbook, stale)

    @cached_property
    def model(self) -> "IntentModel":
        from chalicelib.intents import DEFAULT_MODEL, IntentModel, pinned

        return IntentModel.load(DEFAULT_MODEL, pinned())

    # --- AWS ---

    @cached_property
    def store(self) -> "Store":
        from chalicelib.storage.store import Store
        from chalicelib.storage.table import DynamoTable

        table = DynamoTable(self.lean_aws, self.settings.table)
        return Store(table, self.settings.retention_days)

    @cached_property
    def bodies(self) -> "BodyStore":
        from chalicelib.storage.bodies import BodyStore

        return BodyStore(self.store)

    @cached_property
    def lean_aws(self) -> LeanAws:
        return LeanAws()

    @cached_property
    def inbox(self) -> Queue:
        return SqsQueue(self.lean_aws, self.settings.inbox_url)

    @cached_property
    def due(self) -> Queue:
        return SqsQueue(self.lean_aws, self.settings.due_url)

    @cached_property
    def escalations(self) -> Queue:
        return SqsQueue(self.lean_aws, self.settings.escalations_url)

    @cached_property
    def quarantine(self) -> Queue:
        return SqsQueue(self.lean_aws, self.settings.quarantine_url)

    @cached_property
    def dead_letters(self) -> "Sequence[DeadLetters]":
        """Those of every queue, the inbox's first."""
        urls = (self.settings.quarantine_url, *self.settings.dead_letters.split())
        return tuple(SqsDeadLetters(self.lean_aws, url) for url in urls)

    @cached_property
    def visibility(self) -> Visibility:
        return SqsVisibility(self.lean_aws, self.settings.inbox_url)

    @cached_property
    def timer(self) -> "Timer":
        from chalicelib.aws.timer import StepFunctionsTimer

        return StepFunctionsTimer(self.lean_aws, self.settings.state_machine_arn)

    @cached_property
    def mailer(self) -> "Mailer":
        from chalicelib.aws.mailer import SesMailer

        return SesMailer(self.client("sesv2", ONE_ATTEMPT), self.settings.mail_from, self.settings.mail_events)

    @cached_property
    def http(self) -> "Http":
        from chalicelib.platforms.http import PlatformHttp

        return PlatformHttp(self.settings.platforms_via)

    @cached_property
    def mail_bucket(self) -> "MailBucket":
        from chalicelib.aws.mail_bucket import S3MailBucket

        return S3MailBucket(self.client("s3", REPEATED), self.settings.mail_bucket)

    @cached_property
    def telemetry(self) -> "Outcomes":
        from chalicelib.outcomes.telemetry import Telemetry

        return Telemetry(self.settings.stage, self._pseudonym)

    def _pseudonym(self, text: str) -> str:
        """The pseudonym of `text` in the log; "-" as long as the keys cannot be read, because no line is worth failing
        for."""
        try:
            return self.keys.pseudonym(text)
        except (KeysError, AwsError):
            return "-"
