"""The door for the local run: an HTTP request becomes the event of a function URL that app.py gets when deployed.

Chalice's own local server makes another event (its bodies always are bytes, its headers lose their repetitions), so
what works there may not work deployed. With an HTTP API in front, the event is `rest_event` of events.py.
"""

import base64
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from infra.local.events import Context, url_event
from infra.local.loopback import Answered, Call


@dataclass(frozen=True, slots=True)
class Gateway:
    """Requests in, answers out; `function` is `app.app`. One request at a time, as in one Lambda environment: Chalice
    keeps the current request in the application."""

    function: Any
    _lock: Any = field(default_factory=Lock)

    def answer(self, call: Call) -> Answered:
        """What the deployed function would answer to `call`."""
        with self._lock:
            answer = self.function(url_event(call), Context("api"))
        body = answer["body"]
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        return Answered(int(answer["statusCode"]), answer["headers"], content)
