"""The facts' bucket: what the stream's function puts, what the nightly job compacts, what the report reads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

FACTS: Final = "facts/"
COUNTS: Final = "counts.json"  # questions a day, for the forecast: {UTC day of the file: {the shop's day: count}}
HELPED: Final = "helped.json"  # {UTC day: {intent: [needed nothing more, were sent a reply that resolves]}}
FORECAST: Final = "forecast.json"


class Written(NamedTuple):
    """An object, and the mark of what it holds."""

    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """`client` is boto3's S3 client."""

    client: Any
    name: str

    def put(self, key: str, content: bytes, kind: str = "application/octet-stream") -> None:
        """Writes an object, replacing what had that key."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content, ContentType=kind)

    def get_json(self, key: str) -> Any:
        """The document, None when there is none."""
        try:
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None
        return json.loads(body)

    def get(self, key: str) -> bytes:
        """What an object holds."""
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def written(self, since: datetime, days: Iterable[date]) -> list[Written]:
        """The loose facts of `days` that the stream has written since then."""
        found = []
        for day in sorted(days):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.name, Prefix=f"{FACTS}day={day}/"):
                for item in page.get("Contents", []):
                    if item["LastModified"] >= since and str(item["Key"]).endswith(".jsonl"):
                        found.append(Written(str(item["Key"]), str(item["ETag"])))
        return found

    def put_json(self, key: str, document: Any) -> None:
        self.put(key, json.dumps(document).encode(), "application/json")

    def days(self) -> dict[date, list[str]]:
        """The facts' objects by the day that they are of."""
        found: dict[date, list[str]] = defaultdict(list)
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=FACTS):
            for item in page.get("Contents", []):
                day, _, file = str(item["Key"]).removeprefix(FACTS).partition("/")
                if day.startswith("day=") and file:
                    found[date.fromisoformat(day.removeprefix("day="))].append(str(item["Key"]))
        return dict(sorted(found.items()))

    def fetch(self, keys: Iterable[str], folder: Path) -> None:
        """Brings facts into `folder`, as a `Lake` reads them."""
        for key in keys:
            file = folder / key.removeprefix(FACTS)
            file.parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(self.name, key, str(file))

    def drop(self, keys: list[str]) -> None:
        for start in range(0, len(keys), 1000):  # as many as one call takes
            some = [{"Key": key} for key in keys[start : start + 1000]]
            self.client.delete_objects(Bucket=self.name, Delete={"Objects": some, "Quiet": True})


def history(counts: Mapping[str, Mapping[str, int]], before: date) -> tuple[tuple[date, int], ...]:
    """Questions of each local day before `before`, zeros filled in, from what `compact` kept."""
    total: dict[date, int] = defaultdict(int)
    for days in counts.values():
        for day, n in days.items():
            total[date.fromisoformat(day)] += n
    if not total:
        return ()
    first = min(total)
    return tuple((first + timedelta(n), total.get(first + timedelta(n), 0)) for n in range((before - first).days))


def span_keys(days: Mapping[date, list[str]], since: datetime, until: datetime) -> list[str]:
    """The objects that a report of [`since`, `until`) and of the span before it needs."""
    first, last = (since - (until - since)).date() - timedelta(1), until.date() + timedelta(1)
    return [key for day, keys in days.items() if first <= day <= last for key in keys]
