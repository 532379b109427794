"""The spikes of a report's span, from the facts: counts by hour, and the questions of those hours alone."""

from collections import defaultdict
from datetime import UTC, timedelta

from chalicelib.reports.asked import Asked
from chalicelib.reports.spikes import WEEK, Question, Spike, busy_hours, described, hour_of


def spikes_of(asked: Asked) -> list[Spike]:
    """The spikes of a report's span, held against the eight weeks before it."""
    known_from = asked.since - timedelta(weeks=8)
    hours = {"since": known_from, "until": asked.until}
    within = " FROM facts WHERE asked_at >= $since AND asked_at < $until"
    spans = {name: at.astimezone(UTC).replace(tzinfo=None) for name, at in hours.items()}
    hour = "CAST(floor(epoch(asked_at) / 3600) AS BIGINT)"
    counts = dict(asked.lake.rows(f"SELECT {hour} AS h, count(*){within} GROUP BY h", spans))
    if not counts:
        return []
    known = max(hour_of(known_from), min(counts))
    runs = busy_hours(counts, hour_of(asked.since), hour_of(asked.until), known)
    wanted = sorted({hour - ago for run in runs for hour, _ in run for ago in (0, WEEK)})
    by_hour: dict[int, list[Question]] = defaultdict(list)
    if wanted:  # the questions themselves of these hours alone
        named = ", ".join(map(str, wanted))
        sql = f"SELECT asked_at, post, coalesce(intent, 'other'){within} AND {hour} IN ({named})"
        for at, post, intent in asked.lake.rows(sql, spans):
            by_hour[hour_of(at.replace(tzinfo=UTC))].append(Question(at.replace(tzinfo=UTC), post, intent))
    return [described(run, by_hour) for run in runs]
