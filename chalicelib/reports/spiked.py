"""The spikes of a report's span, from the facts: counts by hour, and the questions of those hours alone."""

from datetime import UTC, timedelta

from chalicelib.reports.asked import Asked
from chalicelib.reports.spikes import WEEK, Question, Spike, Usual, busy_hours, by_hour, described, hour_of


def spikes_of(asked: Asked) -> list[Spike]:
    """The spikes of a report's span, held against the eight weeks before it."""
    known_from = asked.since - timedelta(weeks=8)
    hours = {"since": known_from, "until": asked.until}
    within = " FROM facts WHERE asked_at >= $since AND asked_at < $until"
    spans = {name: at.astimezone(UTC).replace(tzinfo=None) for name, at in hours.items()}
    hour = "CAST(floor(epoch(asked_at) / 3600) AS BIGINT)"
    counts = dict(asked.lake.rows(f"SELECT {hour} AS h, count(DISTINCT conversation){within} GROUP BY h", spans))
    if not counts:
        return []
    known = max(hour_of(known_from), min(counts))
    usual = Usual(counts, known, asked.zone)
    runs = busy_hours(usual, hour_of(asked.since), hour_of(asked.until))
    wanted = sorted({h for run in runs for hour, _ in run for h in (hour, hour - WEEK, run[0][0] - 1)})
    found: list[Question] = []
    if wanted:  # the questions themselves of these hours alone
        named = ", ".join(map(str, wanted))
        sql = (
            f"SELECT asked_at, post, coalesce(intent, 'other'), question, conversation{within} AND {hour} IN ({named})"
        )
        found = [Question(at.replace(tzinfo=UTC), *more) for at, *more in asked.lake.rows(sql, spans)]
    asked_in = by_hour(found)
    return [described(run, asked_in) for run in runs]
