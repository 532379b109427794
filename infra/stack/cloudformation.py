"""Changing the one stack: what state it is found in, the change set, and what became of this very change."""

from collections.abc import Iterator
from datetime import UTC, datetime
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")  # states that a change starts from
EMPTY = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")  # a first creation that failed: only deleting helps
LOOK_EVERY_S = 2.0
CHANGE_SET = "earshot-deploy"


class DeployError(Exception):
    """The stack was not changed; the message is CloudFormation's reason, or what has to be done first."""


def described(client: Any, stack: str) -> dict[str, Any] | None:
    """The stack as CloudFormation describes it; None when there is none. Other errors are the caller's."""
    try:
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if found["StackStatus"] in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE") else dict(found)


def ready(client: Any, stack: str) -> dict[str, Any] | None:
    """The stack that a change can start from, None when it is to be created. What a failed first creation left is
    deleted. Raises DeployError where somebody has to decide."""
    found = described(client, stack)
    if found is None or found["StackStatus"] in DONE:
        return found
    status = found["StackStatus"]
    if status in EMPTY:
        _delete(client, found)
        return None
    if status.endswith("IN_PROGRESS"):
        raise DeployError(f"{stack} is being changed ({status}): wait until that has ended, and deploy again")
    raise DeployError(
        f"{stack} is in {status}: mend what its events name, then run\n"
        f"  aws cloudformation continue-update-rollback --stack-name {stack}\nand deploy again"
    )


def _delete(client: Any, found: dict[str, Any]) -> None:
    stack, id = found["StackName"], found["StackId"]
    print(f"  the first creation of {stack} failed ({found['StackStatus']}): deleting what is left of it")
    stuck = [r for r in _resources(client, id) if r["ResourceStatus"] == "DELETE_FAILED"]
    retain = [r["LogicalResourceId"] for r in stuck] if found["StackStatus"] == "DELETE_FAILED" else []
    client.delete_stack(StackName=stack, RetainResources=retain) if retain else client.delete_stack(StackName=stack)
    done = _settled(lambda: client.describe_stacks(StackName=id)["Stacks"][0], "StackStatus")
    if done["StackStatus"] != "DELETE_COMPLETE":
        raise DeployError(f"{stack} cannot be deleted ({done['StackStatus']}): see its events in the console")
    for kept in (r for r in _resources(client, id) if r["ResourceStatus"] in ("DELETE_SKIPPED", "DELETE_FAILED")):
        print(f"  {kept['ResourceType']} {kept.get('PhysicalResourceId', '')} stays, empty: delete it when you like")


def _resources(client: Any, id: str) -> list[dict[str, Any]]:
    try:
        return list(client.describe_stack_resources(StackName=id)["StackResources"])
    except ClientError:  # of a stack that is gone, not every service tells
        return []


def change(client: Any, request: dict[str, Any], kind: str) -> None:
    """Makes a change set, which lets CloudFormation expand the SAM template, and executes it. Raises DeployError."""
    stack = request["StackName"]
    for left in _change_sets(client, stack):  # of a run that died before it executed them
        client.delete_change_set(StackName=stack, ChangeSetName=left)
    name = f"{CHANGE_SET}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    client.create_change_set(**request, ChangeSetName=name, ChangeSetType=kind)
    state = _settled(lambda: client.describe_change_set(StackName=stack, ChangeSetName=name), "Status")
    if state["Status"] == "FAILED":
        client.delete_change_set(StackName=stack, ChangeSetName=name)
        reason = state.get("StatusReason", "")
        if any(words in reason for words in NOTHING_TO_DO):
            print("nothing has changed")
            return
        raise DeployError(reason)
    execute(client, stack, name)


def _change_sets(client: Any, stack: str) -> list[str]:
    try:
        found = client.list_change_sets(StackName=stack)["Summaries"]
    except ClientError:
        return []
    return [c["ChangeSetName"] for c in found if c["ChangeSetName"].startswith(CHANGE_SET)]


def execute(client: Any, stack: str, name: str) -> None:
    """Follows the events of this change only: the stack's status may still be the last one's for a moment, and its
    failures of weeks ago are in the same list."""
    client.execute_change_set(StackName=stack, ChangeSetName=name, ClientRequestToken=name)
    while True:
        sleep(LOOK_EVERY_S)
        events = list(_events(client, stack, name))
        ended = [e for e in events if _of_the_stack(e) and not str(e["ResourceStatus"]).endswith("IN_PROGRESS")]
        if ended:
            break
    status = str(ended[0]["ResourceStatus"])
    print(f"  {status.lower().replace('_', ' ')}")
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        failed = [e for e in events if str(e["ResourceStatus"]).endswith("FAILED") and not _of_the_stack(e)]
        first = f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', '')}" if failed else ""
        raise DeployError(f"{status}: {first or ended[0].get('ResourceStatusReason', 'no reason given')}")


def _events(client: Any, stack: str, token: str) -> Iterator[dict[str, Any]]:
    """The events of the change that carries `token`, the newest first."""
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
        for event in page["StackEvents"]:
            if event.get("ClientRequestToken") == token:
                yield event


def _of_the_stack(event: dict[str, Any]) -> bool:
    return bool(event.get("PhysicalResourceId") == event["StackId"])


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
        sleep(LOOK_EVERY_S)
