"""`make deploy STAGE=…`: uploads the zip and creates or updates the one stack, then says what to do next.

Works with the credentials and region of the environment, as the AWS command line does, but needs only boto3. What stack
the change finds decides what happens: infra/stack/cloudformation.py.
"""

import argparse
import hashlib
import json
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from chalicelib.apps import Apps, load_apps
from chalicelib.aws import secret_text
from chalicelib.handlers.inbox import VERSION
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.storage.table import SCHEMA
from infra.stack import cloudformation, layers, restored, serving_table
from infra.stack.cloudformation import DeployError
from infra.stack.layers import LayerError
from infra.stack.package import BUILD, PackageError, merge_template, package, report
from infra.stack.said import AWS, said

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
LARGEST_BODY = 51_200  # bytes of a template that CloudFormation takes in the call
RELEASE = "EARSHOT_RELEASE"  # no setting: nothing reads it
WRITES = "EARSHOT_WRITES"  # the forms of items and of messages that a release writes, for make rollback
SECRETS = ("apps", "keys")  # whose names are the stack's; they outlive it
NONE = "none"  # a value is as if it had never been given; nothing said keeps what the stack has
OWN = "own"  # as TABLE: the stack's own again
PARAMETERS = (
    "MailFrom",
    "MailIdentity",
    "AlarmEmail",
    "RetentionDays",
    "LogDays",
    "RespondConcurrency",
    "NotifyConcurrency",
    "Memory",
    "FactsWindow",
    "SilenceHours",
    "ReceiveConcurrency",
    "Endpoint",
    "TableCapacity",
    "TableUnits",
    "DomainName",
    "CertificateArn",
    "ReplyDomain",
)


class Bucket:
    """The bucket of the uploaded zips, one in an account and region. Its name ends at random, so that nobody can have
    taken it before, and every call says whose it must be."""

    def __init__(self, s3: Any, account: str, region: str) -> None:
        self._s3, self._owner, self._region = s3, account, region
        self.name = self._found() or self._make()

    def put(self, content: bytes, ending: str) -> str:
        """The key under which `content` lies now: its hash."""
        key = f"{hashlib.sha256(content).hexdigest()}.{ending}"
        self._s3.put_object(Bucket=self.name, Key=key, Body=content, ExpectedBucketOwner=self._owner)
        return key

    def _prefix(self) -> str:
        return f"earshot-deploy-{self._region}-"

    def _found(self) -> str | None:
        names = sorted(b["Name"] for b in self._s3.list_buckets()["Buckets"])  # this account's own
        return next((name for name in names if name.startswith(self._prefix())), None)

    def _make(self) -> str:
        name = self._prefix() + secrets.token_hex(8)
        where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._s3.create_bucket(Bucket=name, **({} if self._region == "us-east-1" else where))
        return name


def placed(template: dict[str, Any], bucket: str, key: str, layers: Mapping[str, str]) -> dict[str, Any]:
    """`template` with every function's code at the uploaded zip, and each layer's at its own: `layers` are keys by what
    the template calls the zip, e.g. "reports"."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            name = Path(resource["Properties"]["ContentUri"]).stem
            resource["Properties"]["ContentUri"] = {"Bucket": bucket, "Key": layers[name]}
    return template


def layers_of(template: Mapping[str, Any]) -> list[str]:
    """What the template calls the zips of its layers."""
    found = (r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::LayerVersion")
    return [Path(properties["ContentUri"]).stem for properties in found]


def released(template: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """`template` with a name of this release among the variables of every function, which is another one as soon as
    anything of the template or a value is, and with the forms in which it writes. SAM publishes a version when the
    template's text changes, and a value is no part of that: without it the alias would go on serving the variables of
    before, with the rights of now.

    Source: https://github.com/aws/serverless-application-model/blob/develop/docs/safe_lambda_deployments.rst
    """
    content = json.dumps([template, dict(values)], sort_keys=True).encode()
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables[RELEASE] = hashlib.sha256(content).hexdigest()[:16]
    variables[WRITES] = f"{SCHEMA}.{VERSION}"
    return template


def _check_domain(values: Mapping[str, str]) -> None:
    """Raises DeployError for a domain without a certificate."""
    if values.get("DomainName") and not values.get("CertificateArn"):
        raise DeployError(
            "DOMAIN_NAME needs CERTIFICATE_ARN, of a certificate of ACM in this region (DEPLOYING.md, Deploy)"
        )


def values_of(
    template: Mapping[str, Any], found: list[dict[str, Any]], before: Mapping[str, Any] | None
) -> dict[str, str]:
    """What each parameter will be: as `parameters` gives it, as the stack `before` has it, or by default."""
    known = {p["ParameterKey"]: str(p.get("ParameterValue", "")) for p in (before or {}).get("Parameters", [])}
    given = {p["ParameterKey"]: p["ParameterValue"] for p in found if "ParameterValue" in p}
    defaults = {name: str(p["Default"]) for name, p in template["Parameters"].items() if "Default" in p}
    return {name: given.get(name, known.get(name, defaults.get(name, ""))) for name in template["Parameters"]}


def parameters(template: Mapping[str, Any], given: Mapping[str, str], known: set[str]) -> list[dict[str, Any]]:
    """What CloudFormation is told: the given values, and what the stack has already. Raises DeployError when a value
    is missing or is none that the template allows."""
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for name, parameter in template["Parameters"].items():
        _check(name, parameter, given.get(name, ""))
        if given.get(name) == NONE:
            if "Default" not in parameter:
                why = parameter.get("Description", "it is needed")
                raise DeployError(f"{written(name)} cannot be {NONE}: {why}")
            found.append({"ParameterKey": name, "ParameterValue": str(parameter["Default"])})
        elif given.get(name):
            found.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in known:
            found.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in parameter:
            missing.append(written(name))
    if missing:
        raise DeployError(f"the first time, make deploy needs {', '.join(missing)} as well (DEPLOYING.md, Deploy)")
    return found


def _check(name: str, parameter: Mapping[str, Any], value: str) -> None:
    """Refuses what CloudFormation would refuse after minutes. Raises DeployError."""
    if not value or value == NONE:
        return
    allowed = [str(v) for v in parameter.get("AllowedValues", ())]
    if allowed and value not in allowed:
        raise DeployError(f"{written(name)} is one of {', '.join(allowed)}")
    if parameter.get("Type") == "Number":
        least, most = parameter.get("MinValue", 0), parameter.get("MaxValue")
        if not (value.isdigit() and least <= int(value) <= (most or int(value))):
            span = f"from {least} to {most}" if most else f"from {least} on"
            raise DeployError(f"{written(name)} is a whole number {span}: {parameter.get('Description', '')}")
    elif not re.fullmatch(parameter.get("AllowedPattern", ".*"), value):
        raise DeployError(f"{written(name)} cannot be {value!r}: {parameter.get('Description', '')}")


def written(name: str) -> str:
    """The parameter as `make deploy` takes it, e.g. MAIL_FROM for MailFrom."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def check_values(stage: str, given: Mapping[str, str]) -> None:
    """Refuses a value that the template does not allow, before anything is built or asked. Raises DeployError."""
    allowed = merge_template()["Parameters"]
    if not stage:
        raise DeployError(f"STAGE is needed, such as STAGE=prod: {allowed['Stage']['Description']}")
    for name, value in {**given, "Stage": stage}.items():
        _check(name, allowed[name], value)


# What a stack had before there was a parameter for it: an update must not take it away unasked, least of all an address
# that is registered at the platforms.
BEFORE_THE_PARAMETER = {"Endpoint": "http-api"}


def unchanged(given: Mapping[str, str], known: set[str]) -> dict[str, str]:
    """`given`, and for an existing stack that has the parameters `known` what it had before the others came."""
    kept = {name: value for name, value in BEFORE_THE_PARAMETER.items() if name not in known}
    return {**kept, **{name: value for name, value in given.items() if value}}


def deploy(out: Path, stage: str, given: Mapping[str, str]) -> dict[str, str]:
    """The stack's outputs after the change. Raises DeployError."""
    stack, template = f"earshot-{stage}", json.loads((out / "sam.json").read_text("utf-8"))
    client, s3 = boto3.client("cloudformation"), boto3.client("s3")
    before = cloudformation.ready(client, stack)
    known = {p["ParameterKey"] for p in before.get("Parameters", [])} if before else set()
    given = unchanged(given, known) if before else given
    values = parameters(template, {**given, "Stage": stage}, known)
    _check_domain(values_of(template, values, before))
    if before is None:
        _refuse_what_remains(stack)
    region = client.meta.region_name
    bucket = Bucket(s3, boto3.client("sts").get_caller_identity()["Account"], region)
    key = bucket.put((out / "deployment.zip").read_bytes(), "zip")
    uploaded = {name: bucket.put(layers.build(name).read_bytes(), "zip") for name in layers_of(template)}
    template = released(placed(template, bucket.name, key, uploaded), values_of(template, values, before))
    body = json.dumps(template, separators=(",", ":")).encode()
    request: dict[str, Any] = {"StackName": stack, "Parameters": values, "Capabilities": CAPABILITIES}
    if len(body) > LARGEST_BODY:
        key = bucket.put(body, "json")
        request["TemplateURL"] = f"https://s3.{region}.{_suffix(region)}/{bucket.name}/{key}"  # as AWS's own CLI does
    else:
        request["TemplateBody"] = body.decode()
    cloudformation.change(client, request, "UPDATE" if before else "CREATE")
    after = cloudformation.described(client, stack) or {}
    return {o["OutputKey"]: o["OutputValue"] for o in after.get("Outputs", [])}


def table_values(name: str) -> dict[str, str]:
    """The parameters that make the functions serve from the table `name` (OWN: the stack's own; "": as before). Raises
    DeployError where that table is not as the stack's own is."""
    if not name:
        return {}
    if name == OWN:
        return {serving_table.NAME: NONE, serving_table.STREAM: NONE}
    try:
        stream = restored.stream_of(boto3.client("dynamodb"), name)
    except restored.NotServable as error:
        raise DeployError(str(error)) from None
    return {serving_table.NAME: name, serving_table.STREAM: stream}


def check_playbook(stack: str, playbook: Path) -> None:
    """Refuses a playbook that is wrong by itself, before AWS is asked, or names accounts which the stack does not have.
    Raises DeployError."""
    try:
        found = read_playbook(playbook)
        if apps := _registered(stack):
            check_accounts(found, apps)
    except PlaybookError as error:
        raise DeployError(str(error)) from None


def _registered(stack: str) -> Apps | None:
    """The stack's registrations; None where it is not there yet."""
    secrets = boto3.client("secretsmanager")
    try:
        return load_apps(secret_text.get(secrets, f"{stack}/apps"), strict=False)
    except secrets.exceptions.ResourceNotFoundException:
        return None


def _refuse_what_remains(stack: str) -> None:
    """A stack that is deleted leaves its secrets, whose names a new one needs. Raises DeployError, naming them."""
    client, remaining = boto3.client("secretsmanager"), []
    for name in (f"{stack}/{kind}" for kind in SECRETS):
        try:
            client.describe_secret(SecretId=name)
            remaining.append(name)
        except client.exceptions.ResourceNotFoundException:
            continue
    if remaining:
        delete = "aws secretsmanager delete-secret --force-delete-without-recovery --secret-id"
        raise DeployError(
            f"an earlier stack of this name left {' and '.join(remaining)}. Save what you need of it "
            "(aws secretsmanager get-secret-value --secret-id …), then delete it and deploy again:\n"
            + "\n".join(f"  {delete} {name}" for name in remaining)
        )


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True)
    for name in PARAMETERS:
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK)
    parser.add_argument("--table", default="", help=f"a restored table to serve from; {OWN}: the stack's own again")
    found = vars(parser.parse_args())
    stage, playbook, table = found.pop("stage"), found.pop("playbook"), found.pop("table")
    try:
        check_values(stage, found)
        check_playbook(f"earshot-{stage}", playbook)
        print(report(package(BUILD, playbook)))
        outputs = deploy(BUILD, stage, found | table_values(table))
    except (PackageError, LayerError, DeployError, *AWS) as error:
        sys.exit(f"deploy: {said(error)}")
    except KeyboardInterrupt:
        sys.exit("\ndeploy: stopped; what CloudFormation has begun goes on, and make deploy goes on from there")
    width = max(map(len, outputs), default=0)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in sorted(outputs.items())))


if __name__ == "__main__":
    main()
