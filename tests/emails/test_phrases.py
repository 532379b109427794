"""The words of e-mails and pages: every language has every line, with the same names to fill in."""

import re
from datetime import UTC, datetime

import pytest

from chalicelib.emails import phrases as module
from chalicelib.emails.phrases import languages, phrases
from chalicelib.platforms import PRODUCTS as KNOWN
from chalicelib.playbook.parts import INTENTS

NAMES = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("language", languages())
def test_a_language_has_every_line_with_the_same_names(language: str) -> None:
    english, own = module._table()["en"], module._table()[language]
    assert own.keys() == english.keys()
    for key, line in english.items():
        assert sorted(NAMES.findall(str(own[key]))) == sorted(NAMES.findall(str(line))), key


@pytest.mark.parametrize("language", languages())
def test_a_language_names_every_intent_and_platform(language: str) -> None:
    say = phrases(language, "UTC")
    assert set(INTENTS) <= module._labels()[language].keys()
    assert say.place("facebook") == "Facebook" and say.place("tomorrow") == "tomorrow"
    assert all(say.place(product) for product in KNOWN)


def test_times_are_written_as_each_language_writes_them_on_the_teams_clock() -> None:
    at = datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    assert phrases("en", "Europe/London").time(at) == "Wed 1 July 2026, 10:05 BST"
    assert phrases("de", "Europe/Berlin").time(at) == "Mi, 1. Juli 2026, 11:05 Uhr CEST"
    assert phrases("fr", "Asia/Kolkata").time(at) == "mer. 1 juillet 2026, 14:35 IST"


def test_a_language_without_words_gets_english() -> None:
    assert phrases("nl", "UTC").language == "en"
