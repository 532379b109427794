"""Lambda entry points of what the retailer learns. None of them is on a delivery's way; each imports only what it uses,
and what is heavy comes from its layer (infra/stack/layers)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chalicelib.services import Services

if TYPE_CHECKING:
    from chalicelib.reports.bucket import Bucket

services = Services()
PATIENTLY = {"retries": {"mode": "standard", "total_max_attempts": 4}}  # nobody waits for these
RESERVE_MS = 90_000  # what one day may take to compact
SHOWN = timedelta(days=28)  # of a report


def facts(event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """A batch of the table's stream. Raises for Lambda to bring it again, in halves."""
    from chalicelib.reports.facts import Deriver
    from chalicelib.reports.stream import FactsOfChanges, work

    client, name = services.client("s3", PATIENTLY), services.settings.facts_bucket

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=name, Key=key, Body=content, ContentType="application/x-ndjson")

    deriver = Deriver(services.playbook, services.keys)
    return {"facts": work(event, FactsOfChanges(services.store.table, deriver), put)}


def compact(event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Every night: one Parquet file for each day that has loose ones."""
    from chalicelib.reports import compaction

    with _scratch() as folder:
        kept, time_left = _bucket(), _time_left(context)
        done = compaction.compact(kept, folder, services.playbook.shop.timezone, time_left)
        forgotten = services.now().date() - timedelta(days=services.settings.retention_days)
        nameless = compaction.anonymise(kept, folder, forgotten, time_left)
    return {"days": done, "anonymised": nameless}


def forecast(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """After it: the next four weeks, from the counts that it kept."""
    from chalicelib.reports.bucket import COUNTS, FORECAST, history
    from chalicelib.reports.forecast import Forecast, Series
    from chalicelib.reports.forecast import forecast as expected
    from chalicelib.reports.span import policy_of

    kept, now = _bucket(), services.now()
    days = history(kept.get_json(COUNTS) or {}, now.date())
    if days:
        policy = policy_of(services.playbook, now, years=range(days[0][0].year, now.year + 2))
        found = expected(Series.of(days, policy.special))
    else:
        found = Forecast((), "", (), "nothing has been asked yet")
    kept.put_json(FORECAST, _plain(asdict(found)))
    return {"days": len(days), "method": found.method}


def report(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Every Monday: the report of the last four weeks, into the bucket."""
    from chalicelib.reports.bucket import FORECAST, span_keys
    from chalicelib.reports.lake import Lake
    from chalicelib.reports.page import conversations_csv, page
    from chalicelib.reports.report import build, forecast_from, to_json
    from chalicelib.reports.span import last_days, policy_of

    kept, now = _bucket(), services.now()
    policy = policy_of(services.playbook, now, apps=services.apps)
    since, until = last_days(SHOWN.days, now, policy.zone)
    with _scratch() as folder:
        kept.fetch(span_keys(kept.days(), since, until), folder)
        ahead = forecast_from(kept.get_json(FORECAST))
        made, asked = build(Lake(folder), policy, since=since, until=until, now=now, forecast=ahead)
        name = f"reports/{now.date()}"
        kept.put(f"{name}.html", page(made).encode(), "text/html; charset=utf-8")
        kept.put(f"{name}.json", to_json(made).encode(), "application/json")
        kept.put(f"{name}.csv", conversations_csv(asked).encode(), "text/csv; charset=utf-8")
    return {"report": f"{name}.html", "questions": made.ledger.total.asked}


def _bucket() -> "Bucket":
    from chalicelib.reports.bucket import Bucket

    return Bucket(services.client("s3", PATIENTLY), services.settings.facts_bucket)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder of one invocation: Lambda keeps /tmp between invocations, and what is left over would be counted."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _time_left(context: Any) -> Iterator[bool]:
    while True:
        yield context is None or context.get_remaining_time_in_millis() > RESERVE_MS


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value
