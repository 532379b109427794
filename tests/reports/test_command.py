"""`make facts` and `make report` of a stack, run against the embedded AWS: its own table, bucket and keys."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.settings import variables
from infra.local.local_run import local_run
from infra.reports.command import main
from tests.patience import until


def test_a_stacks_facts_are_written_anew_and_its_report_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with local_run(lambda event: None) as shop:
        for name, value in variables(shop.aws.settings).items():
            monkeypatch.setenv(name, value)
        said = [SimulatedMessage("facebook", f"Can I return this? ({n})", f"88{n}", "Ann") for n in range(4)]
        assert shop.say(*said) == 200
        until(lambda: len([c for c in shop.services.store.table.everything() if c.key.sk.startswith("c#")]) == 4)
        today = datetime.now(UTC).date()
        span = ["--since", str(today - timedelta(days=1)), "--until", str(today + timedelta(days=1))]
        before = tmp_path / "before.html"  # what is stored has no fact yet: the report says so, not that nobody asked
        assert main(["--stage", "local", "--out", str(before), *span]) == 0
        assert "4 are missing" in before.read_text("utf-8") and "No question" not in before.read_text("utf-8")
        assert main(["--refill", "--stage", "local"]) == 0
        assert "4 facts written" in capsys.readouterr().out
        for _ in range(2):  # what is there already is not fetched, nor counted, again
            assert main(["--stage", "local", "--out", str(tmp_path / "report.html"), *span]) == 0
        made = json.loads((tmp_path / "report.json").read_text("utf-8"))
        assert made["ledger"]["reconciled"] == {"facts": 4, "stored": 4, "missing": [], "surplus": []}
        assert "Exact." in (tmp_path / "report.html").read_text("utf-8")
        earlier = ["--since", str(today - timedelta(days=9)), "--until", str(today - timedelta(days=5))]
        assert main(["--stage", "local", "--out", str(tmp_path / "earlier.html"), *earlier]) == 0
        made = json.loads((tmp_path / "earlier.json").read_text("utf-8"))
        assert (made["ledger"]["total"]["asked"], made["ledger"]["reconciled"]["missing"]) == (0, [])
