"""`make deploy STAGE=…`: uploads the zip and creates or updates the one stack, then says what to do next.

Works with the credentials and region of the environment, as the AWS command line does, but needs only boto3.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.stack import layers
from infra.stack.layers import LayerError
from infra.stack.package import BUILD, PackageError, package, report

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")


class DeployError(Exception):
    """The stack was not changed; the message is CloudFormation's reason."""


def bucket_name(account: str, region: str) -> str:
    """The bucket that holds the uploaded zips of all stages in this account and region."""
    return f"earshot-deploy-{account}-{region}"


def upload(s3: Any, bucket: str, region: str, zip: Path) -> str:
    """The key of the uploaded zip; the bucket is made when it is not there."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **where)
    content = zip.read_bytes()
    key = f"{hashlib.sha256(content).hexdigest()}.zip"
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return key


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


def parameters(template: Mapping[str, Any], given: Mapping[str, str], known: set[str]) -> list[dict[str, Any]]:
    """What CloudFormation is told: the given values, and what the stack has already. Raises DeployError when a value
    is missing."""
    found: list[dict[str, Any]] = []
    for name, parameter in template["Parameters"].items():
        if given.get(name):
            found.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in known:
            found.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in parameter:
            raise DeployError(f"the first time, {name} is needed as well: see DEPLOYING.md")
    return found


def stack_of(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    """The stack as CloudFormation describes it; None when there is none."""
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError:
        return None
    return None if found["StackStatus"] == "REVIEW_IN_PROGRESS" else dict(found)


def deploy(out: Path, stage: str, given: Mapping[str, str]) -> dict[str, str]:
    """The stack's outputs after the change. Raises DeployError."""
    stack, template = f"earshot-{stage}", json.loads((out / "sam.json").read_text("utf-8"))
    cloudformation, s3 = boto3.client("cloudformation"), boto3.client("s3")
    account = boto3.client("sts").get_caller_identity()["Account"]
    region = cloudformation.meta.region_name
    before = stack_of(cloudformation, stack)
    known = {p["ParameterKey"] for p in before.get("Parameters", [])} if before else set()
    values = parameters(template, {**given, "Stage": stage}, known)
    bucket = bucket_name(account, region)
    key = upload(s3, bucket, region, out / "deployment.zip")
    uploaded = {name: upload(s3, bucket, region, layers.build(name)) for name in layers_of(template)}
    body = json.dumps(placed(template, bucket, key, uploaded), separators=(",", ":"))
    request: dict[str, Any] = {"StackName": stack, "Parameters": values, "Capabilities": CAPABILITIES}
    if len(body) > 51_200:  # more than CloudFormation takes in the call
        key = f"{hashlib.sha256(body.encode()).hexdigest()}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
        request["TemplateURL"] = f"https://{bucket}.s3.{region}.{_suffix(region)}/{key}"
    else:
        request["TemplateBody"] = body
    _change(cloudformation, request, "UPDATE" if before else "CREATE")
    after = stack_of(cloudformation, stack) or {}
    return {o["OutputKey"]: o["OutputValue"] for o in after.get("Outputs", [])}


def _change(cloudformation: Any, request: dict[str, Any], kind: str) -> None:
    """Makes a change set, which lets CloudFormation expand the SAM template, and executes it."""
    stack, name = request["StackName"], "earshot-deploy"
    cloudformation.create_change_set(**request, ChangeSetName=name, ChangeSetType=kind)
    state = _settled(lambda: cloudformation.describe_change_set(StackName=stack, ChangeSetName=name), "Status")
    if state["Status"] == "FAILED":
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
        reason = state.get("StatusReason", "")
        if any(words in reason for words in NOTHING_TO_DO):
            print("nothing has changed")
            return
        raise DeployError(reason)
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
    done = _settled(lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0], "StackStatus")
    if done["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"{done['StackStatus']}: {_first_failure(cloudformation, stack)}")


def _settled(look: Any, field: str) -> dict[str, Any]:
    """What `look` gives as soon as its status is final."""
    last = ""
    while True:
        found: dict[str, Any] = look()
        status = str(found[field])
        if status != last:
            print(f"  {status.lower().replace('_', ' ')}")
            last = status
        if not status.endswith(("IN_PROGRESS", "PENDING")):
            return found
        sleep(2)


def _first_failure(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [e for e in events if str(e.get("ResourceStatus", "")).endswith("FAILED")]
    return (
        f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', '')}"
        if failed
        else "no reason given"
    )


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True)
    for name in ("MailFrom", "MailIdentity", "AlarmEmail", "RetentionDays", "LogDays", "RespondConcurrency"):
        parser.add_argument(f"--{name}", default="")
    found = vars(parser.parse_args())
    stage = found.pop("stage")
    try:
        print(report(package(BUILD)))
        outputs = deploy(BUILD, stage, found)
    except (PackageError, LayerError, DeployError, ClientError, BotoCoreError) as error:
        sys.exit(f"deploy: {error}")
    width = max(map(len, outputs), default=0)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in sorted(outputs.items())))


if __name__ == "__main__":
    main()
