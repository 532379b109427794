"""`make rollback STAGE=…`: every function back to the version before, at once, without CloudFormation.

Stored items and queue messages can be read by the release before (tests/storage/test_release_compat.py), so one version
back is safe, and only one. The next `make deploy` goes on from here.
"""

import argparse
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.stack.package import ALIAS


class RollbackError(Exception):
    """There is nothing to go back to; the message says why."""


def functions_of(cloudformation: Any, stack: str) -> list[str]:
    """The names of the stack's functions."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    rows = [row for page in pages for row in page["StackResourceSummaries"]]
    return [str(r["PhysicalResourceId"]) for r in rows if r["ResourceType"] == "AWS::Lambda::Function"]


def rollback(stack: str) -> dict[str, tuple[str, str]]:
    """(from, to) by function. Raises RollbackError, with nothing changed, when a function has no version before."""
    functions: Any = boto3.client("lambda")
    steps: dict[str, tuple[str, str]] = {}
    for name in functions_of(boto3.client("cloudformation"), stack):
        live = str(functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"])
        pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        versions = sorted(int(v["Version"]) for p in pages for v in p["Versions"] if v["Version"].isdigit())
        before = [v for v in versions if v < int(live)]
        if not before:
            raise RollbackError(f"{name} has no version before {live}: nothing was changed")
        steps[name] = (live, str(before[-1]))
    for name, (_, to) in steps.items():
        functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=to)
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True)
    stack = f"earshot-{parser.parse_args().stage}"
    try:
        steps = rollback(stack)
    except (RollbackError, ClientError, BotoCoreError) as error:
        sys.exit(f"rollback: {error}")
    for name, (live, to) in steps.items():
        print(f"{name}: version {live} → {to}")


if __name__ == "__main__":
    main()
