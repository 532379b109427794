"""An e-mail's tags name the notice that it is about, in the characters and the length that SES takes."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.conversations.conversation import Conversation, Notice, Outcome
from chalicelib.emails import about
from chalicelib.storage.item_keys import ConversationKey
from tests.world import NOW, MemoryWorld

KEY = ConversationKey("facebook", "100200300400500", "100200300400500_9876543210", "5566778899")
NOTICE = Notice(1, NOW, Outcome.CLAIMED, again_at=NOW, token="t")


@pytest.mark.parametrize(
    "key",
    [KEY, ConversationKey("x", "a|b", "tü\u202ed 😀", '"]'), ConversationKey("line", "U" * 33, "U" * 33, "U" * 33)],
)
def test_what_the_tags_name_comes_back_and_is_made_of_what_ses_takes(key: ConversationKey) -> None:
    tags = about.tags_about(key, "12.3", NOTICE)
    (value,) = tags.values()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value)
    assert about.named(tags) == about.Named(key, "12.3", "2026-11-23T10:00:00.000Z")


def test_a_name_that_is_too_long_has_no_tag_and_so_a_note() -> None:
    long = ConversationKey("x", "a", "t" * 300, "c")
    assert about.tags_about(long, "1.1", NOTICE) == {}


@pytest.mark.parametrize("value", ["", "x", "e30", "W10", "bm8", "\udcff"])
def test_a_tag_that_is_not_ours_names_nothing(value: str) -> None:
    assert about.named({"about": value}) is None


def heard(tags: dict[str, str], notice: Notice = NOTICE) -> Notice:
    """What becomes of the notice when SES says that the e-mail with these tags went out."""
    world = MemoryWorld()
    first = Conversation(KEY.product, KEY.account, KEY.thread, KEY.customer, notices={"1.1": notice})
    world.store.change_conversation(KEY, lambda _: first, NOW)
    world.store.note_email("tag-1", [(KEY, "1.1")], NOW)
    event = {"eventType": "Send", "mail": {"messageId": "m1", "tags": {name: [value] for name, value in tags.items()}}}
    world.services.mail_events.hear(event, NOW)
    (c,) = world.conversations()
    return c.notices["1.1"]


def test_ses_s_word_finds_the_notice_by_the_tags_and_for_an_e_mail_of_the_release_before_by_its_note() -> None:
    sent = heard({"notice": "no-note", **about.tags_about(KEY, "1.1", NOTICE)})
    assert (sent.state, sent.id, sent.emails) == (Outcome.SENT, "m1", ("no-note",))
    assert heard({"notice": "tag-1"}).state is Outcome.SENT
    assert heard({"notice": "no-note"}).state is Outcome.CLAIMED


def test_an_earlier_e_mail_to_who_was_erased_and_asks_again_is_about_nobody() -> None:
    later = replace(NOTICE, due_at=NOW + timedelta(hours=3))
    assert heard({"notice": "no-note", **about.tags_about(KEY, "1.1", NOTICE)}, later) == later
