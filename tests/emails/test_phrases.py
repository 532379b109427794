"""The words of e-mails and pages: every language has every line, with the same names to fill in."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.conversations.profile import Profile
from chalicelib.emails import phrases as module
from chalicelib.emails.known import Known, lines
from chalicelib.emails.phrases import languages, phrases
from chalicelib.platforms import PRODUCTS as KNOWN
from chalicelib.playbook.parts import INTENTS
from chalicelib.reports.say import say_in

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
    assert phrases("de", "Europe/Berlin").time(at) == "Mi, 1. Juli 2026, 11:05 Uhr MESZ"
    assert phrases("de", "Asia/Kolkata").time(at) == "Mi, 1. Juli 2026, 14:35 Uhr IST"
    assert phrases("fr", "Asia/Kolkata").time(at) == "mer. 1er juillet 2026, 14:35 IST"
    assert phrases("fr", "Europe/Paris").time(at) == "mer. 1er juillet 2026, 11:05 CEST"


def test_a_french_date_has_its_article() -> None:
    say, at = phrases("fr", "Europe/Paris"), datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    for key in ("promised", "goal", "late"):
        assert "pour le mer. 1er juillet" in say(key, time=say.time(at))
    assert say("act_claim", until=say.time(at)).startswith("s’en occupe jusqu’au mer. 1er juillet")


def test_french_marks_and_the_step_do_not_begin_a_line() -> None:
    say = phrases("fr", "UTC")
    assert "cet e-mail\N{NO-BREAK SPACE};" in say("reply_by_mail")
    assert "«\N{NO-BREAK SPACE}Retour\N{NO-BREAK SPACE}»" in say("noted", what="Retour")
    for language in languages():
        own = phrases(language, "UTC")("tier", tier=2, tiers=3)
        assert own.count("\N{NO-BREAK SPACE}") == 3 and own.endswith("\N{NO-BREAK SPACE}3")


def test_days_are_called_as_the_language_calls_them() -> None:
    waited = timedelta(days=2, hours=4)
    said = [phrases(language, "UTC").duration(waited) for language in ("en", "de", "fr", "es")]
    assert [text.replace("\N{NO-BREAK SPACE}", "_") for text in said] == ["2_d 4_h", "2_Tg. 4_h", "2_j 4_h", "2_d 4_h"]


def test_a_team_is_called_by_its_own_name_then_by_its_languages_one_then_by_its_key() -> None:
    german = phrases("de", "UTC")
    assert german.team("pr", {"de": "Presse", "": "Press"}) == "Presse"
    assert german.team("pr", {"en": "Press desk"}) == "Pressestelle" and german.team("pr", {"": "Press"}) == "Press"
    assert german.team("night_shift", {}) == "Night shift"


def test_a_language_without_words_gets_english() -> None:
    assert phrases("nl", "UTC").language == "en"


def test_a_customers_questions_are_counted_once_where_all_are_of_these_weeks() -> None:
    at = datetime(2026, 11, 27, tzinfo=UTC)
    short = Profile(2, 2, None, False, ("return",), 0, at)
    say = phrases("en", "UTC")
    assert list(lines(Known(short), say)) == [
        "2 questions from this customer since 27 November 2026; most about: Return."
    ]
    assert "2 questions from this customer in 30 days, 5 since" in next(lines(Known(replace(short, questions=5)), say))


@pytest.mark.parametrize("language", languages())
def test_large_counts_are_written_as_the_report_writes_them(language: str) -> None:
    say, report = phrases(language, "UTC"), say_in(language, ZoneInfo("UTC"))
    for number in (999, 1000, 10_000, 1_234_567):
        written = say("subject_group", count=number, where="X", account="Shop")
        assert written.startswith(f"{report.count(number)} questions" if language == "en" else report.count(number))
