"""Business time: when a team works, and when so many of its working hours have passed.

Hours are wall-clock times of a time zone, so a day on which the clocks change is an hour shorter or longer. An opening
that runs past midnight belongs to the day on which it begins.
"""

import importlib
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import ModuleType
from typing import Final
from zoneinfo import ZoneInfo

MINUTES_A_DAY: Final = 24 * 60
LONGEST_WAIT: Final = timedelta(days=400)  # whatever the hours say, nothing waits longer

# Regions that the library is known to have: to look them up when a playbook is read would cost 0.1 s.
_COMMON_REGIONS: Final = frozenset(
    {
        *(
            "GB-ENG",
            "GB-SCT",
            "GB-WLS",
            "GB-NIR",
            "IE",
            "US",
            "CA",
            "AU",
            "NZ",
            "DE",
            "DE-BE",
            "DE-BW",
            "DE-BY",
            "DE-HE",
        ),
        *("DE-HH", "DE-NI", "DE-NW", "DE-SN", "AT", "CH", "FR", "ES", "ES-CT", "ES-MD", "IT", "PT", "NL", "BE", "DK"),
        *("SE", "NO", "FI", "PL", "CZ"),
    }
)

type Span = tuple[int, int]
"""Opening and closing in minutes after midnight; in working hours closing is the larger, maybe in the next day."""


type Opening = tuple[datetime, datetime]
"""From … until, in UTC."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When a team works. `week` has seven days, Monday first; `region` is a country or "country-subdivision" whose
    public holidays are closed, or empty; `closed` are further closed days, "2026-12-24" or, every year, "12-24"; `shut`
    are closed times from … until, in UTC, in order and apart from each other."""

    zone: str
    week: tuple[tuple[Span, ...], ...] = ()
    region: str = ""
    closed: frozenset[str] = frozenset()
    always: bool = False
    shut: tuple[tuple[datetime, datetime], ...] = ()

    def closed_on(self, day: date) -> bool:
        """Whether `day` is a closed day or a public holiday, whatever its weekday."""
        iso = day.isoformat()
        if iso in self.closed or iso[5:] in self.closed:
            return True
        return bool(self.region) and day in public_holidays(self.region, day.year)

    def spans(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """The openings that begin on the local `day`, in UTC."""
        return _spans(self, day)

    def _open_in(self, opens: datetime, closes: datetime) -> Iterator[Opening]:
        """What `shut` leaves of an opening."""
        at = opens
        for start, end in self.shut[bisect_right(self.shut, opens, key=lambda row: row[1]) :]:
            if start >= closes:
                break
            if at < start:
                yield at, start
            at = max(at, end)
        if at < closes:
            yield at, closes

    def is_open(self, now: datetime) -> bool:
        """Whether the team works at `now`."""
        if self.always:
            return True
        today = now.astimezone(ZoneInfo(self.zone)).date()
        spans = (*self.spans(today - timedelta(days=1)), *self.spans(today))
        return any(opens <= now < closes for opens, closes in spans)

    def after(self, start: datetime, wait: timedelta) -> datetime:
        """When `wait` of working time has passed since `start`, in UTC; never more than LONGEST_WAIT later.

        Without any wait it is the next moment at which the team works.
        """
        start = start.astimezone(UTC)
        if self.always:
            return start + wait
        at, left, last = start, wait, start + LONGEST_WAIT
        day = start.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)  # yesterday's opening may still run
        while at < last:
            for opens, closes in self.spans(day):
                at = max(at, opens)
                if closes <= at:
                    continue
                if left <= closes - at:
                    return min(at + left, last)
                left -= closes - at
                at = closes
            day += timedelta(days=1)
            if _at(day, 0, self.zone) > last:
                break
        return last

    def last_open(self, start: datetime, end: datetime) -> datetime | None:
        """The last moment after `start`, and not after `end`, until which the team works; None when it does not."""
        if self.always:
            return end if end > start else None
        day = end.astimezone(ZoneInfo(self.zone)).date()
        first = start.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)  # an opening may run past midnight
        while day >= first:
            for opens, closes in reversed(self.spans(day)):
                if opens < end and min(closes, end) > start:
                    return min(closes, end)
            day -= timedelta(days=1)
        return None


@lru_cache(maxsize=4096)
def _spans(hours: Hours, day: date) -> tuple[Opening, ...]:
    """Every question of a day asks for the same few days."""
    week = hours.week[day.weekday()]
    if not week or hours.closed_on(day):
        return ()
    pieces = (piece for opens, closes in week for piece in _pieces(day, opens, closes, hours.zone))
    return tuple(left for piece in pieces for left in hours._open_in(*piece)) if hours.shut else tuple(pieces)


@lru_cache(maxsize=4096)
def _at(day: date, minutes: int, zone: str) -> datetime:
    """The wall-clock time `minutes` after midnight of `day`, in UTC; minutes beyond the day run on into the next."""
    day += timedelta(days=minutes // MINUTES_A_DAY)
    hour, minute = divmod(minutes % MINUTES_A_DAY, 60)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _pieces(day: date, opens: int, closes: int, zone: str) -> list[tuple[datetime, datetime]]:
    """When the clock on the wall shows a time from `opens` until `closes`: twice in an hour that comes twice, never in
    one that is left out."""
    (start, start_again), (end, end_again) = _edge(day, opens, zone), _edge(day, closes, zone)
    if start == start_again and end == end_again:
        return [(start, end)] if start < end else []
    first = _jump(start_again, start, zone) if start_again < start else start
    last = _jump(end_again, end, zone) if end_again < end else end_again
    shut = [(_jump(start, start_again, zone), start_again)] if start < start_again else []
    shut += [(end, _jump(end, end_again, zone))] if end < end_again else []
    found, at = [], first
    for closed_from, closed_until in sorted(shut):
        found.append((at, min(closed_from, last)))
        at = max(at, closed_until)
    return [(a, b) for a, b in (*found, (at, last)) if a < b]


def _edge(day: date, minutes: int, zone: str) -> tuple[datetime, datetime]:
    """The first and the second time at which the clock shows it; the second is earlier for a time that is left out."""
    at = _at(day, minutes, zone)
    day += timedelta(days=minutes // MINUTES_A_DAY)
    hour, minute = divmod(minutes % MINUTES_A_DAY, 60)
    again = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone), fold=1)
    return at, again.astimezone(UTC)


def _jump(before: datetime, after: datetime, zone: str) -> datetime:
    """The moment between the two at which the clocks are changed, to the second."""
    old = before.astimezone(ZoneInfo(zone)).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(ZoneInfo(zone)).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def within(minute: int, span: Span) -> bool:
    """Whether a minute of the day lies in `span`, which may run past midnight."""
    start, end = span
    return start <= minute < end if start < end else minute >= start or minute < end


def is_region(region: str) -> bool:
    """Whether the public holidays of `region` ("DE", "GB-ENG") are known."""
    if region in _COMMON_REGIONS:
        return True
    try:
        return bool(public_holidays(region, 2026))
    except (NotImplementedError, AttributeError):
        return False


_computed: dict[tuple[str, int], frozenset[date]] = {}


def remember(region: str, years: Iterable[int], days: Iterable[date]) -> None:
    """Takes over `days`, the public holidays of `region` in `years` as `public_holidays` found them before, so that
    the library is not imported for them."""
    by_year: dict[int, set[date]] = {year: set() for year in years}
    for day in days:
        by_year[day.year].add(day)
    _computed.update({(region, year): frozenset(found) for year, found in by_year.items()})


def public_holidays(region: str, year: int) -> frozenset[date]:
    """The public holidays of a country or "country-subdivision" in `year`, substitute days included.

    Raises NotImplementedError or AttributeError for a region that the library does not have.
    Source: the `holidays` library, imported when first needed.
    """
    known = _computed.get((region, year))
    return known if known is not None else _asked(region, year)


@lru_cache(maxsize=64)
def _asked(region: str, year: int) -> frozenset[date]:
    country, _, part = region.partition("-")
    with _one_country():
        library = importlib.import_module("holidays")
        found = library.country_holidays(country, subdiv=part or None, years=year)
    return frozenset(day for day in found if day.year == year)


@contextmanager
def _one_country() -> Iterator[None]:
    """Inside, `holidays.countries` is a bare package: the library's own would import all 250 countries for the one."""
    name = "holidays.countries"
    if name in sys.modules:
        yield
        return
    bare = ModuleType(name)
    bare.__path__ = [f"{place}/countries" for place in importlib.import_module("holidays").__path__]
    sys.modules[name] = bare
    try:
        yield
    finally:
        del sys.modules[name]
