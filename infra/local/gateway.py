"""API Gateway for the local run: an HTTP request becomes the REST proxy event that app.py gets when deployed.

Chalice's own local server makes another event (its bodies always are bytes, its headers lose their repetitions), so
what works there may not work deployed.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import unquote

from infra.local.events import Context, rest_event
from infra.local.loopback import Answered, Call


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


def _json(status: int, data: Mapping[str, Any]) -> Answered:
    return Answered(status, {"Content-Type": "application/json"}, json.dumps(data).encode())
