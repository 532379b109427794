"""The embedded AWS is what infra/stack/resources.yaml says, its conditions can be trusted, and its queues feed
functions as Lambda's event sources do."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from chalicelib.aws.client import LeanAws
from chalicelib.storage.table import Conflict, DynamoTable, Item, Key
from infra.local.embedded import Embedded, client, embedded_aws
from infra.local.queue_poller import QueuePoller, Source
from infra.stack.definitions import RESOURCES, TIMER
from tests.patience import until

TEMPLATE = yaml.safe_load(RESOURCES.read_text("utf-8"))["Resources"]
QUEUES = [name for name, resource in TEMPLATE.items() if resource["Type"] == "AWS::SQS::Queue"]


@pytest.fixture(scope="module")
def aws() -> Iterator[Embedded]:
    before = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MOTO_"))}
    with embedded_aws() as embedded:
        yield embedded
    assert {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MOTO_"))} == before


# --- the embedded AWS ---------------------------------------------------------------------------------------


def test_the_table_has_the_keys_and_indexes_of_the_template(aws: Embedded) -> None:
    table = client("dynamodb", aws.endpoint).describe_table(TableName=aws.settings.table)["Table"]
    defined = TEMPLATE["Table"]["Properties"]
    assert table["KeySchema"] == defined["KeySchema"]
    found = {i["IndexName"]: (i["KeySchema"], i["Projection"]) for i in table["GlobalSecondaryIndexes"]}
    assert found == {i["IndexName"]: (i["KeySchema"], i["Projection"]) for i in defined["GlobalSecondaryIndexes"]}


@pytest.mark.parametrize("name", QUEUES)
def test_each_queue_has_the_attributes_of_the_template(aws: Embedded, name: str) -> None:
    sqs = client("sqs", aws.endpoint)
    found = sqs.get_queue_attributes(QueueUrl=aws.queue_url(name), AttributeNames=["All"])["Attributes"]
    defined = TEMPLATE[name]["Properties"]
    assert int(found["VisibilityTimeout"]) == defined["VisibilityTimeout"]
    assert int(found["MessageRetentionPeriod"]) == defined["MessageRetentionPeriod"]
    if "RedrivePolicy" in defined:
        policy, wanted = json.loads(found["RedrivePolicy"]), defined["RedrivePolicy"]
        assert policy["maxReceiveCount"] == wanted["maxReceiveCount"]
        assert policy["deadLetterTargetArn"] == aws.queue_arn(wanted["deadLetterTargetArn"]["Fn::GetAtt"][0])


def test_the_state_machine_is_the_deployed_one_and_wakes(aws: Embedded) -> None:
    stepfunctions, arn = client("stepfunctions", aws.endpoint), aws.settings.state_machine_arn
    definition = json.loads(stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"])
    deployed = json.loads(TIMER.read_text("utf-8").replace("${DueQueueUrl}", aws.settings.due_url))
    assert definition == deployed
    stepfunctions.start_execution(stateMachineArn=arn, name="wake", input='{"wake_at":"2026-11-21T10:00:00Z"}')
    until(lambda: aws.counts("DueQueue") == 1)


def test_this_process_talks_to_nothing_else(aws: Embedded) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == aws.endpoint
    assert os.environ["AWS_ACCESS_KEY_ID"] == "embedded"
    assert "AWS_PROFILE" not in os.environ


def test_a_second_one_in_the_same_process_is_refused(aws: Embedded) -> None:
    with pytest.raises(RuntimeError, match="one at a time"), embedded_aws():
        pass


def test_of_many_who_write_at_once_exactly_one_wins(aws: Embedded) -> None:
    table = DynamoTable(LeanAws(), aws.settings.table)

    def write(key: Key) -> bool:
        try:
            table.put(Item(key, {"v": 1}))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        for number in range(12):
            key = Key(f"race#{number}", "r")
            assert sum(threads.map(write, [key] * 12)) == 1


# --- the pump -----------------------------------------------------------------------------------------------


def test_what_a_function_reports_as_failed_stays_on_its_queue(aws: Embedded) -> None:
    sqs, url = client("sqs", aws.endpoint), aws.queue_url("InboxQueue")
    seen: list[str] = []
    back: list[tuple[str, str]] = []

    def function(event: dict[str, Any], context: Any) -> dict[str, Any]:
        assert context.get_remaining_time_in_millis() > 0
        bad = []
        for record in event["Records"]:
            assert record["eventSource"] == "aws:sqs" and record["eventSourceARN"] == aws.queue_arn("InboxQueue")
            seen.append(record["body"])
            if record["body"] == "bad":
                bad.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": bad}

    for body in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    with QueuePoller(
        aws, (Source("InboxQueue", function),), lambda e, c: None, came_back=lambda *what: back.append(what)
    ):
        until(lambda: sorted(seen) == ["bad", "good", "good"] and aws.counts("InboxQueue") == 1)
    assert back == [("InboxQueue", "reported as failed")]


def test_a_function_that_raises_keeps_its_whole_batch(aws: Embedded) -> None:
    back: list[tuple[str, str]] = []

    def function(event: dict[str, Any], context: Any) -> None:
        raise LookupError("a secret that must not be told")

    client("sqs", aws.endpoint).send_message(QueueUrl=aws.queue_url("EscalationsQueue"), MessageBody="{}")
    with QueuePoller(
        aws, (Source("EscalationsQueue", function),), lambda e, c: None, came_back=lambda *what: back.append(what)
    ):
        until(lambda: back == [("EscalationsQueue", "LookupError")])
    assert aws.counts("EscalationsQueue") == 1


def test_the_schedule_runs_the_sweep_again_and_again(aws: Embedded) -> None:
    swept: list[str] = []
    with QueuePoller(aws, (), lambda event, context: swept.append(event["source"]), sweep_every_s=0.05):
        until(lambda: len(swept) >= 3)
    assert set(swept) == {"aws.events"}
