"""The AWS calls on receive's way (put a message, read the registrations) without boto3, whose import alone takes longer
than all the rest of a cold start.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and the JSON protocol
of SQS and Secrets Manager. tests/test_lean_aws.py holds the signature against botocore's.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import sleep
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 3.0  # three attempts stay below receive's ten seconds
ATTEMPTS = 3
_AGAIN = ("ThrottlingException", "RequestThrottled", "Throttling", "InternalServiceError", "ServiceUnavailable")


class AwsError(Exception):
    """AWS refused the call, or gave no answer; the text is AWS's code, never a value."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service's name, the version of its JSON protocol, and how its targets begin."""

    name: str
    json: str
    target: str


SQS = Service("sqs", "1.0", "AmazonSQS")
SECRETS = Service("secretsmanager", "1.1", "secretsmanager")


@dataclass(frozen=True, slots=True)
class Identity:
    """The credentials and region that Lambda puts into the environment."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    region: str


def identity(environment: Mapping[str, str] = os.environ) -> Identity:
    """Who we are; raises AwsError when the environment does not say."""
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not (region and key and secret):
        raise AwsError("no credentials or region in the environment")
    return Identity(key, secret, environment.get("AWS_SESSION_TOKEN", ""), region)


def endpoint(service: Service, region: str, environment: Mapping[str, str] = os.environ) -> str:
    """The service's address; AWS_ENDPOINT_URL (the embedded AWS's) goes before AWS's own."""
    named = environment.get(f"AWS_ENDPOINT_URL_{service.name.upper()}") or environment.get("AWS_ENDPOINT_URL")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return named or f"https://{service.name}.{region}.{suffix}"


def signed(
    me: Identity, service: Service, host: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """`headers` and those that Signature Version 4 adds, for POST / with `body`."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    every = {**{k.lower(): v for k, v in headers.items()}, "host": host, "x-amz-date": stamp}
    if me.token:
        every["x-amz-security-token"] = me.token
    names = ";".join(sorted(every))
    canonical = "\n".join(
        ["POST", "/", "", *(f"{n}:{every[n]}" for n in sorted(every)), "", names, hashlib.sha256(body).hexdigest()]
    )
    scope = f"{stamp[:8]}/{me.region}/{service.name}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{me.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={me.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**every, "authorization": credential}


class LeanAws:
    """Calls over kept connections. Every call may go out more than once: only what is safe to repeat belongs here."""

    def __init__(self) -> None:
        self._connections: dict[str, HTTPConnection] = {}

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What the service answers to `action`; raises AwsError."""
        me = identity()
        at = endpoint(service, me.region)
        headers = {
            "content-type": f"application/x-amz-json-{service.json}",
            "x-amz-target": f"{service.target}.{action}",
        }
        body = json.dumps(parameters, separators=(",", ":")).encode()
        for attempt in range(1, ATTEMPTS + 1):
            sleep(0.1 * (attempt - 1))
            try:
                sent = signed(me, service, urlsplit(at).netloc, headers, body, datetime.now(UTC))
                status, answer = self._post(at, sent, body)
            except (OSError, HTTPException) as error:
                if attempt == ATTEMPTS:
                    raise AwsError(type(error).__name__) from error
                continue
            if status == 200:
                return answer
            code = str(answer.get("__type", status)).rpartition("#")[2]
            if attempt == ATTEMPTS or (status < 500 and code not in _AGAIN):
                raise AwsError(code)
        raise AssertionError("unreachable")

    def _post(self, at: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        connection = self._connections.pop(at, None) or _connect(at)
        connection.request("POST", "/", body, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        if not answer.will_close:  # one that failed is not kept: an idle connection may be gone after a freeze
            self._connections[at] = connection
        try:
            data = json.loads(content)
        except ValueError:
            data = {}
        return answer.status, data if isinstance(data, dict) else {}


def _connect(at: str) -> HTTPConnection:
    parts = urlsplit(at)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.netloc, timeout=TIMEOUT_S)
