"""Doctor, as the operator runs it and as it comes every day, on the embedded AWS."""

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from chalicelib.apps import Account, App
from chalicelib.platforms.base import Finding
from chalicelib.platforms.http import Http
from chalicelib.platforms.meta import facebook
from chalicelib.registry import PRODUCTS
from chalicelib.services import Services
from chalicelib.settings import read_settings
from infra.local.embedded import client
from infra.ops import doctor
from tests.infra.operator import NOW, Operator, dead_letters, put


def finds(monkeypatch: pytest.MonkeyPatch, *what: str) -> None:
    """The check of every Page finds `what` from now on."""

    def check(http: Http, app: App, account: Account) -> list[Finding]:
        return [Finding(account.id, w, "fix it") for w in what]

    monkeypatch.setattr(facebook, "PRODUCT", facebook.PRODUCT._replace(check=check))


@pytest.fixture
def healthy(registered: Operator, monkeypatch: pytest.MonkeyPatch) -> Operator:
    for product in {a.product for app in registered.services.apps.apps for a in app.accounts}:
        module = import_module(f"chalicelib.platforms.{PRODUCTS[product].module}")
        monkeypatch.setattr(module, "PRODUCT", module.PRODUCT._replace(check=lambda *arguments: []))
    monkeypatch.setattr(doctor, "sandbox", lambda: [])
    return registered


def test_doctor_finds_nothing_where_all_is_well(healthy: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthy.run("doctor") == 0
    assert capsys.readouterr().out.startswith("nothing found")


def test_doctor_tells_of_dead_letters_alarms_and_accounts(
    healthy: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(healthy.aws, dead_letters(healthy.aws, "InboxQueue"), {"n": 1})
    finds(monkeypatch, "no token")
    watch = client("cloudwatch", healthy.aws.endpoint)
    watch.put_metric_alarm(
        AlarmName="earshot-local-overdue",
        Namespace="Earshot",
        MetricName="EscalationLateness",
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=120,
        ComparisonOperator="GreaterThanThreshold",
    )
    watch.set_alarm_state(AlarmName="earshot-local-overdue", StateValue="ALARM", StateReason="a test")
    assert healthy.run("doctor") == 1
    told = capsys.readouterr().out
    assert "no token\n  fix: fix it" in told
    assert "RUNBOOK.md, overdue" in told
    assert "make redrive QUEUE=inbox" in told


def test_doctor_tells_the_last_errors_places_and_nobodys_words(
    healthy: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, now = client("logs", healthy.aws.endpoint), datetime.now(UTC)
    logs.create_log_group(logGroupName="/earshot/earshot-local")
    again = "a message goes back to its queue: KeyError at codec.py:41"
    raised = {"errorType": "ValueError", "errorMessage": "CANARY", "level": "ERROR"}
    raised["stackTrace"] = ['  File "/var/task/chalicelib/intents.py", line 7, in read\n    CANARY\n']  # type: ignore[assignment]
    for function, lines in {
        "Respond": [{"level": "ERROR", "message": again}, {"level": "ERROR", "message": again}],
        "Sweep": [raised, {"level": "ERROR", "message": "a conversation was set aside", "error": "TypeError"}],
        "Notify": [{"level": "INFO", "message": "stored", "why": "ERROR"}],
    }.items():
        stream = f"2026/11/21/earshot-local-{function}-0A1B[7]0a1b"
        logs.create_log_stream(logGroupName="/earshot/earshot-local", logStreamName=stream)
        events = [{"timestamp": int(now.timestamp() * 1000), "message": json.dumps(line)} for line in lines]
        logs.put_log_events(logGroupName="/earshot/earshot-local", logStreamName=stream, logEvents=events)
    quarantined = {"v": 1, "id": "d1", "platform": "meta", "app": "main", "reasons": ["no id"], "body": "CANARY"}
    put(healthy.aws, dead_letters(healthy.aws, "InboxQueue"), quarantined, {"v": 1, "body": "CANARY"})
    assert healthy.run("doctor") == 1
    told = capsys.readouterr().out
    day = f"{now:%Y-%m-%d}"
    assert f"Respond: {again} (2 times, last {day}" in told
    assert f"Sweep: ValueError at intents.py:7 ({day}" in told
    assert f"Sweep: a conversation was set aside (TypeError) ({day}" in told
    assert f"inbox: meta/main delivery d1: no id ({day}" in told
    assert "inbox: a dead letter: failed as often as its queue tries" in told
    assert "make redrive QUEUE=inbox" in told
    assert "CANARY" not in told and "stored" not in told
    assert healthy.run("redrive", "--queue", "inbox") == 0  # nothing is held by having been looked at
    assert healthy.aws.counts("InboxQueue") == 2


def test_doctor_of_the_local_run_leaves_out_what_the_stand_ins_cannot_know(
    registered: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARSHOT_PLATFORMS_VIA", "http://127.0.0.1:9")
    assert registered.run("doctor") == 0
    assert "stand-ins" in capsys.readouterr().out
    put(registered.aws, dead_letters(registered.aws, "InboxQueue"), {"n": 1})
    assert registered.run("doctor") == 1
    assert "make redrive QUEUE=inbox" in capsys.readouterr().out


def test_the_sandbox_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ses:
        def get_account(self) -> dict[str, Any]:
            return {"ProductionAccessEnabled": False, "SendingEnabled": False}

    monkeypatch.setattr(doctor, "client", lambda service: Ses())
    assert [f.account for f in doctor.sandbox()] == ["ses", "ses"]


def test_the_daily_visit_mails_its_findings_once_and_again_when_they_change(
    healthy: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(healthy.aws.settings)
    assert services.doctor.visit(NOW) is False
    finds(monkeypatch, "no token")
    assert services.doctor.visit(NOW) is True
    assert services.doctor.visit(NOW + timedelta(days=1)) is False
    finds(monkeypatch, "no field")
    assert services.doctor.visit(NOW + timedelta(days=2)) is True
    finds(monkeypatch)
    assert services.doctor.visit(NOW + timedelta(days=3)) is False
    finds(monkeypatch, "no field")  # well in between: news again
    assert services.doctor.visit(NOW + timedelta(days=4)) is True
    assert len(healthy.aws.emails()) == 3


@pytest.mark.parametrize(
    "given, needed",
    [
        ({}, 10),
        ({"RespondConcurrency": "20", "NotifyConcurrency": "10"}, 36),
        ({"RespondConcurrency": "2", "ReceiveConcurrency": "100", "Memory": "1769"}, 109),
        ({"ReceiveConcurrency": "0"}, 10),
    ],
)
def test_the_quota_that_is_asked_for_holds_what_the_deployment_raised(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], needed: int
) -> None:
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]

    class Aws:
        quota = needed

        def get_account_settings(self) -> dict[str, Any]:
            return {"AccountLimit": {"ConcurrentExecutions": Aws.quota}}

        def describe_stacks(self, StackName: str) -> dict[str, Any]:
            assert StackName == "earshot-prod"
            return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": parameters}]}

    monkeypatch.setattr(doctor, "client", lambda service: Aws())
    settings = read_settings({"EARSHOT_STAGE": "prod"})
    assert doctor.concurrency(settings) == []
    Aws.quota -= 1
    (found,) = doctor.concurrency(settings)
    assert found.what == f"this account runs {needed - 1} functions at once, Earshot may need {needed}"
