"""Erasure: afterwards a customer's words, name and id are in no table, queue, execution history or log."""

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.apps import App
from chalicelib.conversations.customer import Customer
from chalicelib.platforms.base import SignatureError
from chalicelib.platforms.meta.deletion_request import signed_user
from chalicelib.platforms.read import PayloadError
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.services import Services
from infra.local.deliveries import deliver
from infra.local.deployed import Deployed, deployed, until
from infra.local.embedded import client
from infra.ops.erase import erase

WORDS, NAME, ID = "canarywords", "Canaryname", "770099887766"
QUEUES = ("InboxQueue", "DueQueue", "EscalationsQueue", "MailEventsQueue", "InboxDeadLetters", "EscalationsDeadLetters")


@pytest.fixture(scope="module")
def running() -> Iterator[Deployed]:
    with deployed() as found:
        yield found


def _everything(running: Deployed) -> dict[str, str]:
    """All that is stored anywhere, as text."""
    sqs, machines = client("sqs", running.aws.endpoint), client("stepfunctions", running.aws.endpoint)
    found = {"table": json.dumps(running.items(), default=str), "log": running.log.read_text("utf-8")}
    for name in QUEUES:
        url = running.aws.queue_url(name)
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        found[name] = json.dumps(messages)
    runs = machines.list_executions(stateMachineArn=running.aws.settings.state_machine_arn)["executions"]
    histories = [machines.get_execution_history(executionArn=r["executionArn"])["events"] for r in runs]
    found["histories"] = json.dumps([runs, histories], default=str)
    return found


def test_after_an_erasure_the_canary_is_nowhere(running: Deployed) -> None:
    page = running.apps.apps[0].accounts[0].id
    comment = SimulatedMessage("facebook", f"Can I return this {WORDS} dress?", author=ID, name=NAME)
    urgent = SimulatedMessage("messenger", f"Your {WORDS} charger burned my daughter, I will sue you", author=ID)
    other = SimulatedMessage("facebook", "Can I return these shoes?", author="70001", name="Robin")
    for said in (comment, urgent, other):
        assert deliver(running.apps, said).send(running.url)[0] == 200
    until(lambda: len(running.stand_in.posted) >= 2 and running.aws.emails())
    answer = SimulatedMessage("facebook", f"Dear {NAME}, yes you can", to=comment.id)
    assert deliver(running.apps, answer).send(running.url)[0] == 200
    until(lambda: answer.id in json.dumps(running.items()))
    until(lambda: not any(running.aws.counts(name) for name in QUEUES))
    before = _everything(running)["table"]
    assert all(canary in before for canary in (WORDS, NAME, ID))

    services = Services(running.aws.settings)
    for product in ("facebook", "messenger"):
        exported = json.dumps(services.eraser.export(Customer(product, page, ID), datetime.now(UTC)), default=str)
        assert WORDS in exported
        erased, _ = erase(services, Customer(product, page, ID), datetime.now(UTC))
        assert erased >= 2
        assert services.eraser.export(Customer(product, page, ID), datetime.now(UTC)) == []
    for place, text in _everything(running).items():
        assert WORDS not in text, place
        assert NAME not in text, place
    assert ID not in json.dumps(running.items())
    assert "Robin" in json.dumps(running.items())


def test_a_delivery_that_comes_again_after_the_erasure_revives_nothing(running: Deployed) -> None:
    page = running.apps.apps[0].accounts[0].id
    comment = SimulatedMessage("facebook", f"Can I return my {WORDS} hat?", author="770011", name="Wren")
    delivery = deliver(running.apps, comment)
    assert delivery.send(running.url)[0] == 200
    until(lambda: any(p.target == comment.id for p in running.stand_in.posted))
    erase(Services(running.aws.settings), Customer("facebook", page, "770011"), datetime.now(UTC))
    assert delivery.send(running.url)[0] == 200
    until(lambda: not running.aws.counts("InboxQueue"))
    assert "hat?" not in json.dumps(running.items())
    assert len([p for p in running.stand_in.posted if p.target == comment.id]) == 1


def test_dead_letters_about_the_customer_are_taken_out_and_others_stay(running: Deployed) -> None:
    sqs, url = client("sqs", running.aws.endpoint), running.aws.queue_url("InboxDeadLetters")
    page = running.apps.apps[0].accounts[0].id
    for raw in ('{"from":{"id":"770022"}}', '{"from":{"id":"770033"}}'):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"v": 1, "reason": "odd", "raw": raw}))
    _, taken = erase(Services(running.aws.settings), Customer("facebook", page, "770022"), datetime.now(UTC))
    assert taken == 1
    assert running.aws.counts("InboxDeadLetters") == 1


# --- Meta's data-deletion callback ---

APP = App("meta", "main", secrets=("current", "previous"))


def _signed(payload: Any, secret: str = "current") -> bytes:
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.digest(secret.encode(), encoded, "sha256")).rstrip(b"=")
    return b"signed_request=" + signature + b"." + encoded


ASKED = {"algorithm": "HMAC-SHA256", "issued_at": 1795000000, "user_id": "218471"}


@pytest.mark.parametrize("secret", ["current", "previous"])
def test_a_signed_request_names_its_user(secret: str) -> None:
    assert signed_user(APP, _signed(ASKED, secret)) == "218471"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (_signed(ASKED, "another"), SignatureError),
        (_signed(ASKED).replace(b"signed_request=", b"signed_request=A"), SignatureError),
        (_signed({**ASKED, "algorithm": "none"}), PayloadError),
        (_signed({"algorithm": "HMAC-SHA256"}), PayloadError),
        (_signed(["a list"]), PayloadError),
        (b"", PayloadError),
        (b"signed_request=onlyonepart", PayloadError),
        (b"signed_request=" + b"A" * 20_000, PayloadError),
        ("signed_request=é.é".encode(), PayloadError),
        (_signed(ASKED) + b"&" + _signed(ASKED), PayloadError),
    ],
)
def test_what_is_not_a_signed_request_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        signed_user(APP, body)


def test_an_app_without_secrets_lets_nobody_in() -> None:
    with pytest.raises(SignatureError):
        signed_user(App("meta", "main"), _signed(ASKED, ""))
