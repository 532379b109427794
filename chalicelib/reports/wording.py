"""How figures are written for people: one place, so that a page, a picture and an e-mail write the same."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib import platforms

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def span(seconds: float | None) -> str:
    """A length of time in at most two units: 45 s, 12 min, 3 h 5 min, 2 d 4 h; "–" for none."""
    if seconds is None:
        return "–"
    sign, rest = ("−" if seconds < 0 else ""), round(abs(seconds))
    if rest < 60:
        return f"{sign}{rest} s"
    if rest < 3600:
        return f"{sign}{rest / 60:.0f} min"
    parts: list[str] = []
    rest = round(rest / 60) * 60
    for size, unit in _UNITS:
        if rest >= size and len(parts) < 2:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
    return sign + " ".join(parts)


def percent(share: float | None) -> str:
    """A share with one decimal: 97.6 %; "–" for none. Never rounded up to 100 % nor down to 0 %."""
    if share is None:
        return "–"
    text = f"{share * 100:.1f}"
    if text in ("100.0", "-100.0") and abs(share) < 1:
        text = ">99.9" if share > 0 else "<-99.9"
    if text in ("0.0", "-0.0"):
        text = "0" if share == 0 else "<0.1"
    return f"{text.removesuffix('.0').replace('-', '−')} %"


def count(number: float | int | None) -> str:
    """A count with a comma for thousands, or one decimal where it is a mean."""
    if number is None:
        return "–"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"


def day(at: date) -> str:
    """3 November 2026"""
    return f"{at:%-d %B %Y}"


def stamp(at: datetime) -> str:
    """3 November 2026, 14:05 UTC"""
    return f"{at:%-d %B %Y, %H:%M} {at.tzname() or ''}".rstrip()


def local(at: datetime, zone: ZoneInfo) -> str:
    """A time of the files (UTC) on the shop's clock: 3 Nov 14:05"""
    return f"{at.replace(tzinfo=UTC).astimezone(zone):%-d %b %H:%M}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """The same of an aware time: 3 Nov 14:05"""
    return f"{at.astimezone(zone):%-d %b %H:%M}"


def words(name: str) -> str:
    """A name from the playbook as people write it: order status, web shop."""
    return platforms.title(name) if name in platforms.PRODUCTS else _NAMES.get(name, name.replace("_", " "))


_NAMES: Final = {
    "pr": "press office",
    "legal_safety": "legal and safety",
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "person": "answered by a person",
    "resolved": "resolved by a reply",
    "customer": "answered by another customer only",
    "closed": "closed on purpose",
    "no_answer_needed": "needed no answer",
    "withdrawn": "withdrawn",
    "overdue": "overdue",
    "waiting": "waiting, still in time",
}
