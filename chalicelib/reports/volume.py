"""The volume: how many questions came when. Counts only; what they will be is `forecast.py`'s."""

from dataclasses import dataclass
from datetime import UTC, date, timedelta

from chalicelib.reports.asked import Asked


@dataclass(frozen=True, slots=True)
class Heat:
    """Questions an hour in a usual week: `cells[weekday][hour]`, Monday first, the mean over `weeks` (may be 0.4)."""

    cells: tuple[tuple[float, ...], ...]
    weeks: float

    @property
    def total(self) -> float:
        return sum(sum(day) for day in self.cells)


@dataclass(frozen=True, slots=True)
class Volume:
    """`days` has every day of the span, those without a question too; `before` is the count of the span before."""

    days: tuple[tuple[date, int], ...]
    heat: Heat
    before: int

    @property
    def total(self) -> int:
        return sum(n for _, n in self.days)


def volume(asked: Asked) -> Volume:
    """The volume of `asked`. Only a forecast asks for `history`, which reads every day that is known."""
    first, last = asked.since.astimezone(asked.zone).date(), (asked.until - _TICK).astimezone(asked.zone).date()
    counted = dict(asked.rows("SELECT day, count(*) FROM asked GROUP BY day"))
    cells = [[0.0] * 24 for _ in range(7)]
    weeks = max((last - first).days + 1, 1) / 7
    occurs = [0] * 7
    for n in range((last - first).days + 1):
        occurs[(first + timedelta(n)).weekday()] += 1
    for weekday, hour, count in asked.rows("SELECT weekday, hour, count(*) FROM asked WHERE needs GROUP BY ALL"):
        cells[weekday - 1][hour] = count / max(occurs[weekday - 1], 1)
    days = tuple((d, counted.get(d, 0)) for d in _every_day(first, last))
    before = asked.rows("SELECT count(*) FROM before")[0][0]
    return Volume(days, Heat(tuple(tuple(c) for c in cells), weeks), before)


def history(asked: Asked) -> tuple[tuple[date, int], ...]:
    """Questions a day from the first day known to the end of the span, whole days only, zeros filled in."""
    sql = (
        "SELECT CAST(timezone($zone, timezone('UTC', asked_at)) AS DATE) AS d, count(*) FROM facts"
        " WHERE asked_at < $until GROUP BY d ORDER BY d"
    )
    until = asked.until.astimezone(asked.zone)
    found = asked.lake.rows(sql, {"zone": asked.zone.key, "until": asked.until.astimezone(UTC).replace(tzinfo=None)})
    if not found:
        return ()
    whole = until.date() - timedelta(1)
    counted = dict(found)
    return tuple((d, counted.get(d, 0)) for d in _every_day(found[0][0], whole))


_TICK = timedelta(microseconds=1)


def _every_day(first: date, last: date) -> list[date]:
    return [first + timedelta(n) for n in range((last - first).days + 1)]
