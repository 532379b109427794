"""The timer's state machine: valid, and it wakes once, in AWS's own words and in moto's interpreter."""

import json
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import pytest

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
        timer = StepFunctionsTimer(machines, aws.settings.state_machine_arn, timedelta(seconds=1))
        at = datetime.now(UTC) + timedelta(seconds=1)
        timer.wake(at)
        timer.wake(at)
        other = StepFunctionsTimer(machines, aws.settings.state_machine_arn, timedelta(seconds=1))
        other.wake(at)  # another process, the same moment: the same name, so no second execution
        message = _first(client("sqs", aws.endpoint), queue, at.replace(microsecond=0))
        told = json.loads(message["Body"])
        assert told["v"] == 1
        assert datetime.fromisoformat(told["wake_at"]) >= at.replace(microsecond=0)
        runs = machines.list_executions(stateMachineArn=aws.settings.state_machine_arn)["executions"]
        assert len(runs) == 1
        history = json.dumps(machines.describe_execution(executionArn=runs[0]["executionArn"]), default=str)
        assert '"input": "{\\"wake_at\\":' in history


def _first(sqs: Any, url: str, not_before: datetime) -> dict[str, Any]:
    """The first message of a timer from `not_before` on. An execution that another test of this process left waiting is
    a thread of moto's that outlives its embedded AWS: its message can arrive here too."""
    end = monotonic() + 20
    while monotonic() < end:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            if datetime.fromisoformat(json.loads(message["Body"])["wake_at"]) >= not_before:
                return dict(message)
        sleep(0.1)
    pytest.fail("no message came")
