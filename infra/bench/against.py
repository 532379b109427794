"""Replay here and in another checkout of this repository: the same deliveries, in turn, as whole processes."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.bench.local import DELIVERIES, comments
from infra.local.demo_apps import demo_apps, demo_text

HERE = Path(__file__).resolve().parents[2]
TIMES = 3


def main(other: Path) -> int:
    """Prints both commands' seconds, least of TIMES each, and their ratios."""
    if not (other / "infra").is_dir():
        sys.exit(f"{other} is no checkout of this repository: make one with git worktree add PATH COMMIT")
    with tempfile.TemporaryDirectory() as folder:
        deliveries, apps = Path(folder, "deliveries.jsonl"), Path(folder, "apps.json")
        apps.write_text(demo_text(), "utf-8")
        with deliveries.open("w", encoding="utf-8") as out:
            out.writelines(recorded.line() for recorded in comments(demo_apps(), DELIVERIES))
        arguments = [str(deliveries), "--apps", str(apps), "--out", os.devnull, "--until", "72h"]
        pairs = [(_seconds(other.resolve(), arguments), _seconds(HERE, arguments)) for _ in range(TIMES)]
    before, now = ([min(seconds) for seconds in zip(*runs, strict=True)] for runs in zip(*pairs, strict=True))
    print(f"replay: {DELIVERIES:,} deliveries and the 72 hours after them, whole processes in turn, least of {TIMES}")
    for name, then, here in zip(("CPU", "wall"), before, now, strict=True):
        print(f"        {name:<5}{here:>7.1f} s here, {then:>7.1f} s there: {here / then:.2f} times")
    return 0


def _seconds(checkout: Path, arguments: list[str]) -> tuple[float, float]:
    """(CPU, wall) of `python -m infra.replay` in that checkout."""
    used, began = _used(), time.perf_counter()
    command = [sys.executable, "-m", "infra.replay", *arguments]
    subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
    return _used() - used, time.perf_counter() - began


def _used() -> float:
    """Seconds of processor time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
