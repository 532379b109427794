"""The news of a spike: once, to marketing, with the questions' own words."""

from datetime import timedelta

import pytest

from chalicelib.aws.mailer import MailRefused, MailUnknown
from chalicelib.handlers.messages import SpikeFound, decode, encode
from chalicelib.storage.once import LEASE, Once
from tests.handlers.test_notify import Postman
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message

ASKED = [
    "Is the red coat sold out?",
    "hm, what about the red one <b>then</b>?",
    "see https://bad.example.com, red again?",
]


def world(postman: Postman | None = None) -> tuple[MemoryWorld, SpikeFound]:
    """A shop that is asked under one post, and what the watch says of it."""
    shop = MemoryWorld(mailer=postman) if postman else MemoryWorld()
    for n, text in enumerate(ASKED):
        shop.post(delivery(comment(f"c{n}", text, author=f"500{n}")))
    shop.post(message("m1", "where is my private parcel?"))
    shop.run(timedelta(minutes=1))
    names = [shop.services.keys.named("question", "facebook", PAGE, f"c{n}") for n in range(3)]
    names.append(shop.services.keys.named("question", "messenger", PAGE, "m1"))
    return shop, SpikeFound("2026-11-23T10", NOW, 60, 5.6, 41, ("stock", "price"), "black_friday", tuple(names))


def test_marketing_gets_it_once_with_the_customers_words_and_the_post() -> None:
    shop, spike = world()
    for _ in range(3):  # the watch says so as long as it lasts
        shop.services.spike_news.tell(spike, shop.services.now())
    (email,) = shop.emails
    assert (email.to, email.tags["kind"]) == ("marketing@shop.example.com", "spike")
    assert email.subject == "[Earshot] 60 questions since Mon 23 November 2026, 10:00 GMT, where 6 are usual"
    assert all(part in email.text for part in (ASKED[0], "41 of them", f"{PAGE}_77", "black friday", "Stock, Price"))
    assert "&lt;b&gt;then&lt;/b&gt;" in email.html and "https://bad" not in email.text
    assert "private parcel" not in email.text  # what was said alone is quoted to nobody


def test_by_the_queue_as_well_and_by_no_other_release() -> None:
    shop, spike = world()
    assert decode(encode(spike)) == spike
    shop.services.escalations.send(encode(spike))
    shop.run(timedelta(seconds=1))
    assert [e.tags["kind"] for e in shop.emails] == ["spike"]


@pytest.mark.parametrize("error", [MailRefused("Throttling", again=True), MailUnknown("ReadTimeout")])
def test_what_did_not_go_out_is_tried_again_and_what_may_have_is_left_alone_for_a_while(error: Exception) -> None:
    postman = Postman(error)
    shop, spike = world(postman)
    if isinstance(error, MailRefused):
        with pytest.raises(MailRefused):
            shop.services.spike_news.tell(spike, NOW)
    else:
        shop.services.spike_news.tell(spike, NOW)
    before = len(postman.sent)
    shop.services.spike_news.tell(spike, NOW + timedelta(minutes=1))
    assert len(postman.sent) == before
    shop.services.spike_news.tell(spike, NOW + LEASE)
    assert len(postman.sent) == before + 1


def test_sess_own_word_settles_it() -> None:
    postman = Postman(MailUnknown("ReadTimeout"))
    shop, spike = world(postman)
    shop.services.spike_news.tell(spike, NOW)
    told = {"eventType": "Send", "mail": {"messageId": "1", "tags": {"once": [f"spike-{spike.id}"]}}}
    shop.services.mail_events.hear(told, NOW)
    shop.services.spike_news.tell(spike, NOW + LEASE)
    assert len(postman.sent) == 1 and not Once(shop.store.table).claim(f"spike-{spike.id}", NOW + LEASE)


def test_of_two_at_once_one_has_it() -> None:
    shop, _ = world()
    once = Once(shop.store.table)
    assert [once.claim("a", NOW), once.claim("a", NOW), once.claim("b", NOW)] == [True, False, True]
    once.let_go("a", NOW + timedelta(minutes=2), NOW)
    assert [once.claim("a", NOW), once.claim("a", NOW + timedelta(minutes=2))] == [False, True]


def test_where_all_have_been_answered_it_says_so() -> None:
    shop, spike = world()
    shop.post(
        delivery(
            *(
                comment(f"r{n}", "Back on Friday", author=PAGE, parent=f"c{n}", at=NOW + timedelta(minutes=1))
                for n in range(3)
            )
        )
    )
    shop.run(timedelta(minutes=2))
    shop.services.spike_news.tell(spike, shop.services.now())
    assert "have been answered already" in shop.emails[0].text
