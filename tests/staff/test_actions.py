"""Acting from the e-mail: the link opens one conversation, its page only shows, its form acts."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from chalicelib.conversations.conversation import State
from chalicelib.emails import links
from chalicelib.keys import Keys
from infra.ops import corrections
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def escalated() -> tuple[MemoryWorld, str]:
    """A world with one escalated question, and the path of the link in its e-mail."""
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", "hm <b>what</b> about the other one?")))
    world.run(timedelta(hours=2))
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
    assert world.request("POST", path, urlencode({"action": action}).encode(), FORM).status == 200
    world.run(timedelta(hours=60))
    assert len(world.emails) == 1
    assert world.conversations()[0].state is State.CLOSED
    world.post(delivery(comment("c2", "and now?", parent="c1", at=world.services.now())))
    world.run(timedelta(hours=30))
    assert len(world.emails) > 1


def test_a_correction_is_stored_as_a_labelled_row_and_changes_the_team() -> None:
    world, path = escalated()
    body = urlencode({"action": "correct", "intent": "exchange"}).encode()
    assert "Noted" in world.request("POST", path, body, FORM).body.decode()
    (row,) = world.store.documents("labels")
    assert (row["text"], row["intent"], row["source"]) == ("hm <b>what</b> about the other one?", "exchange", "staff")
    assert row["corrected_from"] != "exchange"
    assert world.conversations()[0].intent == "exchange"


@pytest.mark.parametrize("form", [{}, {"action": "explode"}, {"action": "correct", "intent": "nonsense"}])
def test_a_form_that_asks_for_nothing_known_gets_a_400_that_says_what_to_do(form: dict[str, str]) -> None:
    world, path = escalated()
    answer = world.request("POST", path, urlencode(form).encode(), FORM)
    assert answer.status == 400
    assert answer.body.startswith(b"Choose one of")


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


def test_a_link_outlives_one_rotation_of_the_key_and_not_two() -> None:
    world, path = escalated()
    token, keys = path.removeprefix("/act/"), world.services.keys
    assert links.read(keys.rotated(), token, NOW).key.thread == "c1"
    with pytest.raises(links.LinkError, match="damaged"):
        links.read(keys.rotated().rotated(), token, NOW)


def test_corrections_and_answered_questions_come_out_as_training_rows() -> None:
    world, path = escalated()
    world.request("POST", path, urlencode({"action": "correct", "intent": "exchange"}).encode(), FORM)
    world.post(delivery(comment("r1", "Yes, bring it to the shop.", author=PAGE, parent="c1", at=world.services.now())))
    world.run()
    (corrected,) = corrections.corrections(world.store)
    assert (corrected["text"], corrected["intent"]) == ("hm <b>what</b> about the other one?", "exchange")
    (answered,) = corrections.answers(world.store)
    assert (answered["text"], answered["answer"]) == (corrected["text"], "Yes, bring it to the shop.")
    assert answered["intent"] == "exchange"
