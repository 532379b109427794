"""The weekly e-mail: the page's own figures and pictures, in the lead's language, and the page behind its link."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.emails import links
from chalicelib.emails.links import REPORT_LASTS, LinkError, make_report, read_report
from chalicelib.reports.asked import Asked
from chalicelib.reports.charts import pictures
from chalicelib.reports.first import figures
from chalicelib.reports.forecast import NOTHING, Forecast
from chalicelib.reports.lake import Lake
from chalicelib.reports.page import page
from chalicelib.reports.report import Report, build
from chalicelib.reports.say import LANGUAGES, say_in
from chalicelib.reports.weekly import weekly
from chalicelib.storage import pages
from infra.reports.made import expected
from infra.reports.synthetic import Shape, draw
from tests.reports.test_ledger import START
from tests.reports.test_page import POLICY
from tests.world import NOW, MemoryWorld, playbook

TEAM = playbook().teams["team_lead"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: Any) -> Report:
    folder = tmp_path_factory.mktemp("facts")
    draw(Shape(start=START.date(), days=56, per_day=30.0)).write(folder)
    until = START + timedelta(days=56)
    span = Asked(Lake(folder), until - timedelta(days=28), until, until, POLICY.zone)
    ahead = expected(span, POLICY)
    return build(Lake(folder), POLICY, since=span.since, until=until, now=until, forecast=ahead)[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_tells_what_the_page_tells_in_the_leads_language(language: str, report: Report) -> None:
    email = weekly(report, replace(TEAM, language=language), "https://e.example.com/report/x", NOW, "report-1")
    say = say_in(language, report.policy.zone)
    html = page(report, language)
    for figure in figures(report, say):
        for text in (figure.name, figure.value, *figure.more):
            assert text in email.text and text in _plain(email.html) and text in _plain(html), text
    for found in report.advice:
        for text in say.advice(found):
            assert text in email.text and text in _plain(html)
    assert (
        email.to == TEAM.email
        and say("heading", shop=POLICY.shop) in email.text
        and "https://e.example.com/report/x" in email.text
    )
    assert set(email.images) == {p.name for p in pictures(report, say)} & {"days", "people", "broken"}
    for name, png in email.images.items():
        assert png.startswith(b"\x89PNG") and f'src="cid:{name}"' in email.html
    assert len(email.html.encode()) < 100_000  # above that mail programs hide the end


def _plain(html: str) -> str:
    from html import unescape

    return unescape(re.sub(r"<[^>]+>", "", html))


def test_the_page_says_in_which_language_it_is(report: Report) -> None:
    html = page(report, "de")
    assert '<html lang="de">' in html and '<h2 id="h-change">Was Sie zuerst ändern sollten</h2>' in html
    assert page(report, "nl") == page(report, "en") == page(report)
    german = replace(report, policy=replace(report.policy, language="de"))
    assert page(german) == html


def test_a_week_without_questions_says_so(tmp_path: Any) -> None:
    none = Forecast((), "", (), NOTHING)
    made, _ = build(Lake(tmp_path), POLICY, since=NOW - timedelta(days=28), until=NOW, now=NOW, forecast=none)
    email = weekly(made, TEAM, "", NOW, "report-1")
    assert "No question was asked" in email.subject and "No question was asked" in email.text
    assert email.images == {} and "/report/" not in email.html


# --- the page behind its link ---


class Shelved:
    """S3 with one report in it."""

    class exceptions:
        pass

    def get_object(self, Bucket: str, Key: str) -> Any:
        from io import BytesIO

        if Key != "reports/2026-11-23.html":
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": BytesIO(b"<h1>the report")}


def test_the_link_opens_one_report_until_it_expires_and_nothing_else() -> None:
    world = MemoryWorld()
    world.services.__dict__["client"] = lambda service, config: Shelved()
    keys = world.services.keys
    answer = world.request("GET", f"/report/{make_report(keys, '2026-11-23', NOW)}")
    assert (answer.status, answer.body) == (200, b"<h1>the report")
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert world.request("GET", f"/report/{make_report(keys, '2026-11-16', NOW)}").status == 404
    for bad in ("x", "a.b", make_report(keys, "2026-11-23", NOW)[:-3]):
        assert world.request("GET", f"/report/{bad}").status == 404
    world.virtual_clock.now = NOW + REPORT_LASTS
    assert b"expired" in world.request("GET", f"/report/{make_report(keys, '2026-11-23', NOW)}").body


@pytest.mark.parametrize(
    "error", [ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"), ReadTimeoutError(endpoint_url="s3")]
)
def test_a_report_that_cannot_be_read_just_now_is_said_to_be_that(error: Exception) -> None:
    class Silent:
        def get_object(self, Bucket: str, Key: str) -> Any:
            raise error

    world = MemoryWorld()
    world.services.__dict__["client"] = lambda service, config: Silent()
    answer = world.request("GET", f"/report/{make_report(world.services.keys, '2026-11-23', NOW)}")
    assert (answer.status, answer.body.partition(b".")[0]) == (503, b"This page cannot be shown just now")


def test_a_link_of_staff_opens_no_report_and_a_reports_no_conversation() -> None:
    world = MemoryWorld()
    keys = world.services.keys
    token = make_report(keys, "2026-11-23", NOW)
    payload = links._bytes(token.partition(".")[0])
    forged = f"{token.partition('.')[0]}.{links._text(keys.sign('act', payload))}"
    with pytest.raises(LinkError, match="damaged"):
        read_report(keys, forged, NOW)
    with pytest.raises(LinkError, match="damaged"):
        links.read(keys, token, NOW)
    assert read_report(keys.rotated(), token, NOW) == "2026-11-23"
    with pytest.raises(LinkError, match="damaged"):
        read_report(keys.rotated().rotated(), token, NOW + timedelta(days=1))


def test_what_replies_did_for_others_is_kept_anew_each_night() -> None:
    world = MemoryWorld()
    pages.keep(world.store.table, {"return": (8, 10)}, NOW)
    pages.keep(world.store.table, {"return": (9, 12), "stock": (1, 2)}, NOW)
    assert pages.of(world.store.table, "return") == (9, 12)
    assert pages.of(world.store.table, None) == pages.of(world.store.table, "refund") == (0, 0)
