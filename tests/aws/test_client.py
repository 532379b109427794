"""The lean AWS client signs as botocore does, and tries again only where that is safe."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib.aws.client import (
    DYNAMODB,
    SECRETS,
    SQS,
    STATES,
    AwsError,
    Identity,
    LeanAws,
    Service,
    endpoint,
    identity,
    signed,
)
from infra.local.loopback import Answered, Call, serve

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
Serve = Callable[[Callable[[Call], Answered | None]], None]


@pytest.mark.parametrize("token", ["", "a session/token+with=signs"])
@pytest.mark.parametrize("service", [SQS, SECRETS, DYNAMODB, STATES])
@pytest.mark.parametrize("body", [b"{}", '{"MessageBody":"Grüße ☕"}'.encode()])
def test_the_signature_is_botocores(monkeypatch: pytest.MonkeyPatch, service: Service, token: str, body: bytes) -> None:
    me = Identity("AKIDEXAMPLE", "a secret/of+signs", token, "eu-central-1")
    host = f"{service.name}.eu-central-1.amazonaws.com"
    headers = {"content-type": f"application/x-amz-json-{service.json}", "x-amz-target": f"{service.target}.Call"}
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None), raising=False)
    SigV4Auth(Credentials(me.key, me.secret, token or None), service.name, me.region).add_auth(request)
    at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert signed(me, service, host, headers, body, at)["authorization"] == request.headers["Authorization"]


def test_identity_and_endpoint_come_from_the_environment() -> None:
    variables = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    assert identity(variables) == Identity("k", "s", "", "eu-west-1")
    assert endpoint(SQS, "eu-west-1", {}) == "https://sqs.eu-west-1.amazonaws.com"
    assert endpoint(SQS, "cn-north-1", {}) == "https://sqs.cn-north-1.amazonaws.com.cn"
    assert endpoint(SQS, "eu-west-1", {"AWS_ENDPOINT_URL_SQS": "http://here"}) == "http://here"
    with pytest.raises(AwsError):
        identity({"AWS_REGION": "eu-west-1"})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Stands in for AWS with the given answers."""
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "eu-central-1")
    with ExitStack() as stack:

        def start(answer: Callable[[Call], Answered | None]) -> None:
            monkeypatch.setenv("AWS_ENDPOINT_URL", stack.enter_context(serve(answer)))

        yield start


def _answers(*answers: Answered | None) -> tuple[Callable[[Call], Answered | None], list[Call]]:
    left, calls = list(answers), []

    def answer(call: Call) -> Answered | None:
        calls.append(call)
        return left.pop(0)

    return answer, calls


FINE = Answered(200, {}, b'{"MessageId":"1"}')


def _call() -> dict[str, Any]:
    return LeanAws().call(SQS, "SendMessage", {"QueueUrl": "q", "MessageBody": "b"})


def test_a_broken_connection_and_a_server_error_are_tried_again(aws: Serve) -> None:
    answer, calls = _answers(None, Answered(500, {}, b"oops"), FINE)
    aws(answer)
    assert _call() == {"MessageId": "1"}
    assert len(calls) == 3


def test_a_refusal_is_not_tried_again_and_its_code_is_told(aws: Serve) -> None:
    answer, calls = _answers(Answered(400, {}, b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}'))
    aws(answer)
    with pytest.raises(AwsError, match=r"^QueueDoesNotExist$"):
        _call()
    assert len(calls) == 1


def test_throttling_is_tried_again_but_not_for_ever(aws: Serve) -> None:
    slow = Answered(400, {}, b'{"__type":"ThrottlingException"}')
    answer, calls = _answers(slow, slow, slow)
    aws(answer)
    with pytest.raises(AwsError, match="ThrottlingException"):
        _call()
    assert len(calls) == 3


def test_a_connection_is_kept_for_the_next_call(aws: Serve) -> None:
    answer, calls = _answers(FINE, FINE)
    aws(answer)
    lean = LeanAws()
    lean.call(SQS, "SendMessage", {})
    lean.call(SQS, "SendMessage", {})
    assert len({call.peer for call in calls}) == 1
    assert calls[0].header("x-amz-target") == "AmazonSQS.SendMessage"
