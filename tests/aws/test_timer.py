"""Wake-ups: one execution a minute whatever falls due in it, and no start that fails silently."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.aws.timer import StepFunctionsTimer, TimerError, bucket, execution_name
from tests.boto_aws import BotoAws
from tests.test_orders import COMMON
from tests.world import MemoryWorld, comment, delivery

AT = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield BotoAws().client("stepfunctions")


@pytest.fixture
def arn(client: Any) -> str:
    definition = '{"StartAt":"W","States":{"W":{"Type":"Wait","TimestampPath":"$.wake_at","End":true}}}'
    made = client.create_state_machine(name="timer", definition=definition, roleArn="arn:aws:iam::123456789012:role/t")
    return str(made["stateMachineArn"])


def executions(client: Any, arn: str) -> list[str]:
    return sorted(e["name"] for e in client.list_executions(stateMachineArn=arn)["executions"])


def test_the_bucket_is_the_first_full_minute_not_before() -> None:
    assert bucket(AT) == AT + timedelta(seconds=30)
    assert bucket(AT + timedelta(seconds=30)) == AT + timedelta(seconds=30)


def test_everything_that_falls_due_in_a_minute_shares_one_execution(client: Any, arn: str) -> None:
    for second in range(60):
        StepFunctionsTimer(BotoAws(), arn).wake(AT.replace(second=0) + timedelta(seconds=second + 1))
    assert executions(client, arn) == ["due-v1-20261123T1001"]
    (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
    described = client.describe_execution(executionArn=execution["executionArn"])
    assert described["input"] == '{"wake_at":"2026-11-23T10:01:00Z"}'


def test_a_minute_whose_execution_has_ended_gives_way_to_the_next(client: Any, arn: str) -> None:
    StepFunctionsTimer(BotoAws(), arn).wake(AT)
    (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
    client.stop_execution(executionArn=execution["executionArn"])
    StepFunctionsTimer(BotoAws(), arn).wake(AT)
    assert executions(client, arn) == ["due-v1-20261123T1001", "due-v1-20261123T1002"]


def test_a_start_that_fails_says_so_and_is_tried_again_next_time(client: Any, arn: str) -> None:
    timer = StepFunctionsTimer(BotoAws(), arn.replace("timer", "nobody"))
    with pytest.raises(TimerError):
        timer.wake(AT)
    timer.arn = arn
    timer.wake(AT)
    assert executions(client, arn) == [execution_name(bucket(AT))]


def test_with_the_timer_switched_off_everything_is_escalated_within_the_safety_schedules_interval() -> None:
    class Broken:
        def wake(self, at: datetime) -> None:
            raise TimerError("off")

    world = MemoryWorld(timer=Broken())
    for n in range(40):
        world.post(delivery(comment(f"c{n}", COMMON, author=str(n), at=world.services.now())))
        world.run(timedelta(seconds=77), sweep=True)
    world.run(timedelta(hours=3), sweep=True)
    rows = world.records("escalation")
    assert {row["conversation"].split(":")[2] for row in rows} == {f"c{n}" for n in range(40)}
    late = [datetime.fromisoformat(row["at"]) - datetime.fromisoformat(row["due_at"]) for row in rows]
    assert max(late) <= timedelta(minutes=5)
