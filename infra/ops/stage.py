"""Which Earshot a command works on, and what it says when it cannot."""

import os
import re
from typing import Any

import boto3
from botocore.exceptions import ClientError

from chalicelib.settings import Settings, read_settings
from infra.ops import access

STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")  # the template's own pattern
SETTINGS_OF = "Notify"  # the function whose variables say where everything is: the one that has all of them


class OpsError(Exception):
    """The command could not be carried out; the message says why and what to do."""


def client(service: str) -> Any:
    """A boto3 client with the operator's credentials."""
    make: Any = boto3.client
    return make(service)


def check_stage(stage: str) -> str:
    """`stage`, where it can be the name of a deployment; raises OpsError."""
    if not STAGE.fullmatch(stage):
        raise OpsError(
            f"STAGE names the deployment, such as STAGE=prod (small letters, digits and hyphens), not {stage!r}"
        )
    return stage


def settings_of(stage: str) -> Settings:
    """Where everything of `stage` is: the deployed function's own variables, or the environment's. Raises OpsError."""
    check_stage(stage)
    access.enter_local(stage)
    if os.environ.get("EARSHOT_TABLE"):
        return read_settings()
    if stage == "local":
        raise OpsError("no make run is going on this machine: start it, or name another STAGE")
    stack = f"earshot-{stage}"
    try:
        found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=SETTINGS_OF)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        answer = client("lambda").get_function_configuration(FunctionName=name)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        region = client("cloudformation").meta.region_name
        raise OpsError(f"there is no stack {stack} in this account and {region}: is STAGE right?") from None
    return read_settings(answer["Environment"]["Variables"])
