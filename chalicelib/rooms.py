"""The rooms, each made once, on first use, from the settings: AWS clients, the store, the model, the use cases.

The local run and replay put other rooms in place of some of these; the use cases do not notice.
"""

import uuid
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.apps import Apps, AppsError, load_apps
from chalicelib.lean_aws import SECRETS, AwsError, LeanAws
from chalicelib.queues import Queue, SqsQueue
from chalicelib.settings import Settings, read_settings

if TYPE_CHECKING:  # each function imports only the rooms that it uses: the time to its first answer depends on it
    from collections.abc import Sequence

    from chalicelib.act import Desk
    from chalicelib.doctor import Doctor
    from chalicelib.erasure import Eraser
    from chalicelib.escalate import Escalator
    from chalicelib.intents import IntentModel
    from chalicelib.mailer import Mailer
    from chalicelib.notify import Notifier
    from chalicelib.platforms.http import Http
    from chalicelib.playbook import Playbook
    from chalicelib.receive import Receiver
    from chalicelib.respond import Responder
    from chalicelib.store import Store
    from chalicelib.telemetry import Telemetry
    from chalicelib.timer import Timer

APPS_CACHED_FOR = timedelta(minutes=5)  # a rotated secret or a new account is known after that long
ONE_ATTEMPT = {"retries": {"total_max_attempts": 1}, "connect_timeout": 3, "read_timeout": 10}
SAFE_TO_REPEAT = {"retries": {"mode": "standard", "total_max_attempts": 3}, "connect_timeout": 2, "read_timeout": 5}


class Rooms:
    """What app.py's entry points work with."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._apps: tuple[datetime, Apps] | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = read_settings()
        return self._settings

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)

    def new_token(self) -> str:
        return uuid.uuid4().hex

    def client(self, service: str, config: dict[str, Any]) -> Any:
        """A boto3 client for `service`."""
        import logging

        import boto3
        from botocore.config import Config

        logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it found credentials, on every start
        make: Any = boto3.client
        return make(service, config=Config(**config))

    # --- the registrations, the policy, the model ---

    @property
    def apps(self) -> Apps:
        """The registrations, read again every APPS_CACHED_FOR. Raises AppsError."""
        now = self.now()
        if self._apps is None or now - self._apps[0] > APPS_CACHED_FOR:
            self._apps = now, load_apps(self._apps_text())
        return self._apps[1]

    def _apps_text(self) -> str:
        if self.settings.apps_file:
            return Path(self.settings.apps_file).read_text("utf-8")
        if not self.settings.apps_secret:
            raise AppsError("set EARSHOT_APPS_SECRET (deployed) or EARSHOT_APPS_FILE (local)")
        try:
            found = self._aws.call(SECRETS, "GetSecretValue", {"SecretId": self.settings.apps_secret})
            return str(found["SecretString"])
        except AwsError as error:
            raise AppsError(f"the registrations cannot be read: {error}") from error

    @cached_property
    def playbook(self) -> "Playbook":
        from chalicelib.playbook import DEFAULT_PLAYBOOK, load_playbook

        path = Path(self.settings.playbook_file) if self.settings.playbook_file else DEFAULT_PLAYBOOK
        return load_playbook(path.read_text("utf-8"), path.name)

    @cached_property
    def model(self) -> "IntentModel":
        from chalicelib.intents import DEFAULT_MODEL, IntentModel

        return IntentModel.load(DEFAULT_MODEL, self.settings.model_sha256 or None)

    # --- AWS ---

    @cached_property
    def store(self) -> "Store":
        from chalicelib.store import Store
        from chalicelib.table import DynamoTable

        table = DynamoTable(self.client("dynamodb", SAFE_TO_REPEAT), self.settings.table)
        return Store(table, self.settings.retention_days)

    @cached_property
    def _aws(self) -> LeanAws:
        return LeanAws()

    @cached_property
    def inbox(self) -> Queue:
        return SqsQueue(self._aws, self.settings.inbox_url)

    @cached_property
    def due(self) -> Queue:
        return SqsQueue(self._aws, self.settings.due_url)

    @cached_property
    def escalations(self) -> Queue:
        return SqsQueue(self._aws, self.settings.escalations_url)

    @cached_property
    def quarantine(self) -> Queue:
        return SqsQueue(self._aws, self.settings.quarantine_url)

    @cached_property
    def timer(self) -> "Timer":
        from chalicelib.timer import StepFunctionsTimer

        return StepFunctionsTimer(self.client("stepfunctions", SAFE_TO_REPEAT), self.settings.state_machine_arn)

    @cached_property
    def mailer(self) -> "Mailer":
        from chalicelib.mailer import SesMailer

        return SesMailer(self.client("sesv2", ONE_ATTEMPT), self.settings.mail_from, self.settings.mail_events)

    @cached_property
    def http(self) -> "Http":
        from chalicelib.platforms.http import PlatformHttp

        return PlatformHttp(self.settings.platforms_via)

    # --- the use cases ---

    @property
    def receiver(self) -> "Receiver":
        from chalicelib.receive import Receiver

        return Receiver(self.apps, self.inbox, self.http, self.save_chunks, self.new_token)

    @property
    def responder(self) -> "Responder":
        from chalicelib.acknowledge import Acknowledger
        from chalicelib.breaker import Breaker
        from chalicelib.respond import Responder

        acknowledger = Acknowledger(
            self.store, self.playbook, self.apps, self.http, Breaker(self.store, self.escalations), self.new_token
        )
        return Responder(
            store=self.store,
            model=self.model,
            playbook=self.playbook,
            apps=self.apps,
            inbox=self.inbox,
            quarantine=self.quarantine,
            save_chunks=self.save_chunks,
            due=self.due,
            timer=self.timer,
            http=self.http,
            acknowledger=acknowledger,
            report=self.telemetry.handled,
        )

    @property
    def escalator(self) -> "Escalator":
        from chalicelib.escalate import Escalator

        return Escalator(self.store, self.playbook, self.escalations, self.timer, self.telemetry.escalated)

    @property
    def notifier(self) -> "Notifier":
        from chalicelib.notify import Notifier

        return Notifier(
            store=self.store,
            playbook=self.playbook,
            apps=self.apps,
            mailer=self.mailer,
            new_token=self.new_token,
            report=self.telemetry.notified,
            public_url=self.settings.public_url,
        )

    @property
    def desk(self) -> "Desk":
        from chalicelib.act import Desk

        return Desk(self.store, self.playbook, self.apps)

    @property
    def eraser(self) -> "Eraser":
        from chalicelib.erasure import Eraser

        return Eraser(self.store, self.escalations)

    @property
    def doctor(self) -> "Doctor":
        from chalicelib.doctor import Doctor

        return Doctor(self.store, self.apps, self.playbook, self.http, self.mailer)

    @cached_property
    def telemetry(self) -> "Telemetry":
        from chalicelib.telemetry import Telemetry

        return Telemetry(self.settings.stage)

    # --- a body that SQS cannot carry ---

    def save_chunks(self, name: str, chunks: "Sequence[bytes]", now: datetime) -> None:
        """Keeps a packed body in the table until its message has been worked on."""
        for number, chunk in enumerate(chunks):
            self.store.put_document(f"body#{name}", f"{number:04}", {"bytes": chunk}, now + timedelta(days=14))

    def read_chunks(self, name: str) -> bytes:
        """The packed body that `save_chunks` kept; raises AlreadyDone when it was worked on before."""
        from chalicelib.inbox import AlreadyDone

        chunks = self.store.documents(f"body#{name}")
        if not chunks:
            raise AlreadyDone(name)
        return b"".join(bytes(doc["bytes"]) for doc in chunks)

    def drop_chunks(self, name: str) -> None:
        """Forgets a body that has been worked on: customers' words stay no longer than needed."""
        self.store.drop_documents(f"body#{name}")
