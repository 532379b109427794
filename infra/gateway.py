"""API Gateway for the local run: an HTTP request becomes the REST proxy event that app.py gets when deployed.

Chalice's own local server makes another event (its bodies always are bytes, its headers lose their repetitions), so
what works there may not work deployed.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from infra.loopback import Answered, Call

_BINARY = ("application/octet-stream", "image/", "audio/", "video/", "application/zip", "application/x-tar")
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a function of its invocation."""

    function_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:local"
    ends_at: float = field(default_factory=lambda: monotonic() + _TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends_at - monotonic()) * 1000))


@dataclass(frozen=True, slots=True)
class Gateway:
    """Requests in, answers out; `function` is `app.app`. One request at a time, as in one Lambda environment: Chalice
    keeps the current request in the application."""

    function: Any
    _lock: Any = field(default_factory=Lock)

    def answer(self, call: Call) -> Answered:
        """What the deployed API would answer to `call`."""
        found = self._route(call)
        if found is None:
            return _json(403, {"message": "Missing Authentication Token"})  # API Gateway's words for "no such route"
        resource, parameters = found
        with self._lock:
            answer = self.function(rest_event(call, resource, parameters), Context("api"))
        body = answer["body"]
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        repeated = {name: ", ".join(values) for name, values in answer.get("multiValueHeaders", {}).items()}
        return Answered(int(answer["statusCode"]), {**answer["headers"], **repeated}, content)

    def _route(self, call: Call) -> tuple[str, dict[str, str]] | None:
        parts = call.path.split("/")
        for resource, methods in self.function.routes.items():
            names = resource.split("/")
            if call.method not in methods or len(names) != len(parts):
                continue
            pairs = list(zip(names, parts, strict=True))
            if all(name == part or (_is_variable(name) and part) for name, part in pairs):
                return resource, {name[1:-1]: unquote(part) for name, part in pairs if _is_variable(name)}
        return None


def _is_variable(name: str) -> bool:
    return name.startswith("{")


def rest_event(call: Call, resource: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """API Gateway's REST proxy event (payload 1.0); bytes that are no text travel as base64, so none is changed."""
    headers = _gathered(call.headers)
    query = _listed(parse_qsl(call.query, keep_blank_values=True))
    body, encoded = _body(call)
    return {
        "resource": resource,
        "path": call.path,
        "httpMethod": call.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": call.method,
            "path": f"/api{call.path}",
            "stage": "api",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid4()),
            "identity": {"sourceIp": "127.0.0.1", "userAgent": call.header("user-agent")},
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def _listed(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Every value by name; names that differ in case only are one, spelt as the first."""
    spelt: dict[str, str] = {}
    return _listed((spelt.setdefault(name.lower(), name), value) for name, value in pairs)


def _body(call: Call) -> tuple[str | None, bool]:
    if not call.body:
        return None, False
    if not call.header("content-type").lower().startswith(_BINARY):
        try:
            return call.body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # not text, whatever its header says
    return base64.b64encode(call.body).decode(), True


def _json(status: int, data: Mapping[str, Any]) -> Answered:
    return Answered(status, {"Content-Type": "application/json"}, json.dumps(data).encode())
