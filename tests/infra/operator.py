"""An operator at the embedded AWS, whose commands are those of `make`."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.services import Services
from infra.local.embedded import Embedded, client
from infra.ops.commands import main

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PAGE = "100200300400500"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator at the embedded AWS."""

    aws: Embedded
    services: Services

    def run(self, *arguments: str) -> int:
        return main(["--stage", "local", *arguments])


def dead_letters(aws: Embedded, name: str) -> str:
    return aws.queue_url(name.replace("Queue", "DeadLetters"))


def put(aws: Embedded, url: str, *bodies: Any) -> None:
    for body in bodies:
        client("sqs", aws.endpoint).send_message(QueueUrl=url, MessageBody=json.dumps(body))
