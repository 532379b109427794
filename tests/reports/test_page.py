"""The report as people see it: wide, on a phone, in the dark, for a screen reader; and when there is nothing yet."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.reports import charts, wording
from chalicelib.reports.columns import End
from chalicelib.reports.lake import Lake, write
from chalicelib.reports.page import page
from chalicelib.reports.policy import Policy
from chalicelib.reports.report import Report, build
from chalicelib.reports.say import say_in
from infra.reports.made import make
from infra.reports.synthetic import Drawn, Shape, draw
from tests.infra.browser import Tab, tab
from tests.reports.test_ledger import START, fact

POLICY = Policy("Marigold & <Finch>", ZoneInfo("Europe/London"), accounts={"facebook:1": "The <b>shop</b>"})


ENGLISH = say_in("en", POLICY.zone)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return draw(Shape(start=START.date(), days=56, per_day=30.0))


@pytest.fixture(scope="module")
def made(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("report")
    drawn.write(folder / "facts")
    until = START + timedelta(days=56)
    stored = [str(q) for q in drawn.columns["question"] if True]
    since, span = until - timedelta(days=28), folder / "report.html"
    asked = {str(q) for q, at in zip(stored, drawn.columns["asked_at"], strict=True) if at >= since.timestamp() * 1e6}
    return make(folder / "facts", span, POLICY, since=since, until=until, now=until, stored=asked), span


@pytest.fixture(scope="module")
def browser(made: tuple[Report, Path]) -> Iterator[Tab]:
    with tab(made[1].as_uri()) as opened:
        opened.until("document.readyState === 'complete'")
        yield opened


def look(browser: Tab, width: int, scheme: str) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_cut_off(browser: Tab, width: int) -> None:
    look(browser, width, "light")
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.errors == []


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_an_open_list_fits_a_phone_in_every_language(
    made: tuple[Report, Path], browser: Tab, tmp_path: Path, language: str
) -> None:
    file = tmp_path / "r.html"
    file.write_text(page(made[0], language), "utf-8")
    look(browser, 360, "light")
    browser.call("Page.navigate", url=file.as_uri())
    browser.until(f"document.readyState === 'complete' && document.documentElement.lang === '{language}'")
    browser.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    wide = browser.value("document.documentElement.scrollWidth")
    browser.call("Page.navigate", url=made[1].as_uri())
    browser.until("document.readyState === 'complete' && document.documentElement.lang === 'en'")
    assert wide <= 360


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (320, "light"), (320, "dark")])
def test_axe_finds_nothing(browser: Tab, width: int, scheme: str) -> None:
    look(browser, width, scheme)
    browser.value((files("axe_core_python") / "axe.min.js").read_text("utf-8") + ";0")
    looked = "axe.run({exclude: [['.picture svg']]})"  # hidden from screen readers: the words beside it are read
    browser.value(f"window.found = null; {looked}.then(r => {{ window.found = JSON.stringify(r.violations) }}); 0")
    browser.until("window.found !== null")
    assert json.loads(browser.value("window.found")) == []


def test_pictures_take_the_pages_colours_and_change_with_them(browser: Tab) -> None:
    shown = "getComputedStyle(document.querySelector('.wide svg path[style*=accent]')).fill"
    colours = []
    for scheme in ("light", "dark"):
        look(browser, 1280, scheme)
        colours.append(browser.value(shown))
    assert len(set(colours)) == 2
    look(browser, 320, "light")
    assert browser.value("getComputedStyle(document.querySelector('.wide')).display") == "none"


def test_the_page_needs_no_network_and_no_script(made: tuple[Report, Path]) -> None:
    html = made[1].read_text("utf-8")
    assert "<script" not in html and "@import" not in html
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {t.removeprefix("#") for t in re.findall(r'href="(#[^"]+)"', html)} <= set(ids)  # every bar has its list


def test_names_from_a_playbook_cannot_become_part_of_the_page(made: tuple[Report, Path]) -> None:
    html = made[1].read_text("utf-8")
    assert "<b>shop" not in html and "Marigold &amp; &lt;Finch&gt;" in html


def test_page_json_and_csv_show_the_same_figures(made: tuple[Report, Path]) -> None:
    report, path = made
    html, told = path.read_text("utf-8"), json.loads(path.with_suffix(".json").read_text("utf-8"))
    total = report.ledger.total
    assert report.ledger.reconciled.exact
    assert told["ledger"]["total"]["ended"] == total.ended
    for end, number in total.ended.items():
        row = re.search(rf"<th scope=\"row\">(?:<a[^>]*>)?{re.escape(ENGLISH.name('ended', end))}.*?</tr>", html)
        assert row and f">{ENGLISH.count(number)}<" in row[0]
    rows = list(csv.DictReader(io.StringIO(path.with_suffix(".csv").read_text("utf-8"))))
    assert sum(int(r["questions"]) for r in rows) == total.asked
    assert sum(n for _, n in report.volume.days) == total.asked
    for picture in charts.pictures(report, ENGLISH):
        assert picture.says.replace("'", "&#39;") in html


def test_a_csv_cell_is_never_a_formula() -> None:
    from chalicelib.reports.page import _cell

    assert [_cell(v) for v in ("=1+1", "@x", "-2", "plain", 3)] == ["'=1+1", "'@x", "'-2", "plain", 3]


def test_a_picture_for_an_email_is_a_png(made: tuple[Report, Path]) -> None:
    assert all(charts.png(p).startswith(b"\x89PNG") for p in charts.pictures(made[0], ENGLISH))


def test_an_empty_report_says_what_is_missing(tmp_path: Path) -> None:
    until = START + timedelta(days=7)
    report = make(tmp_path / "none", tmp_path / "r.html", POLICY, since=START, until=until, now=until)
    assert report.empty
    html = (tmp_path / "r.html").read_text("utf-8")
    assert "No question was asked in this time" in html and "21 days of questions" in html


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state": "closed", "closed_why": "needs_none", "promised_by": None, "intent": None, "language": None},
        {"promised_by": START + timedelta(days=30), "customer": None, "post": None, "confidence": None},
    ],
)
def test_a_single_question_makes_a_page(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, [fact(**changes)], "a")
    until = START + timedelta(days=7)
    report = make(tmp_path, tmp_path / "r.html", POLICY, since=START, until=until, now=until)
    assert report.ledger.total.asked == 1
    html = (tmp_path / "r.html").read_text("utf-8")
    assert "No forecast yet: 14 more days" in html
    said = re.sub(r"<[^>]+>", "", html)
    assert not re.search(r"\b1 (?:questions|promises|customers) (?:are|were|asked)|asked again although", said)
    assert "each once" in said or changes.get("customer", "") is None


def _by_account(tmp_path: Path, *accounts: tuple[str, str]) -> list[str]:
    """The rows of "By account" as they are read, one question asked of each account (platform, id)."""
    facts = [fact(f"q{n}", platform=platform, account=id) for n, (platform, id) in enumerate(accounts)]
    write(tmp_path, facts, "a")
    names = {"facebook:1": "Marigold", "whatsapp:447": "Marigold", "instagram:1": "marigoldandfinch"}
    until = START + timedelta(days=7)
    policy = replace(POLICY, accounts=names)
    report = make(tmp_path, tmp_path / "r.html", policy, since=START, until=until, now=until)
    html = (tmp_path / "r.html").read_text("utf-8")
    assert report.ledger.adds_up
    table = re.search(r'<table class="groups account">.*?</table>', html, re.S)
    return [re.sub(r"<[^>]+>", "", row) for row in re.findall(r'<th scope="row">(.*?)</th>', table[0])] if table else []


def test_accounts_that_are_called_the_same_are_told_apart_by_their_platform(tmp_path: Path) -> None:
    several = (("facebook", "1"), ("whatsapp", "447"), ("facebook", "2"))
    assert sorted(_by_account(tmp_path, *several)) == ["2 · Facebook", "Marigold · Facebook", "Marigold · WhatsApp"]


def test_accounts_of_one_id_on_two_platforms_are_two(tmp_path: Path) -> None:
    several = (("facebook", "1"), ("instagram", "1"), ("facebook", "2"))
    assert "marigoldandfinch · Instagram" in _by_account(tmp_path, *several)


def test_one_account_on_each_platform_makes_no_second_table_of_the_platforms(tmp_path: Path) -> None:
    assert _by_account(tmp_path, ("facebook", "1"), ("instagram", "1")) == []


def test_a_report_that_is_not_exact_says_why_that_may_be(made: tuple[Report, Path]) -> None:
    report = made[0]
    lost = replace(report.ledger.reconciled, surplus=("abc123",))
    html = page(replace(report, ledger=replace(report.ledger, reconciled=lost)))
    assert "Not exact" in html and "read one after the other" in html and "next report" in html
    assert "read one after the other" not in page(report)


def test_a_lost_fact_stands_on_the_page(made: tuple[Report, Path]) -> None:
    report = made[0]
    short = replace(report.ledger.reconciled, stored=report.ledger.reconciled.facts + 1, missing=("abc123",))
    html = page(replace(report, ledger=replace(report.ledger, reconciled=short)))
    assert "Not exact" in html and "1 are missing" in html and "<code>abc123</code>" in html


def test_figures_are_written_as_people_write_them() -> None:
    assert [wording.span(s) for s in (None, 0, 0.3, 59, 60, 3599, 3660, 90_000, 172_800, -120)] == [
        "–", "0 s", "1 s", "59 s", "1 min", "60 min", "1 h 1 min", "1 d 1 h", "2 d", "−2 min",
    ]  # fmt: skip
    assert [wording.percent(s) for s in (None, 0.0, 0.0004, 0.5, 0.99999, 1.0)] == [
        "–", "0%", "<0.1%", "50%", ">99.9%", "100%",
    ]  # fmt: skip


def test_times_are_of_the_shops_own_clock(tmp_path: Path) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    write(tmp_path, [fact(asked_at=datetime(2026, 11, 2, 16, 30, tzinfo=UTC))], "a")
    since = datetime(2026, 11, 3, tzinfo=zone)
    until = since + timedelta(days=1)
    lake = Lake(tmp_path)
    from chalicelib.reports.forecast import Forecast

    report, _ = build(
        lake, replace(POLICY, zone=zone), since=since, until=until, now=until, forecast=Forecast((), "", (), "")
    )
    assert report.volume.days == ((since.date(), 1),)
    assert "3 Nov, 01:30" in page(report).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("answered_at", "advised"), [(None, False), (START + timedelta(hours=14), True)], ids=["never", "late"]
)
def test_another_promise_is_advised_where_answers_come_late_not_where_none_come(
    tmp_path: Path, answered_at: datetime | None, advised: bool
) -> None:
    given = {"state": End.ANSWERED, "answered_by": "person", "first_response_by": "person"} if answered_at else {}
    changes = {"answered_at": answered_at, "first_response_at": answered_at, **given}
    write(tmp_path, [fact(f"q{n}", **changes) for n in range(8)], "a")
    until = START + timedelta(days=7)
    report = make(tmp_path, tmp_path / "r.html", POLICY, since=START, until=until, now=until)
    assert report.ledger.total.missed == 8
    assert ("promise" in {a.key for a in report.advice}) is advised
