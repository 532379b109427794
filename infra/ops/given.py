"""What operators write: a customer, a time."""

from contextlib import suppress
from datetime import UTC, datetime

from chalicelib.codec import to_span
from chalicelib.conversations.customer import Customer
from chalicelib.registry import PRODUCTS
from infra.ops.stage import OpsError


def customer_named(text: str, called: str = "CUSTOMER") -> Customer:
    """The customer in product:account:id; raises OpsError, which names the argument as it is `called`."""
    product, colon, rest = text.partition(":")
    account, second, id = rest.partition(":")
    if not (colon and second and product and account and id):
        raise OpsError(f"{called} is product:account:customer, for instance facebook:100200300:77001")
    if product not in PRODUCTS:
        raise OpsError(f"{product} is none of {', '.join(PRODUCTS)}: {called} is product:account:customer")
    return Customer(product, account, id)


def account_named(text: str) -> str:
    """product:id as it was written; raises OpsError."""
    product, colon, id = text.partition(":")
    if not (colon and product and id):
        raise OpsError("ACCOUNT is product:id, for instance facebook:100200300")
    if product not in PRODUCTS:
        raise OpsError(f"{product} is none of {', '.join(PRODUCTS)}: ACCOUNT is product:id")
    return text


def since(text: str, now: datetime, called: str = "SINCE") -> datetime:
    """A time that has been: ISO 8601, or so long ago as 90min, 36h or 7d. Raises OpsError, which names the argument as
    it is `called`."""
    with suppress(ValueError):
        return now - to_span(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise OpsError(f"{called} is a time such as 2026-11-21T10:00Z, or 90min, 36h, 7d") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found >= now:
        raise OpsError(f"{text} is not in the past: {called} is a time such as 2026-11-21T10:00Z, or 90min, 36h, 7d")
    return found
