"""Logs and metrics: every outcome is counted, and nothing that a customer wrote or is called is said."""

import json
from itertools import count
from typing import Any

import pytest

from chalicelib.conversations.conversation import Conversation, Notice
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.keys import new_keys
from chalicelib.outcomes.telemetry import METRICS, Telemetry
from chalicelib.outcomes.types import Escalated, Failed, Handled, Notified, Replied, Stored
from tests.world import NOW

CANARY = "CANARY"
KEYS = new_keys()
_STAGES = count()
ASKED = Interaction(
    "facebook",
    "1",
    "object-c1",
    Kind.NEW,
    NOW,
    NOW,
    thread="object-c1",
    author="author-5001",
    author_name=CANARY,
    text=CANARY,
    raw=CANARY,
)
CONVERSATION = Conversation("facebook", "1", "object-c1", "author-5001", delivery="d-1")


def told(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], str]:
    """The lines of one invocation in which everything happened, as JSON and as they are."""
    telemetry = Telemetry(f"test{next(_STAGES)}", KEYS.pseudonym)  # a logger keeps the stream that it was made with
    telemetry.delivery("d-1")
    telemetry.stored(Stored(ASKED, CONVERSATION.id, "refund", "not_sure", incoming=ASKED))
    for result in ("sent", "refused", "unknown"):
        telemetry.replied(Replied(ASKED, CONVERSATION.id, "refund", CANARY, result, "4", 1.5))
    telemetry.escalated(Escalated(CONVERSATION, Notice(2, NOW), "pr", 12.0))
    telemetry.notified(Notified(CONVERSATION, 2, "press@example.com", CANARY, "sent"))
    telemetry.refused(401, "meta", "main")
    telemetry.received(Handled("sent", "", "agent@example.com", CONVERSATION.id))
    telemetry.received(Handled("dropped", "no_token", CANARY))
    telemetry.failed(Failed("facebook", "1", "KeyError"))
    telemetry.channel_failed("slack", "500")
    telemetry.swept(True)
    telemetry.flush()
    written = capsys.readouterr().out
    return [json.loads(line) for line in written.splitlines()], written


def test_no_text_name_or_address_reaches_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines, written = told(capsys)
    assert len([line for line in lines if "message" in line]) == 11
    assert CANARY not in written
    assert "press@example.com" not in written and "agent@example.com" not in written


def test_what_anybody_writes_into_an_address_takes_little_room_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = Telemetry(f"test{next(_STAGES)}", KEYS.pseudonym)
    telemetry.refused(404, "p" * 8000, "a\n" * 4000)
    assert len(capsys.readouterr().out) < 600


def test_people_and_what_they_wrote_are_pseudonyms_by_which_lines_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    lines, written = told(capsys)
    assert "author-5001" not in written and "object-c1" not in written
    assert len({line["conversation"] for line in lines if line.get("conversation")}) == 1
    assert KEYS.pseudonym("\0".join(("question", "facebook", "1", "object-c1"))) in written


def test_what_alarms_ask_for_is_counted_and_everything_else_stands_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines, _ = told(capsys)
    counted = {name: value for line in lines if "_aws" in line for name, value in line.items()}
    for name in ("AcknowledgementsSent", "AcknowledgementsRefused"):
        assert counted[name] == [1.0]
    assert counted["EscalationLateness"] == [12.0]
    named = {
        m["Name"] for line in lines for d in line.get("_aws", {}).get("CloudWatchMetrics", ()) for m in d["Metrics"]
    }
    assert named <= METRICS
    logged = [line.get("message") for line in lines]
    for message in ("stored", "acknowledgement sent", "acknowledgement unknown", "escalated", "e-mail sent"):
        assert logged.count(message) == 1
    assert [line["late_s"] for line in lines if line.get("message") == "acknowledgement sent"] == [1.5]


def test_the_delivery_is_named_from_the_first_line_to_the_e_mails(capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = told(capsys)
    assert {line["delivery"] for line in lines if "message" in line} == {"d-1"}


def test_a_line_says_nothing_that_its_group_says_already_and_no_field_without_a_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A log is paid by its bytes."""
    lines = [line for line in told(capsys)[0] if "message" in line]
    assert not {"service", "location"} & {name for line in lines for name in line}
    assert "" not in [value for line in lines for name, value in line.items() if line["message"] != "delivery refused"]
