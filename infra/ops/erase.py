"""`make erase`: erases a customer, in what is stored and in the dead letters."""

import argparse
import json
from datetime import datetime

from chalicelib.codec import dump
from chalicelib.conversations.customer import Customer
from chalicelib.handlers import inbox
from chalicelib.services import Services
from infra.ops.given import customer_named
from infra.ops.queues import held, let_go
from infra.ops.stage import client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", required=True)
    parser.add_argument("--request", default="", help="the code of an open request that this answers")


def run(given: argparse.Namespace, services: Services) -> int:
    count, taken = erase(services, customer_named(given.customer), services.now(), given.request)
    print(f"{count} items erased, {taken} dead letters taken out; a second pass follows in 15 minutes")
    if not count:
        print("nothing is stored under this id: is it the one by which this account knows them? (RUNBOOK.md)")
        return 1
    return 0


def erase(services: Services, customer: Customer, now: datetime, request: str = "") -> tuple[int, int]:
    """Erases at once and queues the second pass; (items erased, messages taken out of the inbox's dead letters). With
    the code of an open `request` it is the answer to that one."""
    eraser = services.eraser
    count = eraser.erase(customer, request or f"operator{now:%Y%m%d%H%M%S}", now).items
    if request and count:
        eraser.close(request)
    sqs, url = client("sqs"), services.settings.quarantine_url
    taken, others = 0, []
    for message in held(sqs, url):
        if _names(message["Body"], customer, services):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken += 1
        else:
            others.append(message)
    let_go(sqs, url, others)
    return count, taken


def _names(body: str, customer: Customer, services: Services) -> bool:
    """Whether a message of the inbox names the customer, however its delivery is packed."""
    try:
        envelope = inbox.decode(body, services.bodies.read)
    except (inbox.AlreadyDone, inbox.UnknownVersion, KeyError, ValueError):
        return json.dumps(customer.id)[1:-1] in body
    told = envelope.body.decode("utf-8", "replace") + json.dumps(dump(envelope.interaction))
    return json.dumps(customer.id)[1:-1] in told
