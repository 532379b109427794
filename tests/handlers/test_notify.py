"""The escalation e-mail: what stands in it, that nothing written can harm its reader, and that it comes once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.aws.mailer import Email, MailRefused, MailUnknown
from chalicelib.conversations import rules
from chalicelib.conversations.conversation import Deed, Outcome
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.emails import safe_text
from chalicelib.storage.item_keys import ConversationKey
from tests.staff.desk_browser import newest
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, done_by_staff, message, playbook

URGENT = "your lamp caught fire and burned my child, my lawyer will call you"
HOSTILE = "<script>alert(1)</script>\r\nBcc: all@example.com\u202e\u200b https://evil.example.com/x www.evil.example"


def escalated(text: str = COMMON, author_name: str = "Ann Example") -> Email:
    world = MemoryWorld()
    change = comment("c1", text)
    change["value"]["from"]["name"] = author_name
    world.post(delivery(change))
    world.run(timedelta(hours=1))
    (email,) = world.emails
    return email


def test_it_tells_what_was_asked_by_whom_when_where_and_what_was_said_already() -> None:
    email = escalated()
    assert email.to.endswith("@shop.example.com")
    assert email.subject == "[Earshot] Ann Example: International shipping on Facebook (Example Shop)"
    for body in (email.text, email.html):
        assert COMMON in body
        assert "Ann Example" in body
        assert "Mon 23 November 2026, 10:00 GMT" in body
        assert "https://www.facebook.com/c1" in body
        assert "This is an automated reply." in body
        assert "10\N{NO-BREAK SPACE}min" in body


def test_it_names_the_time_that_the_customer_was_told() -> None:
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.run(timedelta(minutes=2, seconds=30))
    world.post(delivery(comment("c1", COMMON, at=world.services.now())))
    world.run(timedelta(hours=1))
    told = "11:05"  # an hour later, and then the next five minutes
    assert f"today by {told}" in str(world.platforms.posted[0])
    assert f"promised an answer by Mon 23 November 2026, {told} GMT" in world.emails[0].text
    assert f"promised an answer by Mon 23 November 2026, {told} GMT" in newest(world).html


def test_it_says_when_the_messaging_window_closes() -> None:
    world = MemoryWorld()
    world.post(message("m1", "hm, and what about the other one?"))
    world.run(timedelta(hours=1))
    assert "The messaging window closes in 23\N{NO-BREAK SPACE}h 50\N{NO-BREAK SPACE}min" in world.emails[0].text


def test_markup_addresses_and_direction_tricks_of_a_customer_are_harmless() -> None:
    email = escalated(HOSTILE, author_name="Eve\r\nBcc: all@example.com <img src=x>")
    assert "\n" not in email.subject and "\r" not in email.subject
    assert "<script>" not in email.html and "<img" not in email.html
    for body in (email.text, email.html):
        assert "evil.example" not in body
        assert "evil[.]example" in body
        assert "\u202e" not in body and "\u200b" not in body
    assert 'href="https://evil' not in email.html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see http://a.example/b?c=d", "see http[:]//a[.]example/b?c=d"),
        ("shop.example.com is down", "shop[.]example[.]com is down"),
        ("I paid 12.50 on 3.4.", "I paid 12.50 on 3.4."),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
    ],
)
def test_quoted_text_is_readable_and_never_clickable(text: str, shown: str) -> None:
    assert safe_text.quoted(text) == shown


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=12, seconds=9), "12 min"),
        (timedelta(hours=3, minutes=5), "3 h 5 min"),
        (timedelta(hours=24), "24 h"),
        (timedelta(days=2, hours=4), "2 d 4 h"),
        (timedelta(days=7), "7 d"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_durations_in_words(time: timedelta, words: str) -> None:
    assert safe_text.duration(time) == words


def test_an_answer_just_before_the_email_withdraws_it() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", COMMON)))
    world.run(timedelta(minutes=9))
    world.virtual_clock.now = NOW + timedelta(minutes=11)
    world.services.escalator.sweep(world.services.now)  # escalated, the notice is on its queue …
    answer = comment("r1", "We do!", author=PAGE, parent="c1", at=NOW + timedelta(minutes=10))
    thread = ("facebook", PAGE, "c1")
    world.post(delivery(answer))
    inbox = [due for due in world.virtual_clock._heap if due.name == "inbox"]
    world.virtual_clock._heap[:] = inbox + [due for due in world.virtual_clock._heap if due.name == "escalations"]
    world.run(timedelta(minutes=1))
    assert world.emails == []
    assert world.store.conversations_in(*thread)[0].notices["1.1"].state == "withdrawn"


def test_an_answer_that_a_race_hid_from_the_conversation_is_seen_before_the_email() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", COMMON)))
    world.run(timedelta(minutes=1))
    reply = Interaction("facebook", PAGE, "r1", Kind.BRAND_REPLY, NOW + timedelta(minutes=5), NOW, "c1", parent="c1")
    world.virtual_clock.now = NOW + timedelta(minutes=11)
    world.services.escalator.sweep(world.services.now)
    said = rules.brand_reply(reply)
    world.store.change_thread("facebook", PAGE, "c1", lambda old: rules.add_reply(old, "r1", said), NOW)
    world.run(timedelta(minutes=1))
    assert world.emails == []


class Postman:
    """A mailer that does as told, call by call, and keeps what went out."""

    def __init__(self, *results: Exception | None) -> None:
        self.results = list(results)
        self.sent: list[Email] = []

    def send(self, email: Email) -> str:
        result = self.results.pop(0) if self.results else None
        if result and not isinstance(result, MailUnknown):
            raise result
        self.sent.append(email)
        if result:
            raise result
        return f"mail-{len(self.sent)}"


def world_with(postman: Postman) -> MemoryWorld:
    world = MemoryWorld(mailer=postman)
    world.post(delivery(comment("c1", COMMON)))
    return world


def test_a_refusal_for_now_is_tried_again_until_it_goes_out_once() -> None:
    postman = Postman(MailRefused("TooManyRequestsException", again=True), MailRefused("Throttling", again=True))
    world_with(postman).run(timedelta(hours=1), sweep=True)
    assert len(postman.sent) == 1


class Quota:
    """SES that refuses everything until `ends`."""

    def __init__(self, code: str, ends: datetime) -> None:
        self.world: MemoryWorld
        self.code, self.ends, self.asked = code, ends, 0
        self.sent: list[tuple[datetime, Email]] = []

    def send(self, email: Email) -> str:
        now, self.asked = self.world.services.now(), self.asked + 1
        if now < self.ends:
            raise MailRefused(self.code, again=True)
        self.sent.append((now, email))
        return f"mail-{len(self.sent)}"


@pytest.mark.parametrize("code", ["LimitExceededException", "TooManyRequestsException"])
def test_hours_in_which_ses_sends_nothing_lose_nothing_and_make_no_dead_letters(code: str) -> None:
    """Everything comes when it sends again, what is urgent within two minutes; each once."""
    postman = Quota(code, ends=NOW + timedelta(hours=8))
    world = postman.world = MemoryWorld(mailer=postman)
    for n in range(8):
        world.post(delivery(comment(f"c{n}", "hm, and what about it?", author=f"60{n:02}", post=f"{PAGE}_{n}")))
    world.post(message("m1", URGENT))
    world.run(timedelta(hours=8, seconds=-1), sweep=True)  # it says so where a message becomes a dead letter
    called = len(world.records("escalation"))
    assert called == 27 and not postman.sent
    assert postman.asked < called * 8 * 60  # each once a minute at most: SES counts what it refuses as well
    world.run(timedelta(minutes=30), sweep=True)
    assert min(at for at, email in postman.sent if "URGENT" in email.subject) <= postman.ends + timedelta(minutes=2)
    assert all(n.state is Outcome.SENT for c in world.conversations() for n in c.notices.values())
    assert len({email.tags["notice"] for _, email in postman.sent}) == len(postman.sent)  # P5


def test_a_refused_address_gives_way_to_the_fallback() -> None:
    postman = Postman(MailRefused("MessageRejected", again=False))
    world = world_with(postman)
    world.run(timedelta(hours=1), sweep=True)
    team = world.services.playbook.team("international_shipping", 1)
    assert [mail.to for mail in postman.sent] == [team.fallback_email]


def send_event(world: MemoryWorld, email: Email, kind: str = "Send") -> dict[str, Any]:
    return {"eventType": kind, "mail": {"messageId": "ses-1", "tags": {n: [v] for n, v in email.tags.items()}}}


def test_a_lost_answer_is_settled_by_ses_own_event_and_not_sent_again() -> None:
    postman = Postman(MailUnknown("ReadTimeoutError"))
    world = world_with(postman)
    world.run(timedelta(minutes=12))
    world.services.mail_events.hear(send_event(world, postman.sent[0]), world.services.now())
    world.run(timedelta(hours=1), sweep=True)
    assert len(postman.sent) == 1


def test_without_ses_event_it_goes_out_again_rather_than_never() -> None:
    postman = Postman(MailUnknown("ReadTimeoutError"))
    world_with(postman).run(timedelta(hours=1), sweep=True)
    assert len(postman.sent) == 2


def test_a_bounce_sends_it_to_the_fallback_once() -> None:
    postman = Postman()
    world = world_with(postman)
    world.run(timedelta(minutes=12))
    for _ in range(3):
        world.services.mail_events.hear(send_event(world, postman.sent[0], "Bounce"), world.services.now())
    world.run(timedelta(minutes=20), sweep=True)
    team = world.services.playbook.team("international_shipping", 1)
    assert [mail.to for mail in postman.sent] == [team.email, team.fallback_email]


@pytest.mark.parametrize("lost", [True, False])
def test_word_that_an_email_went_out_keeps_nobody_from_the_fallback_once_it_came_back(lost: bool) -> None:
    """SES's events keep no order, and its answer may not have arrived either."""
    postman = Postman(*[MailUnknown("ReadTimeoutError")] * lost)
    world = world_with(postman)
    world.run(timedelta(minutes=12))
    for kind in ("Bounce", "Send", "Bounce", "Send"):
        world.services.mail_events.hear(send_event(world, postman.sent[0], kind), world.services.now())
    world.run(timedelta(minutes=20), sweep=True)
    team = world.services.playbook.team("international_shipping", 1)
    assert [mail.to for mail in postman.sent] == [team.email, team.fallback_email]


def test_what_came_back_and_is_another_teams_by_now_reaches_that_team() -> None:
    """It has no fallback address, and its own has not failed."""
    policy, postman = playbook(), Postman()
    alone = replace(policy.teams["web_shop"], fallback_email="")
    policy = replace(policy, teams={**policy.teams, "web_shop": alone})
    world = MemoryWorld(policy, mailer=postman)
    world.post(delivery(comment("c1", COMMON)))
    world.run(timedelta(minutes=12))
    world.services.mail_events.hear(send_event(world, postman.sent[0], "Bounce"), world.services.now())
    (c,) = world.conversations()
    corrected = done_by_staff(c, Deed.CORRECT, world.services.now(), intent="cancel_order")
    world.store.update_conversation(ConversationKey.of(c), lambda old: corrected, world.services.now())
    world.run(timedelta(minutes=5), sweep=True)
    assert [mail.to for mail in postman.sent[1:]] == [alone.email]


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("then", ["Bounce", "DeliveryDelay", ""])
def test_an_urgent_email_that_its_server_does_not_take_goes_to_the_fallback_at_once_and_once(
    urgent: bool, then: str
) -> None:
    postman = Postman()
    world = MemoryWorld(mailer=postman)
    text = URGENT if urgent else COMMON
    world.post(delivery(comment("c1", text)))
    world.run(timedelta(minutes=12))
    (first,) = postman.sent
    for kind in ("DeliveryDelay", "DeliveryDelay", then):
        world.services.mail_events.hear(send_event(world, first, kind), world.services.now())
    world.run(timedelta(seconds=5))
    team = world.services.playbook.team("legal_safety" if urgent else "international_shipping", 1)
    told = [team.email, team.fallback_email] if urgent or then == "Bounce" else [team.email]
    assert [mail.to for mail in postman.sent] == told
    if urgent:  # nor does that one arrive: somebody has to be told by the alarm
        world.services.mail_events.hear(send_event(world, postman.sent[1], "DeliveryDelay"), world.services.now())
        assert world.outcomes.counts["e-mails undeliverable"] == 1


@pytest.mark.parametrize(("text", "within"), [(URGENT, 1), (COMMON, 2)])
def test_what_came_back_and_whose_message_got_lost_is_brought_again_by_the_sweep(text: str, within: int) -> None:
    """What is urgent a minute later: the next sweep."""
    postman = Postman()
    world = MemoryWorld(mailer=postman)
    world.post(delivery(comment("c1", text)))
    world.run(timedelta(minutes=12))
    world.services.mail_events.hear(send_event(world, postman.sent[0], "Bounce"), world.services.now())
    world.virtual_clock._heap[:] = [due for due in world.virtual_clock._heap if due.name != "escalations"]
    world.run(timedelta(minutes=within, seconds=5), sweep=True)
    assert len(postman.sent) == 2


def test_an_event_for_an_email_of_nobody_is_ignored() -> None:
    world = world_with(Postman())
    stray = Email("x@example.com", "s", "t", "h", tags={"notice": "f" * 32})
    world.services.mail_events.hear(send_event(world, replace(stray)), world.services.now())
