"""The nightly job: what the stream wrote in the day becomes one Parquet file a day, and the counts for the forecast."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

from chalicelib.reports.bucket import COUNTS, FACTS, HELPED, Bucket
from chalicelib.reports.lake import COMPACTED, Lake
from chalicelib.reports.watch import WATCHED, labels


def compact(bucket: Bucket, scratch: Path, zone: str, enough_time: Iterator[bool]) -> int:
    """Makes one file of each day that has loose ones; how many days. Stops between two days when there is not
    `enough_time` left: the next run goes on. The new file stands before the old ones go: nothing is lost in between."""
    done = 0
    replies: dict[str, Mapping[str, list[int]]] = bucket.get_json(HELPED) or {}
    spikes = labels((bucket.get_json(WATCHED) or {}).get("spikes", ()))
    counts: dict[str, Mapping[str, int]] = bucket.get_json(COUNTS) or {}
    for day, keys in bucket.days().items():
        target = f"{FACTS}day={day}/{COMPACTED}"
        loose = [key for key in keys if key != target]
        if not loose or not next(enough_time, True):
            continue
        bucket.fetch(keys, scratch)
        Lake(scratch).compact([day], spikes)
        file = scratch / f"day={day}" / COMPACTED
        bucket.put(target, file.read_bytes())
        counts[day.isoformat()] = _of_local_days(scratch, zone)
        bucket.put_json(COUNTS, counts)
        replies[day.isoformat()] = _helped_in(scratch)
        bucket.put_json(HELPED, replies)
        bucket.drop(loose)
        file.unlink()
        done += 1
    return done


def helped(bucket: Bucket, until: date) -> dict[str, tuple[int, int]]:
    """Of the four weeks before `until`, by kind of question: (needed nothing more, were sent a reply that resolves)."""
    found: dict[str, tuple[int, int]] = {}
    for day, intents in (bucket.get_json(HELPED) or {}).items():
        if until - timedelta(days=28) <= date.fromisoformat(day) < until:
            for intent, (more, sent) in intents.items():
                before = found.get(intent, (0, 0))
                found[intent] = before[0] + more, before[1] + sent
    return found


def _helped_in(scratch: Path) -> dict[str, list[int]]:
    sql = (
        "SELECT intent, count(*) FILTER (WHERE follow_ups = 0), count(*) FROM facts"
        " WHERE state = 'resolved' AND intent IS NOT NULL GROUP BY intent"
    )
    return {intent: [more, sent] for intent, more, sent in Lake(scratch).rows(sql)}


def anonymise(bucket: Bucket, scratch: Path, before: date, enough_time: Iterator[bool]) -> int:
    """Takes the pseudonyms out of days `before` which the table has forgotten: an erasure that comes later finds nobody
    there whom it would have to look for. How many days; those of the two weeks before, should some nights have failed.
    """
    done = 0
    for day, keys in bucket.days().items():
        target = f"{FACTS}day={day}/{COMPACTED}"
        if not before - timedelta(days=14) <= day < before or keys != [target] or not next(enough_time, True):
            continue
        bucket.fetch(keys, scratch)
        file = scratch / f"day={day}" / COMPACTED
        if Lake(scratch).anonymise(day):
            bucket.put(target, file.read_bytes())
            done += 1
        file.unlink()
    return done


def _of_local_days(scratch: Path, zone: str) -> dict[str, int]:
    sql = "SELECT CAST(timezone($zone, timezone('UTC', asked_at)) AS DATE) AS d, count(*) FROM facts GROUP BY d"
    return {d.isoformat(): n for d, n in Lake(scratch).rows(sql, {"zone": zone})}
