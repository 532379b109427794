"""What a Lambda function URL hands over (payload format 2.0) as API Gateway's event (1.0), which Chalice reads; and
Chalice's answer as a URL takes it.

API Gateway finds the route of a request itself; behind a URL every path reaches the function, so it is found here.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

NOT_FOUND = {"statusCode": 404, "headers": {"Content-Type": "application/json"}, "body": '{"message":"Not Found"}'}
Event = Mapping[str, Any]


def from_url(event: Event) -> bool:
    """Whether a function URL made this event."""
    return event.get("version") == "2.0"


class Paths:
    """The paths of an app's routes, by how many parts they have: {"/act/{token}"} finds "/act/abc"."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_length: dict[int, list[tuple[str, list[str]]]] = {}
        for path in paths:
            parts = path.split("/")
            self._by_length.setdefault(len(parts), []).append((path, parts))

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The route's path and what its variables stand for, unquoted; each for one part, never for none."""
        parts = path.split("/")
        for found, names in self._by_length.get(len(parts), ()):
            given = {}
            for name, part in zip(names, parts, strict=True):
                if name == part:
                    continue
                if not part or not name.startswith("{"):
                    break
                given[name[1:-1]] = unquote(part) if "%" in part else part
            else:
                return found, given
        return None


def gateway_event(event: Event, paths: Paths) -> dict[str, Any] | None:
    """The same request as API Gateway would tell of it: only what Chalice reads. None where no route fits. The body's
    bytes are what they were; a header that came twice has both values, as a URL joins them."""
    found = paths.find(event["rawPath"])
    if found is None:
        return None
    query = event["rawQueryString"]
    return {
        "headers": event["headers"],
        "multiValueQueryStringParameters": parse_qs(query, keep_blank_values=True) if query else None,
        "pathParameters": found[1],
        "stageVariables": None,
        "requestContext": {"resourcePath": found[0], "httpMethod": event["requestContext"]["http"]["method"]},
        "body": event.get("body"),
        "isBase64Encoded": event["isBase64Encoded"],
    }


def url_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """Chalice's answer without what payload format 2.0 does not know: a header of several values has them in one."""
    several = answer.pop("multiValueHeaders", None)
    if several:
        answer["headers"] = answer["headers"] | {name: ", ".join(values) for name, values in several.items()}
    return answer
