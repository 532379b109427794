"""The report's words and figures in the languages that a team may have: `words/` holds them, one file a language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import yaml

from chalicelib import platforms
from chalicelib.emails.phrases import FALLBACK, TOGETHER, Phrases, phrases, together
from chalicelib.reports import wording
from chalicelib.reports.advice import Advice
from chalicelib.reports.forecast import Forecast
from chalicelib.reports.quality import Moved

if TYPE_CHECKING:
    from markupsafe import Markup

WORDS: Final = Path(__file__).with_name("words")
LANGUAGES: Final = ("en", "de", "fr", "es")
_BOLD: Final = re.compile(r"\*([^*]+)\*")
_TYPED: Final = re.compile(r"`([^`]+)`")
_AS_THEY_ARE: Final = ("de",)  # names of things keep their capital in the middle of a sentence


@dataclass(frozen=True, slots=True)
class Say:
    """One language's words; times are said by the clock of `zone`, teams as the playbook calls them (Policy.teams).
    Raises KeyError for a line that there is not."""

    language: str
    zone: ZoneInfo
    teams: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)

    def __call__(self, key: str, **values: object) -> str:
        """The line `key` with its names filled in; `n` chooses between one and several."""
        return self._line(key, values).format(**values)

    def rich(self, key: str, **values: object) -> "Markup":
        """The same as HTML: what is *so* in it is bold, what is `so` is typed, and `values` are escaped."""
        # start-up time: only who makes pages and e-mails has Jinja
        from markupsafe import Markup, escape

        line = _TYPED.sub(r"<code>\1</code>", _BOLD.sub(r"<strong>\1</strong>", str(escape(self._line(key, values)))))
        return Markup(line).format(**values)

    def _line(self, key: str, values: Mapping[str, object]) -> str:
        found = self._words[key]
        if isinstance(found, list):
            found = found[0 if str(values["n"]) == "1" else 1]
        return together(str(found), self.language)

    @property
    def _words(self) -> Mapping[str, Any]:
        return _table(self.language)

    @property
    def phrases(self) -> Phrases:
        """The words of e-mails in the same language."""
        return phrases(self.language, self.zone.key)

    # --- figures ---

    def count(self, number: float | int | None) -> str:
        """1,234, or 1,234.5 where it is a mean; "–" for none."""
        return self._marked(wording.count(number))

    def percent(self, share: float | None) -> str:
        """97.6%, set apart where the language does so; "–" for none."""
        return self._marked(wording.percent(share)).replace("%", f"{self._words['mark'][1]}%")

    def ratio(self, times: float) -> str:
        """0.82 ×"""
        return f"{self._marked(f'{times:.2f}')}{TOGETHER}×"

    def span(self, seconds: float | None) -> str:
        """A length of time in at most two units: 45 s, 3 h 5 min; "–" for none."""
        units, text = self._words["units"], wording.span(seconds)
        one, more = units["d"]
        said = re.sub(r"(\d+) d\b", lambda m: f"{m[1]} {one if m[1] == '1' else more}", text)
        said = re.sub(r"(?<=\d )(h|min|s)\b", lambda m: str(units[m[1]]), said)
        return said.replace(" ", TOGETHER)

    def _marked(self, text: str) -> str:
        thousands, decimals = self.phrases.thousands, self._words["mark"][0]
        return re.sub(r"(?<=\d)[.,](?=\d)", lambda mark: str(thousands if mark[0] == "," else decimals), text)

    # --- times ---

    def day(self, at: date) -> str:
        """3 November 2026"""
        return self.phrases.day_of(at)

    def between(self, first: date, last: date) -> str:
        """From the first day to the last; one day alone where they are the same."""
        if (first.year, first.month, first.day) == (last.year, last.month, last.day):
            return self.day(first)
        return self("span", since=self.day(first), last=self.day(last))

    def short_day(self, at: date) -> str:
        """3 Nov"""
        return self("short_day", day=self.phrases.day_number(at.day), month=self._words["months_short"][at.month - 1])

    def moment(self, at: datetime) -> str:
        """A time on the shop's clock: 3 Nov, 14:05. One without a zone is of the files, which is UTC."""
        local = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(self.zone)
        month = self._words["months_short"][local.month - 1]
        return self("moment", day=self.phrases.day_number(local.day), month=month, time=f"{local:%H:%M}").replace(
            " ", TOGETHER
        )

    def weekday(self, number: int, *, short: bool = False) -> str:
        """The name of a day of the week, Monday being 1."""
        return str(self._words["days_short" if short else "days"][number - 1])

    def hour(self, hour: int) -> str:
        """14:00"""
        return self("hour", hour=hour).replace(" ", TOGETHER)

    # --- names ---

    def name(self, by: str, value: str) -> str:
        """What people call `value` of a group: the end "person", the team "pr", the platform "facebook" …"""
        tables = {"ended": "ends", "language": "languages", "method": "methods"}
        if by == "team":
            return self.phrases.team(value, self.teams.get(value, {}))
        if by in tables or by == "campaign":
            return str(self._words.get(tables.get(by, ""), {}).get(value) or _plain(value))
        if by == "platform":
            title = platforms.title(value, self.language)
            return title[:1].upper() + title[1:]
        if by == "intent":
            return self("kind_other") if value == "other" else self.phrases.label(value)
        return value

    def within(self, by: str, value: str) -> str:
        """The same in the middle of a sentence: order status."""
        if by == "platform":
            return platforms.title(value, self.language)
        return self._inside(self.name(by, value))

    def _inside(self, name: str) -> str:
        return name if self.language in _AS_THEY_ARE else name[:1].lower() + name[1:]

    def advice(self, found: Advice) -> tuple[str, str]:
        """What to change, and because of what."""
        values = {name: self._value(name, value) for name, value in found.values.items()}
        return self(f"advice_{found.key}", **values), self(f"advice_{found.key}_why", **values)

    def _value(self, name: str, value: Any) -> str:
        if name == "where":
            return self.within("platform", value)
        if name in _NAMED:
            return self.name(_NAMED[name], value)
        write = {"share": self.percent, "median": self.span, "p90": self.span, "from": self.hour, "until": self.hour}
        return str(write.get(name, self.count)(value))

    def moved(self, found: Moved) -> "Markup":
        """A group that changed: Never answered, Stock (kind of question): 4.7% → 12.7% of 142."""
        shares = {"before": self.percent(found.before), "now": self.percent(found.now)}
        what, by = self(f"moved_{found.what}"), self._inside(self(found.by))
        of, group = self.count(found.questions), self.name(found.by, found.group)
        return self.rich("moved_row", what=what, group=group, by=by, of=of, **shares)

    def no_forecast(self, forecast: Forecast) -> str:
        """Why there is no forecast yet."""
        why = f"why_{forecast.why}"  # one that an earlier release kept is a sentence of its own
        reason = self(why, n=forecast.missing) if why in self._words else forecast.why
        return self("no_forecast_yet", why=reason)


_NAMED: Final = {"team": "team", "what": "intent"}


def _plain(value: str) -> str:
    """A name of the playbook's as people write it."""
    text = value.replace("_", " ")
    return text[:1].upper() + text[1:]


def say_in(language: str, zone: ZoneInfo, teams: Mapping[str, Mapping[str, str]] | None = None) -> Say:
    """The words in `language`, in English where that is not served; `teams` are those that have names of their own."""
    return Say(language if language in LANGUAGES else FALLBACK, zone, teams or {})


@cache
def _table(language: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((WORDS / f"{language}.yaml").read_text("utf-8"))
    return found
