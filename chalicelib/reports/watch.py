"""The watch: every few minutes, whether far more is asked in this hour than usual, and what brought it about.

It reads what the stream wrote since the hour before, each object once a process, and remembers the counts of the last
days: so it costs the same however much is stored. An hour that has reached its threshold is a spike at once, before it
is over.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from chalicelib.playbook.policy import Playbook
from chalicelib.reports.bucket import Bucket, Written
from chalicelib.reports.columns import End, Fact, from_row
from chalicelib.reports.spikes import (
    HOUR,
    WEEK,
    WINDOWS,
    Labelled,
    Question,
    Spike,
    Usual,
    busy_hours,
    busy_now,
    by_hour,
    described,
    hour_of,
)

WATCHED: Final = "watch.json"  # {"hours": {hour: count}, "spikes": [...]}, of the last weeks
KEPT_WEEKS: Final = 9
QUOTED: Final = 40  # questions of a spike that its news names
QUESTIONS_OF: Final = 0.5  # a campaign is named when its kinds of question are so much of a spike
REMEMBERED: Final = 400_000  # questions that a process keeps from one look to the next: some 260 MB


class Row(NamedTuple):
    """Of a fact what the watch goes by."""

    revision: int
    moved: bool
    asked: Question


@dataclass(slots=True)
class Seen:
    """What a process has read, so that no look reads it again: the objects, and the newest of each question and day."""

    objects: frozenset[Written] = frozenset()
    rows: dict[tuple[str, date], Row] = field(default_factory=dict)

    def add(self, facts: Iterable[Fact]) -> None:
        """Takes in what an object says, in whatever order they come."""
        for f in facts:
            at = (f.question, f.day)
            if at not in self.rows or f.revision >= self.rows[at].revision:
                asked = Question(f.asked_at, f.post, f.intent or "other", f.question, f.conversation)
                self.rows[at] = Row(f.revision, f.state is End.MOVED, asked)

    def keep(self, objects: Iterable[Written], since: datetime) -> None:
        """Forgets what is older, or everything where that is more than a process has room for."""
        self.objects = frozenset(objects)
        self.rows = {at: row for at, row in self.rows.items() if row.asked.asked_at >= since}
        if len(self.rows) > REMEMBERED:
            self.objects, self.rows = frozenset(), {}


@dataclass(frozen=True, slots=True)
class News:
    """A spike, the campaign that ran and that it is about ("" for none), and the pseudonyms of some of its questions,
    the newest first: those of its post, where it has one."""

    spike: Spike
    campaign: str
    questions: tuple[str, ...]


def watch(bucket: Bucket, playbook: Playbook, now: datetime, seen: Seen | None = None) -> list[News]:
    """The spikes that run in this hour or ended with the last one. Keeps what it has seen; `seen` is what this process
    has read at the look before, so that it is not read again."""
    kept = bucket.get_json(WATCHED) or {"hours": {}, "spikes": []}
    first = hour_of(now) - 1
    asked = recent(bucket, first - 1, now, seen or Seen())  # an hour more: what a post brings anyway
    hours = by_hour(asked)
    counts = {int(hour): int(n) for hour, n in kept["hours"].items() if int(hour) > first - KEPT_WEEKS * WEEK}
    for hour in (first, first + 1):
        counts[hour] = max(counts.get(hour, 0), len(hours.get(hour, ())))
    known = [row for row in kept["spikes"] if row["last"] > first - KEPT_WEEKS * WEEK]
    runs = runs_now(counts, last_minutes(asked, now), now, known, ZoneInfo(playbook.shop.timezone))
    spikes = {row["first"]: row for row in known}
    news = []
    for run in runs:
        began = began_at(run, known)
        news.append(_news(run, began, hours, playbook))
        spikes[began] = {"id": news[-1].spike.id, "first": began, "last": run[-1][0], "post": news[-1].spike.post}
    known_now = {"hours": {str(hour): n for hour, n in sorted(counts.items())}, "spikes": list(spikes.values())}
    if known_now != kept:
        bucket.put_json(WATCHED, known_now)
    return news


def runs_now(
    counts: Mapping[int, int],
    last: Mapping[int, int],
    now: datetime,
    known: Iterable[Mapping[str, Any]],
    zone: ZoneInfo,
) -> list[list[tuple[int, float]]]:
    """The runs of hours that are spikes and reach into the hour before `now` or this one. `counts` by hour, `last` by
    the WINDOWS' minutes, `known` the spikes of before."""
    first, rows = hour_of(now) - 1, list(known)
    since = min([first, *(row["first"] for row in rows if row["last"] >= first - 1)])
    left_out = {h for row in rows for h in range(row["first"], min(row["last"] + 1, since))}
    unknown = set(range(min(counts), first)) - counts.keys()  # nobody watched
    usual = Usual(counts, min(counts), zone, left_out | unknown)
    runs = [run for run in busy_hours(usual, since, first + 2) if run[-1][0] >= first]
    if not runs:
        run = busy_now(usual, last, first + 1, now.timestamp() % 3600 / 3600)
        runs = [run] if run else []
    return runs


def last_minutes(asked: Iterable[Question], now: datetime) -> dict[int, int]:
    """In how many conversations somebody asked within each of the WINDOWS."""
    questions = [(now - q.asked_at, q.conversation or q.id) for q in asked]
    return {m: len({c for age, c in questions if age < timedelta(minutes=m)}) for m in WINDOWS}


def recent(bucket: Bucket, first: int, now: datetime, seen: Seen) -> list[Question]:
    """The questions asked from the hour `first` on, as the stream's newest files tell: each once."""
    since = datetime.fromtimestamp(first * 3600, UTC)
    written = bucket.written(since, {since.date(), now.astimezone(UTC).date()})
    for found in written:
        if found not in seen.objects:
            seen.add(from_row(json.loads(line)) for line in bucket.get(found.key).splitlines())
    asked = [row.asked for row in seen.rows.values() if row.asked.asked_at >= since and not row.moved]
    seen.keep(written, since)
    return asked


def began_at(run: Sequence[tuple[int, float]], known: Iterable[Mapping[str, Any]]) -> int:
    """The hour in which it began: what goes on from a spike that was told of is that spike."""
    touching = [row["first"] for row in known if row["first"] <= run[-1][0] and row["last"] >= run[0][0] - 1]
    return int(min([run[0][0], *touching]))


def _news(
    run: Sequence[tuple[int, float]], first: int, hours: Mapping[int, Sequence[Question]], playbook: Playbook
) -> News:
    spike = described([(hour, usual) for hour, usual in run if hours.get(hour)], hours)
    began = datetime.fromtimestamp(first * 3600, UTC)
    spike = Spike(began, run[-1][0] - first + 1, spike.count, spike.usual, spike.post, spike.from_post, spike.intents)
    asked = [q for hour, _ in run for q in hours.get(hour, ())]
    of_it = sorted((q for q in asked if spike.post is None or q.post == spike.post), key=lambda q: q.asked_at)
    return News(spike, campaign_of(asked, playbook, began), tuple(q.id for q in of_it[-QUOTED:][::-1]))


def campaign_of(asked: Sequence[Question], playbook: Playbook, at: datetime) -> str:
    """The campaign that ran then and whose kinds of question are most of `asked`, "" for none."""
    zone = ZoneInfo(playbook.shop.timezone)
    for campaign in playbook.campaigns:
        share = sum(q.intent in campaign.intents for q in asked) / max(1, len(asked))
        if campaign.runs(at, zone) and share >= QUESTIONS_OF:
            return campaign.name
    return ""


def labels(rows: Iterable[Mapping[str, Any]]) -> list[Labelled]:
    """What compaction writes into the column `spike`, from what the watch has kept."""
    return [Labelled(str(row["id"]), *_span(row), row.get("post")) for row in rows]


def _span(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    since = datetime.fromtimestamp(int(row["first"]) * 3600, UTC)
    return since, datetime.fromtimestamp(int(row["last"]) * 3600, UTC) + HOUR
