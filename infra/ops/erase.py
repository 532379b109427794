"""`make erase`: erases a customer, in what is stored and in the dead letters."""

import argparse
from datetime import datetime

from chalicelib.conversations.customer import Customer
from chalicelib.services import Services
from infra.ops.given import customer_named
from infra.ops.stage import OpsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", required=True)
    parser.add_argument("--request", default="", help="the code of an open request that this answers")


def run(given: argparse.Namespace, services: Services) -> int:
    customer = customer_named(given.customer)
    if given.request and given.request not in services.eraser.waiting():
        raise OpsError(f"no request {given.request} is open: make doctor lists those that are")
    print("taking away what is stored, then looking through the dead letters of every queue")
    count, taken = erase(services, customer, services.now(), given.request)
    done = f"{_number(count, 'item')} erased, {_number(taken, 'dead letter')} taken out"
    print(f"{done}; a second pass follows in 15 minutes")
    if not count:
        print("nothing is stored under this id: is it the one by which this account knows them? (RUNBOOK.md)")
        return 1
    return 0


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def erase(services: Services, customer: Customer, now: datetime, request: str = "") -> tuple[int, int]:
    """Erases at once and queues the second pass; (items erased, dead letters taken out or changed). With the code of an
    open `request` it is the answer to that one."""
    eraser = services.eraser
    erased = eraser.erase(customer, request or f"operator{now:%Y%m%d%H%M%S}", now)
    if request and erased.items:
        eraser.close(request)
    return erased.items, erased.letters
