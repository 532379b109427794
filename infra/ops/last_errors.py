"""Where things went wrong last: what, where, when and what to do, out of the log and the dead letters.

Kinds, places and ids only; what was raised, or said by a customer, is never printed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.platforms.base import Finding
from chalicelib.services import Services
from infra.ops.queues import QUEUES, dead_letters_of, queue_url
from infra.ops.stage import client

WITHIN = timedelta(hours=24)
MOST_PAGES = 20  # of the log; each holds up to 10,000 lines or a megabyte
MOST_KINDS = 20  # that are printed, the newest first
# By how a line of the log begins: the section of RUNBOOK.md that says what to do
SECTIONS = {
    "a message goes back to its queue": "inbox-dead-letters (or the queue's own); the message comes again by itself",
    "a conversation was set aside": "set-aside",
}
_STREAM = re.compile(r"earshot-[a-z0-9-]+-([A-Za-z]+)-\w+\[")  # 2026/11/21/earshot-prod-Respond-0A1B[7]0a1b…
_PLACE = re.compile(r'File "(?:.*/)?([^/"]+)", line (\d+)')


@dataclass(slots=True)
class _Kind:
    last: datetime
    count: int = 0


def last_errors(services: Services, now: datetime) -> list[Finding]:
    """What the log and the dead letters tell of errors, the newest first."""
    return [*_of_the_log(services.settings.stage, now), *_of_the_dead_letters(services)]


def _of_the_log(stage: str, now: datetime) -> list[Finding]:
    kinds: dict[tuple[str, str], _Kind] = {}
    try:
        for event in _events(f"/earshot/earshot-{stage}", now):
            if what := _what(str(event.get("message", ""))):
                at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                kind = kinds.setdefault((_function(str(event.get("logStreamName", ""))), what), _Kind(at))
                kind.count, kind.last = kind.count + 1, max(kind.last, at)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []  # the local run has no such log
        return [Finding("log", "the log cannot be read", "allow the operator logs:FilterLogEvents")]
    newest = sorted(kinds.items(), key=lambda row: row[1].last, reverse=True)[:MOST_KINDS]
    return [Finding(function, f"{what}{_when(kind)}", _fix(what)) for (function, what), kind in newest]


def _events(group: str, now: datetime) -> Iterator[dict[str, Any]]:
    start = int((now - WITHIN).timestamp() * 1000)
    request: dict[str, Any] = {"logGroupName": group, "startTime": start, "filterPattern": "ERROR"}
    for _ in range(MOST_PAGES):
        page = client("logs").filter_log_events(**request)
        yield from page["events"]
        if not page.get("nextToken"):
            return
        request["nextToken"] = page["nextToken"]


def _what(line: str) -> str:
    """What an error's line says, without any words that are not Earshot's own; "" of another line."""
    try:
        data = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(data, dict) or "ERROR" not in (data.get("level"), data.get("log_level")):
        return ""
    if kind := data.get("errorType"):  # raised out of the function: Lambda's own line, whose errorMessage may quote
        trace = data.get("stackTrace")
        places = _PLACE.findall("".join(map(str, trace if isinstance(trace, list) else ())))
        return f"{kind} at {places[-1][0]}:{places[-1][1]}" if places else str(kind)
    error = data.get("error")
    message = str(data.get("message", "")).partition("\n")[0]
    return f"{message} ({error})" if isinstance(error, str) and error.isidentifier() else message


def _function(stream: str) -> str:
    found = _STREAM.search(stream)
    return found[1] if found else "log"


def _when(kind: _Kind) -> str:
    times = f"{kind.count} times, last " if kind.count > 1 else ""
    return f" ({times}{kind.last:%Y-%m-%d %H:%M}Z)"


def _fix(what: str) -> str:
    section = next((s for begins, s in SECTIONS.items() if what.startswith(begins)), "")
    return f"RUNBOOK.md, {section}" if section else "look at the place, mend and deploy; RUNBOOK.md, Alarms"


def _of_the_dead_letters(services: Services) -> Iterator[Finding]:
    """Of each queue's dead letters the few that SQS shows at once, not held: a redrive can follow immediately."""
    sqs = client("sqs")
    for name in QUEUES:
        url = dead_letters_of(sqs, queue_url(services.settings, name))
        shown = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["SentTimestamp"]
        )
        for message in shown.get("Messages", []):
            sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
            yield Finding(name, f"{_letter(message['Body'])} ({sent:%Y-%m-%d %H:%M}Z)", f"make redrive QUEUE={name}")


def _letter(body: str) -> str:
    """Which dead letter, and why where it was quarantined."""
    try:
        told = json.loads(body)
    except ValueError:
        return "a dead letter that is no JSON"
    told = told if isinstance(told, dict) else {}
    names = [str(told[n]) for n in ("platform", "app", "product", "account") if isinstance(told.get(n), str)]
    which = "/".join(names) + (f" delivery {told['id']}" if isinstance(told.get("id"), str) else "")
    reasons = told.get("reasons")
    tried = "failed as often as its queue tries"
    why = "; ".join(map(str, reasons)) if isinstance(reasons, list) and reasons else tried
    return f"{which.strip() or 'a dead letter'}: {why}"
