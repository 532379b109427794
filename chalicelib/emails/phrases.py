"""The words of e-mails and pages in the languages that a team may have, and times as that language writes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib import platforms
from chalicelib.emails.safe_text import duration

FALLBACK = "en"
TOGETHER = "\N{NO-BREAK SPACE}"
_SPACED = re.compile(r"(?<=«) | (?=[»:;?!])")


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's words. `language` is its code, `zone` the clock that times are said by."""

    language: str
    zone: ZoneInfo

    def __call__(self, key: str, **values: object) -> str:
        """The phrase `key` with its names filled in; raises KeyError for one that there is not."""
        line = str(_table()[self.language][key])
        said = {name: self.count(v) if isinstance(v, int) and v >= 1000 else v for name, v in values.items()}
        return together(line, self.language).format(**said)

    def count(self, number: int) -> str:
        """1,234 as the language writes it."""
        return f"{number:,}".replace(",", self.thousands)

    @property
    def thousands(self) -> str:
        """What stands between a number's thousands."""
        return str(_table()[self.language]["thousands"])

    @property
    def colon(self) -> str:
        """What stands behind a label."""
        return together(str(_table()[self.language]["colon"]), self.language)

    def words(self, key: str) -> dict[str, str]:
        """A table of words."""
        return dict(_table()[self.language][key])

    def duration(self, time: timedelta) -> str:
        """E.g. "3 h 5 min" or "2 d 4 h", in French "2 j 4 h"; a number and its unit stand on one line."""
        said = re.sub(r"(?<=\d )d\b", str(_table()[self.language]["day_unit"]), duration(time))
        return re.sub(r"(?<=\d) ", TOGETHER, said)

    def label(self, intent: str | None) -> str:
        """An intent in words."""
        labels = _labels()[self.language]
        return labels.get(intent or "") or str(intent).replace("_", " ").capitalize()

    def team(self, key: str, titles: Mapping[str, str]) -> str:
        """A team in words: as the playbook calls it (`titles`, Team.titles), else as its key says."""
        usual = _table()[self.language]["teams"].get(key)
        return str(titles.get(self.language) or titles.get("") or usual or key.replace("_", " ").capitalize())

    def place(self, product: str) -> str:
        """A platform in words."""
        return platforms.title(product, self.language)

    def day(self, at: datetime) -> str:
        """E.g. "23 November 2026"."""
        return self.day_of(at.astimezone(self.zone))

    def day_of(self, day: date) -> str:
        """The same of a day that is known already."""
        table = _table()[self.language]
        return str(table["day"]).format(
            day=_day_number(table, day.day), month=table["months"][day.month - 1], year=day.year
        )

    def day_number(self, day: int) -> str:
        """A day of a month: French calls the first "1er"."""
        return _day_number(_table()[self.language], day)

    def time(self, at: datetime) -> str:
        """E.g. "Mon 23 November 2026, 10:00 GMT"."""
        return _time(at, self.zone, self.language)


def together(line: str, language: str) -> str:
    """`line` with no-break spaces where a line must not end: French sets some marks apart, on the same line."""
    return _SPACED.sub(TOGETHER, line) if language == "fr" else line


def _day_number(table: Mapping[str, Any], day: int) -> str:
    return str(table["first"]) if day == 1 else str(day)


@lru_cache(maxsize=1024)  # an e-mail says each of its times in the text and in the HTML
def _time(at: datetime, zone: ZoneInfo, language: str) -> str:
    local, table = at.astimezone(zone), _table()[language]
    date: str = table["date"].format(
        weekday=table["weekdays"][local.weekday()],
        day=_day_number(table, local.day),
        month=table["months"][local.month - 1],
        year=local.year,
        time=f"{local:%H:%M}",
    )
    zone_name = f"{local:%Z}"
    return f"{date} {table['zones'].get(zone_name, zone_name)}"


def phrases(language: str, timezone: str) -> Phrases:
    """The words in `language`, in English where that is not served; times are on the clock of `timezone`."""
    return Phrases(language if language in _table() else FALLBACK, ZoneInfo(timezone))


def languages() -> tuple[str, ...]:
    """The languages that there are words in."""
    return tuple(_table())


@cache
def _table() -> dict[str, dict[str, Any]]:
    return _read("phrases.yaml")


@cache
def _labels() -> dict[str, dict[str, str]]:
    return _read("labels.yaml")


def _read(name: str) -> dict[str, Any]:
    # start-up time: read once, and only where e-mails are made
    import yaml

    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return found
