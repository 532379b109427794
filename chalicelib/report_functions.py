"""Lambda entry points of what the retailer learns. None of them is on a delivery's way; each imports only what it uses,
and what is heavy comes from its layer (infra/stack/layers)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chalicelib.services import Services

if TYPE_CHECKING:
    from chalicelib.playbook.parts import Team
    from chalicelib.reports.bucket import Bucket
    from chalicelib.reports.report import Report

services = Services()
PATIENTLY = {"retries": {"mode": "standard", "total_max_attempts": 4}}  # nobody waits for these
RESERVE_MS = 90_000  # what one day may take to compact
SHOWN = timedelta(days=28)  # of a report
_kept: dict[str, Any] = {}  # from one invocation to the next


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
    from chalicelib.storage.pages import keep

    with _scratch() as folder:
        kept, time_left = _bucket(), _time_left(context)
        done = compaction.compact(kept, folder, services.playbook.shop.timezone, time_left)
        forgotten = services.now().date() - timedelta(days=services.settings.retention_days)
        nameless = compaction.anonymise(kept, folder, forgotten, time_left)
    keep(services.store.table, compaction.helped(kept, services.now().date()), services.now())
    return {"days": done, "anonymised": nameless}


def watch(event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Every few minutes: tells marketing when far more is asked than usual."""
    from chalicelib.handlers.messages import SpikeFound, encode
    from chalicelib.reports.watch import Seen
    from chalicelib.reports.watch import watch as look

    found = look(_bucket(), services.playbook, services.now(), _kept.setdefault("watch", Seen()))
    for news in found if services.playbook.spikes_to else ():
        spike = news.spike
        message = SpikeFound(
            spike.id, spike.began_at, spike.count, spike.usual, spike.from_post, spike.intents, news.campaign,
            news.questions,
        )  # fmt: skip
        services.escalations.send(encode(message))  # as long as it lasts: the news itself goes out once
    return {"spikes": len(found)}


def forecast(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """After it: the next four weeks, from the counts that it kept."""
    # start-up time: only the forecast asks for the shop's clock here
    from zoneinfo import ZoneInfo

    from chalicelib.reports.bucket import COUNTS, FORECAST, history
    from chalicelib.reports.forecast import NOTHING, Forecast, Series
    from chalicelib.reports.forecast import forecast as expected
    from chalicelib.reports.span import policy_of

    kept, now = _bucket(), services.now()
    today = now.astimezone(ZoneInfo(services.playbook.shop.timezone)).date()  # UTC's may be one that is not over there
    days = history(kept.get_json(COUNTS) or {}, today)
    if days:
        policy = policy_of(services.playbook, now, years=range(days[0][0].year, now.year + 2))
        found = expected(Series.of(days, policy.special))
    else:
        found = Forecast((), "", (), NOTHING)
    kept.put_json(FORECAST, _plain(asdict(found)))
    return {"days": len(days), "method": found.method}


def report(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Every Monday: the report of the last four weeks, into the bucket, and by e-mail to who is named for it."""
    from chalicelib.reports.bucket import FORECAST, span_keys
    from chalicelib.reports.lake import Lake
    from chalicelib.reports.page import conversations_csv, page, priorities_csv
    from chalicelib.reports.report import build, forecast_from, to_json
    from chalicelib.reports.shelf import key_of
    from chalicelib.reports.span import last_days, policy_of

    kept, now, book = _bucket(), services.now(), services.playbook
    policy = policy_of(book, now, apps=services.apps)
    since, until = last_days(SHOWN.days, now, policy.zone)
    team = book.teams.get(book.weekly_report_to)
    stored = _stored(since, until, _time_left(context))
    with _scratch() as folder:
        kept.fetch(span_keys(kept.days(), since, until), folder)
        ahead = forecast_from(kept.get_json(FORECAST))
        lake = Lake(folder)
        made, asked = build(lake, policy, since=since, until=until, now=now, forecast=ahead, stored=stored)
        name = f"{now.astimezone(policy.zone).date()}"
        language = team.language if team else book.languages[0]
        kept.put(key_of(name), page(made, language).encode(), "text/html; charset=utf-8")
        kept.put(f"reports/{name}.json", to_json(made).encode(), "application/json")
        kept.put(f"reports/{name}.csv", conversations_csv(asked).encode(), "text/csv; charset=utf-8")
        kept.put(f"reports/{name}.priorities.csv", priorities_csv(asked).encode(), "text/csv; charset=utf-8")
    told = _mail(made, team, name, now) if team else "nobody"
    exact = None if stored is None else made.ledger.reconciled.exact
    return {"report": key_of(name), "questions": made.ledger.total.asked, "exact": exact, "mail": told}


def _stored(since: datetime, until: datetime, time_left: Iterator[bool]) -> list[str] | None:
    """The questions that the table itself holds of these days; None where looking would take too long."""
    from chalicelib.reports.facts import Deriver
    from chalicelib.reports.stream import FactsOfChanges

    found = []
    for name in FactsOfChanges(services.store.table, Deriver(services.playbook, services.keys)).stored(since, until):
        if not next(time_left, True):
            return None
        found.append(name)
    return found


def _mail(made: "Report", team: "Team", name: str, now: datetime) -> str:
    """Sends the week's e-mail, once; what became of it."""
    from chalicelib.aws.mailer import MailRefused, MailUnknown
    from chalicelib.emails.links import REPORT_LASTS, make_report
    from chalicelib.reports.weekly import weekly
    from chalicelib.storage.once import Once

    once, claim = Once(services.store.table), f"report-{name}"
    if not once.claim(claim, now):
        return "sent before"
    url = services.settings.public_url
    address = f"{url}/report/{make_report(services.keys, name, now)}" if url else ""
    try:
        services.mailer.send(weekly(made, team, address, now + REPORT_LASTS, claim))
    except MailRefused:
        once.let_go(claim, now, now)
        raise  # Lambda calls again, twice
    except MailUnknown:
        return "unknown"  # SES's event settles it
    once.sent(claim, now)
    return "sent"


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
