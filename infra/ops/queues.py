"""The queues of a stage and their dead letters, for the commands that look into them."""

import json
from collections.abc import Iterator
from typing import Any

from chalicelib.settings import Settings
from infra.ops.stage import OpsError, client

QUEUES = ("inbox", "due", "escalations", "mail-events", "incoming-mail")
HELD_S = 60  # how long a message is ours while we look at it


def check_queue(name: str) -> None:
    """Raises OpsError where `name` is none of QUEUES."""
    if name not in QUEUES:
        raise OpsError(f"QUEUE is one of {', '.join(QUEUES)}")


def queue_url(settings: Settings, name: str) -> str:
    """The address of one of QUEUES; raises OpsError."""
    check_queue(name)
    known = {"inbox": settings.inbox_url, "due": settings.due_url, "escalations": settings.escalations_url}
    if name in known:
        return known[name]
    # no function sends to it, so no setting names it; CloudFormation begins its name with the stack's
    logical = f"{name.title().replace('-', '')}Queue"
    found = client("sqs").list_queues(QueueNamePrefix=f"earshot-{settings.stage}-{logical}").get("QueueUrls", [])
    if len(found) != 1:
        raise OpsError(f"there is no queue {logical} of the stage {settings.stage}")
    return str(found[0])


def dead_letters_of(sqs: Any, url: str) -> str:
    """The address of the dead-letter queue of the queue at `url`."""
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    arn = str(json.loads(policy)["deadLetterTargetArn"])
    return str(sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])


def held(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Each message of the queue once, held for HELD_S."""
    seen: set[str] = set()
    while True:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HELD_S, WaitTimeSeconds=1)
        fresh = [m for m in found.get("Messages", []) if m["MessageId"] not in seen]
        if not fresh:
            return
        seen |= {m["MessageId"] for m in fresh}
        yield from fresh
