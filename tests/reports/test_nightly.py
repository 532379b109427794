"""The nightly forecast is made of the shop's own whole days, wherever its clock stands against UTC's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import pytest
from moto import mock_aws

from chalicelib import report_functions
from chalicelib.reports.bucket import COUNTS, FACTS, FORECAST, Bucket
from chalicelib.reports.columns import to_lines
from chalicelib.reports.compaction import compact
from chalicelib.services import Services
from infra.replay.services import NO_SETTINGS
from tests.reports.test_ledger import fact
from tests.world import playbook

NAME = "facts"
WHOLE = [date(2026, 10, 5) + timedelta(n) for n in range(30)]  # until 3 November; clocks go back in between
LATER = WHOLE[-1] + timedelta(1)  # of which one question is known


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        client.create_bucket(Bucket=NAME)
        yield Bucket(client, NAME)


def fill(bucket: Bucket, zone: ZoneInfo) -> None:
    """Five questions on each whole day, the last of them late in the evening, and one on the day after."""
    asked = [datetime.combine(day, time(hour, 45), zone) for day in WHOLE for hour in (0, 9, 12, 20, 23)]
    asked.append(datetime.combine(LATER, time(0, 15), zone))
    for number, at in enumerate(a.astimezone(UTC) for a in asked):
        one = fact(f"q{number}", asked_at=at, received_at=at, promised_by=at + timedelta(hours=1))
        bucket.put(f"{FACTS}day={at.date()}/{number}.jsonl", to_lines([one]))


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        ("America/Los_Angeles", datetime(2026, 11, 5, 5, 30, tzinfo=UTC)),  # 21:30 on the 4th, which UTC has behind it
        ("America/Los_Angeles", datetime(2026, 11, 4, 8, 30, tzinfo=UTC)),  # half past midnight
        ("Pacific/Auckland", datetime(2026, 11, 3, 11, 30, tzinfo=UTC)),  # half past midnight on the 4th
        ("Europe/London", datetime(2026, 11, 4, 3, 0, tzinfo=UTC)),
    ],
)
def test_it_is_made_of_the_shops_own_whole_days(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, now: datetime
) -> None:
    book = playbook()
    book = replace(book, shop=replace(book.shop, timezone=zone))
    fill(bucket, ZoneInfo(zone))
    compact(bucket, tmp_path, zone, iter(()))
    assert bucket.get_json(COUNTS)
    settings = NO_SETTINGS._replace(facts_bucket=NAME)
    services = Services(settings, clock=lambda: now, playbook=book, client=lambda *_: bucket.client)
    monkeypatch.setattr(report_functions, "services", services)

    assert report_functions.forecast({}, None)["days"] == len(WHOLE)
    made = bucket.get_json(FORECAST)
    assert made["days"][0]["day"] == LATER.isoformat()
    assert [round(day["expected"], 6) for day in made["days"]] == [5.0] * 28  # no part of a day among them
