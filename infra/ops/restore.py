"""`make restore`: the table as it was at a time, as a new table with the same settings beside the one in use."""

import argparse
from datetime import datetime
from typing import Any, Final

from chalicelib.services import Services
from infra.ops.given import since
from infra.ops.stage import OpsError, client

EXPIRES: Final = "expires_at"  # the template's TimeToLiveSpecification
LOOK_EVERY_S, LOOKS = 20, 1080  # six hours: AWS names no limit, most tables take under one


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True)


def run(given: argparse.Namespace, services: Services) -> int:
    to = _time(given.to, services.now())
    name = restore(client("dynamodb"), services.settings.table, to)
    print(f"{name} is there as of {to:%Y-%m-%d %H:%M}Z; nothing uses it yet: RUNBOOK.md, restore")
    return 0


def _time(text: str, now: datetime) -> datetime:
    try:
        found = since(text, now)
    except OpsError:
        raise OpsError("TO is a time such as 2026-11-21T10:00Z, or so long ago as 90min, 36h, 7d") from None
    if found >= now:
        raise OpsError("TO has to be in the past")
    return found


def restore(dynamodb: Any, table: str, to: datetime) -> str:
    """The name of the new table with what `table` held at that time, and the settings that a restore leaves out. Run
    again, it goes on with the table that is there. Raises OpsError, ClientError."""
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    window = backups["PointInTimeRecoveryDescription"]
    if window["PointInTimeRecoveryStatus"] != "ENABLED":
        raise OpsError(f"{table} has no point-in-time recovery: there is nothing to restore from")
    first, last = window.get("EarliestRestorableDateTime"), window.get("LatestRestorableDateTime")
    if (first and to < first.replace(microsecond=0)) or (last and to > last):
        raise OpsError(f"{table} can be restored to a time from {first:%Y-%m-%d %H:%M}Z to {last:%Y-%m-%d %H:%M}Z")
    name = f"{table}-{to:%Y%m%dT%H%M%S}"
    try:
        dynamodb.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=name, RestoreDateTime=to)
        print(f"restoring {name}; this takes from minutes to hours")
    except (dynamodb.exceptions.TableAlreadyExistsException, dynamodb.exceptions.ResourceInUseException):
        print(f"{name} is there already: setting what is missing")
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": LOOK_EVERY_S, "MaxAttempts": LOOKS})
    _set_again(dynamodb, name)
    return name


def _set_again(dynamodb: Any, name: str) -> None:
    """What a restored table does not have from the one before it."""
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
        spec = {"AttributeName": EXPIRES, "Enabled": True}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=spec)
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
