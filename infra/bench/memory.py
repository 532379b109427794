"""How much memory each function of a question's way has used at the most, and how much processor time a message or an
e-mail takes once it is warm, under Lambda's runtime client: what the size of the functions is chosen by.

The embedded AWS is a process of its own and so are the platforms. Batches are as large as they come on AWS.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from chalicelib.conversations.conversation import Notice
from chalicelib.emails.about import tags_about
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.storage.item_keys import ConversationKey
from infra.local.deliveries import USUAL, api_event, deliver, inbox_event
from infra.local.deployed import Deployed, deployed
from infra.local.embedded import client
from infra.local.events import message, send_event, sqs_event
from infra.local.lambda_runtime import Environment
from infra.stack.costs import memories

ROUNDS, BATCH, NOTICES = 30, 10, 5
QUESTION, UNSURE, ANSWER = "Do you ship to Norway?", "hm, and the other one?", "Hello, here you are."
URGENT = "Your charger caught fire and burned my daughter, I will sue you"
ROOM = 1.5  # of the peak here: Lambda's own part of an environment, and what a larger e-mail or a busier hour takes
_numbers = count(1)


def main() -> int:
    """Prints a line for each function; 1 if one has not room in the smallest size that the template offers."""
    least, small = memories()[0], True
    print(
        f"{'':<12}{'peak, MB':>10}{'CPU ms, warm':>14}   (least of {ROUNDS} batches; the smallest size is {least} MB)"
    )
    with deployed(poll=False) as running:
        for name, event in ways(running).items():
            cpu = _warm(running, name, event)
            peak = running.environments[name].peak_mb()
            small = small and peak * ROOM <= least
            print(f"{name:<12}{peak:>10,.0f}{cpu * 1000:>14.1f}")
    return 0 if small else 1


def ways(running: Deployed) -> Mapping[str, Callable[[], Any]]:
    """By function: what makes its next event."""
    return {
        "app": lambda: api_event(deliver(running.apps, _said(QUESTION))),
        "respond": lambda: _inbox(running, _mix()),
        "notify": lambda: _notices(running),
        "mail_events": lambda: _told(BATCH),
    }


def _warm(running: Deployed, name: str, event: Callable[[], Any]) -> float:
    """Seconds of CPU a message, the least of ROUNDS batches after three that warm it."""
    found = []
    for _ in range(ROUNDS + 3):
        made = event()
        before = running.environments[name].cpu_s() if name in running.environments else 0.0
        answer = running.invoke(name, made)
        found.append((_environment(running, name).cpu_s() - before) / len(made.get("Records", "1")))
        if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200:
            raise RuntimeError(f"{name} answered {json.dumps(answer)[:200]}")
    return min(found[3:])


def _environment(running: Deployed, name: str) -> Environment:
    return running.environments[name]


def _said(text: str) -> SimulatedMessage:
    number = next(_numbers)
    return SimulatedMessage(USUAL, text, f"70{number:06}", "Robin", id=f"9{number:08}")


_asked: list[str] = []  # what nobody has answered yet


def _mix() -> list[SimulatedMessage]:
    """A batch as the mix of `make costs` has them: four questions, two of which get a reply, and six times words of the
    brand, its replies' echoes among them."""
    questions = [_said(text) for text in (QUESTION, UNSURE) * 2]
    answered = [_asked.pop(0) for _ in range(min(6, len(_asked)))]
    _asked.extend(q.id for q in questions for _ in range(2))
    return questions + [SimulatedMessage(USUAL, ANSWER, to=id, id=f"9{next(_numbers):08}") for id in answered]


def _inbox(running: Deployed, said: Sequence[SimulatedMessage]) -> dict[str, Any]:
    """Each as a delivery, in one batch for respond."""
    records: list[Any] = []
    for number, one in enumerate(said):
        (record,) = inbox_event(deliver(running.apps, one), f"bench-{next(_numbers)}")["Records"]
        records.append(record | {"messageId": str(number), "receiptHandle": str(number)})
    return {"Records": records}


def _told(messages: int) -> dict[str, Any]:
    """SES's word on so many e-mails, which are about conversations that are there no more."""
    due = Notice(1, datetime.now(UTC))
    found = []
    for _ in range(messages):
        key = ConversationKey(USUAL, "1", f"9{next(_numbers):08}", "70")
        event = send_event("1", "team@shop.example.com", {"notice": "1", **tags_about(key, "1", due)})
        found.append(message(json.dumps(event)))
    return sqs_event(found, "mail-events")


def _notices(running: Deployed) -> dict[str, Any]:
    """So many urgent questions, worked on and escalated; what was queued for people, as one batch for notify."""
    named = running.aws.settings
    running.invoke("respond", _inbox(running, [_said(URGENT) for _ in range(NOTICES)]))
    for due in _taken(running, named.due_url, NOTICES):
        running.invoke("escalate", sqs_event([due], "due"))
    return sqs_event(_taken(running, named.escalations_url, NOTICES), "escalations")


def _taken(running: Deployed, url: str, messages: int) -> list[dict[str, Any]]:
    """So many messages at the most, taken from a queue."""
    sqs, got = client("sqs", running.aws.endpoint), list[dict[str, Any]]()
    while not got:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=messages, WaitTimeSeconds=10)
        if not answer.get("Messages"):
            raise RuntimeError(f"nothing comes on {url.rpartition('/')[2]}")
        got += answer["Messages"]
    for taken in got:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
    return got


if __name__ == "__main__":
    sys.exit(main())
