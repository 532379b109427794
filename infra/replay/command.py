"""Replay: recorded deliveries through the real handlers on a virtual clock, to see what Earshot would have done.

    python -m infra.replay DELIVERIES.jsonl --apps APPS.json --out OUTCOMES.jsonl [--playbook FILE] [--until 72h]
                           [--bodies] [--facts FOLDER] [--report FILE.html]

No network: replies and e-mails are recorded; everything else is app.py's own handlers over infra/replay/memory.py.
The formats of both files are in README, "Replay".
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.apps import Apps, AppsError, read_apps
from chalicelib.codec import to_span
from chalicelib.playbook.accounts import check_accounts
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.textfile import NotText, told
from infra.replay.recording import Line, ReplayError, read_recording
from infra.replay.replay import replay
from infra.replay.services import REPLAY_KEYS

if TYPE_CHECKING:
    from infra.replay.streamed import StreamedTable


def streamed(playbook: Playbook, folder: Path | None) -> "StreamedTable":
    """A table whose changes become facts, under pseudonyms of this process's key. Raises ReplayError for a folder
    that already holds facts: two replays in one would count everything twice."""
    # start-up time: a replay without a report needs none of it
    from chalicelib.reports.facts import Deriver
    from infra.replay.streamed import StreamedTable

    if folder and folder.exists() and any(folder.iterdir()):
        raise ReplayError(f"{folder} is not empty; name a new folder for the facts, or empty this one")
    return StreamedTable(Deriver(playbook, REPLAY_KEYS))


def learn(
    table: "StreamedTable", playbook: Playbook, apps: Apps, recorded: Sequence[Line], options: argparse.Namespace
) -> None:
    """Writes the facts, and the report of the days that were recorded."""
    # start-up time: DuckDB and matplotlib, for who wants a report
    from chalicelib.reports.span import policy_of, whole_days
    from infra.reports.made import make

    with tempfile.TemporaryDirectory() as kept:
        folder = options.facts or Path(kept)
        print(f"  {table.write_facts(folder):,} facts{f' in {options.facts}' if options.facts else ''}")
        if options.report:
            first, last = min(r.at for r in recorded), max(r.at for r in recorded)
            now = last + options.until
            policy = policy_of(playbook, now, apps=apps, years=range(first.year, now.year + 2))
            since, until = whole_days(first, last, policy.zone)
            make(
                folder, options.report, policy, since=since, until=until, now=now, stored=table.stored(),
                playbook=playbook, asked=list(table.asked()), names=table.names,
            )  # fmt: skip
            print(f"  report: {options.report.resolve()}")


def duration(text: str) -> timedelta:
    """E.g. 90s, 30min (also 30m), 72h, 5d. Raises argparse.ArgumentTypeError."""
    try:
        return to_span(re.sub(r"(?<=[0-9])m$", "min", text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write for example 90min, 72h or 5d") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.replay", description=__doc__.splitlines()[0])
    parser.add_argument("deliveries", type=Path, help="recorded deliveries, JSON lines")
    parser.add_argument("--apps", type=Path, required=True, help="the apps file")
    parser.add_argument("--out", type=Path, required=True, help="where the outcomes go, JSON lines")
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK, help="instead of the default playbook")
    parser.add_argument(
        "--until", type=duration, default=timedelta(hours=72), help="go on this long after the last delivery"
    )
    parser.add_argument(
        "--facts", type=Path, help="a new or empty folder for the facts, one row a question, as Parquet"
    )
    parser.add_argument("--report", type=Path, help="where the report goes, HTML; JSON and CSV lie beside it")
    parser.add_argument("--bodies", action="store_true", help="write the e-mails' text and HTML as well")
    options = parser.parse_args(arguments)
    try:
        apps = read_apps(options.apps)
        playbook = read_playbook(options.playbook)
        check_accounts(playbook, apps)
        recorded = read_recording(options.deliveries)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with options.out.open("w", encoding="utf-8") as out:
            table = streamed(playbook, options.facts) if options.facts or options.report else None
            outcomes = replay(recorded, apps, playbook, options.until, out, table, bodies=options.bodies)
    except (AppsError, PlaybookError, ReplayError, NotText, OSError) as error:
        print(f"replay: {told(error)}", file=sys.stderr)
        return 2
    print(outcomes.table(len(recorded), time.monotonic() - began))
    if table:
        learn(table, playbook, apps, recorded, options)
    return 0
