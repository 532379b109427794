"""`make redrive`: brings the dead letters of a queue back."""

import argparse
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

from chalicelib.services import Services
from infra.ops.queues import check_queue, dead_letters_of, held, queue_url
from infra.ops.stage import client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    check_queue(given.queue)
    moved = redrive(client("sqs"), queue_url(services.settings, given.queue), print)
    print(f"{moved} messages went back to {given.queue}")
    return 0


def redrive(sqs: Any, url: str, say: Callable[[str], None]) -> int:
    """Moves what lies in the dead-letter queue now back, and says why quarantined deliveries were there; how many.

    A message is deleted there only after the queue has taken it: a crash in between makes it come twice, which every
    function bears, and never loses it. What is not understood this time either comes back to the dead letters.
    """
    dead = dead_letters_of(sqs, url)
    name = "ApproximateNumberOfMessages"
    lying = int(sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[name])["Attributes"][name])
    moved = 0
    for message in islice(held(sqs, dead), lying):
        told = _read(message["Body"])
        if "reasons" in told:
            why = "; ".join(told["reasons"])
            say(f"was in quarantine: {told.get('platform')}/{told.get('app')} delivery {told.get('id')}: {why}")
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        moved += 1
    return moved


def _read(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
