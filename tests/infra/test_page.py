"""The local page in a real browser: it shows what happens, and a customer's words never become part of it."""

import json

from infra.local.local_run import local_run
from infra.local.run import Page
from tests.infra.browser import tab

HOSTILE = "<img src=x onerror=document.title='owned'> </p><script>document.title='owned'</script>"
URGENT = "The lamp you sold me caught fire last night. My lawyer will contact you."


def test_the_page_shows_questions_replies_and_emails_as_they_come() -> None:
    page = Page()
    with local_run(page.on_event, pace=5.0, own=page.answer) as running, tab(f"{running.url}/") as browser:
        browser.until("document.querySelectorAll('#ask option').length === 10")
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
