"""What every test run ends with: the package's size and start times, when they were measured in this run."""

from pathlib import Path
from time import time
from typing import Any

REPORT = Path(__file__).resolve().parent.parent / "build" / "start_times.txt"
_started = time()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if REPORT.exists() and REPORT.stat().st_mtime > _started:
        terminalreporter.section("the package: size, init and invoke times")
        terminalreporter.write(REPORT.read_text("utf-8"))
