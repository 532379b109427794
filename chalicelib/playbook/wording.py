"""How automatic replies are put together, and how a time is said: "today by 17:30", "morgen bis 10 Uhr"."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_STEP = 5  # minutes; nobody promises 17:27
_ONLY: Final = re.compile(r"\{(public|private):\s*([^{}]*)\}")
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_BEHIND_LINK: Final = re.compile(r"(https?://\S+) (?=[A-ZÄÖÜÀÂÇÉÈÊÁÍÓÚÑ¿¡])")
_VOWELS: Final = frozenset("aeiouyh")
# Where a line must not break, and a careful hand sets a fixed space for the one that is easier to type.
_FIXED: Final[Mapping[str, re.Pattern[str]]] = {
    "fr": re.compile(r" (?=[:;!?»%€])|(?<=«) |(?<=\d) (?=h\b)|(?<=\d h) (?=\d)")
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What automatic replies in one language share: sentences, with {when} in `promise`, and how to say when.

    Of a sentence that is written in several ways one is taken for each reply; each is as true as the others. `today`,
    `tomorrow`, `weekday` and `date` are patterns with {time}, {weekday}, {day} and {month}; `time` is one with {hour}
    (or {hh}, with a 0 in front) and {minute}. `full_hour` and `one_o_clock` are said instead of it where they differ,
    `midnight` for the end of a day, `first` for the first of a month; `zone` follows where the customer's clock may be
    another one, with {city}, which `cities` translate (`zone_before_vowel`: "heure d'Oslo"). `weekdays` begin with
    Monday, `months` with January. `language` decides about fixed spaces.
    """

    disclosure: tuple[str, ...]
    received: tuple[str, ...]
    promise: tuple[str, ...]
    promise_soon: tuple[str, ...]
    resolved: tuple[str, ...]
    signature: tuple[str, ...]
    time: str
    today: str
    tomorrow: str
    weekday: str
    date: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    full_hour: str = ""
    one_o_clock: str = ""
    midnight: str = ""
    first: str = ""
    zone: str = "{city}"
    zone_before_vowel: str = ""
    cities: Mapping[str, str] = field(default_factory=dict)
    language: str = ""

    def compose(self, reply: str, promise: Sequence[str], seed: str = "", line: str = "") -> str:
        """The whole automatic reply: that it is one, `reply`, a `promise`, on lines of their own a campaign's `line`
        and who signs. `seed` chooses among the ways to say it; without one the first is taken."""
        parts = (chosen(self.disclosure, seed, "disclosure"), reply, chosen(promise, seed, "promise"))
        said = " ".join(part for part in parts if part)
        whole = "\n".join(part for part in (on_lines(said), line, chosen(self.signature, seed, "signature")) if part)
        return _FIXED[self.language].sub("\N{NO-BREAK SPACE}", whole) if self.language in _FIXED else whole

    def when(self, by: datetime, now: datetime, zone: ZoneInfo, *, named: bool = False) -> str:
        """`by` in words, as seen from `now` on the shop's clock, rounded up to the next five minutes; `named`: with the
        zone of that clock."""
        local = said_by(by).astimezone(zone)
        midnight = bool(self.midnight) and (local.hour, local.minute) == (0, 0)
        day = local.date() - timedelta(days=midnight)  # it ends the day before
        days = (day - now.astimezone(zone).date()).days
        pattern = (self.today, self.tomorrow)[days] if days in (0, 1) else self.weekday if 1 < days < 7 else self.date
        words = {
            "{time}": self.midnight if midnight else self._time(local),
            "{weekday}": self.weekdays[day.weekday()],
            "{day}": self.first if self.first and day.day == 1 else str(day.day),
            "{month}": self.months[day.month - 1],
        }
        said = _filled(pattern, words)
        return f"{said} ({self.zone_name(zone.key)})" if named else said

    def zone_name(self, zone: str) -> str:
        """What the clock of a time zone is called, by its city: "Europe/London" → "heure de Londres"; "UTC" is one."""
        region, _, city = zone.replace("_", " ").rpartition("/")
        if region in ("", "Etc"):
            return city
        name = self.cities.get(city, city)
        vowel = unicodedata.normalize("NFD", name[0]).casefold()[0] in _VOWELS
        return (self.zone_before_vowel if vowel and self.zone_before_vowel else self.zone).replace("{city}", name)

    def longest_when(self) -> str:
        """The longest that `when` can become: a reply has to fit with it."""
        time = max((self.time, self.full_hour, self.one_o_clock, self.midnight), key=len)
        words = {
            "{time}": _filled(time, {"{hour}": "22", "{hh}": "22", "{minute}": "55"}),
            "{weekday}": max(self.weekdays, key=len),
            "{day}": max("30", self.first, key=len),
            "{month}": max(self.months, key=len),
        }
        return max((_filled(p, words) for p in (self.today, self.tomorrow, self.weekday, self.date)), key=len)

    def _time(self, local: datetime) -> str:
        pattern = self.time
        if self.full_hour and local.minute == 0:
            pattern = self.full_hour
        elif self.one_o_clock and local.hour == 1:
            pattern = self.one_o_clock
        clock = {"{hour}": str(local.hour), "{hh}": f"{local:%H}", "{minute}": f"{local:%M}"}
        return _filled(pattern, clock)


def said_by(by: datetime) -> datetime:
    """The time that a customer is told for the promise `by`, in UTC: the next five minutes, never earlier."""
    utc = by.astimezone(UTC)
    late = timedelta(minutes=utc.minute % _STEP, seconds=utc.second, microseconds=utc.microsecond)
    return utc - late + timedelta(minutes=_STEP) if late else utc


def on_lines(text: str) -> str:
    """`text` with a new line behind an address that ends a sentence: a full stop would become part of the address, and
    without one the next sentence reads as if it went on."""
    return _BEHIND_LINK.sub(r"\1\n", text)


def chosen(ways: Sequence[str], seed: str, part: str) -> str:
    """One of the `ways` to say a `part`: always the same for a `seed`, the first without one."""
    number = int.from_bytes(hashlib.sha256(f"{part}|{seed}".encode()).digest()[:4]) if seed else 0
    return ways[number % len(ways)] if ways else ""


def placed(text: str, *, private: bool, direct_messages: bool) -> str:
    """`text` with `{public: …}` only in public where customers can also write a direct message, and `{private: …}` only
    inside one."""

    def put(only: re.Match[str]) -> str:
        wanted = private if only[1] == "private" else direct_messages and not private
        return only[2].strip() if wanted else ""

    return _SPACES.sub(" ", _ONLY.sub(put, text)).strip()


def _filled(pattern: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        pattern = pattern.replace(name, word)
    return pattern
