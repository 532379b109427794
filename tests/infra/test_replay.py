"""Replay as a retailer runs it: files in, files out, and errors that say what to do."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.platforms.base import hmac_hex
from infra.replay.command import main
from infra.replay.memory import Deliverer, MemoryVisibility, VirtualClock
from infra.stack.definitions import redeliveries
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, b64, comment, delivery

APPS = {
    "apps": [
        {
            "platform": "meta",
            "app": "main",
            "secrets": ["current", "previous"],
            "verify_token": "v",
            "app_id": "424242",
            "accounts": [{"id": PAGE, "product": "facebook", "name": "Example Shop", "token": "t"}],
        }
    ]
}


def line(body: bytes, at: datetime, secret: str = "current") -> str:
    headers = {"X-Hub-Signature-256": "sha256=" + hmac_hex(secret, body), "Content-Type": "application/json"}
    row = {"at": at.isoformat(), "method": "POST", "path": "/webhooks/meta/main", "query": {}, "headers": headers}
    return json.dumps(row | {"body_base64": b64(body)})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A recording of an afternoon: a question, its duplicate, a forged one, one that a person answers, a reaction."""
    minute = timedelta(minutes=1)
    reaction = comment("c9", "")
    reaction["value"]["item"] = "reaction"
    rows = [
        line(delivery(comment("c1", COMMON)), NOW),
        line(delivery(comment("c1", COMMON)), NOW + minute),
        line(delivery(comment("c2", COMMON)), NOW + minute, secret="forged"),
        line(delivery(comment("c3", "hm, and the other one?", author="6001")), NOW + 2 * minute),
        line(delivery(comment("r3", "Here you are.", author=PAGE, parent="c3", at=NOW + 9 * minute)), NOW + 9 * minute),
        line(delivery(reaction), NOW + 10 * minute),
    ]
    (tmp_path / "deliveries.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "apps.json").write_text(json.dumps(APPS), "utf-8")
    return tmp_path


def run(files: Path, *more: str) -> int:
    named = ["--apps", str(files / "apps.json"), "--out", str(files / "out.jsonl"), *more]
    return main([str(files / "deliveries.jsonl"), *named])


def outcomes(files: Path, type: str = "") -> list[dict[str, Any]]:
    rows = [json.loads(text) for text in (files / "out.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if not type or row["type"] == type]


def test_whether_an_email_is_read_changes_nothing_else(tmp_path: Path) -> None:
    """Without --bodies nobody reads the e-mails, so their words are not made: neither those of one conversation nor
    those of many under a post."""
    asked = [("5001", 1), *((f"60{n:02}", 2) for n in range(12))]
    rows = [
        line(delivery(comment(f"c{n}", "and what about the blue one?", author=a, post=f"{PAGE}_{post}")), NOW)
        for n, (a, post) in enumerate(asked)
    ]
    (tmp_path / "deliveries.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "apps.json").write_text(json.dumps(APPS), "utf-8")
    assert run(tmp_path) == 0
    unread = outcomes(tmp_path)
    assert run(tmp_path, "--bodies") == 0
    read = outcomes(tmp_path)
    emails = [row for row in read if row["type"] == "email"]
    assert {row["kind"] for row in emails} == {"notice", "group"}
    assert all("blue one" in row.pop("text") and "blue one" in row.pop("html") for row in emails)
    assert read == unread


def test_a_recorded_afternoon_tells_what_would_have_happened(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--until", "72h") == 0
    assert [row["status"] for row in outcomes(files, "delivery")] == [200, 200, 401, 200, 200, 200]
    kinds = [(row["id"], row["kind"], row["brand"]) for row in outcomes(files, "interaction")]
    assert kinds == [("c1", "new", False), ("c3", "new", False), ("r3", "brand_reply", True)]
    (reply,) = outcomes(files, "reply")
    assert (reply["interaction"], reply["result"], reply["intent"]) == ("c1", "sent", "international_shipping")
    assert [(row["tier"], row["conversation"]) for row in outcomes(files, "escalation")] == [
        (tier, f"facebook:{PAGE}:c1:5001") for tier in (1, 2, 3)
    ]
    assert [row["tier"] for row in outcomes(files, "email")] == [1, 2, 3]
    states = {row["id"].split(":")[2]: row["state"] for row in outcomes(files, "conversation")}
    assert states == {"c1": "open", "c3": "answered"}
    printed = capsys.readouterr().out
    assert "skipped facebook: item_reaction" in printed
    assert "6 deliveries in" in printed


def test_the_outcomes_are_in_the_order_of_time_and_end_with_the_summary(files: Path) -> None:
    run(files)
    rows = outcomes(files)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert rows[-1]["type"] == "summary"
    assert rows[-1]["counts"]["deliveries answered 401"] == 1


def test_every_field_of_the_interface_is_there(files: Path) -> None:
    run(files)
    fields = {
        "delivery": "index status body",
        "interaction": "id platform account author brand kind text conversation thread parent intent confidence "
        "why guards",
        "reply": "interaction conversation intent text result rung person",
        "escalation": "conversation tier team due_at",
        "email": "to subject conversation conversations tier kind",
        "conversation": "id account customer state acknowledged_at answered_at escalated_at tier",
        "summary": "counts",
    }
    for type, names in fields.items():
        assert set(outcomes(files, type)[0]) == {"at", "type", *names.split()}


def test_the_same_recording_gives_the_same_outcomes_to_the_letter(files: Path) -> None:
    run(files)
    first = (files / "out.jsonl").read_bytes()
    run(files)
    assert (files / "out.jsonl").read_bytes() == first


def test_until_ends_it_early(files: Path) -> None:
    run(files, "--until", "30m")
    assert {row["tier"] for row in outcomes(files, "escalation")} == {1}
    run(files, "--until", "72h")
    assert {row["tier"] for row in outcomes(files, "escalation")} > {1}


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("deliveries.jsonl", '{"path": "/webhooks/meta/main"}', "deliveries.jsonl:1: 'at' is missing"),
        ("deliveries.jsonl", "\n{", "deliveries.jsonl:2: not a line of JSON"),
        (
            "deliveries.jsonl",
            '{"at": "2026-11-21T10:00:00", "path": "/"}',
            "deliveries.jsonl:1: a time without an offset",
        ),
        ("deliveries.jsonl", '{"at": "2026-11-21T10:00:00Z", "path": "/", "body_base64": "*"}', "deliveries.jsonl:1"),
        ("apps.json", "{", "apps.json:1: not JSON"),
        ("apps.json", '{"apps": [{"platform": "meta", "app": "a", "secrets": []}]}', "apps[0].secrets must be a list"),
    ],
)
def test_a_bad_file_gets_a_message_with_its_place(
    files: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, said: str
) -> None:
    (files / file).write_text(text, "utf-8")
    assert run(files) == 2
    assert said in capsys.readouterr().err


def test_a_playbook_of_the_retailers_own_is_used(files: Path) -> None:
    from chalicelib.playbook.reader import DEFAULT_PLAYBOOK

    own = DEFAULT_PLAYBOOK.read_text("utf-8").replace("name: Example Shop", "name: Corner Shop")
    (files / "own.yaml").write_text(own, "utf-8")
    run(files, "--playbook", str(files / "own.yaml"))
    assert "Corner Shop" in outcomes(files, "reply")[0]["text"]


def test_facts_and_report_of_what_was_replayed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts, report = files / "facts", files / "report.html"
    assert run(files, "--facts", str(facts), "--report", str(report)) == 0
    assert [f.name for f in facts.rglob("*.parquet")] == ["facts.parquet"]
    figures = json.loads(report.with_suffix(".json").read_text("utf-8"))
    assert figures["ledger"]["reconciled"] == {"facts": 2, "stored": 2, "missing": [], "surplus": []}
    assert figures["ledger"]["total"]["ended"]["person"] == 1
    assert "Exact." in report.read_text("utf-8")
    assert len(report.with_suffix(".csv").read_text("utf-8").splitlines()) == 3
    assert str(report) in capsys.readouterr().out
    assert run(files, "--facts", str(facts)) == 2
    assert "is not empty" in capsys.readouterr().err


def test_messages_that_are_due_together_share_an_invocation_and_each_comes_again_for_itself() -> None:
    clock, visibility = VirtualClock(NOW), MemoryVisibility()
    seen: list[list[tuple[str, str]]] = []
    deliverer = Deliverer(clock, visibility)
    for number in range(7):
        clock.add(NOW, "escalations", f"m{number}")
    clock.add(NOW, "inbox", "other")
    clock.add(NOW, "escalations", "m8")
    clock.add(NOW + timedelta(seconds=1), "escalations", "m9")

    def work(event: Any, context: Any) -> Any:
        records = event["Records"]
        seen.append([(r["body"], r["attributes"]["ApproximateReceiveCount"]) for r in records])
        failed = [r for r in records if r["body"] in ("m1", "m3")]
        if failed and len(seen) == 1:
            visibility.shorten("queue", {failed[0]["receiptHandle"]: timedelta(seconds=5)})
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in failed]}

    times, dead = [], 0
    while due := clock.next(NOW + timedelta(days=1)):
        batch = clock.with_others(due, 5)
        times.append((clock.now - NOW).total_seconds())
        dead += deliverer.deliver(batch, work)
    first = [[(f"m{n}", "1") for n in range(5)], [("m5", "1"), ("m6", "1")], [("other", "1")], [("m8", "1")]]
    assert seen[:6] == [*first, [("m9", "1")], [("m1", "2")]]
    usual = redeliveries()["EscalationsQueue"]
    assert times[:7] == [0, 0, 0, 0, 1, 5, usual.visibility.total_seconds()]
    tried = [body for batch in seen for body, _ in batch]
    assert dead == 2 and tried.count("m1") == tried.count("m3") == usual.receives and tried.count("m0") == 1
