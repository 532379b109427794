"""The built package, running here as it would on AWS: each function under Lambda's own runtime client, the embedded AWS
behind it, API Gateway's, SQS's and the schedules' events in front."""

import fcntl
import hashlib
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import app as source
from chalicelib.apps import Apps, load_apps
from chalicelib.settings import variables
from chalicelib.storage.packed import unpack
from chalicelib.storage.table import Key
from infra.local.demo_apps import demo_text
from infra.local.embedded import Embedded, client, embedded_aws
from infra.local.events import schedule_event
from infra.local.gateway import Gateway
from infra.local.lambda_runtime import Environment, function
from infra.local.loopback import Answered, Call, serve
from infra.local.queue_poller import QueuePoller, sources
from infra.local.stand_in import StandIn
from infra.stack.package import ROOT, package

# The function's name in app.py → what .chalice/policy-*.json calls it.
FUNCTIONS = {
    "app": "receive",
    "respond": "respond",
    "escalate": "escalate",
    "sweep": "sweep",
    "notify": "notify",
    "mail_events": "mail_events",
    "incoming_mail": "incoming_mail",
    "doctor": "doctor",
}
# The function in chalicelib/report_functions.py → the role that infra/stack/reports.yaml gives it.
REPORTS = {
    "facts": "FactsRole",
    "compact": "ReportsRole",
    "forecast": "ReportsRole",
    "watch": "WatchRole",
    "report": "WeeklyRole",
}
_SOURCES = (
    "app.py",
    "requirements.txt",
    "chalicelib/**/*",
    ".chalice/*.json",
    "infra/stack/*",
)

KEPT_S = 3600


def built() -> Path:
    """The folder with sam.json, deployment.zip and the zip's contents under task/, built once for the same sources."""
    files = sorted(p for pattern in _SOURCES for p in ROOT.glob(pattern) if p.is_file() and p.suffix != ".pyc")
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    folder = ROOT / "build" / "tested" / digest.hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for old in folder.parent.glob("[0-9a-f]*"):
                if time() - old.stat().st_mtime > KEPT_S:  # a younger one may be in use by another run
                    shutil.rmtree(old, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                made = package(Path(scratch) / "made")
                with zipfile.ZipFile(made / "deployment.zip") as zip:
                    zip.extractall(made / "task")
                made.rename(folder)
    return folder


@dataclass(frozen=True, slots=True)
class AwsCall:
    """A call that a function made: `resource` is the table with its index, the queue, the secret … it names, `keys` the
    partition keys or the objects."""

    function: str
    action: str
    resource: str
    keys: frozenset[str] = frozenset()


_PREFIX = {"dynamodb": "dynamodb", "sqs": "sqs", "secretsmanager": "secretsmanager", "states": "states", "ses": "ses"}
# What S3 asks permission for, by method and by whether an object is named. A POST to the bucket deletes many.
_S3 = {
    ("GET", True): "GetObject",
    ("HEAD", True): "GetObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
    ("GET", False): "ListBucket",
    ("POST", False): "DeleteObject",
}


@dataclass(slots=True)
class Recorder:
    """Stands before moto and notes each call; the access key's id tells which function makes it."""

    application: Any
    _made: list[AwsCall] = field(default_factory=list)  # requests' threads append while a test reads

    @property
    def calls(self) -> frozenset[AwsCall]:
        """What was called so far."""
        return frozenset(self._made)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if "Credential=" in authorization:
            key, _, _, service, _ = authorization.split("Credential=")[1].split(",")[0].split("/")
            if key in FUNCTIONS or key in REPORTS:
                self._made.append(_call(key, service, environ, body))
        return self.application(environ, start_response)  # type: ignore[no-any-return]


def _call(key: str, service: str, environ: dict[str, Any], body: bytes) -> AwsCall:
    if service == "ses":
        assert environ["PATH_INFO"] == "/v2/email/outbound-emails", environ["PATH_INFO"]
        return AwsCall(key, "ses:SendEmail", "")
    if service == "s3":
        bucket, _, name = environ["PATH_INFO"].removeprefix("/").partition("/")
        verb = _S3[environ["REQUEST_METHOD"], bool(name)]
        return AwsCall(key, f"s3:{verb}", bucket, frozenset({name} if name else ()))
    action = environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2].removesuffix("Batch")  # permitted as the call for one
    data = json.loads(body)
    table = data.get("TableName", "") + (f"/index/{data['IndexName']}" if "IndexName" in data else "")
    resource = next(
        (str(data[n]) for n in ("QueueUrl", "SecretId", "stateMachineArn", "executionArn") if n in data), table
    )
    return AwsCall(key, f"{_PREFIX[service]}:{action}", resource, _keys(data))


def _keys(data: dict[str, Any]) -> frozenset[str]:
    """The partition keys that a DynamoDB call names."""
    found = [data.get(part, {}).get("pk", {}).get("S") for part in ("Key", "Item")]
    values = data.get("ExpressionAttributeValues", {})
    if "IndexName" not in data:
        found.append(values.get(":pk", {}).get("S"))
    return frozenset(k for k in found if k)


@dataclass(slots=True)
class Deployed:
    """Everything running. `environments` are the functions by their name in app.py."""

    url: str
    task: Path
    aws: Embedded
    stand_in: StandIn
    apps: Apps
    recorder: Recorder
    log: Path
    start: Callable[[str], Environment]
    variables: Callable[[str], dict[str, str]]
    environments: dict[str, Environment] = field(default_factory=dict)

    def invoke(self, name: str, event: Any) -> Any:
        """What the function returns; it is started when it is first needed."""
        if name not in self.environments:
            self.environments[name] = self.start(name)
        return self.environments[name].invoke(event)

    def schedule(self, name: str) -> None:
        """The scheduled event of `name`, as EventBridge sends it."""
        self.invoke(name, schedule_event(datetime(2026, 11, 21, 10, 0, tzinfo=UTC)))

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table, as DynamoDB has it, the documents unpacked: who looks for words finds them."""
        dynamodb = client("dynamodb", self.aws.endpoint)
        return [_readable(item) for item in dynamodb.scan(TableName=self.aws.settings.table)["Items"]]


def _readable(item: dict[str, Any]) -> dict[str, Any]:
    packed = item.get("doc", {}).get("B")
    return {**item, "doc": unpack(packed, Key(item["pk"]["S"], item["sk"]["S"]).whole)} if packed else item


class _Api:
    """app.app as the gateway calls it, in its own process."""

    def __init__(self) -> None:
        self.routes = source.app.routes
        self.deployed: Deployed | None = None

    def __call__(self, event: Any, context: Any) -> Any:
        assert self.deployed
        return self.deployed.invoke("app", event)


class _Functions:
    """app.py's functions as the event sources call them, each in its own process."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        return lambda event, context: self._deployed.invoke(name, event)


@contextmanager
def deployed(answer: Callable[[Call], Answered | None] = lambda call: None, *, poll: bool = True) -> Iterator[Deployed]:
    """The package with its event sources (unless not to `poll`) while inside. `answer` goes before the stand-in for the
    platforms."""
    task, stand_in, api = built() / "task", StandIn(), _Api()
    gateway = Gateway(api)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        aws = stack.enter_context(embedded_aws())
        via = stack.enter_context(serve(lambda call: answer(call) or stand_in.answer(call)))
        url = stack.enter_context(serve(gateway.answer))
        registrations = demo_text()
        secrets = client("secretsmanager", aws.endpoint)
        secrets.put_secret_value(SecretId=aws.settings.apps_secret, SecretString=registrations)
        settings = aws.settings._replace(platforms_via=via, public_url="", stage="tested")
        log = stack.enter_context((scratch / "log").open("wb"))

        def environment(name: str) -> dict[str, str]:
            public = url if name in ("notify", "mail_events") else ""  # as in the template
            return {
                **variables(settings._replace(public_url=public)),
                "AWS_REGION": "eu-central-1",
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": name,
                "AWS_SECRET_ACCESS_KEY": "embedded",
                "AWS_SESSION_TOKEN": "embedded",
                "AWS_ENDPOINT_URL": aws.endpoint,
            }

        def start(name: str) -> Environment:
            return stack.enter_context(function(task, f"app.{name}", environment(name), log=log))

        recorder = Recorder(aws.door.application)
        aws.door.application = recorder
        running = Deployed(
            url, task, aws, stand_in, load_apps(registrations), recorder, scratch / "log", start, environment
        )
        api.deployed = running
        functions: Any = _Functions(running)
        poller = QueuePoller(aws, sources(functions), lambda event, context: running.invoke("sweep", event))
        if poll:
            stack.enter_context(poller)
        yield running


def until(what: Callable[[], Any], seconds: float = 150.0) -> Any:
    """What `what` returns as soon as it is something; fails when it stays nothing."""
    end = monotonic() + seconds
    while not (found := what()):
        assert monotonic() < end, "it did not happen"
        sleep(0.1)
    return found
