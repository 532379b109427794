"""The events that Lambda's sources make, in the shapes that they have when deployed: a function URL's, API Gateway's,
SQS's, the schedule's, SES's; and the context of an invocation.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from infra.local.loopback import Call

REGION = "eu-central-1"
_BINARY = ("application/octet-stream", "image/", "audio/", "video/", "application/zip", "application/x-tar")
_TEXT = ("application/json", "application/javascript", "application/xml", "text/")
_TIMEOUT_S = 60.0


_process, _numbers = str(uuid4())[:24], count(1)


def _request_id() -> str:
    """One that nobody has given before, in the form of AWS's."""
    return f"{_process}{next(_numbers):012x}"


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a function of its invocation."""

    function_name: str
    aws_request_id: str = field(default_factory=_request_id)
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:local"
    ends_at: float = field(default_factory=lambda: monotonic() + _TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends_at - monotonic()) * 1000))


def rest_event(call: Call, resource: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The event of API Gateway's HTTP API in payload format 1.0, which is the REST API's too. Bytes that are no text
    travel as base64, so none is changed."""
    headers = _gathered(call.headers)
    query = _listed(parse_qsl(call.query, keep_blank_values=True))
    body, encoded = _body(call, not call.header("content-type").lower().startswith(_BINARY))
    return {
        "version": "1.0",
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
            "path": call.path,
            "stage": "$default",
            "protocol": "HTTP/1.1",
            "requestId": _request_id(),
            "identity": {"sourceIp": "127.0.0.1", "userAgent": call.header("user-agent")},
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def url_event(call: Call) -> dict[str, Any]:
    """The event of a Lambda function URL, in payload format 2.0: names of headers in small letters, what came twice
    joined, and bytes as base64 unless they are JSON or text.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    """
    headers = _listed((name.lower(), value) for name, value in call.headers)
    cookies = headers.pop("cookie", [])
    query = _listed(parse_qsl(call.query, keep_blank_values=True))
    body, encoded = _body(call, call.header("content-type").lower().startswith(_TEXT))
    at = datetime.now(UTC)
    http = {"method": call.method, "path": call.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    http["userAgent"] = call.header("user-agent")
    context = {"http": http, "requestId": _request_id(), "stage": "$default"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": call.path,
        "rawQueryString": call.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        **({"queryStringParameters": {name: ",".join(values) for name, values in query.items()}} if query else {}),
        "requestContext": {**context, "domainName": call.header("host"), "timeEpoch": int(at.timestamp() * 1000)},
        **({} if body is None else {"body": body}),
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


def _body(call: Call, text: bool) -> tuple[str | None, bool]:
    if not call.body:
        return None, False
    if text:
        try:
            return call.body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # not text, whatever its header says
    return base64.b64encode(call.body).decode(), True


def sqs_event(messages: list[dict[str, Any]], arn: str) -> dict[str, Any]:
    """Lambda's event for SQS messages as `ReceiveMessage` gives them."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": message.get("MessageAttributes", {}),
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def send_event(id: str, to: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """SES's event for an accepted e-mail.

    Source: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    mail = {"messageId": id, "destination": [to], "tags": {name: [value] for name, value in tags.items()}}
    return {"eventType": "Send", "mail": {**mail, "timestamp": datetime.now(UTC).isoformat()}, "send": {}}


def message(body: str, receives: int = 1, id: str = "1") -> dict[str, Any]:
    """One message as `ReceiveMessage` gives it for the `receives`th time."""
    attributes = {"ApproximateReceiveCount": str(receives)}
    return {"MessageId": id, "ReceiptHandle": id, "Body": body, "MD5OfBody": "", "Attributes": attributes}


def schedule_event(at: datetime) -> dict[str, Any]:
    """EventBridge's event for a schedule."""
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "time": at.isoformat(), "region": REGION}
    return {**event, "version": "0", "id": str(uuid4()), "account": "123456789012", "resources": [], "detail": {}}
