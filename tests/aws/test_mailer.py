"""The e-mail's pictures: inline attachments where the runtime's boto3 has them, and none elsewhere."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from chalicelib.aws.mailer import Email, SesMailer

EMAIL = Email(
    "lead@shop.example.com", "The week", "words", '<img src="cid:days" alt="10 a day">', images={"days": b"PNG"}
)  # fmt: skip


@pytest.fixture
def client() -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("sesv2", region_name="eu-west-1", **keys)


def test_pictures_are_inline_attachments_that_the_html_names(client: Any) -> None:
    """botocore checks every parameter against SES's own description."""
    with Stubber(client) as ses:
        expected = {"FromEmailAddress": ANY, "Destination": ANY, "Content": ANY, "EmailTags": ANY}
        ses.add_response("send_email", {"MessageId": "m1"}, expected)
        sent: list[dict[str, Any]] = []
        client.meta.events.register("provide-client-params.sesv2.SendEmail", lambda params, **_: sent.append(params))
        assert SesMailer(client, "earshot@shop.example.com").send(EMAIL) == "m1"
    (picture,) = sent[0]["Content"]["Simple"]["Attachments"]
    assert (picture["ContentId"], picture["ContentDisposition"], picture["RawContent"]) == ("days", "INLINE", b"PNG")


def test_an_older_boto3_sends_the_email_without_its_pictures() -> None:
    sent: list[dict[str, Any]] = []

    def send_email(**request: Any) -> dict[str, str]:
        sent.append(request)
        return {"MessageId": "m1"}

    message = SimpleNamespace(members={"Subject": None, "Body": None, "Headers": None})
    model = SimpleNamespace(shape_for={"Message": message}.__getitem__)
    old = SimpleNamespace(meta=SimpleNamespace(service_model=model), send_email=send_email)
    assert SesMailer(old, "earshot@shop.example.com").send(EMAIL) == "m1"
    simple = sent[0]["Content"]["Simple"]
    assert "Attachments" not in simple and "10 a day" in simple["Body"]["Html"]["Data"]
