"""`make export`: everything that one account knows of a customer, as JSON."""

import argparse
import base64
import json
import sys
from typing import Any

from chalicelib.operations.footprint import first_known
from chalicelib.services import Services
from infra.ops.given import customer_named


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    named = customer_named(given.customer)
    customer = first_known(services.store, named)
    print("looking at everything that the table holds: a minute or two for a million items", file=sys.stderr)
    found = services.eraser.export(customer, services.now())
    pseudonym = services.keys.named("customer", customer.product, customer.account, customer.id)
    print(
        f"the facts about their questions name them {pseudonym} in the column customer: no words, no ids",
        file=sys.stderr,
    )
    print(json.dumps(found, indent=2, ensure_ascii=False, default=_plain))
    return 0


def _plain(value: Any) -> Any:
    """DynamoDB's numbers and bytes as JSON has them."""
    return base64.b64encode(bytes(value)).decode() if isinstance(value, bytes) else float(value)
