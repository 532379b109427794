"""`make link`: says that two customers are one person, or that they are not. Any id of a person will do."""

import argparse

from chalicelib.conversations.customer import Customer
from chalicelib.operations.footprint import first_known
from chalicelib.services import Services
from chalicelib.storage.people import Person, link, unlink
from infra.ops.given import customer_named
from infra.ops.stage import OpsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", required=True)
    parser.add_argument("--other", required=True)
    parser.add_argument("--by", required=True)
    parser.add_argument("--undo", action="store_true")


def run(given: argparse.Namespace, services: Services) -> int:
    given_ids = customer_named(given.customer), customer_named(given.other, "OTHER")
    if not (given.by or given.undo):
        raise OpsError("BY is who says so, such as BY=Robin: a link is somebody's word")
    one, other = (first_known(services.store, customer) for customer in given_ids)
    if given.undo:  # also a link that was made before one of the ids turned out to be another one's
        made = [unlink(services.store, _person(a), _person(b)) for a, b in dict.fromkeys(((one, other), given_ids))]
        print("they are two people again" if any(made) else "they were not linked")
        return 0
    if one == other:
        raise OpsError("CUSTOMER and OTHER are the same: two ids of one person, whom the platform tells as one")
    for customer in (one, other):
        if services.apps.owner(customer.product, customer.account) is None:
            raise OpsError(f"the apps file has no account {customer.product}:{customer.account}")
    link(services.store, _person(one), _person(other), given.by, services.now())
    print("from now on both are one person: one profile, and a “stop” to either is one to both")
    return 0


def _person(customer: Customer) -> Person:
    return customer.product, customer.account, customer.id
