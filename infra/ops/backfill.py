"""`make backfill`: asks a platform for what was missed, or a table that served before."""

import argparse
import sys
from datetime import datetime

from chalicelib import platforms
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from chalicelib.platforms.base import Poison, ReplyError, Unsupported
from chalicelib.platforms.read import PayloadError
from chalicelib.services import Services
from chalicelib.storage.table import DynamoTable
from infra.ops.former_table import carry
from infra.ops.given import account_named, since
from infra.ops.stage import OpsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default="", help="product:id, whose platform is asked")
    parser.add_argument("--table", default="", help="a table that served before, in the place of a platform")
    parser.add_argument("--since", default="", help="without TABLE")


def run(given: argparse.Namespace, services: Services) -> int:
    now = services.now()
    if given.table:
        if given.account or given.table == services.settings.table:
            raise OpsError("TABLE is a table that served before, not the one in use, and goes without ACCOUNT")
        print(carry(services, DynamoTable(services.lean_aws, given.table), now))
        return 0
    account, begins, days = account_named(given.account), since(given.since, now), services.settings.retention_days
    if not services.store.remembers(begins, now):
        raise OpsError(
            f"SINCE goes back too far: what is older than {days} days (RETENTION_DAYS) is not taken in any more"
        )
    count = backfill(services, account, begins, now)
    print(f"{count} interactions were listed and are on the inbox; those that are known change nothing")
    return 0


def backfill(services: Services, name: str, since: datetime, now: datetime) -> int:
    """Asks the platform what was said to the account (product:id) since then, and puts it on the inbox; how many. What
    is known already changes nothing; what could not be understood is said. Raises OpsError."""
    product, _, id = name.partition(":")
    owner = services.apps.owner(product, id)
    if owner is None:
        raise OpsError(f"the apps file has no account {name}")
    app, account = owner
    count = 0
    try:
        for found in platforms.product(product).backfill(services.http, app, account, since, now):
            if isinstance(found, Poison):
                print(f"one that {product} lists could not be understood: {found.reason}", file=sys.stderr)
                continue
            envelope = Envelope(services.new_token(), app.platform, app.key, now)
            services.inbox.send(inbox.part(envelope, found))
            count += 1
    except Unsupported as error:
        raise OpsError(f"{product} has no way to list what was missed: {error}") from None
    except PayloadError as error:
        raise OpsError(f"{product} answered otherwise than documented after {count} interactions: {error}") from None
    except ReplyError as error:
        raise OpsError(f"{product} refused after {count} interactions ({error.code}): see make doctor") from None
    return count
