"""`make demo` tells its story to the end with every count right, on a terminal that is none."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_demo_ends_well_and_keeps_an_email() -> None:
    email, desk = ROOT / "build/demo/escalation.html", ROOT / "build/demo/desk.html"
    for page in (email, desk):
        page.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert done.stderr == ""
    assert "\033[" not in done.stdout  # colours are for terminals
    rows = re.findall(r"^(.*?\S) +(\d+) +(\d+)  ok$", done.stdout, re.MULTILINE)
    assert len(rows) == 20
    assert all(expected == actual for _, expected, actual in rows)
    for place in ("Facebook", "Messenger", "Instagram", "WhatsApp", "X", "the website"):
        assert re.search(rf" s  {place} +Earshot[\w ,]* {{2,}}[\w ]*automat", done.stdout, re.IGNORECASE), place
    for told in (
        "Earshot refuses it       401",
        "too many requests",
        "never posts it again",
        "E-mail, urgent           to press: URGENT, Fay",
        "Earshot, on the topic",
        "Earshot, in general",
        "says nothing: what it reads is negated",
        "before the answer is due",
        "after it was due",
        "Noor opens the link",
        "Nobody else is called until",
        "Noor answers             Of course, Zoé!",
        "Rosa answers             Jo, we have locked your account.",
        "to delivery: 6 questions under one post",
        "E-mail, step 2           to service-lead: Pia: Cancel order",
    ):
        assert told in done.stdout
    assert "Every count is right" in done.stdout
    assert re.search(r"build/demo/report\.html: \d+ questions, every one of them stands in it", done.stdout)
    assert all("Can I still cancel my order please?" in page.read_text("utf-8") for page in (email, desk))
