"""`LeanAws` whose calls boto3 makes: moto in this process answers boto3 and nothing else."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

from chalicelib.aws.client import AwsError, LeanAws, Service

_NAMES = {"states": "stepfunctions"}
REGION = "eu-west-1"


class BotoAws(LeanAws):
    """Makes each client once. `through` stands before every call: (name of the call, the call) → its answer."""

    made: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, through: Callable[[str, Callable[[], Any]], Any] = lambda name, do: do()) -> None:
        super().__init__()
        self._through = through

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        method = getattr(self.client(_NAMES.get(service.name, service.name)), xform_name(action))
        request = _bytes(parameters)

        def do() -> dict[str, Any]:
            try:
                answer: dict[str, Any] = _texts(method(**request))
            except ClientError as error:
                raise AwsError(error.response["Error"]["Code"], _texts(error.response)) from error
            return answer

        done: dict[str, Any] = self._through(f"{service.name}.{action}", do)
        return done

    def client(self, name: str) -> Any:
        if name not in self.made:
            self.made[name] = boto3.client(name, region_name=REGION)
        return self.made[name]


def _bytes(value: Any) -> Any:
    """A request with DynamoDB's binary values as boto3 wants them: bytes, not base64."""
    if isinstance(value, Mapping):
        if set(value) == {"B"}:
            return {"B": base64.b64decode(value["B"])}
        return {name: _bytes(inner) for name, inner in value.items()}
    return [_bytes(inner) for inner in value] if isinstance(value, list) else value


def _texts(value: Any) -> Any:
    """An answer with bytes as AWS writes them: base64."""
    if isinstance(value, Mapping):
        return {name: _texts(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return [_texts(inner) for inner in value] if isinstance(value, list) else value
