"""The embedded AWS: moto's server in this process, with what infra/stack/resources.yaml defines, and no account.

moto answers one request at a time here, because its threaded server is not linearizable: conditional writes could have
two winners.
"""

import json
import logging
import os
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from threading import Lock, Thread
from typing import Any

from chalicelib.keys import new_keys
from chalicelib.settings import Settings, read_settings
from infra.local.events import REGION
from infra.stack.definitions import TIMER, Definitions, Made

STACK = "earshot-local"
ACCOUNT = "123456789012"  # moto's
MAIL_FROM = "earshot@marigold.example.com"
REPLY_DOMAIN = "reply.marigold.example.com"
_SEND_EMAIL = "/v2/email/outbound-emails"

# What the AWS client library may read on this machine: nothing but the embedded AWS
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "embedded",
    "AWS_SECRET_ACCESS_KEY": "embedded",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
_UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def reach(endpoint: str) -> dict[str, str]:
    """The environment in which another process's AWS clients talk to the embedded AWS at `endpoint`."""
    return {**_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}


@dataclass(frozen=True, slots=True)
class SentEmail:
    """An e-mail that SES accepted `at` that time; `tags` and `headers` are the sender's."""

    id: str
    at: datetime
    to: str
    subject: str
    text: str
    html: str
    tags: Mapping[str, str]
    headers: Mapping[str, str]
    reply_to: str = ""
    images: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Door:
    """What stands before moto: one request at a time, and a note of what SES accepted (moto forgets text and tags)."""

    application: Any
    requests: list[tuple[str, datetime, dict[str, Any]]] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        with self._lock:
            answer = b"".join(self.application(environ, start_response))
        if environ["PATH_INFO"] == _SEND_EMAIL and b'"MessageId"' in answer:
            self.requests.append((json.loads(answer)["MessageId"], datetime.now(UTC), json.loads(body)))
        return [answer]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running one. `settings` is what Earshot has to know of it; queues have the names of the template."""

    settings: Settings
    endpoint: str
    made: Mapping[str, Made]
    door: Door

    def queue_url(self, name: str) -> str:
        """The address of a queue such as "InboxQueue"."""
        return self.made[name].ref

    def queue_arn(self, name: str) -> str:
        return self.made[name].attributes["Arn"]

    def emails(self) -> list[SentEmail]:
        """What was sent, in order, read back from moto's SES."""
        # start-up time: moto takes seconds
        from moto.ses.models import ses_backends

        kept = {message.id: message for message in ses_backends[ACCOUNT][REGION].sent_messages}
        return [_email(id, at, request) for id, at, request in tuple(self.door.requests) if id in kept]

    def counts(self, name: str) -> int:
        """How many messages the queue holds, waiting, delayed or being worked on."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        sqs = client("sqs", self.endpoint)
        found = sqs.get_queue_attributes(QueueUrl=self.queue_url(name), AttributeNames=names)["Attributes"]
        return sum(int(found[n]) for n in names)


@lru_cache(maxsize=32)
def client(service: str, endpoint: str) -> Any:
    """A boto3 client of the embedded AWS at `endpoint`."""
    # start-up time: boto3 takes half a second
    from boto3.session import Session

    make: Any = Session(aws_access_key_id="embedded", aws_secret_access_key="embedded", region_name=REGION).client
    return make(service, endpoint_url=endpoint)


@contextmanager
def embedded_aws() -> Iterator[Embedded]:
    """A fresh embedded AWS while inside; this process's AWS clients talk to it and to nothing else.

    One at a time in a process, because moto keeps its state in the process; raises RuntimeError for a second one.
    """
    with (
        _alone(),
        _environment(_ENVIRONMENT),
        _moto() as (endpoint, door),
        _environment({"AWS_ENDPOINT_URL": endpoint}),
    ):
        makers = _Makers(endpoint)
        parameters = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": STACK,
            "MailFrom": MAIL_FROM,
            "MailIdentity": MAIL_FROM,
            "AlarmEmail": MAIL_FROM,
            "Stage": "local",
            "ReplyDomain": REPLY_DOMAIN,
        }
        definitions = Definitions(parameters, makers.by_type())
        definitions.make_all()
        makers.sender(MAIL_FROM)
        definitions.made["FactsBucket"] = facts = makers.bucket(f"{STACK}-facts")  # of reports.yaml, which has no more
        settings = read_settings(definitions.variables())._replace(facts_bucket=facts.ref)
        yield Embedded(settings, endpoint, definitions.made, door)


_one = Lock()


@contextmanager
def _alone() -> Iterator[None]:
    if not _one.acquire(blocking=False):
        raise RuntimeError("one at a time: this process has an embedded AWS already")
    try:
        yield
    finally:
        _one.release()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.pop(name, None) for name in (*values, *_UNSET)}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _moto() -> Iterator[tuple[str, Door]]:
    # start-up time: moto takes seconds
    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    for name in ("werkzeug", "moto.stepfunctions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    executed = default_user_config["stepfunctions"]["execute_state_machine"]
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    door = Door(DomainDispatcherApplication(create_backend_app))
    server: Any = make_server("127.0.0.1", 0, door, threaded=True, request_handler=_handler(MotoRequestHandler))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="moto")
    thread.start()
    port = str(server.server_address[1])
    endpoint = f"http://127.0.0.1:{port}"
    _reset()
    try:
        with _environment({"MOTO_PORT": port}):
            yield endpoint, door
    finally:
        default_user_config["stepfunctions"]["execute_state_machine"] = executed
        _end_executions()
        _reset()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _handler(base: Any) -> Any:
    return type("QuickHandler", (base,), {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True})


def _end_executions() -> None:
    """Stops what still waits: each is a thread of moto's, which would deliver into the next embedded AWS."""
    # start-up time: moto takes seconds
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends
    from moto.stepfunctions.parser.utils import TMP_THREADS

    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        executions: Any = tuple(machine.executions)
        for execution in executions:
            execution.stop(stop_date=datetime.now(UTC), error=None, cause=None)
            if execution.exec_worker:  # stop's own signal is lost on one that has not begun to wait
                execution.exec_worker.env.program_state_event.set()
    for thread in TMP_THREADS:
        thread.join(5)
    TMP_THREADS.clear()


def _reset() -> None:
    """Forgets everything, so that one embedded AWS does not see the one before it."""
    # start-up time: moto takes seconds
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def _email(id: str, at: datetime, request: Mapping[str, Any]) -> SentEmail:
    simple = request["Content"]["Simple"]
    return SentEmail(
        id=id,
        at=at,
        to=", ".join(request["Destination"]["ToAddresses"]),
        subject=simple["Subject"]["Data"],
        text=simple["Body"]["Text"]["Data"],
        html=simple["Body"]["Html"]["Data"],
        tags={tag["Name"]: tag["Value"] for tag in request.get("EmailTags", ())},
        headers={header["Name"]: header["Value"] for header in simple.get("Headers", ())},
        reply_to=next(iter(request.get("ReplyToAddresses", ())), ""),
        images={a["ContentId"]: b64decode(a["RawContent"]) for a in simple.get("Attachments", ())},
    )


# CloudFormation's property → the API's, where creating a queue or table by API takes the same thing
_QUEUE_ATTRIBUTES = (
    *("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy"),
    *("SqsManagedSseEnabled", "VisibilityTimeout"),
)
_TABLE_PROPERTIES = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")


@dataclass(frozen=True, slots=True)
class _Makers:
    """Makes resources by API: a state machine made through CloudFormation would be invisible to moto's execution."""

    endpoint: str

    def by_type(self) -> dict[str, Callable[[str, Mapping[str, Any]], Made]]:
        return {
            "AWS::DynamoDB::Table": self._table,
            "AWS::SQS::Queue": self._queue,
            "AWS::StepFunctions::StateMachine": self._state_machine,
            "AWS::SES::ConfigurationSet": self._configuration_set,
            "AWS::S3::Bucket": self._bucket,
            "AWS::SecretsManager::Secret": self._secret,
            "AWS::Lambda::Url": lambda name, properties: Made(
                name, {"FunctionUrl": f"https://{name.lower()}.example.com/"}
            ),
        }

    def sender(self, address: str) -> None:
        """Lets SES send from `address`."""
        client("sesv2", self.endpoint).create_email_identity(EmailIdentity=address)

    def _table(self, name: str, properties: Mapping[str, Any]) -> Made:
        request = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
        answer = client("dynamodb", self.endpoint).create_table(TableName=f"{STACK}-{name}", **request)
        return Made(f"{STACK}-{name}", {"Arn": answer["TableDescription"]["TableArn"]})

    def _queue(self, name: str, properties: Mapping[str, Any]) -> Made:
        attributes = {key: _attribute(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties}
        sqs = client("sqs", self.endpoint)
        url = sqs.create_queue(QueueName=f"{STACK}-{name}", Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Made(url, {"Arn": arn, "QueueName": f"{STACK}-{name}"})

    def _state_machine(self, name: str, properties: Mapping[str, Any]) -> Made:
        definition = TIMER.read_text("utf-8")
        for key, value in properties.get("DefinitionSubstitutions", {}).items():
            definition = definition.replace(f"${{{key}}}", value)
        answer = client("stepfunctions", self.endpoint).create_state_machine(
            name=f"{STACK}-{name}",
            definition=definition,
            roleArn=properties["RoleArn"],
            type=properties["StateMachineType"],
        )
        return Made(answer["stateMachineArn"], {"Arn": answer["stateMachineArn"]})

    def _configuration_set(self, name: str, properties: Mapping[str, Any]) -> Made:
        client("sesv2", self.endpoint).create_configuration_set(ConfigurationSetName=properties["Name"])
        return Made(properties["Name"])

    def _bucket(self, name: str, properties: Mapping[str, Any]) -> Made:
        return self.bucket(properties["BucketName"])

    def bucket(self, name: str) -> Made:
        """Makes a bucket of that name."""
        where = {"LocationConstraint": REGION}
        client("s3", self.endpoint).create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return Made(name, {"Arn": f"arn:aws:s3:::{name}"})

    def _secret(self, name: str, properties: Mapping[str, Any]) -> Made:
        answer = client("secretsmanager", self.endpoint).create_secret(
            Name=properties["Name"], SecretString=properties.get("SecretString") or new_keys().dump()
        )
        return Made(answer["ARN"], {"Id": answer["ARN"]})


def _attribute(value: Any) -> str:
    """SQS takes strings only: JSON for a policy, "true" for a flag."""
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)
