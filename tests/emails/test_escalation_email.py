"""The e-mail as a whole: the question first and whole, the same in text and HTML, in every language, on any screen."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from chalicelib.conversations.conversation import Bundle
from chalicelib.emails.email_view import MOST_ASKED, MOST_WORDS
from chalicelib.emails.escalation_email import Asked, EscalationEmail
from chalicelib.emails.phrases import languages, phrases
from chalicelib.emails.rendering import render, render_many, subject
from infra.local import pictures
from tests.infra.browser import Tab, tab

EMAILS = {
    f.__name__: f
    for f in (
        *(pictures.plain, pictures.second_tier, pictures.urgent, pictures.long),
        *(pictures.arabic, pictures.german),
    )
} | {"untold": lambda: replace(pictures.plain(), tells_answers=False)}


def words(html: str) -> str:
    """What a reader of the HTML sees."""
    body = re.sub(r"<style>.*?</style>|<title>.*?</title>", " ", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", EMAILS)
def test_text_and_html_say_the_same(kind: str, language: str) -> None:
    _, text, html = render(EMAILS[kind](), language)
    shown = words(html)
    for line in filter(None, (line.strip(" -:") for line in text.splitlines())):
        plain = " ".join(re.sub(r"https://\S+", "", line).split()).strip(" :()")
        assert all(part in shown for part in re.split(r"[:,()] ?", plain) if part.strip()), line


@pytest.mark.parametrize("kind", EMAILS)
def test_the_questions_stand_first_and_whole(kind: str) -> None:
    email = EMAILS[kind]()
    for body in render(email)[1:]:
        seen = words(body) if "<html" in body else " ".join(body.split())
        positions = [seen.index(" ".join(a.text.split())[:40].replace("://", "[:]//")[:10]) for a in email.asked]
        assert positions == sorted(positions)
        assert positions[-1] < seen.index("What was said so far")
    assert all(" ".join(a.text.split()) in words(render(email)[2]) for a in email.asked if "://" not in a.text)


def test_many_questions_are_counted_where_they_do_not_fit() -> None:
    email = pictures.plain()
    many = tuple(Asked("Ana", f"question {n}", email.since) for n in range(MOST_ASKED + 7))
    assert "7 further open questions" in words(render(replace(email, asked=many))[2])
    long = tuple(Asked("Ana", "x" * (MOST_WORDS - 1), email.since) for _ in range(3))
    assert "2 further open questions" in words(render(replace(email, asked=long))[2])


def test_subjects_differ_by_customer_and_stay_the_same_for_every_tier() -> None:
    ana, ben = pictures.plain(), pictures.plain(name="Ben")
    assert subject(ana) != subject(ben)
    assert subject(replace(ana, tier=2, first=False, now=ana.now + timedelta(hours=3))) == f"Re: {subject(ana)}"
    nameless = [subject(pictures.plain(text, "")) for text in ("Where is it?", "Do you have it in blue?")]
    assert "Where is it?" in nameless[0] and "Do you have it in blue?" in nameless[1]
    assert subject(pictures.urgent()).startswith("[Earshot] URGENT, Fay O’Neill")


def test_nothing_that_a_customer_or_an_id_says_becomes_markup_or_a_link() -> None:
    evil = '"><img src=x onerror=alert(1)> javascript:alert(1) https://evil.example.com'
    email = replace(
        pictures.plain(evil, evil),
        conversation=f"x:1:{evil}:2",
        whom=evil,
        inbox="",
        account=evil,
        deeds=tuple(replace(d, who=evil, note=evil, team=evil) for d in pictures.german().deeds),
    )
    for html in (render(email)[2], render_many((email, email), Bundle.GROUP, "en", evil, 20)[2]):
        assert "<img" not in html and "evil.example" not in html
        assert {*re.findall(r'href="([^"#]*)', html)} == {email.page}


def test_a_grouped_email_gives_each_question_its_own_buttons() -> None:
    emails = tuple(replace(pictures.plain(f"question {n}?"), page=f"https://e.example.com/act/{n}") for n in range(3))
    title, text, html = render_many(emails, Bundle.GROUP, "en", "delivery", 20)
    assert title == "[Earshot] 3 questions under one post on Facebook (Marigold & Finch)"
    for n in range(3):
        assert f"question {n}?" in text and f"question {n}?" in words(html)
        assert f"https://e.example.com/act/{n}" in text
        assert html.count(f'href="https://e.example.com/act/{n}') == 5
    for said in (text, words(html)):
        assert "reaches your own team, not the customer" in said  # an answer to many would be nobody's
        assert said.index("question 0?") < said.index("Answer now" if said is not text else "promised")
    assert html.index("question 0?") < html.index("Answer now") < html.index("was promised") < html.index("question 1?")


def test_each_question_of_many_says_what_is_attached_in_text_as_in_html() -> None:
    email = pictures.plain()
    pictured = replace(email, asked=(replace(email.asked[0], attachments=2),))
    for body in render_many((pictured, email), Bundle.GROUP, "en", "delivery", 20)[1:]:
        assert body.count("2 attached, to be seen on Facebook") == 1


def test_who_is_on_it_no_more_is_not_said_to_be() -> None:
    """A claim that has ended, or was taken back, is the past."""
    email = pictures.second_tier()
    (claim,) = email.deeds
    assert claim.until is not None and claim.until < email.now
    still = replace(claim, until=email.now + timedelta(minutes=1))
    says = {
        words: [language for language in languages() if words in render(replace(email, deeds=(deed,)), language)[1]]
        for deed, words in (
            *((claim, begins) for begins in ("Kim had taken it on until", "Kim hatte es bis", "Kim l’avait pris en")),
            (replace(still, undone=True), "Kim se había encargado hasta"),
            *((still, begins) for begins in ("Kim is on it until", "Kim kümmert sich bis")),
        )
    }
    assert list(says.values()) == [["en"], ["de"], ["fr"], ["es"], ["en"], ["de"]]


@pytest.mark.parametrize("kind", EMAILS)
def test_a_colon_in_french_stands_apart_in_the_text_too(kind: str) -> None:
    quoted = re.compile(r"^ {4}.*$", re.MULTILINE)  # what people wrote
    texts = render(EMAILS[kind](), "fr")[1], render_many((EMAILS[kind](),) * 2, Bundle.GROUP, "fr", "service", 20)[1]
    for text in texts:
        assert re.findall(r".*[^\s]:(?:\s|$)", quoted.sub("", text)) == []


@pytest.mark.parametrize("language", languages())
def test_an_email_that_does_not_list_all_says_how_many_more_belong_to_it(language: str) -> None:
    emails = tuple(pictures.plain(f"question {n}?") for n in range(3))
    title, text, html = render_many(emails, Bundle.DIGEST, language, "delivery", 20, more=1200)
    say = phrases(language, "UTC")
    of_all, of_more = (" ".join(say.count(n).split()) for n in (1203, 1200))
    assert of_all in " ".join(title.split()) and of_all in words(html)
    for said in (" ".join(text.split()), words(html)):
        assert said.index(of_more) < said.index("question 0?")


@pytest.fixture(scope="module")
def screen() -> Iterator[Tab]:
    with tab("about:blank") as opened:
        yield opened


@pytest.mark.parametrize("width", [320, 760])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_cut_off_and_everything_can_be_read(screen: Tab, tmp_path: Path, width: int, dark: bool) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    screen.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=True)
    screen.call("Emulation.setEmulatedMedia", features=scheme)
    for picture in pictures.pictures():
        if "phone" in picture.name or "dark" in picture.name:
            continue
        path = tmp_path / f"{picture.name}.html"
        path.write_text(picture.html, "utf-8")
        screen.call("Page.navigate", url=path.as_uri())
        screen.until(f"document.readyState == 'complete' && location.pathname.endsWith('/{picture.name}.html')")
        wide = screen.value("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert wide <= width, picture.name
        assert screen.value(_CUT) == [], picture.name
        assert screen.value(_CONTRAST) >= 4.5, picture.name


_CUT = """[...document.querySelectorAll('p, h1, h2, .words, .button')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != 'inline').map(e => e.textContent)"""

# The lowest contrast of any text with the nearest background behind it, by WCAG's formula
_CONTRAST = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number)
  const linear = v => v / 255 <= .03928 ? v / 3294.6 : ((v / 255 + .055) / 1.055) ** 2.4
  const light = c => { const [r, g, b] = parse(c).map(linear)
    return .2126 * r + .7152 * g + .0722 * b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if (parse(c)[3] !== 0) return c } return 'rgb(255, 255, 255)' }
  const ratios = [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()))
    .map(e => [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => a - b))
    .map(([a, b]) => (b + .05) / (a + .05))
  return Math.min(...ratios)
})()"""


def test_it_is_sent_as_what_a_program_wrote() -> None:
    email: EscalationEmail = pictures.plain()
    assert '<html lang="de">' in render(email, "de")[2]
    assert 'dir="auto"' in render(email)[2]


@pytest.mark.parametrize(("language", "begins"), [("en", "“Where is it?”: Late"), ("de", "„Where is it?“: Lief")])
def test_a_subject_without_a_name_quotes_the_first_words(language: str, begins: str) -> None:
    nameless = replace(pictures.plain(), asked=(Asked("", "Where is it?", pictures.plain().since),))
    assert subject(nameless, language).startswith(f"[Earshot] {begins}")
    assert subject(replace(nameless, asked=()), "en").startswith("[Earshot] A customer: ")
