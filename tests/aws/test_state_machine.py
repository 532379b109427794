"""The timer's state machine: valid, and it wakes once, in AWS's own words and in moto's interpreter."""

import json
from datetime import UTC, datetime, timedelta
from threading import enumerate as enumerate_threads
from time import monotonic, sleep
from typing import Any

import pytest

from chalicelib.aws.client import LeanAws
from chalicelib.aws.timer import StepFunctionsTimer
from infra.local.embedded import client, embedded_aws
from infra.stack.definitions import TIMER
from infra.stack.package import merge_template

DEFINITION = json.loads(TIMER.read_text("utf-8"))


def test_every_state_leads_somewhere_and_the_end_is_reached() -> None:
    states, seen, name = DEFINITION["States"], [], DEFINITION["StartAt"]
    while name:
        seen.append(name)
        name = states[name].get("Next", "")
    assert seen == list(states)
    assert states[seen[-1]]["End"] is True


def test_the_template_carries_the_same_definition_and_fills_every_placeholder() -> None:
    machine = merge_template()["Resources"]["TimerStateMachine"]["Properties"]
    assert machine["Definition"] == DEFINITION
    assert machine["StateMachineType"] == "STANDARD"
    for name in machine["DefinitionSubstitutions"]:
        assert f"${{{name}}}" in json.dumps(DEFINITION)
    assert json.dumps(DEFINITION).count("${") == len(machine["DefinitionSubstitutions"])


def test_the_task_is_tried_again_for_longer_than_a_short_outage() -> None:
    retry = DEFINITION["States"]["Wake"]["Retry"][0]
    waits = [retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"])]
    assert retry["ErrorEquals"] == ["States.ALL"]
    assert sum(waits) >= 120


def test_moto_runs_it_and_the_due_queue_gets_one_message() -> None:
    with embedded_aws() as aws:
        machines, queue = client("stepfunctions", aws.endpoint), aws.queue_url("DueQueue")
        timer = StepFunctionsTimer(LeanAws(), aws.settings.state_machine_arn, timedelta(seconds=1))
        at = datetime.now(UTC) + timedelta(seconds=1)
        timer.wake(at)
        timer.wake(at)
        other = StepFunctionsTimer(LeanAws(), aws.settings.state_machine_arn, timedelta(seconds=1))
        other.wake(at)  # another process, the same moment: the same name, so no second execution
        message = _first(client("sqs", aws.endpoint), queue)
        told = json.loads(message["Body"])
        assert told["v"] == 1
        assert datetime.fromisoformat(told["wake_at"]) >= at.replace(microsecond=0)
        runs = machines.list_executions(stateMachineArn=aws.settings.state_machine_arn)["executions"]
        assert len(runs) == 1
        history = json.dumps(machines.describe_execution(executionArn=runs[0]["executionArn"]), default=str)
        assert '"input": "{\\"wake_at\\":' in history


def test_an_execution_that_still_waits_ends_with_its_embedded_aws() -> None:
    before = {t.ident for t in enumerate_threads()}
    with embedded_aws() as aws:
        timer = StepFunctionsTimer(LeanAws(), aws.settings.state_machine_arn)
        timer.wake(datetime.now(UTC) + timedelta(hours=1))
        machines = client("stepfunctions", aws.endpoint)
        (run,) = machines.list_executions(stateMachineArn=aws.settings.state_machine_arn)["executions"]
        assert run["status"] == "RUNNING"
    assert not [t for t in enumerate_threads() if t.ident not in before and "_execution_logic" in t.name]


def _first(sqs: Any, url: str) -> dict[str, Any]:
    end = monotonic() + 20
    while monotonic() < end:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            return dict(message)
        sleep(0.1)
    pytest.fail("no message came")
