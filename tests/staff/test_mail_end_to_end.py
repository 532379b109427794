"""Answers by e-mail as they come on AWS: each file is put where SES would put it, goes through the real queue, bucket
and handlers, and comes out as a platform's post, or not at all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from chalicelib.outcomes.types import Handled
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK
from infra.local import post_office
from infra.local.deliveries import author_id
from infra.local.embedded import SentEmail, client
from infra.local.local_run import LocalRun, local_run
from tests.patience import until
from tests.staff.mails.make import ANSWER, too_large

MAILS = Path(__file__).parent / "mails"
SENDER = "delivery@shop.example.com"
FIRE = "Your lamp caught fire, my lawyer will call you. I am {name}."

# file → what becomes of it, and of the customer's question when it is asked on that platform
POSTED = {"gmail_en": "facebook", "outlook_web_de": "instagram", "apple_mail_fr": "whatsapp", "html_only": "x"}
DROPPED = {
    "bad_token": "no_token",
    "dmarc_fail": "not_authentic",
    "dmarc_none": "not_authentic",
    "spam": "spam",
    "virus": "spam",
    "sender": "sender",
    "auto_reply": "program",
    "bounce": "sender",  # MAILER-DAEMON; one in a team's name is a program's (test_incoming.py)
    "list": "program",
    "ours": "program",
}
TOLD = {
    "empty": ("empty", "nothing in your e-mail"),
    "signature_only": ("empty", "nothing in your e-mail"),
    "attachment_only": ("empty", "nothing in your e-mail"),
    "too_long": ("too_long", "too long for Facebook"),
    "too_large": ("too_large", "too large"),
    "window_closed": ("window_over", "messaging window is closed"),
}


@dataclass
class Shop:
    """The running shop, and what it did with the e-mails."""

    running: LocalRun
    handled: list[Handled] = field(default_factory=list)

    def ask(self, name: str, product: str = "facebook", ago: timedelta = timedelta()) -> SimulatedMessage:
        said = SimulatedMessage(
            product, FIRE.format(name=name), author_id(name), name, at=datetime.now(UTC) - ago, id=f"9{author_id(name)}"
        )
        assert self.running.say(said) == 200
        return said

    def email(self, name: str) -> SentEmail:
        """The urgent e-mail about the customer, which leaves at once."""
        until(lambda: self._emails(name))
        return self._emails(name)[0]

    def _emails(self, name: str) -> list[SentEmail]:
        return [e for e in self.running.aws.emails() if f"I am {name}." in e.text]

    def wait(self, count: int) -> None:
        """Until so many e-mails were worked on."""
        until(lambda: len(self.handled) >= count)

    def put(self, name: str, email: SentEmail, *, to: str = "") -> None:
        """The file `name` arrives, with the verdicts that stand in its headers."""
        content = too_large() if name == "too_large" else (MAILS / f"{name}.eml").read_bytes()
        to = to or email.reply_to
        mime = content.replace(b"{reply_to}", to.encode()).replace(b"answer-", f"{name}-".encode())
        post_office.receive(self.running.aws, mime, to, sender(mime), verdicts(mime))

    def posted(self) -> list[str]:
        return [p.text for p in self.running.stand_in.posted]


def verdicts(mime: bytes) -> dict[str, str]:
    """SES's, as its headers say them; PASS where a file has none."""
    message = BytesParser(policy=policy.compat32).parsebytes(mime, headersonly=True)
    results = str(message.get("Authentication-Results", ""))
    found = {v: re.search(rf"\b{v}=(\w+)", results) for v in ("spf", "dkim", "dmarc")}
    words = {"pass": "PASS", "fail": "FAIL", "none": "GRAY"}
    said = {v: words[f[1]] if f else "GRAY" for v, f in found.items()} if results else post_office.PASS
    kinds = {v: str(message.get(f"X-SES-{v.title()}-Verdict", "PASS")) for v in ("spam", "virus")}
    return {**said, **kinds}


def sender(mime: bytes) -> str:
    return "<>" if b"Return-Path: <>" in mime else SENDER


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    heard: list[Shop] = []

    def on_event(event: object) -> None:
        if heard and isinstance(event, Handled):
            heard[0].handled.append(event)

    with local_run(on_event, playbook=DEFAULT_PLAYBOOK) as running:
        heard.append(Shop(running))
        yield heard[0]


@pytest.fixture(scope="module")
def asked(shop: Shop) -> dict[str, SimulatedMessage]:
    """Every customer's question, asked together."""
    late = timedelta(hours=25)
    platforms = {**POSTED, "window_closed": "whatsapp"}
    names = (*POSTED, *DROPPED, *TOLD, "twice", "other_token", "one", "reply_elsewhere")
    return {
        name: shop.ask(name, platforms.get(name, "facebook"), late if name == "window_closed" else timedelta())
        for name in names
    }


@pytest.mark.parametrize("name", POSTED)
def test_an_answer_by_email_comes_out_as_the_platforms_post(
    shop: Shop, asked: dict[str, SimulatedMessage], name: str
) -> None:
    before = len(shop.running.stand_in.posted)
    shop.put(name, shop.email(name))
    until(lambda: len(shop.running.stand_in.posted) > before)
    (posted,) = shop.running.stand_in.posted[before:]
    language = next((end for end in ANSWER if name.endswith(f"_{end}")), "en")
    assert (posted.product, posted.text) == (POSTED[name], ANSWER[language])
    assert posted.target in (asked[name].id, asked[name].author)
    until(lambda: any(h.result == "sent" for h in shop.handled))
    bucket = client("s3", shop.running.aws.endpoint).list_objects_v2(Bucket=shop.running.aws.settings.mail_bucket)
    until(lambda: bucket["KeyCount"] == 0 or _emptied(shop))  # what was worked on is not kept


def _emptied(shop: Shop) -> bool:
    found = client("s3", shop.running.aws.endpoint).list_objects_v2(Bucket=shop.running.aws.settings.mail_bucket)
    return bool(found["KeyCount"] == 0)


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_dropped_is_never_posted_and_nobody_is_told(
    shop: Shop, asked: dict[str, SimulatedMessage], name: str
) -> None:
    email, before, told = shop.email(name), shop.posted(), _refusals(shop)
    count = len(shop.handled)
    local, _, domain = email.reply_to.partition("@")
    forged = f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
    shop.put(name, email, to=forged if name == "bad_token" else "")
    shop.wait(count + 1)
    assert (shop.handled[-1].result, shop.handled[-1].why) == ("dropped", DROPPED[name])
    assert shop.posted() == before and _refusals(shop) == told


@pytest.mark.parametrize("name", TOLD)
def test_what_is_refused_is_told_to_its_sender_and_never_posted(
    shop: Shop, asked: dict[str, SimulatedMessage], name: str
) -> None:
    before, told, count = shop.posted(), len(_refusals(shop)), len(shop.handled)
    shop.put(name, shop.email(name))
    shop.wait(count + 1)
    why, says = TOLD[name]
    assert (shop.handled[-1].result, shop.handled[-1].why) == ("refused", why)
    refusals = _refusals(shop)[told:]
    assert [r.to for r in refusals] == [SENDER] and says in refusals[0].text
    assert shop.posted() == before


def test_the_same_email_twice_is_posted_once(shop: Shop, asked: dict[str, SimulatedMessage]) -> None:
    count, before = len(shop.handled), len(shop.posted())
    for n in (1, 2):
        shop.put("twice", shop.email("twice"))
        shop.wait(count + n)
    assert [h.result for h in shop.handled[count:]] == ["sent", "dropped"]
    assert len(shop.posted()) == before + 1


def test_an_address_answers_its_own_conversation_only(shop: Shop, asked: dict[str, SimulatedMessage]) -> None:
    before = len(shop.running.stand_in.posted)
    shop.put("other_token", shop.email("other_token"), to=shop.email("one").reply_to)
    until(lambda: len(shop.running.stand_in.posted) > before)
    assert shop.running.stand_in.posted[-1].target == asked["one"].id


def _refusals(shop: Shop) -> list[SentEmail]:
    return [e for e in shop.running.aws.emails() if e.tags.get("kind") == "refusal"]
