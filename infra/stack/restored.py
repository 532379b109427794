"""What a restored table lacks of the template's own: looked for before the functions serve from it, and set again.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery.Tutorial.html
"""

from typing import Any, Final

import yaml

from infra.stack.definitions import REPORTS, RESOURCES

LOOK_EVERY_S, LOOKS = 20, 1080  # six hours: AWS names no limit, most tables take under one
ON: Final = ("ENABLED", "ENABLING")


class NotServable(Exception):
    """The functions cannot serve from the table; the message says what it lacks, and what to do."""


def own_properties() -> dict[str, Any]:
    """What the template says of the stack's own table."""
    found: dict[str, Any] = {}
    for path in (RESOURCES, REPORTS):
        found |= yaml.safe_load(path.read_text("utf-8"))["Resources"]["Table"]["Properties"]
    return found


def stream_of(dynamodb: Any, name: str) -> str:
    """The stream of the table `name`, which has all that the template's own has. Raises NotServable, ClientError."""
    try:
        found = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        raise NotServable(
            f"there is no table {name} in this account and region; make restore names the one that it made"
        ) from None
    if lacking := [what for what, has in _held(dynamodb, found) if not has]:
        raise NotServable(f"{name} lacks {', '.join(lacking)}: run make restore TO=… again, which sets what is missing")
    return str(found["LatestStreamArn"])


def _held(dynamodb: Any, found: dict[str, Any]) -> list[tuple[str, bool]]:
    own, indexes = own_properties(), "GlobalSecondaryIndexes"
    return [
        ("the keys of Earshot's table", _keys(found) == _keys(own)),
        ("its indexes", {i["IndexName"] for i in found.get(indexes, [])} == {i["IndexName"] for i in own[indexes]}),
        ("its change stream", _streams(found)),
        ("expiry", _expires(dynamodb, found["TableName"])),
        ("point-in-time recovery", recoverable(dynamodb, found["TableName"])["PointInTimeRecoveryStatus"] == "ENABLED"),
        ("protection against deletion", bool(found.get("DeletionProtectionEnabled"))),
    ]


def _keys(table: dict[str, Any]) -> set[tuple[str, str]]:
    return {(k["AttributeName"], k["KeyType"]) for k in table["KeySchema"]}


def _streams(found: dict[str, Any]) -> bool:
    wanted = {"StreamEnabled": True, **own_properties()["StreamSpecification"]}
    return bool(found.get("StreamSpecification") == wanted and found.get("LatestStreamArn"))


def _expires(dynamodb: Any, name: str) -> bool:
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    attribute = own_properties()["TimeToLiveSpecification"]["AttributeName"]
    return expiry["TimeToLiveStatus"] in ON and expiry.get("AttributeName") == attribute


def recoverable(dynamodb: Any, name: str) -> dict[str, Any]:
    """Whether and to which times the table can be restored: `PointInTimeRecoveryStatus` and the two ends."""
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return dict(backups["PointInTimeRecoveryDescription"])


def set_again(dynamodb: Any, name: str) -> None:
    """Sets what a restored table does not have from the one before it; what it has stays. Raises ClientError."""
    own = own_properties()
    if not _expires(dynamodb, name):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=own["TimeToLiveSpecification"])
    recovery = own["PointInTimeRecoverySpecification"]
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    found = dynamodb.describe_table(TableName=name)["Table"]
    if not found.get("DeletionProtectionEnabled"):
        _change(dynamodb, name, DeletionProtectionEnabled=True)
    if not _streams(found):
        _change(dynamodb, name, StreamSpecification={"StreamEnabled": True, **own["StreamSpecification"]})


def _change(dynamodb: Any, name: str, **what: Any) -> None:
    """One change at a time, as DynamoDB asks for; it is done when the table is active again."""
    dynamodb.update_table(TableName=name, **what)
    wait_for(dynamodb, name)


def wait_for(dynamodb: Any, name: str) -> None:
    """Returns when the table is active."""
    waiting = {"Delay": LOOK_EVERY_S, "MaxAttempts": LOOKS}
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig=waiting)
