"""`make rollback STAGE=…`: every function back to the version before, at once, without CloudFormation.

One version back is safe, and only one, where it reads what this one has written: a release that writes items or
messages in a new form says so in its variables (WRITES), and one that does not know the form is refused. A version
brings its variables along, but not the rights of its time: one that knew another table, queue or sender could do
nothing any more, so it is refused too. The next `make deploy` goes on from here.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.stack.deploy import RELEASE, WRITES
from infra.stack.package import ALIAS
from infra.stack.said import AWS, said

HARMLESS = ("EARSHOT_RETENTION_DAYS", RELEASE, WRITES)  # variables that name nothing which a right is for


class RollbackError(Exception):
    """There is nothing to go back to; the message says why."""


def functions_of(cloudformation: Any, stack: str) -> list[str]:
    """The names of the stack's functions."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    rows = [row for page in pages for row in page["StackResourceSummaries"]]
    return [str(r["PhysicalResourceId"]) for r in rows if r["ResourceType"] == "AWS::Lambda::Function"]


def rollback(stack: str) -> dict[str, tuple[str, str]]:
    """(from, to) by function; one that this release brought, or that a run which died took back already, stays. Raises
    RollbackError, with nothing changed, when there is nothing to go back to or that would not work."""
    functions: Any = boto3.client("lambda")
    steps: dict[str, tuple[str, str]] = {}
    back = False
    for name in _found(stack):
        live = str(functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"])
        versions = _versions(functions, name)
        back = back or live != versions[-1]
        if live != versions[-1] or len(versions) == 1:
            continue
        now, then = (_variables(functions, name, version) for version in (live, versions[-2]))
        if any(ours > theirs for ours, theirs in zip(_forms(now), _forms(then), strict=True)):
            raise RollbackError(
                f"{name}: version {versions[-2]} does not read what this one has stored since: nothing was changed. "
                "Mend what is wrong and run make deploy"
            )
        if moved := sorted(n for n in now.keys() & then.keys() if n not in HARMLESS and now[n] != then[n]):
            raise RollbackError(
                f"{name}: {' and '.join(moved)} changed since version {versions[-2]}, and the rights with it: "
                "nothing was changed. Give make deploy the former value, with the release before checked out"
            )
        steps[name] = (live, versions[-2])
    if not steps:
        why = "is back by one release already, and no more is safe" if back else "has had one release only"
        raise RollbackError(f"{stack} {why}: nothing was changed. Mend what is wrong and run make deploy")
    for name, (_, to) in steps.items():
        functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=to)
    return steps


def _found(stack: str) -> list[str]:
    try:
        return functions_of(boto3.client("cloudformation"), stack)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise RollbackError(f"there is no stack {stack} in this account and region: is STAGE right?") from None


def _versions(functions: Any, name: str) -> list[str]:
    """The published versions, the newest last."""
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    found = (str(v["Version"]) for p in pages for v in p["Versions"])
    return sorted((v for v in found if v.isdigit()), key=int)


def _variables(functions: Any, name: str, version: str) -> dict[str, str]:
    found = functions.get_function_configuration(FunctionName=name, Qualifier=version)
    return dict(found.get("Environment", {}).get("Variables", {}))


def _forms(variables: Mapping[str, str]) -> tuple[int, int]:
    """The forms of items and of messages that a version writes, and the newest that it reads. One from before this was
    said reads none of those that say it."""
    items, _, messages = variables.get(WRITES, "0.0").partition(".")
    return int(items), int(messages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True)
    stack = f"earshot-{parser.parse_args().stage}"
    try:
        steps = rollback(stack)
    except (RollbackError, *AWS) as error:
        sys.exit(f"rollback: {said(error)}")
    for name, (live, to) in steps.items():
        print(f"{name}: version {live} → {to}")


if __name__ == "__main__":
    main()
