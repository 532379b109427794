"""The watch: a spike is seen while it runs, once, laid to its post or campaign, and kept for the facts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.reports import watch as module
from chalicelib.reports.bucket import Bucket
from chalicelib.reports.columns import End, Fact, to_lines
from chalicelib.reports.compaction import compact
from chalicelib.reports.lake import COMPACTED, Lake
from chalicelib.reports.spikes import WEEK, Usual, busy_now, hour_of, shares
from chalicelib.reports.watch import KEPT_WEEKS, WATCHED, Seen, watch
from tests.playbook.test_campaigns import book
from tests.reports.test_ledger import fact
from tests.world import playbook

REGION = "eu-west-1"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="facts", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield Bucket(s3, "facts")


def now() -> datetime:
    """Objects are as old as they are: the watch looks at what was written since the hour before."""
    return datetime.now(UTC)


def quiet(bucket: Bucket, at: datetime, an_hour: int = 4) -> None:
    """Eight weeks in which so many came each hour."""
    hour = hour_of(at)
    hours = {str(h): an_hour + (h % 3) - 1 for h in range(hour - 8 * 168, hour)}
    bucket.put_json(WATCHED, {"hours": hours, "spikes": []})


def asked(bucket: Bucket, at: datetime, count: int, name: str = "a", **more: object) -> list[Fact]:
    """What the stream wrote of `count` questions, asked in the last minutes of the hour so far."""
    rows = [fact(f"{name}{n}", asked_at=at, received_at=at, **more) for n in range(count)]
    bucket.put(f"facts/day={at.date()}/{name}.jsonl", to_lines(rows))
    return rows


def test_a_spike_is_told_while_its_hour_runs_with_its_post_and_newest_questions(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at)
    asked(bucket, at, 60, post="viral", intent="stock")
    asked(bucket, at, 3, "b", post="other", intent="refund")
    (news,) = watch(bucket, playbook(), at)
    assert (news.spike.count, news.spike.post, news.spike.from_post) == (63, "viral", 60)
    assert news.spike.intents[0] == "stock" and news.campaign == ""
    assert len(news.questions) == 40 and all(q.startswith("a") for q in news.questions)
    assert news.spike.id == f"{at:%Y-%m-%dT%H}"


def spread(bucket: Bucket, at: datetime, count: int) -> None:
    """So many over the hour that ends at `at`: all at once they were a spike of the last minutes."""
    for n in range(count):
        asked(bucket, at - n * timedelta(hours=1) / count, 1, f"s{n}")


def test_what_comes_every_day_is_none(bucket: Bucket) -> None:
    at = now().replace(minute=59, second=59)
    quiet(bucket, at, an_hour=60)
    spread(bucket, at, 60)
    assert watch(bucket, playbook(), at) == []
    kept = bucket.get_json(WATCHED)["hours"]
    assert kept[str(hour_of(at))] == 60 and kept[str(hour_of(at) - 1)] == 59 + (hour_of(at) - 1) % 3


def test_a_question_that_changes_is_one_question(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at)
    rows = asked(bucket, at, 8)
    for n in range(6):  # acknowledged, told, answered …
        changed = to_lines([replace(row, revision=row.revision + n) for row in rows])
        bucket.put(f"facts/day={at.date()}/later{n}.jsonl", changed)
    watch(bucket, playbook(), at)
    assert bucket.get_json(WATCHED)["hours"][str(hour_of(at))] == 8


def test_a_spike_that_goes_on_is_the_same_one(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at)
    asked(bucket, at - timedelta(hours=1), 50, "a", post="viral")
    (first,) = watch(bucket, playbook(), at - timedelta(minutes=30))
    asked(bucket, at, 70, "b", post="viral")
    (second,) = watch(bucket, playbook(), at)
    assert first.spike.id == second.spike.id or second.spike.hours == 2
    assert len(bucket.get_json(WATCHED)["spikes"]) == 1


def test_it_is_laid_to_the_campaign_that_runs_and_is_asked_about(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at)
    for n, intent in enumerate(("return",) * 45 + ("stock",) * 15):
        asked(bucket, at, 1, f"q{n}", post=f"p{n}", intent=intent)
    running = book(first=at.date() - timedelta(days=1), last=at.date() + timedelta(days=1))
    (news,) = watch(bucket, running, at)
    assert (news.campaign, news.spike.post) == ("christmas", None)
    ended = book(first=at.date() - timedelta(days=9), last=at.date() - timedelta(days=2))
    assert watch(bucket, ended, at)[0].campaign == ""


def test_two_weeks_are_needed_and_what_nobody_watched_is_not_taken_for_silence(bucket: Bucket) -> None:
    at = now().replace(minute=59, second=59)
    spread(bucket, at, 60)
    assert watch(bucket, playbook(), at) == []  # the first look ever
    hour = hour_of(at)
    only = {str(h): 55 for h in range(hour - 3 * 168 - 2, hour - 3 * 168 + 2)}
    bucket.put_json(WATCHED, {"hours": only, "spikes": []})  # it stood still for three weeks
    assert watch(bucket, playbook(), at) == []


def test_it_remembers_weeks_and_no_more(bucket: Bucket) -> None:
    at = now()
    hour = hour_of(at)
    bucket.put_json(WATCHED, {"hours": {str(h): 4 for h in range(hour - 20 * 168, hour)}, "spikes": []})
    watch(bucket, playbook(), at)
    assert len(bucket.get_json(WATCHED)["hours"]) <= KEPT_WEEKS * 168 + 2


def test_compaction_marks_the_questions_of_a_spike(bucket: Bucket, tmp_path: Path) -> None:
    at = now()
    quiet(bucket, at)
    asked(bucket, at, 60, post="viral")
    asked(bucket, at, 3, "b", post="other")
    (news,) = watch(bucket, playbook(), at)
    compact(bucket, tmp_path, "UTC", iter(()))
    bucket.fetch([f"facts/day={at.date()}/{COMPACTED}"], tmp_path)
    found = Lake(tmp_path).rows("SELECT post, spike, count(*) FROM facts GROUP BY post, spike ORDER BY post")
    assert found == [("other", None, 3), ("viral", news.spike.id, 60)]
    assert json.dumps(bucket.get_json(WATCHED))


def test_what_began_in_the_middle_of_an_hour_is_seen_by_the_last_sixty_minutes(bucket: Bucket) -> None:
    at = now().replace(minute=30, second=0)
    quiet(bucket, at)
    asked(bucket, at - timedelta(minutes=45), 9, "a", post="viral")  # the hour before is usual, and so is this one
    asked(bucket, at - timedelta(minutes=5), 9, "b", post="viral")
    (news,) = watch(bucket, playbook(), at)
    assert (news.spike.count, news.spike.post, news.spike.hours) == (18, "viral", 2)
    again = asked(bucket, at, 40, "c", post="viral")
    assert again and watch(bucket, playbook(), at + timedelta(minutes=9))[0].spike.id == news.spike.id


def test_what_is_strong_is_seen_by_the_last_minutes_before_its_hour_is_full() -> None:
    """Each window is held against its own share of the hours that it lies in."""
    hour, known = 10_000, 10_000 - 8 * WEEK
    counts = {h: 30 + h % 5 for h in range(known, hour)}
    assert shares(60, 0.25) == (0.75, 0.25) and shares(15, 0.5) == (0.0, 0.25)

    def found(last: dict[int, int], part: float = 0.5) -> list[tuple[int, float]]:
        return busy_now(Usual(counts, known, UTC), last, hour, part)

    assert found({15: 8, 30: 16, 60: 32}) == []
    ((seen, usual),) = found({15: 30, 30: 30, 60: 40})
    assert seen == hour and 7 <= usual <= 10  # of the quarter of an hour alone
    assert [h for h, _ in found({15: 30, 30: 30, 60: 40}, 0.1)] == [hour - 1, hour]
    assert found({15: 4, 30: 4, 60: 4}) == []


def test_a_customer_who_writes_many_lines_is_no_crowd(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at, an_hour=1)
    asked(bucket, at, 30, conversation="chat", post=None, private=True)
    assert watch(bucket, playbook(), at) == []
    assert bucket.get_json(WATCHED)["hours"][str(hour_of(at))] == 1
    asked(bucket, at, 30, "b", post="viral")
    (news,) = watch(bucket, playbook(), at)
    assert news.spike.count == 31


def test_a_post_that_is_always_asked_under_is_not_blamed_for_what_comes_in_private(bucket: Bucket) -> None:
    at = now().replace(minute=30)
    quiet(bucket, at, an_hour=20)
    asked(bucket, at - timedelta(hours=1), 20, "before", post="pinned")
    asked(bucket, at, 20, "a", post="pinned")
    asked(bucket, at, 50, "b", post=None, private=True, intent="delivery_late")
    (news,) = watch(bucket, playbook(), at)
    assert (news.spike.count, news.spike.post, news.spike.intents[0]) == (70, None, "delivery_late")


def test_a_spike_of_weeks_ago_stays_out_of_what_is_usual(bucket: Bucket) -> None:
    at = now().replace(minute=59, second=0)
    quiet(bucket, at)
    hour = hour_of(at)
    seen = bucket.get_json(WATCHED)
    for weeks in range(3, 9):
        for h in (hour - weeks * WEEK - 1, hour - weeks * WEEK, hour - weeks * WEEK + 1):
            seen["hours"][str(h)] = 200
        first = hour - weeks * WEEK - 1
        seen["spikes"].append({"id": "old", "first": first, "last": first + 2, "post": None})
    bucket.put_json(WATCHED, seen)
    asked(bucket, at, 30, post="viral")
    (news,) = watch(bucket, playbook(), at)
    assert news.spike.usual < 10


def test_what_turned_out_to_be_of_another_day_is_not_of_this_hour(bucket: Bucket) -> None:
    at = now()
    quiet(bucket, at)
    rows = asked(bucket, at, 40, post="late")
    moved = [replace(row, state=End.MOVED, revision=9) for row in rows]
    back = [replace(row, asked_at=at - timedelta(days=3), revision=9) for row in rows]
    bucket.put(f"facts/day={at.date()}/moved.jsonl", to_lines(moved))
    bucket.put(f"facts/day={back[0].day}/moved.jsonl", to_lines(back))
    assert watch(bucket, playbook(), at) == []
    assert bucket.get_json(WATCHED)["hours"].get(str(hour_of(at)), 0) == 0


@dataclass(frozen=True, slots=True)
class Counting(Bucket):
    """A bucket that notes what is read of it."""

    read: list[str] = field(default_factory=list)

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return Bucket.get(self, key)


def test_a_look_reads_what_was_written_since_the_one_before_and_says_what_it_would_say_without_memory(
    bucket: Bucket,
) -> None:
    at, seen, counting = now(), Seen(), Counting(bucket.client, bucket.name)
    quiet(bucket, at)
    rows = asked(bucket, at, 3)
    assert watch(counting, playbook(), at, seen) == []
    asked(bucket, at, 40, "b", post="p1")
    (news,) = watch(counting, playbook(), at, seen)
    assert [key.rpartition("/")[2] for key in counting.read] == ["a.jsonl", "b.jsonl"]
    assert (news.spike.count, news.spike.post) == (43, "p1")
    later = [replace(row, revision=row.revision + 1, state=End.MOVED) for row in rows]
    bucket.put(f"facts/day={at.date()}/a.jsonl", to_lines(later))  # the batch came again and said more
    (remembered,), (afresh,) = watch(counting, playbook(), at, seen), watch(bucket, playbook(), at)
    assert counting.read[2:] == [f"facts/day={at.date()}/a.jsonl"]
    assert remembered == afresh and remembered.spike.count == 40


def test_a_process_forgets_what_is_old_and_keeps_no_more_than_it_has_room_for(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, seen, counting = now(), Seen(), Counting(bucket.client, bucket.name)
    asked(bucket, at, 5)
    asked(bucket, at - timedelta(hours=4), 5, "old")
    watch(counting, playbook(), at, seen)
    assert {id for id, _ in seen.rows} == {f"a{n}" for n in range(5)}
    monkeypatch.setattr(module, "REMEMBERED", 7)
    asked(bucket, at, 5, "b")
    watch(counting, playbook(), at, seen)
    assert not seen.rows and not seen.objects
    watch(counting, playbook(), at, seen)  # which reads all of it again
    assert bucket.get_json(WATCHED)["hours"][str(hour_of(at))] == 10
    assert len(counting.read) == 2 + 1 + 3


def test_what_fails_to_be_read_is_read_at_the_next_look(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    at, seen = now(), Seen()
    asked(bucket, at, 3)
    asked(bucket, at, 4, "b")
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(Bucket, "get", lambda self, key: b"" if key.endswith("a.jsonl") else 1 // 0)
        watch(bucket, playbook(), at, seen)
    watch(bucket, playbook(), at, seen)
    assert bucket.get_json(WATCHED)["hours"][str(hour_of(at))] == 7
