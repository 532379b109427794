"""The policies in infra/stack/policies allow what `make deploy`, `make rollback` and the operator's commands do, and
what CloudFormation does to the stack's resources in the deployer's name; and nothing else.

The commands' calls are recorded while they run; what a resource needs is what its type's own schema says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from chalicelib.aws import secret_text
from chalicelib.aws.client import LeanAws
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.services import Services
from chalicelib.settings import variables
from infra.local.demo_apps import write
from infra.local.embedded import ACCOUNT, Embedded, client, embedded_aws
from infra.local.events import REGION
from infra.ops import corrections, doctor
from infra.ops.commands import COMMANDS, main
from infra.reports import command as reports
from infra.stack import cloudformation, layers, rollback
from infra.stack.deploy import check_playbook, deploy, table_values
from infra.stack.package import ROOT, merge_template
from tests.test_package import expand
from tests.world import NOW

POLICIES = ROOT / "infra" / "stack" / "policies"
LONGEST = 6144  # characters of a managed policy, white space apart
DIRECT, THROUGH_CLOUDFORMATION = ("deployer",), ("stack-data", "stack-functions")
STACK = "earshot-local"
PAGE = "100200300400500"

_IAM_NAMES = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
FREE = {"sts:GetCallerIdentity"}  # needs no permission


@dataclass(frozen=True, slots=True)
class Call:
    action: str
    resource: str


def statements(*names: str) -> list[dict[str, Any]]:
    texts = [(POLICIES / f"{name}.json").read_text("utf-8") for name in names]
    return [s for text in texts for s in json.loads(text)["Statement"]]


def allows(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    return action in statement["Action"] and any(fnmatchcase(resource, r) for r in resources)


def arn(service: str, params: Mapping[str, Any]) -> str:
    """What the call is about, as IAM names it; * where it is about the account."""
    here = f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    if service == "dynamodb":
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        table = params.get("TableName") or params["TargetTableName"]  # a restore asks for rights on both
        return f"{here}table/{table}{index}"
    if service == "s3" and "Bucket" in params:
        return f"arn:aws:s3:::{params['Bucket']}" + (f"/{params['Key']}" if "Key" in params else "")
    for name, made in {
        "QueueUrl": "{}",
        "QueueName": "{}",
        "SecretId": "secret:{}-AbCdEf",
        "FunctionName": "function:{}",
        "StackName": "stack/{}/0a1b",
        "logGroupName": "log-group:{}:log-stream:",
    }.items():
        if name in params:
            value = str(params[name])
            named = value.rpartition("/")[2] if name == "QueueUrl" else value
            return value if value.startswith("arn:") else here + made.format(named)
    return "*"


@dataclass(slots=True)
class Recorder:
    """Notes every call of boto3's clients and of the lean one, and answers for what the embedded AWS has not: the
    stack, first one whose creation failed, and its functions."""

    variables: Mapping[str, str]
    calls: set[Call] = field(default_factory=set)
    status: str = "ROLLBACK_COMPLETE"
    token: str = ""

    def note(self, service: str, action: str, params: Mapping[str, Any]) -> None:
        service = "cloudwatch" if service == "monitoring" else service
        name = f"{service}:{action}"
        self.calls.add(Call(_IAM_NAMES.get(name, name), arn(service, params)))

    def built(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.note(model.service_model.signing_name, model.name, params)

    def answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        if model.service_model.service_name not in ("cloudformation", "lambda"):
            return None
        return SimpleNamespace(status_code=200), getattr(self, f"_{model.name}")(params["body"])

    def _DescribeStacks(self, body: Any) -> dict[str, Any]:
        id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0a1b"
        return {"Stacks": [{"StackName": STACK, "StackId": id, "StackStatus": self.status, "Outputs": []}]}

    def _DeleteStack(self, body: Any) -> dict[str, Any]:
        self.status = "DELETE_COMPLETE"
        return {}

    def _CreateChangeSet(self, body: Any) -> dict[str, Any]:
        return {}

    def _ListChangeSets(self, body: Any) -> dict[str, Any]:
        return {"Summaries": [{"ChangeSetName": f"{cloudformation.CHANGE_SET}-1"}]}

    def _DeleteChangeSet(self, body: Any) -> dict[str, Any]:
        return {}

    def _DescribeChangeSet(self, body: Any) -> dict[str, Any]:
        return {"Status": "CREATE_COMPLETE"}

    def _ExecuteChangeSet(self, body: Any) -> dict[str, Any]:
        self.token, self.status = body["ClientRequestToken"], "CREATE_COMPLETE"
        return {}

    def _DescribeStackEvents(self, body: Any) -> dict[str, Any]:
        event = {"ClientRequestToken": self.token, "StackId": "s", "PhysicalResourceId": "s"}
        return {"StackEvents": [{**event, "ResourceStatus": "CREATE_COMPLETE"}]}

    def _DescribeStackResources(self, body: Any) -> dict[str, Any]:
        return {"StackResources": []}

    def _DescribeStackResource(self, body: Any) -> dict[str, Any]:
        return {"StackResourceDetail": {"PhysicalResourceId": f"{STACK}-Notify-0a1b"}}

    def _ListStackResources(self, body: Any) -> dict[str, Any]:
        made = {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": f"{STACK}-Respond-0a1b"}
        return {"StackResourceSummaries": [made]}

    def _GetFunctionConfiguration(self, body: Any) -> dict[str, Any]:
        return {"Environment": {"Variables": dict(self.variables)}}

    def _GetAlias(self, body: Any) -> dict[str, Any]:
        return {"FunctionVersion": "2"}

    def _ListVersionsByFunction(self, body: Any) -> dict[str, Any]:
        return {"Versions": [{"Version": v} for v in ("$LATEST", "1", "2")]}

    def _UpdateAlias(self, body: Any) -> dict[str, Any]:
        return {}

    def _GetAccountSettings(self, body: Any) -> dict[str, Any]:
        return {"AccountLimit": {"ConcurrentExecutions": 1000}}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Every command has run."""
    folder = tmp_path_factory.mktemp("commands")
    with embedded_aws() as aws, pytest.MonkeyPatch.context() as patch:
        settings = aws.settings._replace(platforms_via="http://127.0.0.1:9")
        recorder = Recorder(variables(settings))
        session = boto3.Session()
        session.events.register("before-parameter-build", recorder.built)
        session.events.register("before-call", recorder.answer)
        patch.setattr(boto3, "DEFAULT_SESSION", session)
        lean = LeanAws.call

        def call(self: LeanAws, service: Any, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
            recorder.note(service.name, action, parameters)
            return lean(self, service, action, parameters)

        patch.delenv("EARSHOT_TABLE", raising=False)
        _fill(aws)
        patch.setattr(LeanAws, "call", call)
        patch.setattr(cloudformation, "sleep", lambda seconds: None)
        patch.setattr(cloudformation, "LOOK_EVERY_S", 0.0)
        patch.setattr(layers, "build", lambda name: _file(folder / f"{name}.zip", "zip"))
        patch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False, readline=lambda: "a-new-secret\n"))
        _deploy(folder)
        _operate(folder)
        doctor.sandbox()
        doctor.concurrency(settings._replace(stage="prod"))
        yield recorder


def _file(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def _fill(aws: Embedded) -> None:
    """A question, a dead letter in every queue, a file of facts."""
    services = Services(aws.settings)
    at = Interaction("facebook", PAGE, "c1", Kind.NEW, NOW, NOW, thread="c1", author="77001", text="Hello?")
    services.store.change_interaction(at, lambda old: at, NOW)
    for name in (n for n in aws.made if n.endswith("DeadLetters")):
        for customer in ("77001", "77002"):
            about = {"v": 1, "product": "facebook", "account": PAGE, "thread": "c1", "customer": customer}
            client("sqs", aws.endpoint).send_message(QueueUrl=aws.queue_url(name), MessageBody=json.dumps(about))
    s3 = client("s3", aws.endpoint)
    s3.put_object(Bucket=aws.settings.facts_bucket, Key="facts/day=2026-11-20/a.jsonl", Body=b"")


def _deploy(folder: Path) -> None:
    _file(folder / "deployment.zip", "zip")
    _file(folder / "sam.json", json.dumps(merge_template()))
    values: dict[str, str] = {n: "x@shop.example.com" for n in ("MailFrom", "MailIdentity", "AlarmEmail")}
    with pytest.raises(cloudformation.DeployError, match="an earlier stack of this name"):
        deploy(folder, "local", values)  # the embedded AWS has its secrets already
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.stack.deploy._refuse_what_remains", lambda stack: None)
        deploy(folder, "local", values)
    with pytest.raises(cloudformation.DeployError, match="lacks"):
        table_values("earshot-local-Table")  # the embedded table has no recovery
    check_playbook(STACK, DEFAULT_PLAYBOOK)
    rollback.rollback(STACK)


COMMAND_LINES: Mapping[str, list[list[str]]] = {
    "apps": [["--file", "APPS"]],
    "doctor": [[]],
    "export": [["--customer", f"facebook:{PAGE}:77001"]],
    "erase": [["--customer", f"facebook:{PAGE}:77001"]],  # before the dead letters are gone
    "redrive": [["--queue", q] for q in ("inbox", "due", "escalations", "mail-events", "incoming-mail")],
    "rotate-secret": [["--platform", "meta", "--app", "main"], ["--platform", "meta", "--app", "main", "--finish"]],
    "rotate-key": [[]],
    "playbook": [["--file", str(DEFAULT_PLAYBOOK)], ["--version", "0"], []],
    "link": [
        ["--customer", f"facebook:{PAGE}:77001", "--other", "whatsapp:106500000000001:447700900001", "--by", "Robin"],
        [
            "--customer",
            f"facebook:{PAGE}:77001",
            "--other",
            "whatsapp:106500000000001:447700900001",
            "--by",
            "Robin",
            "--undo",
        ],
    ],
    "connect": [[]],
    "restore": [["--to", "RECOVERABLE"]],
    "backfill": [["--account", f"facebook:{PAGE}", "--since", "36h"], ["--table", "FORMER"]],
}


def _recoverable(table: str) -> str:
    """A time to which the table can be restored: the template's setting, which the embedded table does not have."""
    dynamodb = boto3.client("dynamodb")
    given = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=given)
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    first = backups["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"]
    return f"{first.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def _operate(folder: Path) -> None:
    for text in (json.dumps([token_hex(40) for _ in range(2000)]), "{}"):  # registrations that filled two parts
        secret_text.put(boto3.client("secretsmanager"), f"{STACK}/apps", text)
    words = {"APPS": str(write(folder / "apps.json")), "RECOVERABLE": _recoverable("earshot-local-Table")}
    words["FORMER"] = f"earshot-local-Table-{datetime.fromisoformat(words['RECOVERABLE']):%Y%m%dT%H%M%S}"
    for command, lines in COMMAND_LINES.items():
        for line in lines:
            main(["--stage", "local-stack", command, *(words.get(word, word) for word in line)])
    corrections.main(["--stage", "local-stack", "--out", str(folder / "c.jsonl")])
    reports.refill("local-stack", DEFAULT_PLAYBOOK, NOW)
    reports.fetch("local-stack", folder / "facts", read_playbook(DEFAULT_PLAYBOOK))


def test_every_command_is_recorded() -> None:
    assert set(COMMAND_LINES) == set(COMMANDS)


def test_every_call_of_the_commands_is_allowed(recorded: Recorder) -> None:
    made = {c for c in recorded.calls if c.action not in FREE}
    refused = {c for c in made if not any(allows(s, c.action, c.resource) for s in statements(*DIRECT))}
    assert refused == set()


# Allowed for what the recorded calls are not made for: CloudFormation reads the uploaded template and expands it
# and DynamoDB asks for the right to write what it restores.
ELSEWHERE = {
    ("Restore", "dynamodb:BatchWriteItem"),
    ("Upload", "s3:GetObject"),
    ("ExpandTheTemplate", "cloudformation:CreateChangeSet"),
}


def test_nothing_is_allowed_that_no_command_does(recorded: Recorder) -> None:
    for statement in statements(*DIRECT):
        for action in statement["Action"]:
            used = any(c.action == action and allows(statement, action, c.resource) for c in recorded.calls)
            assert used or (statement["Sid"], action) in ELSEWHERE, (statement["Sid"], action)


# --- what CloudFormation does in the deployer's name ---

# Of what a type's handlers may call: what serves properties that the template does not use
UNUSED = re.compile(
    "|".join(
        [
            r"^(kms|ec2|elasticfilesystem|s3files|codedeploy|kinesis|firehose|s3tables):",  # keys, networks, replicas …
            r"^dynamodb:((Create|Associate)TableReplica|Import|DescribeImport|(Enable|Disable|Update)Kinesis)",
            r"^dynamodb:(UpdateContributorInsights|(Put|Delete)ResourcePolicy|Scan|Query|\w+Item)$",
            r"^apigateway:(Tag|Untag)Resource",
            r"^lambda:\w*(ProvisionedConcurrency|ScalingConfig|CapacityProvider|AssociateRuntimeAlias)",
            r"^lambda:((Put|Delete)FunctionCodeSigningConfig|GetCodeSigningConfig)",
            r"^lambda:(PutRuntimeManagementConfig|PutFunctionRecursionConfig)",
            r"^iam:((Attach|Detach)RolePolicy$|\w+PermissionsBoundary|CreateServiceLinkedRole|UpdateRoleDescription)",
            r"^logs:(CreateLogDelivery|CreateLogStream|PutLogEvents|DescribeLogStreams|\w+KmsKey|\w*ResourcePolic)",
            r"^logs:(Put|Delete)\w*(DataProtection|Index|Bearer|LogGroupDeletion)|^logs:DeleteRetentionPolicy",
            r"REST\.PUT|^s3:(getObject|PutObject\w*|DeleteObject|GetObjectMetadata)$|^s3:\w*Metadata\w*Table",
            r"^s3:Put(Analytics|Inventory|Metrics|Replication|IntelligentTiering|Accelerate|ObjectLock)Configuration",
            r"^s3:PutBucket(CORS|Notification|Replication|Website|Logging|Versioning|ObjectLock\w*|Abac|Acl)$",
            r"^s3:DeleteBucket(Website|Analytics\w*|Cors|Metrics\w*|Replication)$",
            r"^application-autoscaling:(Put|Delete)ScheduledAction",
            r"^secretsmanager:(Replicate|Remove)|^sns:PutDataProtectionPolicy",
            r"^ses:\w+(Tracking|Delivery|Vdm|Archiving)Options",
        ]
    )
)

_HERE = f"{REGION}:{ACCOUNT}"
# By service: what the stack earshot-prod is called there, and what is somebody else's
OURS: Mapping[str, list[str]] = {
    "application-autoscaling": [f"arn:aws:application-autoscaling:{_HERE}:scalable-target/0a1b"],
    "apigateway": [f"arn:aws:apigateway:{REGION}::/apis/a1b2/routes", f"arn:aws:apigateway:{REGION}::/domainnames/x"],
    "cloudwatch": [
        f"arn:aws:cloudwatch:{_HERE}:alarm:earshot-prod-token",
        f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/earshot-prod",
    ],
    "dynamodb": [f"arn:aws:dynamodb:{_HERE}:table/earshot-prod-Table-0A1B"],
    "events": [f"arn:aws:events:{_HERE}:rule/earshot-prod-SweepSchedule-0A1B"],
    "iam": [f"arn:aws:iam::{ACCOUNT}:role/earshot-prod-RespondRole-0A1B"],
    "lambda": [
        f"arn:aws:lambda:{_HERE}:function:earshot-prod-Respond-0A1B:live",
        f"arn:aws:lambda:{_HERE}:layer:ReportsLayer:3",
        f"arn:aws:lambda:{_HERE}:layer:ForecastLayer",
        f"arn:aws:lambda:{_HERE}:event-source-mapping:0a1b",
    ],
    "logs": [f"arn:aws:logs:{_HERE}:log-group:/earshot/earshot-prod:*"],
    "s3": ["arn:aws:s3:::earshot-prod-factsbucket-0a1b", "arn:aws:s3:::earshot-deploy-x/0a.zip"],
    "secretsmanager": [f"arn:aws:secretsmanager:{_HERE}:secret:earshot-prod/apps-AbCdEf"],
    "ses": [f"arn:aws:ses:{_HERE}:configuration-set/earshot-prod"],
    "sns": [f"arn:aws:sns:{_HERE}:earshot-prod-AlarmTopic-0A1B"],
    "sqs": [f"arn:aws:sqs:{_HERE}:earshot-prod-InboxQueue-0A1B"],
    "states": [f"arn:aws:states:{_HERE}:stateMachine:TimerStateMachine-0A1B"],
}
THEIRS = "arn:aws:{service}:" + _HERE + ":{kind}payroll"
KINDS = ("", "table/", "function:", "role/", "secret:", "rule/", "log-group:", "stateMachine:", "alarm:", "stack/")


@cache
def known() -> Mapping[str, Any]:
    """IAM's actions by service, in lower case."""
    file = Path(str(import_module("cfnlint").__file__)).parent / "data" / "AdditionalSpecs" / "Policies.json"
    found: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def is_action(action: str) -> bool:
    """Whether IAM knows it: s3:DeleteBucketEncryption, for one, is allowed as s3:PutEncryptionConfiguration."""
    service, _, verb = action.partition(":")
    return verb.lower() in known()[service]["Actions"]


@pytest.fixture(scope="module")
def needed() -> Mapping[str, set[str]]:
    """By type of the expanded template: the actions of its handlers that the template's properties can need."""
    from infra.local.deployed import built

    template = json.loads((built() / "sam.json").read_text("utf-8"))
    types = {r["Type"] for r in expand(template)["Resources"].values()}
    folder = Path(str(import_module("cfnlint").__file__)).parent / "data" / "schemas" / "resources"
    schemas = [json.loads(p.read_text("utf-8")) for p in folder.glob("*.json")]
    found: dict[str, set[str]] = {t: set() for t in types}
    for schema in (s for s in schemas if s["typeName"] in types):
        handlers = [h for name, h in schema.get("handlers", {}).items() if name != "list"]
        actions = chain.from_iterable(h.get("permissions", []) for h in handlers)
        found[schema["typeName"]] |= {a for a in actions if not UNUSED.search(a) and is_action(a)}
    return found


def test_cloudformation_may_do_what_each_resource_of_the_template_needs(needed: Mapping[str, set[str]]) -> None:
    assert all(needed.values()), [t for t, actions in needed.items() if not actions]
    policy = statements(*THROUGH_CLOUDFORMATION)
    for kind, actions in needed.items():
        for action in actions:
            own = OURS[action.partition(":")[0]]
            assert any(allows(s, action, r) for s in policy for r in own), (kind, action)


def test_cloudformation_may_do_nothing_that_no_resource_needs(needed: Mapping[str, set[str]]) -> None:
    allowed = {a for s in statements(*THROUGH_CLOUDFORMATION) for a in s["Action"]}
    assert allowed - set().union(*needed.values()) == set()


def test_what_is_cloudformations_is_allowed_through_it_only() -> None:
    for statement in statements(*THROUGH_CLOUDFORMATION):
        via = statement["Condition"]["ForAnyValue:StringEquals"]
        assert via == {"aws:CalledVia": "cloudformation.amazonaws.com"}
        if "iam:PassRole" in statement["Action"]:
            services = statement["Condition"]["StringEquals"]["iam:PassedToService"]
            assert services == ["lambda.amazonaws.com", "states.amazonaws.com"]


@pytest.mark.parametrize("name", [*DIRECT, *THROUGH_CLOUDFORMATION])
def test_a_policy_fits_and_names_actions_that_exist(name: str) -> None:
    text = (POLICIES / f"{name}.json").read_text("utf-8")
    assert len("".join(text.split())) <= LONGEST
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert "*" not in action and is_action(action), action


# Reads and lists that AWS lets nobody narrow down, and SES's receipt rules, which have no names there
UNNAMED = ("LookAround", "FindTheBucketOfUploads", "WhatHasNoName")


@pytest.mark.parametrize("name", [*DIRECT, *THROUGH_CLOUDFORMATION])
def test_what_is_somebody_elses_is_out_of_reach(name: str) -> None:
    for statement in statements(name):
        if statement["Sid"] in UNNAMED:
            continue
        assert statement["Resource"] != "*"
        for action in statement["Action"]:
            service = action.partition(":")[0]
            for kind in KINDS:
                assert not allows(statement, action, THEIRS.format(service=service, kind=kind))
            assert not allows(statement, action, "arn:aws:s3:::payroll")
