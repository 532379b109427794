"""Whose answer came back: two customers in one thread got the same words, or a private answer to a public question
stands among the customer's messages. Each answers the question for which it was posted, and no other."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apps import Account, App, Apps
from chalicelib.conversations.conversation import Outcome, State
from chalicelib.emails.links import read
from chalicelib.platforms.http import Answer
from chalicelib.storage.store import ConversationKey
from infra.local.stand_in import Fault
from tests.http_doubles import StandInHttp, Told
from tests.staff.desk_browser import Page, links, open_page
from tests.staff.test_answers import URL, silent
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery, message

SAME = "We are looking into it."
GRAM = "17841400000000001"


class Desk:
    """Staff before the pages of everybody who asks."""

    def __init__(self, apps: Apps = APPS) -> None:
        self.wire = StandInHttp()
        self.world = MemoryWorld(silent(), apps=apps, public_url=URL, http=self.wire)

    def page(self, thread: str, customer: str) -> Page:
        """The one of that conversation, behind the newest e-mail about it."""
        (c,) = (c for c in self.world.conversations() if (c.thread, c.customer) == (thread, customer))
        paths = [p for e in self.world.emails for p in links(e.text)]
        return next(open_page(self.world, p) for p in reversed(paths) if self._key(p) == ConversationKey.of(c))

    def _key(self, path: str) -> ConversationKey:
        return read(self.world.services.keys, path.rpartition("/")[2], self.world.services.now()).key

    def states(self) -> dict[str, State]:
        return {c.customer: c.state for c in self.world.conversations()}


def two_under_one_comment() -> Desk:
    """Ann began the thread, Ben asked below; both have been told."""
    desk = Desk()
    desk.world.post(delivery(comment("c1", "Where is my parcel? It was to be here on Friday.", author="5001")))
    later = NOW + timedelta(seconds=5)
    desk.world.post(delivery(comment("c2", "And where is mine, please?", author="5002", parent="c1", at=later)))
    desk.world.run(timedelta(minutes=30))
    return desk


@pytest.mark.parametrize("echo", ["after", "before its answer"])
@pytest.mark.parametrize("lost", ["5001", "5002"])
def test_the_echo_of_one_answer_settles_no_lost_one_to_another_customer(lost: str, echo: str) -> None:
    """The same words to two; the first POST failed, and nobody knows whether it is out."""
    desk, asked = two_under_one_comment(), {"5001": "c1", "5002": "c2"}
    other = "5002" if lost == "5001" else "5001"
    theirs = delivery(comment("r1", SAME, author=PAGE, parent=asked[other], at=NOW + timedelta(minutes=30)))
    desk.wire.faults = [Fault.BROKEN]
    assert "Nobody knows" in desk.page("c1", lost).press("answer", text=SAME).says
    page = desk.page("c1", other)

    def told_first() -> Answer:
        desk.world.post(theirs)
        desk.world.run()
        return Answer(data={"id": "r1"})

    desk.wire.answers = [Answer(data={"id": "r1"}) if echo == "after" else told_first]
    assert "Your answer is on" in page.press("answer", text=SAME).says
    desk.world.post(theirs)
    desk.world.run(timedelta(minutes=1))
    assert desk.states() == {lost: State.OPEN, other: State.ANSWERED}


def test_the_same_words_by_hand_to_somebody_else_answer_that_person_and_settle_nothing() -> None:
    desk = two_under_one_comment()
    later = NOW + timedelta(seconds=9)
    desk.world.post(delivery(comment("c3", "And my coat?", author="5003", parent="c1", at=later)))
    desk.world.run(timedelta(minutes=30))
    desk.wire.faults = [Fault.BROKEN]
    desk.page("c1", "5002").press("answer", text=SAME)
    at = desk.world.services.now()
    desk.world.post(delivery(comment("r1", SAME, author=PAGE, parent="c3", at=at)))
    desk.world.run(timedelta(minutes=1))
    assert desk.states() == {"5001": State.OPEN, "5002": State.OPEN, "5003": State.ANSWERED}


def test_words_of_which_nobody_can_tell_whose_they_are_settle_nothing() -> None:
    """Facebook calls an answer to a nested comment one to the first; two such answers were lost."""
    desk = two_under_one_comment()
    later = NOW + timedelta(seconds=9)
    desk.world.post(delivery(comment("c3", "And my coat?", author="5003", parent="c1", at=later)))
    desk.world.run(timedelta(minutes=30))
    for customer in ("5002", "5003"):
        desk.wire.faults = [Fault.BROKEN]
        desk.page("c1", customer).press("answer", text=SAME)
    at = desk.world.services.now()
    desk.world.post(delivery(comment("r1", SAME, author=PAGE, parent="c1", at=at)))
    desk.world.run(timedelta(minutes=1))
    assert set(desk.states().values()) == {State.OPEN}
    assert [a.state for c in desk.world.conversations() for a in c.answers.values()] == [Outcome.UNKNOWN] * 2


# --- a private answer to a public question ---

ACCOUNTS = (
    Account(GRAM, "instagram", "example_shop", "token-i", options={"login": "instagram"}),
    Account(PAGE, "facebook", "Example Shop", "token-a"),
    Account(PAGE, "messenger", "Example Shop", "token-a"),
)
WITHOUT_ID = Apps((App("meta", "main", secrets=("current",), verify_token="verify-me", accounts=ACCOUNTS),))


def gram(**entry: Any) -> bytes:
    return json.dumps({"object": "instagram", "entry": [{"id": GRAM, "time": int(NOW.timestamp()), **entry}]}).encode()


def gram_message(id: str, text: str, minutes: float, *, echo: bool = False) -> bytes:
    sender, recipient = (GRAM, "770") if echo else ("770", GRAM)
    part = {
        "sender": {"id": sender},
        "recipient": {"id": recipient},
        "timestamp": int((NOW + timedelta(minutes=minutes)).timestamp() * 1000),
        "message": {"mid": id, "text": text, **({"is_echo": True} if echo else {})},
    }
    return gram(messaging=[part])


def page_message(id: str, text: str, minutes: float, *, echo: bool = False) -> bytes:
    more = {"is_echo": True} if echo else {}
    return message(id, text, author="psid-1", at=NOW + timedelta(minutes=minutes), **more)


DRESS, REFUND = "Is this dress coming back in M?", "My refund has still not come, order 5"
GRAM_COMMENT = {"id": "c1", "text": DRESS, "from": {"id": "770", "username": "ann"}, "media": {"id": "m1"}}
PLACES: dict[str, Any] = {
    "instagram": (gram(changes=[{"field": "comments", "value": GRAM_COMMENT}]), gram_message, "770"),
    "facebook": (delivery(comment("c1", DRESS)), page_message, "5001"),
}


@pytest.mark.parametrize("how", ["sent", "told before its answer", "lost"])
@pytest.mark.parametrize("place", PLACES)
def test_a_private_answer_answers_its_public_question_and_no_message(place: str, how: str) -> None:
    """Instagram's echo names no app, and neither does Facebook's where the apps file has no id of it."""
    public, direct, customer = PLACES[place]
    desk = Desk(WITHOUT_ID)
    desk.world.post(public)
    desk.world.post(direct("d1", REFUND, 1))
    desk.world.run(timedelta(minutes=30))
    echo = direct("m-77", SAME, 31, echo=True)

    def told_first() -> Answer:
        desk.world.post(echo)
        desk.world.run()
        return Answer(data={"message_id": "m-77"})

    told: dict[str, list[Told]] = {
        "sent": [Answer(data={"message_id": "m-77"})],
        "told before its answer": [told_first],
    }
    desk.wire.answers, desk.wire.faults = list(told.get(how, [])), [Fault.BROKEN]
    desk.page("c1", customer).press("answer", text=SAME, place="private")
    desk.world.post(echo)
    desk.world.run(timedelta(minutes=2))
    assert {c.thread: c.state for c in desk.world.conversations()} == {
        "c1": State.ANSWERED,
        ("770" if place == "instagram" else "psid-1"): State.OPEN,
    }
    by_hand = direct("m-78", "Your refund left today.", 40, echo=True)
    desk.world.post(by_hand)
    desk.world.run(timedelta(minutes=2))
    assert {c.state for c in desk.world.conversations()} == {State.ANSWERED}
