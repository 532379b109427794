"""With whose credentials, and on what, an operator's command works."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.exceptions import EndpointConnectionError

from chalicelib.aws.client import AwsError, Identity, LeanAws
from infra.stack.said import NO_CREDENTIALS, said

LOCAL = Path(__file__).resolve().parent.parent.parent / "build" / "local.json"
"""What `make run` writes while it runs: the environment that reaches its embedded AWS."""


def resolved() -> Identity:
    """The credentials and region that boto3 finds (a profile, SSO, a role, the environment); raises AwsError."""
    session = boto3.Session()
    found = session.get_credentials()
    if found is None or not session.region_name:
        raise AwsError(NO_CREDENTIALS)
    frozen = found.get_frozen_credentials()
    return Identity(str(frozen.access_key), str(frozen.secret_key), frozen.token or "", session.region_name)


def operators_aws() -> LeanAws:
    """The lean client with the operator's own credentials."""
    return LeanAws(identify=resolved)


def write_local(environment: Mapping[str, str], path: Path = LOCAL) -> None:
    """Notes how to reach a running `make run`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(environment), indent=2), "utf-8")


def enter_local(stage: str, path: Path = LOCAL) -> None:
    """For the stage "local" this process's environment becomes that of the running `make run`, if there is one."""
    if stage == "local" and "EARSHOT_TABLE" not in os.environ and path.exists():
        os.environ.update(json.loads(path.read_text("utf-8")))


def told(stage: str, error: BaseException) -> str:
    """What is said of the error of a command on `stage`."""
    if stage == "local" and isinstance(error, EndpointConnectionError):
        return f"the make run that {LOCAL.name} tells of does not answer: start it again"
    return said(error)
