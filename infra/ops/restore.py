"""`make restore`: the table as it was at a time, as a new table with the same settings beside the one in use."""

import argparse
import re
from datetime import datetime
from typing import Any, Final

from chalicelib.services import Services
from infra.ops.given import since
from infra.ops.stage import OpsError, client
from infra.stack import restored

_RESTORED: Final = re.compile(r"-\d{8}T\d{6}$")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    to = since(given.to, services.now(), "TO")
    name = restore(client("dynamodb"), services.settings.table, to)
    stage = services.settings.stage
    print(f"{name} is there as of {to:%Y-%m-%d %H:%M}Z; to serve from it (RUNBOOK.md, restore):")
    print(f"  make deploy STAGE={stage} TABLE={name}")
    return 0


def restore(dynamodb: Any, table: str, to: datetime) -> str:
    """The name of the new table with what `table` held at that time, and the settings that a restore leaves out. Run
    again, it goes on with the table that is there. Raises OpsError, ClientError."""
    window = restored.recoverable(dynamodb, table)
    if window["PointInTimeRecoveryStatus"] != "ENABLED":
        raise OpsError(f"{table} has no point-in-time recovery: there is nothing to restore from")
    first, last = window.get("EarliestRestorableDateTime"), window.get("LatestRestorableDateTime")
    if (first and to < first.replace(microsecond=0)) or (last and to > last):
        raise OpsError(f"{table} can be restored to a time from {first:%Y-%m-%d %H:%M}Z to {last:%Y-%m-%d %H:%M}Z")
    name = f"{_base(table)}-{to:%Y%m%dT%H%M%S}"
    try:
        dynamodb.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=name, RestoreDateTime=to)
        print(f"restoring {name}; this takes from minutes to hours")
    except (dynamodb.exceptions.TableAlreadyExistsException, dynamodb.exceptions.ResourceInUseException):
        print(f"{name} is there already: setting what is missing")
    restored.wait_for(dynamodb, name)
    restored.set_again(dynamodb, name)
    return name


def _base(table: str) -> str:
    """The name without the time of an earlier restore: restored again and again, it does not grow."""
    return _RESTORED.sub("", table)
