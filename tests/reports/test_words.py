"""The report in the lead's language: every language has every line, and no English is left on a page that is not."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from chalicelib.emails.phrases import phrases
from chalicelib.playbook.policy import Playbook
from chalicelib.reports.advice import Advice
from chalicelib.reports.asked import Ended
from chalicelib.reports.campaigns import Followed
from chalicelib.reports.customers import Helper
from chalicelib.reports.forecast import METHODS
from chalicelib.reports.lake import write
from chalicelib.reports.ledger import Reconciled
from chalicelib.reports.page import PARTS, page
from chalicelib.reports.policy import Policy
from chalicelib.reports.quality import Moved
from chalicelib.reports.questions import Answered, Cluster
from chalicelib.reports.report import Report
from chalicelib.reports.say import LANGUAGES, WORDS, say_in
from chalicelib.reports.span import language_of, policy_of
from chalicelib.reports.spikes import Spike
from chalicelib.reports.weekly import weekly
from infra.reports.made import make
from infra.reports.synthetic import Shape, draw
from tests.reports.test_ledger import START, fact
from tests.world import NOW, playbook

OTHERS = tuple(code for code in LANGUAGES if code != "en")
LONDON = ZoneInfo("Europe/London")
_NAMES = re.compile(r"\{(\w+)")
_SHARED = {"Theta", "Marketing"}  # written the same in several languages
# Words that every English sentence has and none in the other languages: a line that is written into the template or
# into the code, and in no file of words, is found by them.
_ENGLISH = re.compile(
    r"\b(the|of|and|with|were|that|which|within|asked|answered|have|has|by|from|no|not|people)\b", re.I
)
_ALSO_OTHERS: dict[str, set[str]] = {"es": {"no", "has"}, "fr": {"by"}, "de": set()}


def table(language: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((WORDS / f"{language}.yaml").read_text("utf-8"))
    return found


def lines(words: object) -> Iterator[str]:
    """Every text of a table, whatever it stands in."""
    if isinstance(words, Mapping):
        words = list(words.values())
    if isinstance(words, list):
        for word in words:
            yield from lines(word)
    elif isinstance(words, str):
        yield words


def test_there_is_a_file_for_every_language() -> None:
    assert {path.stem for path in WORDS.glob("*.yaml")} == set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_line_with_the_same_names(language: str) -> None:
    english, own = table("en"), table(language)
    assert list(own) == list(english)
    for key, line in english.items():
        assert type(own[key]) is type(line), key
        if isinstance(line, Mapping):
            assert list(own[key]) == list(line), key
        elif isinstance(line, list):
            assert len(own[key]) == len(line), key
        names = [sorted(set(_NAMES.findall(text))) for text in lines(line)]
        assert [sorted(set(_NAMES.findall(text))) for text in lines(own[key])] == names, key
        for text in lines(own[key]) if key != "mark" else ():
            assert text.count("*") % 2 == text.count("`") % 2 == 0 and text == text.strip(), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_a_name_for_all_that_the_report_names(language: str) -> None:
    own, book = table(language), playbook()
    assert set(own["ends"]) == {e.value for e in Ended}
    assert set(own["methods"]) == set(METHODS)
    assert set(phrases(language, "UTC").words("teams")) >= set(book.teams)
    assert all(key in own for _, key in PARTS)
    for by in ("team", "platform", "account", "intent", "language"):
        assert by in own and f"by_{by}" in own


# --- the page itself ---


class Texts(HTMLParser):
    """What people read of a page: its text nodes and the attributes that are read out; not what is typed, and not
    what is marked as being of another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unread: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [text for name in ("aria-label", "alt", "title") if (text := given.get(name))]
        if tag in ("style", "code", "bdi") or (tag == "span" and "lang" in given) or (self._unread and tag == "span"):
            self._unread.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._unread and self._unread[-1] == tag:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread and data.strip():
            self.found.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report in which every part has something to show."""
    folder = tmp_path_factory.mktemp("words")
    draw(Shape(start=START.date(), days=56, per_day=30.0)).write(folder / "facts")
    until = START + timedelta(days=56)
    write(folder / "facts", [fact(account="2", asked_at=until - timedelta(days=1))], "another")
    policy = replace(
        policy_of(playbook(), until, years=[2026]), shop="Marigold", accounts={"facebook:1": "Ringelblume"}
    )
    made = make(
        folder / "facts", folder / "r.html", policy, since=until - timedelta(days=28), until=until, now=until
    )  # fmt: skip
    at = datetime(2026, 12, 5, 9, tzinfo=UTC)
    lost = Reconciled(3, 4, ("abc",), ("def",) * 21)
    figures = {"count": 1234, "of": 2000, "share": 0.617}
    advice = (
        Advice("hours", {"team": "delivery", "from": 9, "until": 12, **figures}, 9),
        Advice("teach", figures, 8),
        Advice("once", {"what": "order_status", **figures}, 7),
        Advice("look", {"where": "facebook", **figures}, 6),
        Advice("promise", {"what": "refund", "median": 90_000.0, "p90": 200_000.0, **figures}, 5),
    )
    spikes = (
        Spike(at, 1, 40, 5.2, "p1", 38, ("order_status", "other")), Spike(at, 3, 40, 5.2, None, 0, ("refund",)),
    )  # fmt: skip
    return replace(
        made,
        ledger=replace(made.ledger, reconciled=lost),
        spikes=spikes,
        advice=advice,
        customers=replace(made.customers, helpers=(Helper("p1", 3, "Ana"), Helper("p2", 1))),
        campaigns=(Followed("herbst", 9, 8, 1, 1, 2, 50, 0.1, 0.2), Followed("neu", 9, 8, 1, 1, 2, 0, None, None)),
        questions=replace(
            made.questions, answered=(Answered("return", "?", "!", 5, ("…",)),), clusters=(Cluster("…", 9),)
        ),
        quality=replace(made.quality, moved=_moved()),
    )


def _moved() -> tuple[Moved, ...]:
    return tuple(
        Moved(what, by, group, 0.1, 0.2, 99, 3.0)
        for what in ("broken", "never", "complaints")
        for by, group in (("team", "stores"), ("intent", "other"), ("platform", "discourse"))
    )


def left_in_english(texts: list[str], language: str) -> list[str]:
    """The texts that are English: a line of the English file, whole or the part of it between its figures, or one with
    words that only English has."""
    english, own = table("en"), table(language)
    theirs = set(lines(own))
    foreign = {text for text in lines(english) if text not in theirs and text not in _SHARED}
    whole = {text for text in foreign if "{" not in text and len(text) > 3}
    parts = {p.strip(" .,:;()*“”") for text in foreign for p in re.split(r"\{[^}]*\}|\*|`[^`]*`", text)}
    parts = {p for p in parts if len(p.split()) >= 3 and not any(p in text for text in theirs)}
    found = []
    for text in texts:
        only = {m.lower() for m in _ENGLISH.findall(text)} - _ALSO_OTHERS[language]
        if text in whole or any(part in text for part in parts) or only:
            found.append(text)
    return found


@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_on_the_page(language: str, full: Report) -> None:
    texts = Texts(page(full, language)).found
    assert len(texts) > 300
    assert left_in_english(texts, language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_where_there_is_little_to_show(language: str, full: Report, tmp_path: Path) -> None:
    policy = Policy("Marigold", LONDON, language=language)
    until = START + timedelta(days=1)
    empty = make(tmp_path, tmp_path / "r.html", policy, since=START, until=until, now=until)
    bare = replace(
        full, policy=policy, plan=None, spikes=(), advice=(), campaigns=(), forecast=empty.forecast,
        questions=replace(full.questions, answered=()), teams=replace(full.teams, passed=(), open=0),
        ledger=replace(full.ledger, reconciled=Reconciled(9), late=0, total=replace(full.ledger.total, acknowledged=0)),
    )  # fmt: skip
    for report in (empty, bare):
        texts = Texts(page(report)).found
        assert len(texts) > 5 and left_in_english(texts, language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_in_the_weekly_email(language: str, full: Report) -> None:
    email = weekly(full, replace(playbook().teams["team_lead"], language=language), "https://e.example.com/r", NOW, "r")
    texts = [*Texts(email.html).found, *email.text.splitlines(), email.subject.removeprefix("[Earshot]")]
    assert left_in_english([t for t in texts if "https://" not in t], language) == []


def test_english_that_is_left_would_be_found(full: Report) -> None:
    texts = Texts(page(full, "en")).found
    assert len(left_in_english(texts, "de")) > 150
    assert left_in_english(["Wait after it, median", "Ganz richtig", "Built by hand"], "de") == [
        "Wait after it, median", "Built by hand",
    ]  # fmt: skip


def test_the_template_has_no_words_of_its_own() -> None:
    source = (Path(WORDS).parent / "templates" / "report.html").read_text("utf-8")
    source = re.sub(r"<style>.*?</style>", "", source, flags=re.S)
    source = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", source, flags=re.S)
    assert [t for t in Texts(source).found if re.search(r"[^\W\d_]{2,}", t)] == []


# --- how each language writes figures and times ---


@pytest.mark.parametrize(
    ("language", "count", "share", "span", "day", "moment", "hour"),
    [
        ("en", "12,345.6", "97.6%", "2 d 4 h", "5 Dec", "5 Dec, 09:00", "08:00"),
        ("de", "12.345,6", "97,6 %", "2 Tage 4 h", "5. Dez.", "5. Dez., 09:00 Uhr", "8 Uhr"),
        ("fr", "12\u202f345,6", "97,6\u202f%", "2 j 4 h", "5 déc.", "5 déc., 09:00", "8 h"),
        ("es", "12.345,6", "97,6 %", "2 d 4 h", "5 dic", "5 dic, 09:00", "08:00"),
    ],
)
def test_figures_and_times_are_written_as_the_language_does(
    language: str, count: str, share: str, span: str, day: str, moment: str, hour: str
) -> None:
    say, at = say_in(language, LONDON), datetime(2026, 12, 5, 9, tzinfo=UTC)
    written = (
        say.count(12_345.6),
        say.percent(0.976),
        say.span(187_200.0),
        say.short_day(at),
        say.moment(at),
        say.hour(8),
    )
    assert " " not in say.percent(0.976)
    assert tuple(w.replace("\N{NO-BREAK SPACE}", " ") for w in written) == (count, share, span, day, moment, hour)
    assert say.moment(at.replace(tzinfo=None)) == say.moment(at)  # the files' times have no zone and are UTC


def test_a_day_alone_is_said_once() -> None:
    say, at = say_in("en", LONDON), datetime(2026, 12, 5, 9, tzinfo=UTC)
    assert say.between(at, at + timedelta(hours=9)) == "5 December 2026"
    assert say.between(at, at + timedelta(days=1)) == "5 December 2026 to 6 December 2026"


def test_one_and_several_are_told_apart_and_values_cannot_become_html() -> None:
    say = say_in("en", LONDON)
    assert (say("spike_hours", n=1), say("spike_hours", n=2)) == ("1 hour", "2 hours")
    assert say.span(86_400) == "1\N{NO-BREAK SPACE}d" and say_in("de", LONDON).span(86_400) == "1\N{NO-BREAK SPACE}Tag"
    assert (
        str(say.rich("spike_post", count="9", post="<b>")) == "9 of them stood under one post (<code>&lt;b&gt;</code>)."
    )


def test_french_keeps_its_marks_on_the_line() -> None:
    say = say_in("fr", LONDON)
    assert say("advice_promise", what="x") == "Pour «\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}», promettre un délai tenable"
    assert "\N{NO-BREAK SPACE}: " in say("plan_none") and " :" not in str(
        say.rich("earshot_told", late=1, told=1, share=1)
    )


def test_the_first_of_a_french_month_is_called_so() -> None:
    for day, long, short in ((1, "1er juillet 2026", "1er juil."), (2, "2 juillet 2026", "2 juil.")):
        at, say = datetime(2026, 7, day, 9, 5, tzinfo=UTC), say_in("fr", LONDON)
        assert (say.day(at), say.short_day(at)) == (long, short)
        assert say.moment(at).replace("\N{NO-BREAK SPACE}", " ").startswith(short)
    assert say_in("en", LONDON).day(datetime(2026, 7, 1, tzinfo=UTC)) == "1 July 2026"


def test_the_report_is_in_the_language_of_the_team_that_gets_it() -> None:
    book: Playbook = playbook()
    lead = replace(book.teams[book.weekly_report_to], language="fr")
    french = replace(book, teams={**book.teams, book.weekly_report_to: lead})
    assert language_of(french) == policy_of(french, NOW).language == "fr"
    assert language_of(replace(book, weekly_report_to="", languages=("es", "en"))) == "es"
