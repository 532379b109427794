"""What has no alarm of its own rings the daily check's: dead letters of any queue, failed timers, no word of either."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.aws.client import AwsError, LeanAws, Service
from chalicelib.operations.leftovers import LeftBehind, Leftovers
from tests.aws_world import SETTINGS, AwsWorld
from tests.world import NOW

QUEUES = ("https://sqs/1/DueDeadLetters", "https://sqs/1/FactsDeadLetters")
REFUSED = AwsError("AccessDeniedException")


@dataclass
class Aws(LeanAws):
    """Answers as AWS documents it; what is an exception is raised."""

    letters: dict[str, int | AwsError] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))
    failed: list[timedelta] | AwsError = field(default_factory=list)

    def call(self, service: Service, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if action == "GetQueueAttributes":
            count = self.letters[parameters["QueueUrl"]]
            if isinstance(count, AwsError):
                raise count
            return {"Attributes": {"ApproximateNumberOfMessages": str(count)}}
        assert (action, parameters["statusFilter"]) == ("ListExecutions", "FAILED")
        if isinstance(self.failed, AwsError):
            raise self.failed
        return {"executions": [{"startDate": (NOW - ago).timestamp()} for ago in self.failed]}


def found(aws: Aws) -> list[str]:
    return [f.what for f in Leftovers(aws, QUEUES, "machine").findings(NOW)]


def test_an_ordinary_day_leaves_nothing() -> None:
    assert found(Aws(failed=[timedelta(hours=25), timedelta(days=80)])) == []


@pytest.mark.parametrize(
    ("aws", "what"),
    [
        (Aws({QUEUES[0]: 2, QUEUES[1]: 0}), "2 dead letters lie in DueDeadLetters"),
        (Aws({QUEUES[0]: 0, QUEUES[1]: 1}), "1 dead letters lie in FactsDeadLetters"),
        (Aws(failed=[timedelta(hours=1), timedelta(hours=2), timedelta(days=2)]), "2 timers failed within a day"),
        (Aws({QUEUES[0]: REFUSED, QUEUES[1]: 0}), "AWS does not tell how many messages DueDeadLetters holds"),
        (Aws(failed=REFUSED), "AWS does not tell which timers failed"),
    ],
)
def test_each_kind_is_found(aws: Aws, what: str) -> None:
    assert [w.partition(" (")[0] for w in found(aws)] == [what]


def test_the_visit_mails_it_and_then_fails_each_day_until_nothing_lies_there() -> None:
    """Failing rings the alarm; the mail goes out first, and with it what the platforms say."""
    world, aws = AwsWorld(), Aws({QUEUES[0]: 1, QUEUES[1]: 0})
    doctor = replace(world.services.doctor, leftovers=Leftovers(aws, QUEUES, "machine"))
    for day in range(2):
        with pytest.raises(LeftBehind, match="1 dead letters lie in DueDeadLetters"):
            doctor.visit(NOW + timedelta(days=day))
    assert len(world.emails) == 1
    aws.letters[QUEUES[0]] = 0
    doctor.visit(NOW + timedelta(days=2))


def test_the_visit_looks_at_every_queue_of_dead_letters_and_at_the_timers() -> None:
    world = AwsWorld()
    world.services._settings = SETTINGS._replace(dead_letters="due-dead mail-dead", facts_letters="facts-dead")
    left = world.services.doctor.leftovers
    assert left
    assert left.queues == (SETTINGS.quarantine_url, "due-dead", "mail-dead", "facts-dead")
    assert left.machine == SETTINGS.state_machine_arn
