"""Closures from a calendar (iCalendar, RFC 5545): a file beside the playbook or an https address, read when a playbook
is checked, packaged or put into service, never when a delivery comes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from ssl import create_default_context
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    # start-up time: only who reads a calendar of closures needs it
    from icalendar import Calendar

YEARS_BACK, YEARS_AHEAD = 1, 10  # that repeated closures are worked out for
LONGEST: Final = 5 * 1024 * 1024  # bytes of a calendar
MOST: Final = 20_000  # closures in one
_PATIENCE_S = 20.0  # for an address
_TOO_OFTEN: Final = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY)", re.IGNORECASE)
_NOT_HELD: Final = "CANCELLED"


class CalendarError(ValueError):
    """The calendar cannot be used; the text names it, the line where there is one, and what to do."""


@dataclass(frozen=True, slots=True)
class Closures:
    """Closed days ("2026-12-24"), and closed times from … until, in UTC, in order and apart from each other."""

    days: frozenset[str]
    times: tuple[tuple[datetime, datetime], ...]


def read_closures(source: str, folder: Path | None, zone: str, today: date) -> Closures:
    """The closures in the calendar at `source`, an https address or a file in `folder`; times that name no zone are on
    the clock of `zone`. Raises CalendarError."""
    name = _name(source)
    text = _text(_fetched(source) if source.startswith("https://") else _file(source, folder), name)
    return _closures(text, name, zone, today)


def _file(source: str, folder: Path | None) -> bytes:
    if folder is None:
        raise CalendarError(f"{source}: this playbook is no file, so nothing lies beside it; write an https address")
    try:
        return (folder / source).read_bytes()
    except OSError as error:
        raise CalendarError(f"{source}: cannot be read ({error.strerror}); put it beside the playbook") from None


def _fetched(address: str) -> bytes:
    try:
        request, tls = Request(address, headers={"User-Agent": "Earshot"}), create_default_context()
        with urlopen(request, timeout=_PATIENCE_S, context=tls) as answer:
            if not answer.url.startswith("https://"):
                raise CalendarError(f"{_name(address)}: leads to an address that is not https")
            return bytes(answer.read(LONGEST + 1))
    except CalendarError:
        raise
    except (URLError, OSError, ValueError) as error:
        why = getattr(error, "code", None) or getattr(error, "reason", None) or type(error).__name__
        raise CalendarError(
            f"{_name(address)}: cannot be fetched ({why}); look whether it opens in a browser"
        ) from None


def _name(source: str) -> str:
    """What messages call it: of an address only the host and the last part, because the others may be a key."""
    if "://" not in source:
        return source
    address = urlsplit(source)
    return f"{address.netloc.rpartition('@')[2]}/…/{address.path.rpartition('/')[2]}"


def _text(content: bytes, name: str) -> str:
    if len(content) > LONGEST:
        raise CalendarError(f"{name}: larger than {LONGEST // 1024 // 1024} MB; export the closures only")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CalendarError(f"{name}:{line}: not UTF-8; export it as iCalendar again") from None


def _closures(text: str, name: str, zone: str, today: date) -> Closures:
    # start-up time: only who reads a calendar of closures needs it
    from recurring_ical_events import of

    _check(text, name)
    first, last = date(today.year - YEARS_BACK, 1, 1), date(today.year + YEARS_AHEAD, 12, 31)
    days: set[str] = set()
    times: list[tuple[datetime, datetime]] = []
    try:
        for event in of(_parsed(text)).between(first, last):
            if str(event.get("STATUS", "")).upper() == _NOT_HELD:
                continue
            start, end = event.start, event.end
            if isinstance(start, datetime):
                times.append((_utc(start, zone), _utc(end, zone)))
            else:
                days |= {(start + timedelta(n)).isoformat() for n in range(max(1, (end - start).days))}
            if len(days) + len(times) > MOST:
                raise CalendarError(f"{name}: more than {MOST} closures; export those of this team only")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        if isinstance(error, CalendarError):
            raise
        raise CalendarError(f"{name}:{_culprit(text)}: {_said(error)}; mend this event or leave it out") from None
    return Closures(frozenset(days), merged(times))


def _check(text: str, name: str) -> None:
    """Refuses what is no calendar, and what the library would leave out in silence."""
    # start-up time: only who reads a calendar of closures needs it
    from icalendar.parser import Contentline

    lines = list(_lines(text))
    if not lines or lines[0][1].strip().upper() != "BEGIN:VCALENDAR":
        raise CalendarError(f"{name}:1: not an iCalendar file; its first line is BEGIN:VCALENDAR")
    open_: list[tuple[str, int]] = []
    for number, line in lines:
        try:
            property, _, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
        except ValueError:
            raise CalendarError(f"{name}:{number}: not a line of iCalendar: {line[:40]!r}") from None
        if property.upper() == "BEGIN":
            open_.append((value.upper(), number))
        elif property.upper() == "END":
            if not open_ or open_[-1][0] != value.upper():
                raise CalendarError(f"{name}:{number}: END:{value[:20]} ends nothing that is open")
            open_.pop()
        elif property.upper() == "RRULE" and _TOO_OFTEN.search(value) and open_[-1][0] == "VEVENT":
            raise CalendarError(
                f"{name}:{number}: repeats within a day; write closures that repeat daily or less often"
            )
    if open_:
        raise CalendarError(f"{name}:{open_[-1][1]}: BEGIN:{open_[-1][0]} without its END: the file is cut off")
    _check_events(text, name, lines)


def _check_events(text: str, name: str, lines: list[tuple[int, str]]) -> None:
    begins = [n for n, (_, line) in enumerate(lines) if line.strip().upper() == "BEGIN:VEVENT"]
    try:
        events = list(_parsed(text).walk("VEVENT"))
    except ValueError as error:
        raise CalendarError(f"{name}:{_culprit(text)}: {_said(error)}; mend this event or leave it out") from None
    for at, event in zip(begins, events, strict=True):
        for property, why in event.errors:
            inside = (number for number, line in lines[at:] if re.match(rf"{property}[;:]", line, re.IGNORECASE))
            raise CalendarError(f"{name}:{next(inside, lines[at][0])}: {property}: {_said(why)}")
        if "DTSTART" not in event:
            raise CalendarError(f"{name}:{lines[at][0]}: an event without DTSTART; mend it or leave it out")
        if "DTEND" in event and _is_reversed(*(event.decoded(name) for name in ("DTSTART", "DTEND"))):
            raise CalendarError(f"{name}:{lines[at][0]}: an event that ends before it begins; mend it or leave it out")


def _is_reversed(start: Any, end: Any) -> bool:
    """Whether it ends before it begins, or in a way that cannot be compared: a day and a time, two kinds of clocks."""
    try:
        return bool(end < start)
    except TypeError:
        return True


def _parsed(text: str) -> "Calendar":
    # start-up time: only who reads a calendar of closures needs it
    from icalendar import Calendar

    return Calendar.from_ical(text)


def _culprit(text: str) -> int:
    """The line where the first event begins that cannot be read or repeated by itself; 1 when each of them can."""
    # start-up time: only who reads a calendar of closures needs it
    from recurring_ical_events import of

    lines, at = text.splitlines(), 0
    for number, line in enumerate(lines, start=1):
        if line.strip().upper() == "BEGIN:VEVENT":
            at = number
        elif line.strip().upper() == "END:VEVENT" and at:
            alone = "\r\n".join(("BEGIN:VCALENDAR", *lines[at - 1 : number], "END:VCALENDAR", ""))
            try:
                list(of(_parsed(alone)).between(date(2020, 1, 1), date(2040, 1, 1)))
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                return at
    return 1


def _said(error: Any) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its number; folded ones are put together."""
    whole: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line[:1] in (" ", "\t") and whole:
            whole = whole[0], whole[1] + line[1:]
        elif line.strip():
            if whole:
                yield whole
            whole = number, line
    if whole:
        yield whole


def _utc(at: datetime, zone: str) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def merged(times: Iterable[tuple[datetime, datetime]]) -> tuple[tuple[datetime, datetime], ...]:
    """In order, those that touch or overlap put together."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(times):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return tuple(found)
