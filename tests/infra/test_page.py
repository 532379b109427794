"""The local page in a real browser: it shows what happens, and a customer's words never become part of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.registry import PRODUCTS
from infra.local.deliveries import author_id
from infra.local.local_run import LocalRun, local_run
from infra.local.loopback import Call
from infra.local.run import Page
from tests.infra.browser import Tab, tab

HOSTILE = "<img src=x onerror=document.title='owned'> </p><script>document.title='owned'</script>"
URGENT = "The lamp you sold me caught fire last night. My lawyer will contact you."


@contextmanager
def opened() -> Iterator[tuple[LocalRun, Tab]]:
    """The page of a local run, ready to ask on every platform."""
    page = Page()
    with local_run(page.on_event, pace=5.0, own=page.answer) as running, tab(f"{running.url}/") as browser:
        browser.until(f"document.querySelectorAll('#ask option').length === {len(PRODUCTS)}")
        yield running, browser


def test_the_page_shows_questions_replies_and_emails_as_they_come() -> None:
    with opened() as (_, browser):
        ask = "document.getElementById('ask').elements.text.value = {}; document.getElementById('ask').requestSubmit()"

        browser.value(ask.format("'Can I swap the size?'"))
        browser.until("!!document.querySelector('.line.earshot')")
        assert "This is an automated reply." in browser.value("document.querySelector('.line.earshot').textContent")
        assert browser.value("document.querySelector('.state').textContent").startswith("open")

        browser.value("document.querySelector('.answer input').value = 'Of course.'")
        browser.value("document.querySelector('.answer').requestSubmit()")
        browser.until("document.querySelector('.state').textContent === 'answered'")
        assert "Of course." in browser.value("document.querySelector('.line.brand').textContent")

        browser.value("document.getElementById('ask').elements.name.value = '<b>Eve</b>'")
        browser.value(ask.format(json.dumps(HOSTILE)))
        browser.until(f"document.getElementById('conversations').textContent.includes({json.dumps(HOSTILE)})")
        browser.value(ask.format(json.dumps(URGENT)))
        browser.until("document.querySelectorAll('.email').length === 1")
        assert "<b>Eve</b>" in browser.value("document.getElementById('conversations').textContent")
        assert browser.value("document.querySelectorAll('main img, main b').length") == 0

        browser.value("document.querySelector('.email').click()")
        browser.until("!!document.querySelector('iframe')")
        assert browser.value("document.querySelector('iframe').srcdoc.includes('&lt;b&gt;Eve')")
        assert browser.value("document.title") == "Earshot"
        assert browser.errors == []


def test_what_is_typed_under_a_question_stays_while_others_come() -> None:
    with opened() as (running, browser):
        running.say(SimulatedMessage("facebook", "Can I swap the size?", author_id("Ann"), "Ann"))
        browser.until("!!document.querySelector('.line.earshot')")
        browser.value("document.querySelector('.answer input').value = 'Of course.'")
        running.say(SimulatedMessage("facebook", "Do you sell umbrellas?", author_id("Ben"), "Ben"))
        browser.until("document.querySelectorAll('.answer input').length === 2")
        typed = "[...document.querySelectorAll('.answer input')].map((input) => input.value).sort().join('|')"
        assert browser.value(typed) == "|Of course."


FAINT = """(() => {  // words of the page whose contrast with what is behind them is under WCAG's 4.5 to 1
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (e) => {
    const colour = e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)";
    return parts(colour)[3] === 0 ? behind(e.parentElement) : colour;
  };
  const written = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll("body *:not(script)")].filter(written).map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName, e.className, e.textContent];
  }).filter(([contrast]) => contrast < 4.5).map(String);
})()"""
FRAME = "document.querySelector('.email.open + div iframe').contentDocument"


def test_the_desk_opens_inside_the_page_and_what_is_typed_there_stays(tmp_path: Path) -> None:
    with opened() as (running, browser):
        urgent = SimulatedMessage("facebook", URGENT, author_id("Fay"), "Fay")
        running.say(urgent)
        browser.until("document.querySelectorAll('.email').length === 1")
        browser.value("document.querySelector('.email').click()")
        browser.until(f"!!{FRAME}?.querySelector('.button.main')")
        browser.value(f"{FRAME}.querySelector('.button.main').click()")  # Answer now
        browser.until(f"!!{FRAME}?.querySelector('#text')")
        browser.value(f"{FRAME}.querySelector('#text').value = 'Fay, please call us: 0800 000'")
        browser.value(f"{FRAME}.querySelector('#who_answer').value = 'Noor'")

        running.say(SimulatedMessage("facebook", URGENT, author_id("Ike"), "Ike"))
        browser.until("document.querySelectorAll('.email').length === 2")
        assert browser.value(f"{FRAME}.querySelector('#text').value").startswith("Fay, please")

        browser.value(f"{FRAME}.querySelector('#answer button').click()")
        browser.until(f"{FRAME}?.querySelector('[role=status]')?.textContent.includes('Your answer is on Facebook')")
        browser.until("document.getElementById('conversations').textContent.includes('from the desk')")
        posted = [p.text for p in running.stand_in.posted]
        assert posted == ["Fay, please call us: 0800 000"]
        assert browser.errors == []
        for name, width in (("wide", 1280), ("phone", 360)):
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
            )
            assert browser.value("document.documentElement.scrollWidth") <= width
            browser.picture(tmp_path / f"{name}.png")
        for scheme in ("light", "dark"):
            chosen = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.call("Emulation.setEmulatedMedia", features=chosen)
            ground = browser.value("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(243, 244, 246)") == (scheme == "light")
            assert browser.value(FAINT) == []
            browser.picture(tmp_path / f"{scheme}.png")


def test_who_is_told_without_a_name_is_said_to_be_and_what_was_refused_says_why() -> None:
    with opened() as (running, browser):
        running.say(SimulatedMessage("messenger", "Can I swap the size?", author_id("Ann"), "Ann"))
        browser.until("document.querySelector('.top strong')?.textContent === 'A customer (Messenger told no name)'")
        browser.value("say({ product: 'nowhere', text: 'Hello' })")
        browser.until("document.getElementById('refused').textContent.startsWith('Not accepted: ')")
        assert "expected product, text" in browser.value("document.getElementById('refused').textContent")
        browser.value("say({ product: 'messenger', text: 'Hello', name: 'Ann' })")
        browser.until("document.getElementById('refused').textContent === ''")


def test_another_site_cannot_use_the_desk_through_the_visitors_browser() -> None:
    page = Page()
    with local_run(page.on_event, own=page.answer) as running:
        form = (("Content-Type", "application/x-www-form-urlencoded"),)
        here = (("Host", running.url.removeprefix("http://")),)
        for headers in ((*here, *form, ("Origin", "https://evil.example.com")), (("Host", "evil.example.com"), *form)):
            refused = page.answer(running, Call("POST", "/local/desk/x.y", "", headers, b"action=close"))
            assert refused and refused.status == 403
        damaged = page.answer(running, Call("GET", "/local/desk/x.y", "", here))
        assert damaged and damaged.status == 404 and "frame-ancestors 'self'" in str(damaged.headers)
