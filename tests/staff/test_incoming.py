"""Answers by e-mail: files as a mail server hands them over, out as a platform's post; and all that is never posted."""

import base64
import re
from datetime import timedelta
from email.header import Header
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.mail_bucket import HEAD
from chalicelib.aws.mailer import Email, Mailer, MailRefused, MailUnknown
from chalicelib.conversations.conversation import Conversation, State
from chalicelib.outcomes.types import Handled
from chalicelib.platforms.http import Answer
from chalicelib.resources import Overrides
from chalicelib.staff.incoming import MOST_BYTES, Received, TryAgain
from infra.local.stand_in import Fault
from tests.handlers.test_notify import Postman
from tests.http_doubles import StandInHttp
from tests.staff.mails.make import ANSWER, programs, too_large
from tests.staff.test_answers import silent
from tests.story.shop import ShopWorld
from tests.story.telling import policies
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message

MAILS = Path(__file__).parent / "mails"
DOMAIN = "reply.shop.example.com"
PASS = {"dmarc": "pass", "dkim": "pass", "spf": "pass", "spam": "pass", "virus": "pass"}
TEAM = "delivery@shop.example.com"


class Mailbox:
    """A team with an open question and its e-mail, and the platform's wire."""

    def __init__(self, body: bytes | None = None, mailer: Mailer | None = None) -> None:
        self.wire = StandInHttp()
        given: Overrides = {"http": self.wire, "mailer": mailer} if mailer else {"http": self.wire}
        self.world = MemoryWorld(silent(), reply_domain=DOMAIN, **given)
        self.world.post(body or delivery(comment("c1", "Where is my parcel? It was to be here on Friday.")))
        self.world.run(timedelta(minutes=70))
        self.email = self.world.emails[0]

    def answer(self, name: str | Path, *, to: str = "", verdicts: dict[str, str] | None = None, **more: Any) -> Handled:
        """What becomes of the e-mail in the file `name`, sent to the newest reply address."""
        file = name if isinstance(name, Path) else MAILS / f"{name}.eml"
        mime = file.read_bytes().replace(b"{reply_to}", (to or self.email.reply_to).encode())
        for old, new in more.pop("replaced", {}).items():
            assert old in mime
            mime = mime.replace(old, new)
        received = Received(
            mime,
            (to or self.email.reply_to, *more.pop("also", ())),
            verdicts if verdicts is not None else PASS,
            self.world.services.now(),
            more.pop("envelope_from", TEAM),
            more.pop("whole", True),
        )
        return self.world.services.incoming_mail.receive(received, self.world.services.now)

    @property
    def told(self) -> list[Email]:
        """What senders were told."""
        return [e for e in self.world.emails if e.tags.get("kind") == "refusal"]

    @property
    def conversation(self) -> Conversation:
        (c,) = self.world.conversations()
        return c


@pytest.mark.parametrize("language", ANSWER)
@pytest.mark.parametrize("program", programs("en"))
def test_every_programs_answer_is_posted_without_what_it_quotes(program: str, language: str) -> None:
    box = Mailbox()
    assert box.answer(f"{program}_{language}").result == "sent"
    assert box.wire.texts() == [ANSWER[language]]
    c = box.conversation
    assert c.state is State.ANSWERED
    (answer,) = c.answers.values()
    assert (answer.who, answer.by_mail) == ("Kim Example", True)
    assert box.told == []


def test_html_alone_is_posted_as_text() -> None:
    box = Mailbox()
    assert box.answer("html_only").result == "sent"
    assert box.wire.texts() == [ANSWER["en"]]


def test_invisible_characters_and_markup_arrive_as_plain_words() -> None:
    box = Mailbox()
    assert box.answer("hostile").result == "sent"
    assert box.wire.texts() == ["Hello Ana!\n\n<script>alert(1)</script>"]


def test_the_same_message_is_posted_once_however_often_it_comes() -> None:
    box = Mailbox()
    assert [box.answer("twice").result for _ in range(3)] == ["sent", "dropped", "dropped"]
    assert len(box.wire.texts()) == 1 and box.told == []


def test_nothing_happens_without_a_token_of_ours() -> None:
    box = Mailbox()
    good = box.email.reply_to
    local, _, domain = good.partition("@")
    forged = [
        local[:-1] + ("a" if local[-1] != "a" else "b") + f"@{domain}",
        f"reply+{'a' * 24}.{'b' * 24}@{domain}",
        f"{local}@example.net",
        f"anything@{domain}",
        "",
    ]
    for address in forged:
        result = box.answer("bad_token", to=address or "x")
        assert (result.result, result.why) == ("dropped", "no_token")
    assert box.wire.writes == [] and box.told == []
    assert box.answer("gmail_en", to=good.upper()).result == "sent"  # some programs change the case


@pytest.mark.parametrize(
    ("name", "verdicts", "why"),
    [
        ("dmarc_fail", {**PASS, "dmarc": "fail", "dkim": "fail"}, "not_authentic"),
        ("dmarc_none", {**PASS, "dmarc": "gray", "dkim": "gray"}, "not_authentic"),
        ("dmarc_fail", {**PASS, "dmarc": "fail"}, "not_authentic"),
        ("gmail_en", {}, "not_authentic"),
        ("spam", {**PASS, "spam": "fail"}, "spam"),
        ("virus", {**PASS, "virus": "fail"}, "spam"),
        ("virus", {**PASS, "virus": "processing_failed"}, "spam"),
    ],
)
def test_nothing_is_posted_unless_ses_vouches_for_it(name: str, verdicts: dict[str, str], why: str) -> None:
    box = Mailbox()
    result = box.answer(name, verdicts=verdicts)
    assert (result.result, result.why) == ("dropped", why)
    assert box.wire.writes == [] and box.told == []


def test_an_aligned_signature_stands_in_for_dmarc_and_another_domains_does_not() -> None:
    without = {**PASS, "dmarc": "gray"}
    assert Mailbox().answer("gmail_en", verdicts=without).result == "sent"
    box = Mailbox()
    foreign = {b"d=shop.example.com": b"d=evil.example.net"}
    assert box.answer("gmail_en", verdicts=without, replaced=foreign).why == "not_authentic"
    assert box.answer("gmail_en", verdicts=without, replaced={b"d=shop.example.com": b"d=com"}).why == "not_authentic"
    for twice in (b"d =evil.example.net; d=shop.example.com", b"d=shop.example.com; d\t= evil.example.net"):
        assert box.answer("gmail_en", verdicts=without, replaced={b"d=shop.example.com": twice}).why == "not_authentic"
    spaced = {b"d=shop.example.com": b"d = shop.example.com"}
    assert Mailbox().answer("gmail_en", verdicts=without, replaced=spaced).result == "sent"


@pytest.mark.parametrize("name", ["auto_reply", "bounce", "list", "ours"])
def test_what_a_program_wrote_is_dropped_and_never_answered(name: str) -> None:
    box = Mailbox()
    result = box.answer(name, replaced={} if name != "bounce" else {b"MAILER-DAEMON@example.com": TEAM.encode()})
    assert (result.result, result.why) == ("dropped", "program")
    assert box.wire.writes == [] and box.told == []


def test_a_null_sender_is_a_program() -> None:
    assert Mailbox().answer("gmail_en", envelope_from="<>").why == "program"


def test_a_stranger_posts_nothing_and_is_told_nothing() -> None:
    box = Mailbox()
    assert box.answer("sender").why == "sender"
    assert box.wire.writes == [] and box.told == []


FROM = b"From: Kim Example <delivery@shop.example.com>"


@pytest.mark.parametrize(
    "written",
    [
        b"From: delivery@shop.example.com <eve@evil.example.net>",
        b"From: <delivery@shop.example.com> <eve@evil.example.net>",
        b"From: delivery@shop.example.com, eve@evil.example.net",
        b"From: team: delivery@shop.example.com;, eve@evil.example.net",
        FROM + b"\nFrom: Eve <eve@evil.example.net>",
        b"From: Eve <eve@evil.example.net>\n" + FROM,
        b"From: =?utf-8?q?x=3Cdelivery=40shop=2Eexample=2Ecom=3E=2C?= <eve@evil.example.net>",
        b"X-Nothing: here",
    ],
)
def test_who_writes_in_two_names_posts_nothing(written: bytes) -> None:
    """SES vouches for one of them, and nobody knows for which."""
    box = Mailbox()
    assert box.answer("gmail_en", replaced={FROM: written}).why == "sender"
    assert box.wire.writes == [] and box.told == []


@pytest.mark.parametrize(
    "written",
    [
        b'From: "Example, Kim" <delivery@shop.example.com>',
        b"From: Kim B. Example <Delivery@Shop.Example.com>",
        b"From: =?utf-8?q?M=C3=BCller?= <delivery@shop.example.com>",
        "From: Müller <delivery@shop.example.com>".encode(),
        b"From: delivery@shop.example.com (Kim Example)",
    ],
)
def test_a_person_is_known_however_their_name_is_written(written: bytes) -> None:
    assert Mailbox().answer("gmail_en", replaced={FROM: written}).result == "sent"


AWAY = (
    *("Automatic reply: x", "Automatische Antwort: x", "Abwesenheitsnotiz: x", "Réponse automatique : x"),
    *("Respuesta automática: x", "Out of Office: x", "Fuera de la oficina: x", "Auto: x"),
)


@pytest.mark.parametrize("subject", AWAY)
def test_a_holiday_notice_is_a_programs_where_only_its_subject_tells(subject: str) -> None:
    box = Mailbox()
    old = next(line for line in (MAILS / "gmail_en.eml").read_bytes().splitlines() if line.startswith(b"Subject:"))
    assert box.answer("gmail_en", replaced={old: f"Subject: {Header(subject).encode()}".encode()}).why == "program"
    assert box.wire.writes == [] and box.told == []


@pytest.mark.parametrize(
    "header",
    [
        b"X-Auto-Response-Suppress: All",
        b"X-Auto-Response-Suppress: DR, OOF, ALL",
        b"X-Precedence: auto_reply",
        b"X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent",
        b"X-Autoresponder: yes",
    ],
)
def test_a_holiday_notice_is_a_programs_by_any_of_their_headers(header: bytes) -> None:
    assert Mailbox().answer("gmail_en", replaced={FROM: FROM + b"\n" + header}).why == "program"


@pytest.mark.parametrize("by", ["envelope", "header"])
def test_an_answer_to_two_conversations_is_posted_in_neither_and_told(by: str) -> None:
    """Whichever was meant, the other customer would read words that are not theirs."""
    box = Mailbox()
    box.world.post(delivery(comment("c2", "Where is my parcel then? It was to be here on Monday.", author="5002")))
    box.world.run(timedelta(minutes=70))
    (other,) = {e.reply_to for e in box.world.emails if "on Monday" in e.text and e.to == TEAM}
    copied = {"replaced": {FROM: FROM + b"\nCc: " + other.encode()}}
    more: dict[str, Any] = {"also": (other,)} if by == "envelope" else copied
    result = box.answer("gmail_en", **more)
    assert (result.result, result.why) == ("refused", "several")
    assert box.wire.writes == []
    assert "two conversations" in box.told[0].text


def test_an_answer_to_two_emails_about_one_conversation_is_posted_once() -> None:
    box = Mailbox()
    box.world.run(timedelta(hours=2))
    tiers = list(dict.fromkeys(e.reply_to for e in box.world.emails))
    assert len(tiers) > 1
    assert box.answer("gmail_en", also=tuple(tiers)).result == "sent"
    assert len(box.wire.writes) == 1


@pytest.mark.parametrize("name", ["empty", "signature_only", "attachment_only"])
def test_an_answer_without_words_is_told_to_its_sender_once(name: str) -> None:
    box = Mailbox()
    for _ in range(2):
        assert (box.answer(name).result, box.wire.writes) == ("refused", [])
    (told,) = box.told
    assert told.to == TEAM and "nothing in your e-mail" in told.text
    assert told.headers["Auto-Submitted"] == "auto-replied"


@pytest.mark.parametrize(
    ("result", "comes_again"),
    [
        (MailRefused("Throttling", again=True), True),
        (MailRefused("MessageRejected", again=False), False),
        (MailUnknown("ReadTimeoutError"), False),
    ],
)
def test_what_could_not_be_told_yet_is_told_when_the_queue_brings_it_again_and_once(
    result: Exception, comes_again: bool
) -> None:
    postman = Postman(None, result)
    box = Mailbox(mailer=postman)
    if comes_again:
        with pytest.raises(MailRefused):
            box.answer("empty")
        assert box.told == []
    for _ in range(2):
        assert box.answer("empty").result == "refused"
    out = [] if isinstance(result, MailRefused) and not result.again else [TEAM]
    assert [email.to for email in box.told] == out and postman.results == []


def test_what_a_sender_is_told_stands_below_their_own_email() -> None:
    box = Mailbox()
    box.answer("empty")
    (told,) = box.told
    file = (MAILS / "empty.eml").read_text("utf-8")
    (id,) = re.findall(r"(?im)^message-id: *(<[^>]+>)", file)
    assert told.headers["In-Reply-To"] == told.headers["References"] == id


def test_ten_megabytes_are_refused_unread_and_told(tmp_path: Path) -> None:
    box = Mailbox()
    file = tmp_path / "too_large.eml"
    file.write_bytes(too_large().replace(b"{reply_to}", box.email.reply_to.encode()))
    assert file.stat().st_size > MOST_BYTES == 10 * 1024 * 1024
    whole = box.answer(file)
    assert (whole.result, whole.why) == ("refused", "too_large")
    beginning = tmp_path / "beginning.eml"  # what the bucket hands over of one so large
    beginning.write_bytes(file.read_bytes()[:HEAD])
    assert box.answer(beginning, whole=False).why == "too_large"
    (told,) = box.told  # once for the same Message-ID
    assert "too large" in told.text and box.wire.writes == []


def test_too_long_for_the_platform_is_told_with_what_fits() -> None:
    box = Mailbox()
    assert box.answer("too_long").why == "too_long"
    assert "too long for Facebook" in box.told[0].text and box.wire.writes == []


def test_a_closed_window_is_told() -> None:
    box = Mailbox(message("m1", "Where is my parcel? It was to be here on Friday."))
    box.world.run(timedelta(hours=25))
    assert box.answer("window_closed").why == "window_over"
    assert "messaging window is closed" in box.told[0].text


def test_an_expired_address_is_told() -> None:
    box = Mailbox()
    box.world.virtual_clock.now += timedelta(days=15)
    assert box.answer("expired").why == "expired"
    assert "too old" in box.told[0].text and box.wire.writes == []


def test_another_conversations_token_answers_that_conversation_only() -> None:
    box = Mailbox()
    box.world.post(delivery(comment("d1", "Do you ship to Ireland?", author="6001", at=box.world.services.now())))
    box.world.run(timedelta(minutes=70))
    other = next(e for e in box.world.emails if "Ireland" in e.text)
    assert other.reply_to != box.email.reply_to
    assert box.answer("other_token", to=other.reply_to).result == "sent"
    assert box.wire.stand_in.posted[0].target == "d1"
    states = {c.thread: c.state for c in box.world.conversations()}
    assert states == {"c1": State.OPEN, "d1": State.ANSWERED}


def test_an_answer_by_mail_leaves_open_what_the_email_did_not_show() -> None:
    box = Mailbox()
    at = box.world.services.now()
    box.world.post(delivery(comment("c2", "and where is my refund?", parent="c1", at=at)))
    box.world.run(timedelta(seconds=1))
    assert box.answer("gmail_en").result == "sent"
    assert [i for i, q in box.conversation.questions.items() if q.pending] == ["c2"]


def test_an_answer_to_an_email_that_was_refused_once_is_one_to_what_it_shows_now() -> None:
    """SES took it when the customer had rewritten the question."""
    postman, wire = Postman(MailRefused("TooManyRequestsException", again=True)), StandInHttp()
    world = MemoryWorld(silent(), http=wire, reply_domain=DOMAIN, mailer=postman)
    world.post(delivery(comment("c1", "Where is my parcel? It was to be here on Friday.")))
    world.run(timedelta(minutes=10, seconds=3))
    assert postman.sent == [] and postman.results == []
    words, at = "Where is my parcel? It was to be here on Thursday.", world.services.now()
    world.post(delivery(comment("c1", words, verb="edited", entry_at=at)))
    world.run(timedelta(minutes=2), sweep=True)
    (email,) = postman.sent
    assert "Thursday" in email.text
    mime = (MAILS / "gmail_en.eml").read_bytes().replace(b"{reply_to}", email.reply_to.encode())
    received = Received(mime, (email.reply_to,), PASS, world.services.now(), TEAM, whole=True)
    assert world.services.incoming_mail.receive(received, world.services.now).result == "sent"


def test_an_answer_by_mail_leaves_open_what_did_not_fit_into_the_email() -> None:
    """Whoever answers has not read it: the e-mail only counts what is too much for it."""
    box = Mailbox(message("m0", f"Where is my parcel? {'It was to be here. ' * 500}"))
    world = box.world
    for n in range(1, 9):
        at = world.services.now() + timedelta(seconds=n)
        world.post(message(f"m{n}", f"And what about the other {n}? {'It was to be here too. ' * 500}", at=at))
    world.run(timedelta(minutes=30), sweep=True)
    box.email = world.emails[-1]
    read = {i for i in box.conversation.questions if (f"other {i[1]}?" if i != "m0" else "my parcel") in box.email.text}
    assert 1 < len(read) < 9
    assert box.answer("gmail_en").result == "sent"
    pending = {i for i, q in box.conversation.questions.items() if q.pending}
    assert pending == set(box.conversation.questions) - read
    assert box.wire.stand_in.posted[-1].target == "psid-1"
    emails = len(world.emails)
    world.run(timedelta(hours=8), sweep=True)
    assert len(world.emails) > emails  # and its people are told of it further


def test_somebody_elses_answer_in_between_is_told_and_nothing_posted() -> None:
    box = Mailbox()
    box.world.post(delivery(comment("r1", "It left today.", author=PAGE, parent="c1", at=box.world.services.now())))
    box.world.run(timedelta(seconds=1))
    assert box.answer("gmail_en").why == "answered_meanwhile"
    assert box.wire.writes == [] and "answered meanwhile" in box.told[0].text


def test_an_unknown_outcome_is_told_and_never_posted_again() -> None:
    box = Mailbox()
    box.wire.faults = [Fault.LOST]
    assert box.answer("gmail_en").result == "unknown"
    assert box.answer("gmail_en").result == "unknown"
    assert len(box.wire.writes) == 1
    assert "before you post again" in box.told[0].text and ANSWER["en"].splitlines()[0] in box.told[0].text
    assert len(box.told) == 1


def test_a_platform_that_takes_none_just_now_is_asked_again_by_the_queue() -> None:
    box = Mailbox()
    box.wire.faults = [Fault.RATE]
    with pytest.raises(TryAgain):
        box.answer("gmail_en")
    assert box.answer("gmail_en").result == "sent"
    assert box.wire.texts() == [ANSWER["en"]]


@pytest.mark.parametrize("minutes", [2, 15, 40])
def test_an_answer_that_the_platform_takes_none_of_for_a_while_is_posted_or_told_and_never_lost(minutes: int) -> None:
    """The queue brings it again until then; it says so where a message becomes a dead letter."""
    world = ShopWorld(policies(bundled=False)[0], NOW)
    world.deliver(message("q1", "hm, and what about the other one? (q1v1)", at=NOW))
    world.run(timedelta(minutes=15))
    (email,) = world.mail_room.sent
    world.wire.always = Answer(429, {"error": {"code": 4}})
    world.mail_in(email.to, email.reply_to, "Kim says: it is green.")
    world.run(timedelta(minutes=minutes))
    world.wire.always = None
    world.run(timedelta(minutes=10))
    (c,) = world.conversations()
    told = [m for m in world.mail_room.sent if m.tags["kind"] == "refusal"]
    if minutes < 20:
        assert [p.text for p in world.wire.stand_in.posted] == ["Kim says: it is green."]
        assert c.state is State.ANSWERED and not told
    else:
        assert not world.wire.stand_in.posted and c.state is State.OPEN
        assert [m.to for m in told] == [email.to] and "it is green" in told[0].text


def test_without_a_domain_the_answer_goes_to_the_team_and_the_email_says_so() -> None:
    world = MemoryWorld(silent())
    world.post(delivery(comment("c1", "Where is my parcel?", at=NOW)))
    world.run(timedelta(minutes=70))
    (email,) = world.emails
    assert email.reply_to == email.to
    assert "reaches your own team, not the customer" in email.text


def test_the_reply_address_fits_a_mail_servers_limits() -> None:
    local, _, domain = Mailbox().email.reply_to.partition("@")
    assert len(local) <= 64 and local == local.lower() and domain == DOMAIN
    assert base64.b32decode(local.split("+")[1].split(".")[0].upper())
