"""AWS's JSON protocol (SQS, Secrets Manager, DynamoDB, Step Functions) without boto3, whose import alone takes longer
than all the rest of a cold start.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and the services' API
references. tests/aws/test_client.py holds the signature against botocore's.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from time import sleep
from typing import Any, NamedTuple

from chalicelib.wire import Lost, NotConnected, Wire

TIMEOUT_S = 3.0  # three attempts stay below receive's ten seconds
ATTEMPTS = 3
KEEP_S = 20.0  # a connection that rested longer may be gone without a word after a freeze
_compact = json.JSONEncoder(separators=(",", ":")).encode
_AGAIN = frozenset(
    (
        *(
            "ThrottlingException",
            "RequestThrottled",
            "Throttling",
            "RequestLimitExceeded",
            "TransactionConflictException",
        ),
        *(
            "ProvisionedThroughputExceededException",
            "InternalServiceError",
            "ServiceUnavailable",
            "InternalServerError",
        ),
    )
)


class AwsError(Exception):
    """AWS refused the call, or gave no answer; the text is AWS's code, never a value. `answer` is what else it said.
    `passing`: it is nothing about what was asked (throttled, an error of theirs, no answer)."""

    def __init__(self, code: str, answer: Mapping[str, Any] | None = None, *, passing: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.answer = answer or {}
        self.passing = passing or code in _AGAIN


class Service(NamedTuple):
    """A service's name, the version of its JSON protocol, and how its targets begin."""

    name: str
    json: str
    target: str


SQS = Service("sqs", "1.0", "AmazonSQS")
SECRETS = Service("secretsmanager", "1.1", "secretsmanager")
DYNAMODB = Service("dynamodb", "1.0", "DynamoDB_20120810")
STATES = Service("states", "1.0", "AWSStepFunctions")


class Identity(NamedTuple):
    """The credentials and region that Lambda puts into the environment."""

    key: str
    secret: str
    token: str
    region: str

    def __repr__(self) -> str:
        return f"Identity({self.key!r}, {self.region!r})"  # a credential is not for a log


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
    """`headers` (names in lower case) and those that Signature Version 4 adds, for POST / with `body`."""
    stamp = f"{now.year:04}{now.month:02}{now.day:02}T{now.hour:02}{now.minute:02}{now.second:02}Z"
    every = {**headers, "host": host, "x-amz-date": stamp}
    if me.token:
        every["x-amz-security-token"] = me.token
    ordered = sorted(every)
    names = ";".join(ordered)
    lines = "\n".join([f"{name}:{every[name]}" for name in ordered])
    canonical = f"POST\n/\n\n{lines}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{me.region}/{service.name}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(me.secret, scope), text.encode(), "sha256").hex()
    every["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={me.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return every


@lru_cache(maxsize=16)
def _signing_key(secret: str, scope: str) -> bytes:
    """The key of a day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class LeanAws:
    """Calls over kept connections. Every call may go out more than once: only what is safe to repeat belongs here.

    `identify` says who calls; where boto3 is at hand it can be boto3's resolved credentials (profiles, SSO). Without it
    the environment does, which Lambda sets once for a process and which is therefore read once. `at` is an address that
    stands in for all services.
    """

    def __init__(self, identify: Callable[[], Identity] | None = None, at: str = "") -> None:
        self._identify, self._at = identify or cache(identity), at
        self._endpoint = cache(endpoint)
        self._wire = Wire(connect_s=TIMEOUT_S, answer_s=TIMEOUT_S, keep_s=KEEP_S)

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What the service answers to `action`; raises AwsError."""
        me = self._identify()
        at = self._at or self._endpoint(service, me.region)
        host = at.partition("://")[2].rstrip("/")
        headers = {
            "content-type": f"application/x-amz-json-{service.json}",
            "x-amz-target": f"{service.target}.{action}",
        }
        body = _compact(parameters).encode()
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                sleep(0.1 * (attempt - 1))
            try:
                sent = signed(me, service, host, headers, body, datetime.now(UTC))
                received = self._wire.request("POST", at, sent, body)
            except (NotConnected, Lost) as error:
                if attempt == ATTEMPTS:
                    raise AwsError(str(error), passing=True) from error
                continue
            answer = _object(received.body)
            if received.status == 200:
                return answer
            code = str(answer.get("__type", received.status)).rpartition("#")[2]
            if attempt == ATTEMPTS or (received.status < 500 and code not in _AGAIN):
                raise AwsError(code, answer, passing=received.status >= 500)
        raise AssertionError("unreachable")


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body.decode())
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
