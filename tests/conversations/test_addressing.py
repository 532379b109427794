"""Where an automatic reply would be out of place whatever the text says: a person has spoken, or it is for another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.conversations.addressing import begun_by_another, for_somebody_else, in_others_thread, person_wrote
from chalicelib.conversations.conversation import BrandReply, Conversation, Outcome, PersonalAnswer, Question, Thread
from chalicelib.conversations.interaction import Interaction, Kind

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NAMES = ("Oakmere Home",)
THREAD = Thread("facebook", "100", "c1")
ASKED = Interaction(
    "facebook", "100", "c2", Kind.NEW, NOW, NOW, thread="c1", author="ann", text="where is mine?", parent="c1"
)
OWN = Conversation("facebook", "100", "c1", "ann", questions={"c2": Question(NOW, NOW, NOW)})
OTHERS = replace(ASKED, id="c1", author="ben", parent="100_7", at=NOW - timedelta(minutes=5))


def asked_at(at: datetime) -> Question:
    return Question(at, at, at)


def said(**reply: object) -> Thread:
    return replace(THREAD, replies={"r1": replace(BrandReply(NOW - timedelta(minutes=1)), **reply)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conversation", "thread", "wrote"),
    [
        (OWN, THREAD, False),
        (OWN, said(parent="c1"), True),
        (OWN, said(parent="c2"), True),
        (OWN, said(parent="c9"), False),  # below another customer's reply
        (OWN, said(to="ann", parent="c9"), True),
        (OWN, said(to="ben", parent="c1"), False),
        (OWN, said(parent="c1", deleted=True), False),
        (OWN, said(parent="c1", at=NOW - timedelta(days=300)), True),
        (replace(OWN, private=True), said(), True),
        (replace(OWN, private=True), said(at=NOW - timedelta(days=8)), False),  # long ago in an endless chat
        (replace(OWN, answers={"a": PersonalAnswer(Outcome.SENT, NOW, "Kim", "c2")}), THREAD, True),
        (replace(OWN, answers={"a": PersonalAnswer(Outcome.UNKNOWN, NOW, "Kim", "c2")}), THREAD, True),
        (replace(OWN, answers={"a": PersonalAnswer(Outcome.REFUSED, NOW, "Kim", "c2")}), THREAD, False),
    ],
)
def test_a_person_of_the_brand_has_written(conversation: Conversation, thread: Thread, wrote: bool) -> None:
    assert person_wrote(conversation, thread, (), NOW) is wrote
    assert not person_wrote(replace(conversation, answers={}), thread, thread.replies, NOW)  # a machine's greeting


@pytest.mark.parametrize(
    ("interaction", "tags", "other"),
    [
        (ASKED, False, False),
        (replace(ASKED, to="ben"), False, True),
        (replace(ASKED, to="100"), False, False),  # the brand itself
        (replace(ASKED, to="ann"), False, False),  # goes on in the own thread
        (replace(ASKED, text="@ben you need the receipt"), False, True),
        (replace(ASKED, text="@oakmerehome where is mine?"), False, False),
        (replace(ASKED, text="@ben look", parent=None), False, False),
        (replace(ASKED, text="@ben look", parent=None), True, True),
        (replace(ASKED, text="@oakmere_home how much?", parent=None), True, False),
        (replace(ASKED, text="@ben", private=True), True, False),
    ],
)
def test_what_is_for_somebody_else(interaction: Interaction, tags: bool, other: bool) -> None:
    assert for_somebody_else(interaction, NAMES, tags_people=tags) is other


@pytest.mark.parametrize(
    ("interaction", "parent", "others"),
    [
        (ASKED, OTHERS, True),
        (ASKED, None, False),  # nothing is known of it: the brand's own post, perhaps
        (ASKED, replace(OTHERS, brand=True), False),
        (ASKED, replace(OTHERS, author="ann"), False),
        (replace(ASKED, text="Oakmere Home, where is mine?"), OTHERS, False),
        (replace(ASKED, kind=Kind.MENTION), OTHERS, False),
        (replace(ASKED, parent="c2"), OTHERS, False),  # below the own words
        (replace(ASKED, parent="r1"), OTHERS, False),  # below the brand's
        (replace(ASKED, private=True), OTHERS, False),
    ],
)
def test_what_stands_below_another_customers_words(
    interaction: Interaction, parent: Interaction | None, others: bool
) -> None:
    assert in_others_thread(interaction, OWN, said(parent="c1"), parent, NAMES) is others


def test_a_thread_that_another_customer_began_is_not_for_the_brand() -> None:
    topic = replace(ASKED, parent=None, thread="t1")
    before = replace(OWN, customer="ben", questions={"p1": asked_at(NOW - timedelta(hours=1))})
    after = replace(before, questions={"p1": asked_at(NOW + timedelta(hours=1))})
    assert begun_by_another(topic, OWN, [OWN, before], NAMES)
    assert not begun_by_another(topic, OWN, [OWN, after], NAMES)
    assert not begun_by_another(topic, OWN, [OWN], NAMES)
    assert not begun_by_another(replace(topic, text="Oakmere Home, where is mine?"), OWN, [before], NAMES)
