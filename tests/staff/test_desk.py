"""Acting from the e-mail: the link opens one conversation, its page only shows, its form acts."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.aws.mailer import MailUnknown
from chalicelib.conversations.conversation import State
from chalicelib.emails import links
from chalicelib.keys import Keys
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.storage.table import Contention
from infra.ops import corrections
from tests.handlers.test_notify import Postman
from tests.staff.desk_browser import links as email_links
from tests.staff.desk_browser import newest, open_page
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery, playbook
from tests.world import message as direct

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def escalated() -> tuple[MemoryWorld, str]:
    """A world with one escalated question, and the path of the link in its e-mail."""
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", "hm <b>what</b> about the other one?")))
    world.run(timedelta(hours=1))
    found = re.search(r"https://earshot\.shop\.example\.com/api(/act/\S+)", world.emails[0].text)
    assert found
    return world, found[1]


def test_the_link_shows_the_question_and_changes_nothing() -> None:
    world, path = escalated()
    before = world.conversations()
    page = world.request("GET", path)
    assert page.status == 200
    assert "&lt;b&gt;what&lt;/b&gt;" in page.body.decode()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert world.conversations() == before


@pytest.mark.parametrize("action", ["answered", "close"])
def test_closing_stops_the_next_tiers_until_the_customer_writes_again(action: str) -> None:
    world, path = escalated()
    assert "Closed" in open_page(world, path).press(action).says
    world.run(timedelta(hours=60))
    assert len(world.emails) == 1
    assert world.conversations()[0].state is State.CLOSED
    world.post(delivery(comment("c2", "and now?", parent="c1", at=world.services.now())))
    world.run(timedelta(hours=30))
    assert len(world.emails) > 1


def test_a_correction_is_stored_as_a_labelled_row_and_changes_the_team() -> None:
    world, path = escalated()
    assert "Noted" in open_page(world, path).press("correct", intent="exchange").says
    (row,) = world.store.documents("labels")
    assert (row["text"], row["intent"], row["source"]) == ("hm <b>what</b> about the other one?", "exchange", "staff")
    assert row["corrected_from"] != "exchange"
    assert world.conversations()[0].intent == "exchange"


@pytest.mark.parametrize("form", [{}, {"action": "explode"}, {"action": "correct", "intent": "nonsense"}])
def test_a_form_that_asks_for_nothing_known_gets_a_400_that_says_what_to_do(form: dict[str, str]) -> None:
    world, path = escalated()
    answer = world.request("POST", path, urlencode(form).encode(), FORM)
    assert answer.status == 400
    assert b"Choose one of" in answer.body


@pytest.mark.parametrize(
    "until",
    ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "36499d", "2026-11-21T10:00:00", "nan", "9" * 400],
)
def test_a_time_that_there_is_not_gets_a_400_that_says_what_to_do(until: str) -> None:
    world, path = escalated()
    form = {"action": "claim", "until": until}
    assert world.request("POST", path, urlencode(form).encode(), FORM).status == 400


def test_a_link_that_is_damaged_expired_or_of_another_account_opens_nothing() -> None:
    world, path = escalated()
    token = path.removeprefix("/act/")
    for bad in (token[:-2], "x" + token, "a.b", "é", "." * 50):
        assert world.request("GET", "/act/" + bad).status == 404
    payload, _, _ = token.partition(".")
    forgers = (Keys(APPS.apps[0].secrets[0]), Keys("x" * 64))  # a platform's secret is public at some of them
    for forger in forgers:
        signature = links._text(forger.sign("act", links._bytes(payload)))
        assert world.request("GET", f"/act/{payload}.{signature}").status == 404
    other_purpose = links._text(world.services.keys.sign("mail", links._bytes(payload)))
    assert world.request("GET", f"/act/{payload}.{other_purpose}").status == 404
    world.virtual_clock.now = NOW + timedelta(days=15)
    assert "expired" in world.request("GET", path).body.decode()


def test_a_link_that_opens_nothing_says_why_in_the_shops_language() -> None:
    text = DEFAULT_PLAYBOOK.read_text("utf-8").replace("languages: [en, de, fr, es]", "languages: [de, en, fr, es]", 1)
    world = asked(policy=load_playbook(text))
    path = "/act/" + email_links(world.emails[0].text)[0].rpartition("/act/")[2]
    world.virtual_clock.now = NOW + timedelta(days=15)
    page = world.request("GET", path)
    assert page.status == 404 and "Dieser Link ist abgelaufen." in page.body.decode()
    assert "Dieser Link ist beschädigt." in world.request("GET", path[:-9]).body.decode()


def test_a_link_outlives_one_rotation_of_the_key_and_not_two() -> None:
    world, path = escalated()
    token, keys = path.removeprefix("/act/"), world.services.keys
    assert links.read(keys.rotated(), token, NOW).key.thread == "c1"
    with pytest.raises(links.LinkError, match="damaged"):
        links.read(keys.rotated().rotated(), token, NOW)


def test_corrections_and_answered_questions_come_out_as_training_rows() -> None:
    world, path = escalated()
    open_page(world, path).press("correct", intent="exchange")
    world.post(delivery(comment("r1", "Yes, bring it to the shop.", author=PAGE, parent="c1", at=world.services.now())))
    world.run()
    (corrected,) = corrections.corrections(world.store)
    assert (corrected["text"], corrected["intent"]) == ("hm <b>what</b> about the other one?", "exchange")
    (answered,) = corrections.answers(world.store)
    assert (answered["text"], answered["answer"]) == (corrected["text"], "Yes, bring it to the shop.")
    assert answered["intent"] == "exchange"


# --- acts: each names the version that its page had shown ---


def asked(text: str = "hm, and what about the other one?", policy: Playbook | None = None) -> MemoryWorld:
    world = MemoryWorld(policy, public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", text)))
    world.run(timedelta(minutes=70))
    return world


def links_of(world: MemoryWorld, number: int) -> str:
    return email_links(world.emails[number].text)[0]


def later(world: MemoryWorld, id: str, text: str, **more: Any) -> None:
    world.post(delivery(comment(id, text, parent="c1", at=world.services.now(), **more)))
    world.run(timedelta(seconds=1))


@pytest.mark.parametrize("action", ["answered", "close"])
def test_a_stale_page_never_closes_what_it_did_not_show(action: str) -> None:
    world = asked()
    page = newest(world)
    later(world, "c2", "and another thing: where is my refund?")
    after = page.press(action, who="Kim")
    assert "Closed" in after.says and "The customer has written since" in after.says
    c = world.conversations()[0]
    assert [i for i, q in c.questions.items() if q.pending] == ["c2"]
    world.run(timedelta(hours=4), sweep=True)
    assert any("where is my refund?" in e.text for e in world.emails[1:])


@pytest.mark.parametrize("action", ["answered", "close", "claim", "correct", "hand_over", "answer"])
@pytest.mark.parametrize("version", [{}, {"shown": ""}, {"shown": "made-up 0123456789ab"}])
def test_a_form_without_a_version_or_with_a_made_up_one_does_nothing(action: str, version: dict[str, str]) -> None:
    world = asked()
    page, before = newest(world), world.conversations()
    form = {"action": action, "text": "We do!", "intent": "refund", "team": "web_shop", **version}
    answer = world.request("POST", page.path, urlencode(form).encode(), FORM)
    assert answer.status == 200
    assert re.search("Nothing was (changed|posted)", answer.body.decode())
    assert world.conversations() == before and world.platforms.posted == []
    world.run(timedelta(hours=5), sweep=True)
    assert len(world.emails) > 1  # people are still called


def test_an_answer_to_words_that_were_rewritten_is_kept_in_the_field_and_not_posted() -> None:
    world = asked()
    page = newest(world)
    later(world, "c1", "hm, and what about the blue one, it is broken!", verb="edited")
    after = page.press("answer", text="It is in stock.")
    assert "no longer as you had it" in after.says and world.platforms.posted == []
    assert ">It is in stock.</textarea>" in after.html and "it is broken!" in after.words
    assert "Your answer is on" in after.press("answer", text="Sorry! We send a new one.").says


def test_an_edit_after_the_page_was_opened_stays_open() -> None:
    world = asked()
    page = newest(world)
    later(world, "c1", "hm, and what about the blue one, it is broken!", verb="edited")
    after = page.press("close")
    assert "Nothing was changed" in after.says
    assert world.conversations()[0].state is State.OPEN


def test_a_message_that_is_still_on_the_inbox_stays_open() -> None:
    world = asked()
    page = newest(world)
    world.post(delivery(comment("c2", "and where is my refund?", parent="c1", at=world.services.now())))
    page.press("close")
    world.run(timedelta(seconds=1))
    assert world.conversations()[0].questions["c2"].pending


def test_the_same_form_sent_twice_acts_once() -> None:
    world = asked()
    page = newest(world)
    page.press("claim", who="Kim", until="30min")
    page.press("claim", who="Kim", until="30min")
    assert len(world.conversations()[0].acts) == 1


def test_another_form_of_a_page_that_was_gone_back_to_is_done_as_well() -> None:
    world = asked()
    page = newest(world)
    page.press("claim", who="Kim", until="30min")
    assert "Closed" in page.press("close", who="Kim").says
    assert world.conversations()[0].state is State.CLOSED
    assert len(world.conversations()[0].acts) == 2


def test_what_was_answered_before_it_was_opened_again_waits_for_another_answer() -> None:
    world = asked()
    later(world, "r1", "We do!", author=PAGE)
    newest(world).press("reopen", who="Kim")
    told = len(world.emails)
    world.run(timedelta(hours=2), sweep=True)
    assert world.conversations()[0].state is State.OPEN
    assert len(world.emails) > told
    later(world, "r2", "We do, this time!", author=PAGE)
    assert world.conversations()[0].state is State.ANSWERED


def test_a_claim_holds_the_next_tiers_back_and_then_they_go_on() -> None:
    world = asked()
    world.virtual_clock.now += timedelta(minutes=1)
    page = newest(world).press("claim", who="Kim", until="end_of_day")
    assert "Nobody else is called until Mon 23 November 2026, 20:00" in page.says
    world.run(timedelta(hours=8), sweep=True)
    held = len(world.emails)
    assert held == 1
    world.run(timedelta(hours=30), sweep=True)
    assert len(world.emails) > 1
    assert "Kim had taken it on until" in world.emails[1].text


@pytest.mark.parametrize("deed", ["claim", "snooze"])
def test_nothing_is_put_off_until_the_platform_takes_no_answer_any_more(deed: str) -> None:
    """Messenger takes answers for a day: half an hour before that is over the next tier is called."""
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(direct("m1", "hm, and what about the other one?"))
    world.run(timedelta(minutes=11))
    page = newest(world)
    assert "until Mon 23 November 2026, 12:11" in page.press(deed, who="Kim", until="2h").says
    assert "until Tue 24 November 2026, 09:30" in page.press(deed, who="Kim", until="3d").says
    world.run(timedelta(hours=23, minutes=19), sweep=True)
    assert [e.to.partition("@")[0] for e in world.emails] == ["service", "service-lead"]
    assert newest(world).press("answer", text="Here I am.").says.startswith("Your answer is on Messenger")


@pytest.mark.parametrize(("pressed", "before"), [(20, "09:50"), (10, "09:55"), (2, "09:59")])
def test_what_is_put_off_as_the_platform_is_about_to_close_is_told_in_half_of_the_time_left(
    pressed: int, before: str
) -> None:
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(direct("m1", "hm, and what about the other one?"))
    world.run(timedelta(hours=24) - timedelta(minutes=pressed))
    assert f"until Tue 24 November 2026, {before}" in newest(world).press("snooze", who="Kim", until="3d").says
    assert "until Tue 24 November 2026, 09:" in newest(world).press("snooze", who="Kim", until="2h").says


def test_a_claim_and_a_page_outlive_a_mended_comma() -> None:
    world = asked()
    page = newest(world)
    page.press("claim", who="Kim", until="2h")
    later(world, "c1", "hm and what about the other one???", verb="edited")
    world.run(timedelta(minutes=100), sweep=True)
    assert len(world.emails) == 1
    assert "Closed" in page.press("close", who="Kim").says


def test_who_did_what_is_shown_and_can_be_undone_for_ten_minutes() -> None:
    world = asked()
    page = newest(world).press("close", who="Kim <b>")
    assert "Kim &lt;b&gt;</bdi></strong> said that it needs no answer" in page.html
    page = page.press("undo")
    assert "Taken back" in page.says and "undone" in page.words
    assert world.conversations()[0].state is State.OPEN
    page = page.press("close", who="Kim")
    world.run(timedelta(minutes=11))
    assert page.press("undo").says.startswith("Nothing was changed")
    assert world.conversations()[0].state is State.CLOSED


def test_the_name_that_was_typed_stands_on_that_links_page_again() -> None:
    world = asked()
    newest(world).press("claim", who="Kim Ö", until="30min")
    assert newest(world).html.count('value="Kim Ö"') >= 2


def test_handing_over_tells_that_team_at_once_with_the_note() -> None:
    world = asked()
    assert "Told at once: Web shop." in newest(world).press("hand_over", team="web_shop", note="their login fails").says
    world.run(timedelta(minutes=1))
    email = world.emails[-1]
    assert email.to == "webshop@shop.example.com"
    assert "handed it over to “Web shop”" in email.text and "their login fails" in email.text


def test_an_urgent_matter_that_is_handed_over_is_told_in_time_though_ses_says_nothing_of_the_email() -> None:
    postman = Postman()
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api", mailer=postman)
    world.post(delivery(comment("c1", "your lamp caught fire and burned my child, my lawyer will call you")))
    world.run(timedelta(minutes=5), sweep=True)
    postman.results = [MailUnknown("ReadTimeoutError")]
    open_page(world, email_links(postman.sent[0].text)[0]).press("hand_over", team="stores")
    world.run(timedelta(minutes=2), sweep=True)
    stores = [e for e in postman.sent if e.to == "stores@shop.example.com"]
    assert len(stores) == 2 and "URGENT" in stores[0].subject  # twice rather than late


def test_what_is_handed_over_again_and_again_is_told_each_time() -> None:
    """Also when the first notices are not kept any more, and faster than e-mails leave."""
    world = asked()
    page = newest(world)
    for n in range(90):
        team = ("web_shop", "stores", "returns")[n % 3]
        assert "Told at once" in page.press("hand_over", team=team, note=f"number {n}.").says
        if n % 2:
            world.run(timedelta(seconds=5))
    told = [e for e in world.emails if e.tags["tier"] == "1"]
    assert len(told) == 91


def test_a_page_whose_conversation_many_write_to_says_that_it_can_be_tried_again() -> None:
    world = asked()
    page = newest(world)

    def contended(*_: object, **__: object) -> None:
        raise Contention("Conversation")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(world.store), "update_conversation", contended)
        answer = page.press("close", who="Kim")
    assert answer.status == 503 and "Try again" in answer.html
    assert "Closed" in page.press("close", who="Kim").says


def test_a_team_is_called_on_pages_and_in_emails_as_the_playbook_calls_it_in_the_readers_language() -> None:
    text = DEFAULT_PLAYBOOK.read_text("utf-8")
    text = text.replace("  web_shop: {", "  web_shop: {name: {en: The online desk, de: Netzladen}, language: de, ", 1)
    text = text.replace("  stores: {", '  stores: {name: "Läden & <Märkte>", ', 1)
    world = asked(policy=load_playbook(text))
    page = newest(world)
    assert ">The online desk</option>" in page.html and ">Läden &amp; &lt;Märkte&gt;</option>" in page.html
    assert 'value="delivery">Delivery</option>' in page.html
    assert "Told at once: The online desk." in page.press("hand_over", team="web_shop").says
    world.run(timedelta(minutes=1))
    german = world.emails[-1]
    assert "hat es an „Netzladen“ weitergegeben" in german.text and "„Netzladen“" in german.html
    assert ">Lieferung</option>" in newest(world).html


def test_a_correction_tells_the_right_team_at_once_and_is_learned_from() -> None:
    world = asked()
    page = newest(world).press("correct", intent="refund", who="Kim")
    assert "this is about “Refund”" in page.says and "Told at once: Returns." in page.says
    world.run(timedelta(minutes=1))
    assert world.emails[-1].to == "returns@shop.example.com"
    assert [row["intent"] for row in world.store.documents("labels")] == ["refund"]


def test_a_second_question_that_is_corrected_reaches_its_team_as_well() -> None:
    world = asked()
    newest(world).press("correct", intent="stock")
    world.run(timedelta(minutes=1))
    first = open_page(world, links_of(world, 0))
    later(world, "c2", "and something else altogether?")
    first = open_page(world, first.path)
    first.press("correct", intent="stock")
    world.run(timedelta(minutes=1))
    assert [e.to for e in world.emails if "something else altogether" in e.text] == ["webshop@shop.example.com"]


def test_a_correction_to_a_safety_matter_reaches_the_press_office_at_once() -> None:
    world = asked()
    newest(world).press("correct", intent="legal_safety", who="Kim")
    world.run(timedelta(minutes=2), sweep=True)
    assert "press@shop.example.com" in [e.to for e in world.emails]


@pytest.mark.parametrize("by", ["correction", "playbook"])
@pytest.mark.parametrize("deed", ["claim", "snooze"])
def test_who_is_on_it_keeps_no_urgent_matter_from_its_people(deed: str, by: str) -> None:
    """Kim took it for something that can wait. Once the press office knows, its own claim holds the next ones back."""
    world = asked()
    page = newest(world)
    page.press(deed, who="Kim", until="5h")
    if by == "correction":
        newest(world).press("correct", who="Rosa", intent="legal_safety")
    else:
        rule = world.services.playbook
        (question,) = world.conversations()[0].questions.values()
        urgent = replace(rule.urgency, intents=frozenset({*rule.urgency.intents, question.intent or ""}))
        world.services.playbook = replace(rule, urgency=urgent)
    world.run(timedelta(minutes=3), sweep=True)
    assert [e.to.partition("@")[0] for e in world.emails][1:] == ["press"]
    newest(world).press("claim", who="Press", until="5h")
    world.run(timedelta(hours=4), sweep=True)
    assert len(world.emails) == 2


def test_what_was_closed_can_be_opened_again_and_is_told_again() -> None:
    world = asked()
    page = newest(world).press("close", who="Kim")
    world.run(timedelta(hours=1))
    page = open_page(world, page.path).press("reopen", who="Ali")
    assert "Open again" in page.says
    before = len(world.emails)
    world.run(timedelta(hours=3), sweep=True)
    assert len(world.emails) > before


def test_what_was_opened_again_by_mistake_is_closed_again_by_taking_it_back() -> None:
    world = asked()
    page = newest(world).press("close", who="Kim")
    page = open_page(world, page.path).press("reopen", who="Ali")
    (act,) = (id for id, done in world.conversations()[0].acts.items() if done.who == "Ali")
    assert world.request("POST", page.path, f"action=undo&act={act}".encode(), FORM).status == 200
    assert world.conversations()[0].state is State.CLOSED
    told = len(world.emails)
    world.run(timedelta(hours=3), sweep=True)
    assert len(world.emails) == told


def test_the_page_shows_everything_said_and_the_customers_other_conversations() -> None:
    world = asked()
    world.post(delivery(comment("c9", "Do you ship to Ireland?", at=world.services.now(), post=f"{PAGE}_78")))
    later(world, "c2", "and the green one?")
    page = newest(world)
    assert "hm, and what about the other one?" in page.words and "and the green one?" in page.words
    assert "Do you ship to Ireland?" in page.words.split("Earlier conversations")[1]


def test_the_suggested_text_of_the_playbook_can_be_put_into_the_field() -> None:
    world = asked("Do you ship to Ireland?")
    page = newest(world)
    suggestion = re.search(r'<p class="said" dir="auto">(.*?)</p>\s*<button', page.html, re.S)
    assert suggestion
    filled = open_page(world, page.path, {"suggest": "yes"})
    assert f"{suggestion[1]}</textarea>" in filled.html


@pytest.mark.parametrize("private", [False, True])
def test_the_suggested_text_is_the_one_for_the_place_where_it_is_asked(private: bool) -> None:
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    words = "Can I cancel my order please?"
    world.post(direct("m1", words) if private else delivery(comment("c1", words)))
    world.run(timedelta(minutes=70))
    page = newest(world)
    (filled,) = re.findall(
        r"<textarea[^>]*>(.*?)</textarea>", open_page(world, page.path, {"suggest": "yes"}).html, re.S
    )
    assert filled.startswith("Thank you for your message about an order.") and "{" not in filled
    assert ("never in public" in filled) is not private
    assert filled in page.html


@pytest.mark.parametrize("token", ["x", "a.b", "é" * 30, "." * 50])
def test_a_damaged_link_gets_a_readable_page(token: str) -> None:
    page = open_page(asked(), f"/act/{token}")
    assert page.status == 404 and "<h1>" in page.html and "This link is damaged" in page.words
    assert page.headers["Content-Type"].startswith("text/html")


def test_the_page_takes_no_script_and_no_style_but_its_own() -> None:
    page = newest(asked())
    assert "script" not in page.html
    assert "style=" not in page.html
    named = page.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", page.html, re.S)
    assert style and base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in named
    assert "unsafe" not in named


def test_an_emails_page_speaks_the_teams_language() -> None:
    policy = playbook()
    policy = replace(policy, teams={n: replace(t, language="de") for n, t in policy.teams.items()})
    world = MemoryWorld(policy, public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", "hm, and what about the other one?")))
    world.run(timedelta(minutes=70))
    page = newest(world)
    assert '<html lang="de">' in page.html and "Antworten als Example Shop" in page.words
    assert page.press("claim", until="nonsense").status == 400
