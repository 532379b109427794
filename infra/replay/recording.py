"""What was recorded: deliveries, and what else happened, a JSON object a line (README, Replay)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from chalicelib.codec import from_time, to_time
from chalicelib.platforms.base import Request
from chalicelib.textfile import read_text
from infra.local.loopback import Call
from infra.replay.story import (
    StoryLine,
    read_line,
)


class ReplayError(ValueError):
    """The recording cannot be read; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded delivery, as a platform sent it at `at`."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def request(self) -> Request:
        """The same as receive sees it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.method, headers, self.query, self.body, self.at)

    def call(self) -> Call:
        """The same as a request to the gateway."""
        headers = {"Content-Type": "application/json"} | dict(self.headers)
        return Call(self.method, self.path, urlencode(self.query), tuple(headers.items()), self.body)

    def line(self) -> str:
        """The same as a line of a recording, which `read_recording` reads."""
        row = {"at": from_time(self.at), "method": self.method, "path": self.path, "query": dict(self.query)}
        body = base64.b64encode(self.body).decode()
        return json.dumps(row | {"headers": dict(self.headers), "body_base64": body}) + "\n"


Line = Recorded | StoryLine


def read_recording(path: Path) -> list[Line]:
    """The lines of a recording, one JSON object each: deliveries, and with a `type` what else happened. Raises
    ReplayError."""
    recorded: list[Line] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row.get("type", "delivery") != "delivery":
                recorded.append(read_line(row))
                continue
            recorded.append(
                Recorded(
                    at=to_time(row["at"]),
                    method=str(row.get("method", "POST")).upper(),
                    path=str(row["path"]),
                    query={str(k): str(v) for k, v in (row.get("query") or {}).items()},
                    headers={str(k): str(v) for k, v in (row.get("headers") or {}).items()},
                    body=base64.b64decode(row.get("body_base64") or "", validate=True),
                )
            )
        except json.JSONDecodeError:
            raise ReplayError(f"{path}:{number}: not a line of JSON; see README, Replay") from None
        except KeyError as error:
            raise ReplayError(f"{path}:{number}: {error.args[0]!r} is missing; see README, Replay") from None
        except ValueError as error:
            raise ReplayError(f"{path}:{number}: {error}; see README, Replay") from None
        except (TypeError, AttributeError) as error:
            raise ReplayError(f"{path}:{number}: not as replay reads it ({error}); see README, Replay") from None
    return recorded
