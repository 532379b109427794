"""`make report`: the report of a stack, of a folder of facts, or of what is recorded, as one page with JSON and CSV.

python -m infra.reports --facts FOLDER [--out build/report.html] [--since 2026-10-01] [--until 2026-11-01]
python -m infra.reports --stage prod      # fetches the facts of the stack, and holds them against its table
"""

import argparse
import os
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from chalicelib.apps import Apps, AppsError, read_apps
from chalicelib.aws.buckets import owned
from chalicelib.aws.client import AwsError
from chalicelib.keys import KeysError
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.reports.bucket import Bucket
from chalicelib.reports.columns import to_lines
from chalicelib.reports.facts import Deriver
from chalicelib.reports.lake import Lake
from chalicelib.reports.say import LANGUAGES
from chalicelib.reports.span import last_days, policy_of, whole_days
from chalicelib.reports.stream import FactsOfChanges
from chalicelib.reports.wording import count, percent
from chalicelib.services import Services
from chalicelib.settings import SettingsError
from infra.ops import access
from infra.ops.stage import OpsError, client, settings_of
from infra.reports.made import make
from infra.stack.said import AWS

DAYS = 28  # of a report, where none are named


class ReportError(ValueError):
    """The report cannot be made; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    now = datetime.now(UTC)
    try:
        if options.refill:
            return refill(options.stage, options.playbook, now)
        playbook = read_playbook(options.playbook)
        apps = read_apps(options.apps) if options.apps else None
        folder: Path = options.facts or Path("build/facts") / options.stage
        table = None if options.facts else fetch(options.stage, folder, playbook)
        _report(options, folder, playbook, apps, table, now)
    except (ReportError, OpsError, AppsError, KeysError, PlaybookError, SettingsError, AwsError, *AWS) as error:
        print(f"report: {access.told(options.stage, error)}", file=sys.stderr)
        return 2
    except duckdb.Error as error:
        print(f"report: the facts cannot be read: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.reports", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--facts", type=Path, help="a folder of facts (day=…), as replay writes them")
    parser.add_argument("--stage", default=os.environ.get("STAGE", "prod"), help="without --facts: the stack's")
    parser.add_argument("--out", type=Path, default=Path("build/report.html"))
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK)
    parser.add_argument("--apps", type=Path, help="the apps file, for the accounts' names")
    parser.add_argument("--since", type=day, help=f"first day; without it the last {DAYS} days")
    parser.add_argument("--until", type=day, help="last day")
    parser.add_argument("--handling", type=minutes, help="how long a person works on a question, in minutes")
    parser.add_argument("--language", choices=LANGUAGES, help="of the page; without it the weekly e-mail's")
    parser.add_argument("--refill", action="store_true", help="write the facts of all that the table holds anew")
    return parser.parse_args(arguments)


def day(text: str) -> date:
    """A day such as 2026-10-01. Raises argparse.ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write for example 2026-10-01") from None


def minutes(text: str) -> timedelta:
    """A number of minutes above 0. Raises argparse.ArgumentTypeError."""
    try:
        found = timedelta(minutes=float(text))
    except (ValueError, OverflowError):
        found = timedelta(0)
    if found <= timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes; write for example 6")
    return found


def _report(
    options: argparse.Namespace,
    folder: Path,
    playbook: Playbook,
    apps: Apps | None,
    table: FactsOfChanges | None,
    now: datetime,
) -> None:
    """Makes the report and says where it is; `table` is what the facts are held against."""
    if not folder.is_dir():
        raise ReportError(f"{folder} does not exist; `make replay FACTS={folder}` makes facts of recorded deliveries")
    years = {day.year for day in Lake(folder).days()} | {now.year, now.year + 1}
    policy = policy_of(playbook, now, apps=apps, handling=options.handling, years=sorted(years))
    policy = replace(policy, language=options.language or policy.language)
    since, until = span(options.since, options.until, folder, policy.zone, now)
    report = make(
        folder, options.out, policy, since=since, until=until, now=max(now, until),
        stored=table.stored(since, until) if table else None, playbook=playbook,
        asked=list(table.asked()) if table else [], names=table.names if table else None,
        tell=lambda line: print(f"  {line}", flush=True),
    )  # fmt: skip
    total = report.ledger.total
    kept = f", {percent(total.attainment)} of promises kept" if total.attainment is not None else ""
    print(f"{count(total.asked)} questions{kept}: {options.out.resolve()}")


def span(
    since: date | None, until: date | None, folder: Path, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """The days of the report: as named, else the last DAYS; where the facts are older, their last DAYS."""
    if since and until and since > until:
        raise ReportError(f"the first day, {since}, is after the last, {until}")
    if until is None:
        known = Lake(folder).days()
        newest = datetime(*known[-1].timetuple()[:3], tzinfo=UTC) if known else now
        _, end = (
            last_days(DAYS, now, zone) if newest >= now - timedelta(days=DAYS) else whole_days(newest, newest, zone)
        )
    else:
        last = datetime(until.year, until.month, until.day, 12, tzinfo=zone)
        _, end = whole_days(last, last, zone)
    if since is None:
        return end - timedelta(days=DAYS), end
    first = datetime(since.year, since.month, since.day, 12, tzinfo=zone)
    return whole_days(first, first, zone)[0], end


def refill(stage: str, playbook: Path, now: datetime) -> int:
    """Writes the facts of everything in the stack's table into its bucket: for what was stored before the stream was
    there, or while it failed. Each carries its revision, so that what is there already is not counted twice."""
    settings = settings_of(stage)
    if not settings.facts_bucket:
        raise ReportError(f"the stack of {stage} keeps no facts yet: deploy this release first")
    services, bucket = Services(settings), Bucket(owned(client("s3"), settings.account), settings.facts_bucket)
    deriver = Deriver(read_playbook(playbook), services.keys)
    found = sorted(FactsOfChanges(services.store.table, deriver).everything(), key=lambda f: f.day)
    for day, rows in groupby(found, key=lambda f: f.day):
        bucket.put(f"facts/day={day}/refill-{now:%Y%m%dT%H%M%S}.jsonl", to_lines(rows))
    print(f"{count(len(found))} facts written; they are compacted in the night")
    return 0


def fetch(stage: str, folder: Path, playbook: Playbook) -> FactsOfChanges:
    """Brings the stack's facts into `folder`; what its table holds.

    Raises OpsError, ReportError.
    """
    settings = settings_of(stage)
    services = Services(settings)
    if not settings.facts_bucket:
        raise ReportError(f"the stack of {stage} keeps no facts yet: deploy this release, then wait for a question")
    folder.mkdir(parents=True, exist_ok=True)  # also of a stack that has been asked nothing yet
    s3, fetched = owned(client("s3"), settings.account), 0
    there = set()
    for found in s3.get_paginator("list_objects_v2").paginate(Bucket=settings.facts_bucket, Prefix="facts/"):
        for item in found.get("Contents", []):
            file = folder / item["Key"].removeprefix("facts/")
            there.add(file)
            if file.exists() and file.stat().st_mtime >= item["LastModified"].timestamp():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(settings.facts_bucket, item["Key"], str(file))
            fetched += 1
            if fetched % 100 == 0:
                print(f"  {fetched:,} files fetched", flush=True)
    for file in [f for f in folder.rglob("*") if f.is_file() and f not in there]:
        file.unlink()  # compacted there since
    return FactsOfChanges(services.store.table, Deriver(playbook, services.keys))
