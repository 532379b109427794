"""A whole story in one recording: deliveries, what a platform's API answers, what staff do on the page and by e-mail,
and what becomes of an e-mail."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.platforms.base import hmac_hex
from infra.replay.command import main
from infra.replay.recording import ReplayError, read_recording
from tests.world import NOW, PAGE, comment, delivery

APPS = {
    "apps": [
        {
            "platform": "meta",
            "app": "main",
            "secrets": ["current"],
            "app_id": "424242",
            "accounts": [{"id": PAGE, "product": "facebook", "name": "Example Shop", "token": "t"}],
        }
    ]
}
ASKED = f"facebook:{PAGE}:c1:5001"
MAIL = (
    b"From: Kim <delivery@shop.example.com>\nTo: {reply_to}\nReferences: {references}\nMessage-ID: <1@x>\n\n"
    b"It left today.\n"
)


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def said(
    minutes: float, id: str = "c1", text: str = "hm, and what about the other one?", **more: Any
) -> dict[str, Any]:
    body = delivery(comment(id, text, at=NOW + timedelta(minutes=minutes), **more))
    return {
        "at": at(minutes),
        "method": "POST",
        "path": "/webhooks/meta/main",
        "headers": {"X-Hub-Signature-256": "sha256=" + hmac_hex("current", body)},
        "body_base64": base64.b64encode(body).decode(),
    }


def line(type: str, minutes: float, **fields: Any) -> dict[str, Any]:
    return {"at": at(minutes), "type": type, **fields}


def act(minutes: float, action: str, **more: Any) -> dict[str, Any]:
    return line("act", minutes, conversation=ASKED, action=action, **more)


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """Replays lines and gives the rows of a type."""

    def tell(*lines: dict[str, Any], options: tuple[str, ...] = ()) -> Any:
        recording, apps, out = (tmp_path / name for name in ("in.jsonl", "apps.json", "out.jsonl"))
        recording.write_text("\n".join(json.dumps(row) for row in lines), "utf-8")
        apps.write_text(json.dumps(APPS), "utf-8")
        command = [str(recording), "--apps", str(apps), "--out", str(out), "--until", "72h", *options]
        assert main(command) == 0
        rows = [json.loads(row) for row in out.read_text("utf-8").splitlines()]
        return lambda type: [row for row in rows if row["type"] == type]

    return tell


def test_an_answer_by_the_form_is_posted_and_ends_the_escalation(told: Any) -> None:
    rows = told(said(0), act(20, "answer", fields={"who": "Kim", "text": "It is on its way."}))
    (done,) = rows("act")
    assert (done["result"], done["action"]) == ("sent", "answer")
    (reply,) = [r for r in rows("reply") if r["person"]]
    assert (reply["text"], reply["result"], reply["person"]) == ("It is on its way.", "sent", "Kim")
    assert rows("conversation")[0]["state"] == "answered"
    assert len(rows("email")) == 1


def test_a_page_opened_before_a_second_question_leaves_that_one_open(told: Any) -> None:
    second = said(15, "c2", "and where is my refund?", parent="c1")
    rows = told(said(0), second, act(20, "close", shown_at=at(12)))
    assert rows("act")[0]["result"] == "done"
    assert rows("conversation")[0]["state"] == "open"
    rows = told(said(0), second, act(20, "close", shown_at=at(18)))
    assert rows("conversation")[0]["state"] == "closed"


def test_what_the_platform_answers_decides_what_becomes_of_an_answer(told: Any) -> None:
    answer = {"fields": {"text": "It is on its way."}}
    timeout = line("platform_answers", 15, product="facebook", method="POST", path="/comments$", status="timeout")
    rows = told(said(0), timeout, act(20, "answer", **answer), act(25, "answer", **answer))
    assert [r["result"] for r in rows("act")] == ["unknown", "refused"]
    assert "before you post again" in rows("act")[1]["reason"]
    busy = {**timeout, "status": 429, "body": {"error": {"code": 4}}}
    rows = told(said(0), busy, act(20, "answer", **answer), act(25, "answer", **answer))
    assert [r["result"] for r in rows("act")] == ["refused", "sent"]


def test_a_claim_an_undo_a_hand_over_and_a_correction_come_back_with_their_result(told: Any) -> None:
    rows = told(
        said(0),
        act(12, "claim", fields={"who": "Kim", "until": "2h"}),
        act(15, "undo"),
        act(16, "hand_over", fields={"team": "returns", "note": "yours, I think"}),
        act(17, "correct", fields={"intent": "refund"}),
        act(18, "hand_over", fields={"team": "nobody"}),
    )
    assert [(r["action"], r["result"]) for r in rows("act")] == [
        ("claim", "done"),
        ("undo", "done"),
        ("hand_over", "done"),
        ("correct", "done"),
        ("hand_over", "refused"),
    ]
    assert "Choose one of the teams" in rows("act")[-1]["reason"]
    assert "returns@shop.example.com" in [e["to"] for e in rows("email")]


def test_what_is_put_off_closed_and_opened_again_comes_back_with_its_result(told: Any) -> None:
    """An answer on the platform says nothing about what is opened again after it."""
    rows = told(
        said(0),
        act(12, "snooze", fields={"until": "2h"}),
        said(30, "r1", "We do!", author=PAGE, parent="c1"),
        act(40, "reopen"),
        act(50, "answered"),
        act(60, "answered"),
        act(70, "reopen"),
    )
    assert [(r["action"], r["result"]) for r in rows("act")] == [
        *(("snooze", "done"), ("reopen", "done"), ("answered", "done"), ("answered", "refused"), ("reopen", "done")),
    ]
    assert rows("conversation")[0]["state"] == "open"
    assert [e["tier"] for e in rows("email")] == [1, 1, 2, 3]


@pytest.mark.parametrize("event", ["Delivery", "Complaint", "Open"])
def test_other_events_of_an_email_change_nothing(told: Any, event: str) -> None:
    plain = told(said(0))("email")
    assert told(said(0), line("mail_event", 15, conversation=ASKED, tier=1, event=event))("email") == plain


def test_an_answer_by_mail_is_posted_and_a_stranger_is_not(told: Any) -> None:
    mail = line("mail", 20, mime_base64=base64.b64encode(MAIL).decode(), in_reply_to=ASKED)
    rows = told(said(0), mail)
    assert [(r["result"], r["conversation"]) for r in rows("mail")] == [("sent", ASKED)]
    assert [r["text"] for r in rows("reply") if r["person"]] == ["It left today."]
    stranger = {**mail, "mime_base64": base64.b64encode(MAIL.replace(b"delivery@shop", b"eve@other")).decode()}
    rows = told(said(0), stranger)
    assert [(r["result"], r["reason"]) for r in rows("mail")] == [("dropped", "sender")]
    rows = told(said(0), {**mail, "verdicts": {"dmarc": "FAIL", "dkim": "FAIL"}})
    assert rows("mail")[0]["reason"] == "not_authentic"


def test_a_bounce_goes_to_the_fallback_unless_somebody_has_answered(told: Any) -> None:
    bounce = line("mail_event", 15, conversation=ASKED, tier=1, event="Bounce")
    rows = told(said(0), bounce, {**bounce, "at": at(16)})
    assert len([e for e in rows("email") if e["tier"] == 1]) == 2
    rows = told(said(0), said(12, "r1", "We do!", author=PAGE, parent="c1"), bounce)
    assert len(rows("email")) == 1


def test_bodies_are_written_when_asked_for(told: Any) -> None:
    (plain, *_) = told(said(0))("email")
    assert "text" not in plain and plain["conversations"] == [ASKED] and plain["kind"] == "notice"
    (whole, *_) = told(said(0), options=("--bodies",))("email")
    assert "what about the other one?" in whole["text"] and "<html" in whole["html"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"type": "act", "conversation": "x", "action": "explode"}, "unknown action"),
        ({"type": "mystery"}, "unknown type"),
        ({"type": "platform_answers", "path": "(", "status": 200}, "no regular expression"),
        ({"type": "platform_answers", "path": "x", "status": "maybe"}, "write a number"),
        ({"type": "mail", "mime_base64": "?"}, "not base64"),
        ({"type": "mail_event", "conversation": "x"}, "'event' is missing"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_file_and_line(tmp_path: Path, row: dict[str, Any], why: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("\n" + json.dumps({"at": at(0), **row}), "utf-8")
    with pytest.raises(ReplayError, match=why) as error:
        read_recording(path)
    assert f"{path}:2:" in str(error.value)
