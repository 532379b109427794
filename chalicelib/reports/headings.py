"""The report's headings, first figures and advice in the languages that a team may have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from chalicelib.emails.phrases import FALLBACK, Phrases, phrases
from chalicelib.playbook.parts import INTENTS
from chalicelib.reports.advice import Advice
from chalicelib.reports.wording import words

_BETWEEN_DIGITS: Final = re.compile(r"(?<=\d)[.,](?=\d)")
_MARKS: Final[Mapping[str, Mapping[str, str]]] = {
    "de": {",": ".", ".": ","},
    "es": {",": ".", ".": ","},
    "fr": {",": "\N{NARROW NO-BREAK SPACE}", ".": ","},
}
WORDS: Final = Path(__file__).with_name("words.yaml")


@dataclass(frozen=True, slots=True)
class Headings:
    """One language's words; `zone` is the clock by which times are said."""

    language: str
    zone: str

    def __call__(self, key: str, **values: object) -> str:
        """The line `key` with its names filled in; raises KeyError for one that there is not."""
        written = {name: self.number(value) if isinstance(value, str) else value for name, value in values.items()}
        return str(_table()[self.language][key]).format(**written)

    def number(self, text: str) -> str:
        """The figures in `text` (1,234.5) with this language's marks."""
        marks = _MARKS.get(self.language)
        return _BETWEEN_DIGITS.sub(lambda mark: marks[mark[0]], text) if marks else text

    @property
    def say(self) -> Phrases:
        """The words of e-mails in the same language."""
        return phrases(self.language, self.zone)

    def day(self, at: date) -> str:
        """E.g. "3 November 2026"."""
        return self.say.day_of(at)

    def weekday(self, number: int) -> str:
        """The name of a day of the week, Monday being 1."""
        return str(_table()[self.language]["days"][number - 1])

    def advice(self, found: Advice) -> tuple[str, str]:
        """What to change, and because of what."""
        values = {name: self._named(value) for name, value in found.values.items()}
        return self(f"advice_{found.key}", **values), self(f"advice_{found.key}_why", **values)

    def _named(self, value: str) -> str:
        """A name of the playbook's as people write it; kinds of question in this language."""
        return self.say.label(value) if value in INTENTS else words(value)


def headings(language: str, zone: str) -> Headings:
    """The words in `language`, in English where that is not served."""
    return Headings(language if language in _table() else FALLBACK, zone)


def languages() -> Mapping[str, Any]:
    """The table by language."""
    return _table()


@cache
def _table() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(WORDS.read_text("utf-8"))
    return found
