"""AWS at the level of its JSON protocol, in memory: the few calls, conditions and queries that Earshot makes, and an
error for every other, so that nothing new passes unproven. moto takes milliseconds a call, and the crash matrix makes
a hundred thousand. tests/storage/test_table.py runs the table's contract over this, over moto and over replay's memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chalicelib.aws.client import AwsError, LeanAws, Service

Attributes = dict[str, Any]

_CONDITIONS: Mapping[str, Callable[[Attributes | None, Mapping[str, Any]], bool]] = {
    "attribute_not_exists(pk)": lambda old, values: old is None,
    "rev = :rev": lambda old, values: old is not None and old["rev"] == values[":rev"],
    "attribute_not_exists(pk) OR rev = :rev": lambda old, values: old is None or old["rev"] == values[":rev"],
    "attribute_not_exists(n) OR n < :limit": lambda old, values: (
        old is None or "n" not in old or int(old["n"]["N"]) < int(values[":limit"]["N"])
    ),
}
_QUERIES: Mapping[str, tuple[Callable[[Attributes, Mapping[str, Any]], bool], str]] = {  # condition → (match, order)
    "pk = :pk": (lambda item, v: item["pk"] == v[":pk"], "sk"),
    "pk = :pk AND sk > :sk": (
        lambda item, v: item["pk"] == v[":pk"] and item["sk"]["S"] > v[":sk"]["S"],
        "sk",
    ),
    "customer = :c": (lambda item, v: item.get("customer") == v[":c"], "pk"),
    "shard = :shard AND wake_at <= :now": (
        lambda item, v: item.get("shard") == v[":shard"] and item["wake_at"]["S"] <= v[":now"]["S"],
        "wake_at",
    ),
    "shard = :shard AND wake_at >= :since": (
        lambda item, v: item.get("shard") == v[":shard"] and item["wake_at"]["S"] >= v[":since"]["S"],
        "wake_at",
    ),
}


@dataclass(slots=True)
class State:
    """What AWS keeps: tables, queues (message bodies by address), which of their messages somebody holds (by handle),
    and executions."""

    tables: dict[str, dict[tuple[str, str], Attributes]] = field(default_factory=dict)
    queues: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    executions: set[str] = field(default_factory=set)

    def send(self, url: str, body: str, delay: int) -> None:
        """Takes a message, which is to arrive after `delay` seconds."""
        self.queues.setdefault(url, []).append(body)

    def start(self, name: str, given: str) -> None:
        """Starts an execution with its input."""
        self.executions.add(name)

    def status(self, name: str) -> str:
        """How far an execution came."""
        return "RUNNING"


class QuickAws(LeanAws):
    """`state` outlives a client, as AWS outlives a process. `through` stands before every call."""

    def __init__(self, state: State, through: Callable[[str, Callable[[], Any]], Any] = lambda name, do: do()) -> None:
        super().__init__()
        self._state, self._through = state, through

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        does = _ACTIONS[f"{service.name}.{action}"]
        answer: dict[str, Any] = self._through(f"{service.name}.{action}", lambda: does(self._state, parameters))
        return answer


def _table(state: State, request: Mapping[str, Any]) -> dict[tuple[str, str], Attributes]:
    return state.tables.setdefault(request["TableName"], {})


def _key(attributes: Mapping[str, Any]) -> tuple[str, str]:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _check(old: Attributes | None, request: Mapping[str, Any]) -> None:
    if not _CONDITIONS[request["ConditionExpression"]](old, request.get("ExpressionAttributeValues", {})):
        told = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and old
        raise AwsError("ConditionalCheckFailedException", {"Item": dict(old)} if told and old else {})


def _get(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    found = _table(state, request).get(_key(request["Key"]))
    return {"Item": dict(found)} if found else {}


def _put(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    table, item = _table(state, request), dict(request["Item"])
    _check(table.get(_key(item)), request)
    table[_key(item)] = item
    return {}


def _delete(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    table, key = _table(state, request), _key(request["Key"])
    if "ConditionExpression" in request:
        _check(table.get(key), request)
    table.pop(key, None)
    return {}


def _update(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    if request["UpdateExpression"] != "ADD n :one SET expires_at = :expires":
        raise NotImplementedError(request["UpdateExpression"])
    table, values = _table(state, request), request["ExpressionAttributeValues"]
    old = table.get(_key(request["Key"]))
    _check(old, request)
    counted = int(old["n"]["N"]) if old and "n" in old else 0
    raised = {"n": {"N": str(counted + int(values[":one"]["N"]))}, "expires_at": values[":expires"]}
    table[_key(request["Key"])] = {**request["Key"], **(old or {}), **raised}
    return {}


def _query(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    match, order = _QUERIES[request["KeyConditionExpression"]]
    values = request["ExpressionAttributeValues"]
    found = [dict(item) for item in _table(state, request).values() if match(item, values)]
    return {"Items": sorted(found, key=lambda item: str(item[order]["S"]))}


def _scan(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    start = _key(request["ExclusiveStartKey"]) if "ExclusiveStartKey" in request else ("", "")
    return {"Items": [dict(item) for key, item in sorted(_table(state, request).items()) if key > start]}


def _send(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    state.send(request["QueueUrl"], request["MessageBody"], int(request.get("DelaySeconds", 0)))
    return {"MessageId": "1"}


def _send_batch(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    for entry in request["Entries"]:
        state.send(request["QueueUrl"], entry["MessageBody"], int(entry.get("DelaySeconds", 0)))
    return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}


def _receive(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    queue, held = state.queues.setdefault(request["QueueUrl"], []), state.held.setdefault(request["QueueUrl"], {})
    taken, queue[:] = queue[: request["MaxNumberOfMessages"]], queue[request["MaxNumberOfMessages"] :]
    handles = {f"handle-{next(_handles)}": body for body in taken}
    held |= handles
    return {"Messages": [{"Body": body, "ReceiptHandle": handle} for handle, body in handles.items()]}


def _delete_message(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    state.held.setdefault(request["QueueUrl"], {}).pop(request["ReceiptHandle"], None)
    return {}


def _show_again(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    body = state.held.setdefault(request["QueueUrl"], {}).pop(request["ReceiptHandle"], None)
    if body is not None:
        state.queues[request["QueueUrl"]].append(body)
    return {}


_handles = count(1)


def _start(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    if request["name"] in state.executions:
        raise AwsError("ExecutionAlreadyExists")
    state.start(request["name"], request["input"])
    return {"executionArn": request["name"]}


def _describe(state: State, request: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": state.status(request["executionArn"].rpartition(":")[2])}


_ACTIONS: Mapping[str, Callable[[State, Mapping[str, Any]], dict[str, Any]]] = {
    "dynamodb.GetItem": _get,
    "dynamodb.PutItem": _put,
    "dynamodb.DeleteItem": _delete,
    "dynamodb.UpdateItem": _update,
    "dynamodb.Query": _query,
    "dynamodb.Scan": _scan,
    "sqs.SendMessage": _send,
    "sqs.SendMessageBatch": _send_batch,
    "sqs.ReceiveMessage": _receive,
    "sqs.DeleteMessage": _delete_message,
    "sqs.ChangeMessageVisibility": _show_again,
    "states.StartExecution": _start,
    "states.DescribeExecution": _describe,
}


class QuickSes:
    """What boto3's sesv2 client does for `SesMailer`."""

    exceptions: Any = None

    def __init__(self) -> None:
        self._numbers = count(1)

    def send_email(self, **request: Any) -> dict[str, Any]:
        return {"MessageId": f"mail-{next(self._numbers)}"}
