"""Answers by the form: as the brand, through every platform, at most once whatever fails; window, length and place."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.conversations.conversation import Conversation, Outcome, State, tag
from chalicelib.emails.safe_text import duration
from chalicelib.platforms.http import Answer
from chalicelib.playbook.policy import Playbook
from infra.local.deliveries import deliver
from infra.local.stand_in import Fault
from tests.handlers.test_notify import Postman
from tests.http_doubles import StandInHttp
from tests.platforms.case import RECEIVED_AT, PlatformCase
from tests.platforms.cases import CASES
from tests.staff.desk_browser import Page, newest, open_page
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message, playbook

URL = "https://earshot.shop.example.com/api"
TEXT = "Hello, this is Kim. It is on its way."
ONLY_STATUSES = {"whatsapp"}  # of what the API sent it tells three statuses each, which are not read


def silent() -> Playbook:
    """A playbook that says nothing by itself, so that every post is a person's."""
    return replace(playbook(), stopped_altogether=True)


def asked_on(case: PlatformCase) -> tuple[MemoryWorld, StandInHttp]:
    """A question on the platform, an hour later, with its e-mail."""
    wire = StandInHttp()
    world = MemoryWorld(silent(), apps=Apps((case.app,)), public_url=URL, http=wire)
    world.virtual_clock.now = RECEIVED_AT
    body = case.body("question")
    headers = case.sign(case.app.secrets[0], body, RECEIVED_AT)
    assert world.post(body, path=f"/webhooks/{case.app.platform}/{case.app.key}", headers=headers) == 200
    world.run(timedelta(hours=3), sweep=True)
    return world, wire


def only(world: MemoryWorld) -> Conversation:
    (c,) = world.conversations()
    return c


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
def test_an_answer_reaches_every_platform_once_and_answers_the_question(case: PlatformCase) -> None:
    world, wire = asked_on(case)
    page = newest(world)
    after = page.press("answer", text=TEXT, who="Kim")
    assert "Your answer is on" in after.says, after.says
    assert wire.texts() == [TEXT]
    page.press("answer", text=TEXT, who="Kim")  # pressed twice
    assert wire.texts() == [TEXT]
    c = only(world)
    assert c.state is State.ANSWERED
    assert [a.who for a in c.answers.values()] == ["Kim"]
    assert "Kim</bdi></strong> answered" in open_page(world, page.path).html
    emails = len(world.emails)
    world.run(timedelta(days=3), sweep=True)
    assert len(world.emails) == emails
    assert [r["person"] for r in world.records("reply") if r["result"] == "sent"] == ["Kim"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.BROKEN])
def test_what_may_have_been_posted_is_never_posted_again_without_a_look(case: PlatformCase, fault: Fault) -> None:
    world, wire = asked_on(case)
    wire.faults = [fault]
    page = newest(world).press("answer", text=TEXT, who="Kim")
    assert "Nobody knows whether it was posted" in page.says
    assert only(world).state is State.OPEN
    writes = len(wire.writes)
    again = open_page(world, page.path)
    assert "may have been posted already" in again.words
    refused = again.press("answer", text=TEXT, who="Ali")
    assert "before you post again" in refused.says and len(wire.writes) == writes
    assert f">{TEXT}</textarea>" in refused.html  # nothing that was typed is lost
    posted = refused.press("answer", text=TEXT, who="Ali", again="yes")
    assert "Your answer is on" in posted.says
    assert len(wire.writes) == writes + 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
def test_a_definite_no_posts_nothing_and_can_be_tried_again(case: PlatformCase) -> None:
    world, wire = asked_on(case)
    wire.faults = [Fault.RATE]
    page = newest(world).press("answer", text=TEXT)
    assert "takes no answers just now" in page.says and wire.texts() == []
    assert "Your answer is on" in page.press("answer", text=TEXT).says
    assert wire.texts() == [TEXT]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
def test_what_the_platform_would_cut_is_refused_and_as_much_as_it_says_is_posted_whole(case: PlatformCase) -> None:
    world, wire = asked_on(case)
    page = newest(world)
    most = platforms.product(case.product).max_reply
    assert f"{most:,} characters" in page.words
    refused = page.press("answer", text="a" * (most + 1))
    fits = re.search(r"This is too long for .*: only the first ([\d,]+) characters would fit", refused.says)
    assert fits, refused.says
    assert wire.writes == []
    assert "a" * (most + 1) in refused.html  # what was typed is still there
    whole = "b" * int(fits[1].replace(",", ""))
    assert "Your answer is on" in refused.press("answer", text=whole).says
    assert [text.endswith(whole) for text in wire.texts()] == [True]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
def test_a_window_that_is_over_is_said_and_where_there_is_none_an_answer_is_never_too_late(case: PlatformCase) -> None:
    world, wire = asked_on(case)
    page, closes = newest(world), only(world).window_closes_at
    world.run(timedelta(days=8))
    late = page.press("answer", text=TEXT)
    if closes:
        assert f"The messaging window closes in {duration(closes - RECEIVED_AT - timedelta(hours=3))}" in page.words
        assert "The messaging window is closed" in late.says and wire.writes == []
        assert f">{TEXT}</textarea>" in late.html
    else:
        assert "messaging window" not in page.words
        assert "Your answer is on" in late.says and wire.texts() == [TEXT]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
def test_the_place_is_asked_for_where_there_are_two_and_the_answer_goes_there(case: PlatformCase) -> None:
    def posted(place: str) -> tuple[str, str]:
        world, wire = asked_on(case)
        page = newest(world)
        assert ("As a private message" in page.words) is two
        assert "Your answer is on" in page.press("answer", text=TEXT, place=place).says
        assert wire.texts() == [TEXT]
        (call,) = (c for c in wire.sent if c.method != "GET")
        return call.url, str({name: value for name, value in call.data.items() if value != TEXT})

    (c,) = asked_on(case)[0].conversations()
    two = platforms.product(case.product).private_replies and not c.private
    assert (posted("private") != posted("public")) is two


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.product)
@pytest.mark.parametrize("lost", [False, True])
def test_the_echo_of_an_answer_is_that_answer_and_settles_one_that_was_lost(case: PlatformCase, lost: bool) -> None:
    world, wire = asked_on(case)
    wire.faults = [Fault.LOST] if lost else []
    page = newest(world).press("answer", text=TEXT, who="Kim")
    (posted,) = wire.stand_in.posted
    echo = platforms.product(case.product).simulation.echo(posted)
    if echo is None:  # the platform does not tell an app of its own replies
        return
    told = deliver(Apps((case.app,)), replace(echo, at=world.services.now()))
    assert world.post(told.body, path=told.path, headers=told.headers) == 200
    world.run(timedelta(seconds=1))
    c, after = only(world), open_page(world, page.path)
    if lost and case.product in ONLY_STATUSES:  # so it stays unknown, and people look
        assert c.state is State.OPEN and "may have been posted already" in after.words
        return
    assert c.state is State.ANSWERED
    assert [a.state for a in c.answers.values()] == [Outcome.SENT]
    assert after.words.count(TEXT) == 1 and "perhaps not delivered" not in after.words
    emails = len(world.emails)
    world.run(timedelta(days=3), sweep=True)
    assert len(world.emails) == emails


def facebook(**more: Any) -> tuple[MemoryWorld, StandInHttp]:
    wire = StandInHttp()
    world = MemoryWorld(silent(), public_url=URL, http=wire, **more)
    world.post(delivery(comment("c1", "hm, and what about the other one?")))
    world.run(timedelta(minutes=70))
    return world, wire


def write(world: MemoryWorld, id: str, text: str, **more: Any) -> None:
    world.post(delivery(comment(id, text, parent="c1", at=world.services.now(), **more)))
    world.run(timedelta(seconds=1))


def test_an_answer_leaves_open_what_came_after_the_page() -> None:
    world, wire = facebook()
    page = newest(world)
    write(world, "c2", "and where is my refund?")
    after = page.press("answer", text=TEXT)
    assert "The customer has written since" in after.says
    assert [i for i, q in only(world).questions.items() if q.pending] == ["c2"]
    assert wire.stand_in.posted[0].target == "c1"


@pytest.mark.parametrize("how", ["by the form", "by the form, and it came back"])
def test_an_answer_leaves_open_a_text_that_was_written_before_it_and_told_of_later(how: str) -> None:
    """A platform tells of an edit minutes late; the page had shown what stood there before."""
    world, wire = facebook()
    page = newest(world)
    written_at = world.services.now()
    world.run(timedelta(minutes=4))
    page.press("answer", text=TEXT)
    if "came back" in how:
        (posted,) = wire.stand_in.posted
        write(world, posted.id, f"@ann {TEXT}", author=PAGE)
    assert only(world).state is State.ANSWERED
    world.run(timedelta(minutes=1))
    fire = "your lamp caught fire and burned my child, my lawyer will call you"
    world.post(delivery(comment("c1", fire, verb="edited", at=NOW, entry_at=written_at)))
    world.run(timedelta(minutes=1), sweep=True)
    assert only(world).state is State.OPEN
    assert world.emails[-1].to == "press@shop.example.com"


def test_an_answer_on_the_platform_is_to_a_text_that_stood_there_and_is_told_of_later() -> None:
    world, _ = facebook()
    written_at = world.services.now()
    world.run(timedelta(minutes=4))
    write(world, "r1", "We do!", author=PAGE)
    world.post(delivery(comment("c1", "hm, and what about the blue one?", verb="edited", at=NOW, entry_at=written_at)))
    world.run(timedelta(minutes=1), sweep=True)
    assert only(world).state is State.ANSWERED


def test_somebody_elses_answer_in_between_is_shown_first() -> None:
    world, wire = facebook()
    mine, theirs = newest(world), newest(world)
    theirs.press("answer", text="We do!", who="Ali")
    after = mine.press("answer", text=TEXT, who="Kim")
    assert "Somebody has answered meanwhile" in after.says and wire.texts() == ["We do!"]
    assert "We do!" in after.words
    assert "Your answer is on" in after.press("answer", text=TEXT, again="yes").says


@pytest.mark.parametrize("way", ["another person", "the same answer by e-mail and by the form"])
def test_while_an_answer_is_on_its_way_nobody_elses_is_posted(way: str) -> None:
    """The platform takes seconds, and the customer would read both."""
    world, wire = facebook()
    mine, theirs = newest(world), newest(world)
    said: list[str] = []

    def meanwhile() -> Answer:
        text = "It left yesterday." if way == "another person" else TEXT
        said.append(theirs.press("answer", text=text, who="Ali").says)
        return Answer(data={"id": "posted-1"})

    wire.answers = [meanwhile]
    mine.press("answer", text=TEXT, who="Kim")
    assert "Somebody has answered meanwhile" in said[0] and len(wire.writes) == 1
    assert [a.who for a in only(world).answers.values()] == ["Kim"]
    assert only(world).state is State.ANSWERED


def test_one_press_that_arrives_twice_at_once_posts_once() -> None:
    """The second one finds nothing when it looks, and the claim of the first when it claims."""
    tokens, pressed = iter(f"{n:032x}" for n in range(10_000)), list[str]()

    def new_token() -> str:
        token = next(tokens)
        if at_once and not pressed:  # the first has looked and claims next
            pressed.append("")
            pressed[0] = at_once[0].press("answer", text=TEXT, who="Kim").says
        return token

    at_once: list[Page] = []
    world, wire = facebook(new_token=new_token)
    page = newest(world)
    at_once.append(replace(page))
    after = page.press("answer", text=TEXT, who="Kim")
    assert wire.texts() == [TEXT]
    assert "Your answer is on" in pressed[0] and "Your answer is on" in after.says


def test_an_answer_to_something_else_that_was_asked_is_posted_beside_one_on_its_way() -> None:
    world, wire = facebook()
    first = newest(world)
    write(world, "c2", "and where is my refund?")
    second = open_page(world, first.path)
    second.html = second.html.replace(tag("c1", only(world).questions["c1"]), "")

    def meanwhile() -> Answer:
        assert "Your answer is on" in second.press("answer", text="It is on its way to you.", who="Ali").says
        return Answer(data={"id": "posted-1"})

    wire.answers = [meanwhile]
    first.press("answer", text=TEXT, who="Kim")
    assert sorted(a.who for a in only(world).answers.values()) == ["Ali", "Kim"]
    assert only(world).state is State.ANSWERED


def test_an_answer_on_the_platform_in_between_is_seen_as_well() -> None:
    world, wire = facebook()
    page = newest(world)
    write(world, "r1", "We do!", author=PAGE)
    assert "Somebody has answered meanwhile" in page.press("answer", text=TEXT).says
    assert wire.texts() == []


def test_the_echo_of_a_lost_answer_settles_it() -> None:
    world, wire = facebook()
    wire.faults = [Fault.LOST]
    page = newest(world).press("answer", text=TEXT, who="Kim")
    write(world, "r1", TEXT, author=PAGE)
    c = only(world)
    assert c.state is State.ANSWERED
    assert [a.state for a in c.answers.values()] == [Outcome.SENT]
    assert "perhaps not delivered" not in open_page(world, page.path).words


@pytest.mark.parametrize("fault", [[], [Fault.LOST]], ids=["sent", "outcome unknown"])
def test_an_answer_that_comes_back_leaves_open_what_its_page_had_not_shown(fault: list[Fault]) -> None:
    """Facebook tells of the Page's own comments as well, also where they came from the desk."""
    world, wire = facebook()
    page = newest(world)
    write(world, "c2", "and where is my refund?")
    wire.faults = fault
    page.press("answer", text=TEXT, who="Kim")
    (posted,) = wire.stand_in.posted
    world.run(timedelta(minutes=1))
    write(world, posted.id, f"@ann {TEXT}", author=PAGE)
    assert [i for i, q in only(world).questions.items() if q.pending] == ["c2"]


def test_an_answer_that_is_taken_back_on_the_platform_opens_its_question_again() -> None:
    world, wire = facebook()
    newest(world).press("answer", text=TEXT, who="Kim")
    (posted,) = wire.stand_in.posted
    write(world, posted.id, TEXT, author=PAGE)
    assert only(world).state is State.ANSWERED
    world.run(timedelta(hours=6))
    write(world, posted.id, "", author=PAGE, verb="remove")
    c, told = only(world), len(world.emails)
    assert c.state is State.OPEN
    assert c.due_at and c.due_at > world.services.now()  # its people get their time anew, from now on
    assert c.questions["c1"].promised_by and c.questions["c1"].promised_by > world.services.now()
    world.run(timedelta(hours=2), sweep=True)
    assert len(world.emails) > told


def test_another_text_from_a_page_that_was_gone_back_to_is_not_said_to_be_posted() -> None:
    world, wire = facebook()
    page = newest(world)
    page.press("answer", text=TEXT, who="Kim")
    after = page.press("answer", text="No, wait: it left yesterday.", who="Kim")
    assert wire.texts() == [TEXT]
    assert "Somebody has answered meanwhile" in after.says


def test_a_private_answer_goes_by_message() -> None:
    world, wire = facebook()
    newest(world).press("answer", text=TEXT, place="private")
    assert wire.writes[-1].endswith("/messages")


def test_a_closed_window_is_said_before_anything_is_posted() -> None:
    wire = StandInHttp()
    world = MemoryWorld(silent(), public_url=URL, http=wire)
    world.post(message("m1", "hm, and what about the other one?"))
    world.run(timedelta(minutes=70))
    page = newest(world)
    world.run(timedelta(hours=24))
    assert "The messaging window is closed" in page.press("answer", text=TEXT).says
    assert wire.writes == []


def test_an_empty_answer_posts_nothing() -> None:
    world, wire = facebook()
    assert "Write an answer first" in newest(world).press("answer", text=" \n\u200b ").says
    assert wire.writes == []


def test_a_refused_token_stops_the_automatic_replies_and_is_said() -> None:
    world, wire = facebook()
    wire.always = Answer(401, {"error": {"code": 190}})
    page: Page = newest(world).press("answer", text=TEXT)
    assert "refused the answer (190)" in page.says
    world.run(timedelta(minutes=1))
    assert "no longer accepts the token" in world.emails[-1].subject


def test_a_tier_2_email_tells_of_an_answer_whose_outcome_is_unknown() -> None:
    postman = Postman()
    world, wire = facebook(mailer=postman)
    wire.faults = [Fault.BROKEN]
    path = postman.sent[0].text.split(URL)[1].split()[0]
    open_page(world, path).press("answer", text=TEXT, who="Kim")
    world.run(timedelta(hours=6), sweep=True)
    assert TEXT in postman.sent[1].text and "perhaps not delivered" in postman.sent[1].text
