"""Dead letters of every queue: what is about an erased customer goes, what others said in the same letter stays."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import platforms
from chalicelib.aws.queues import encode
from chalicelib.conversations.conversation import Notice, Outcome
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.emails import reply_address
from chalicelib.handlers import inbox
from chalicelib.handlers.inbox import Envelope
from chalicelib.operations.scrub import Person, scrubbed
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.storage.item_keys import ConversationKey
from infra.local import post_office
from infra.local.deliveries import CannotSay, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.services import REPLAY_KEYS
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery

WORDS, NAME, ID = "canarywords", "Canary Name", "770099887766"
OTHER = "660011223344"
BY_HAND = "hm, and what about the other one?"
WHO = Customer("facebook", PAGE, ID)
APPS = demo_apps()


def quarantined(world: MemoryWorld, body: bytes, reason: str = "odd") -> None:
    """A delivery lies in quarantine."""
    envelope = Envelope(f"d{len(world.quarantined)}", "meta", "main", NOW, body)
    inbox.enqueue(world.services.quarantine, envelope, world.services.bodies.save, NOW, [reason])
    world.run()


def asked(world: MemoryWorld, *authors: str) -> None:
    for author in authors:
        change = comment(f"c{author}", f"{BY_HAND} {WORDS if author == ID else ''}", author=author)
        change["value"]["from"]["name"] = NAME if author == ID else "Robin"
        world.post(delivery(change))
    world.run()


def erased(world: MemoryWorld) -> None:
    world.services.eraser.request([WHO], "code1", world.services.now())
    world.run(timedelta(minutes=20))
    assert set(world.services.eraser.state("code1")) == {"received", "erased"}


def strange(author: str, text: str, **more: Any) -> dict[str, Any]:
    """A part that nobody understands."""
    change = comment("x", text, author=author)
    change["value"] |= {"comment_id": {"odd": author}, **more}
    return change


def test_of_a_quarantined_delivery_the_parts_of_others_stay_and_are_worked_on_when_it_is_redriven() -> None:
    world = MemoryWorld()
    asked(world, ID)
    others = comment("c2", f"{BY_HAND} like {NAME} says", author=OTHER)
    quarantined(world, delivery(strange(ID, WORDS), others, comment("c3", WORDS, author=ID)))
    erased(world)
    (left,) = world.quarantined
    assert WORDS not in left and ID not in left and NAME not in left
    assert json.loads(left)["reasons"] == ["odd"]
    world.virtual_clock.add(world.services.now(), "inbox", left)
    world.run(timedelta(minutes=1))
    (kept,) = [i for i in world.interactions() if not i.erased]
    assert (kept.author, kept.text) == (OTHER, f"{BY_HAND} like [erased] says")


def test_a_letter_about_nobody_else_goes_and_one_about_others_is_not_touched() -> None:
    world = MemoryWorld()
    asked(world, ID)
    quarantined(world, delivery(strange(ID, WORDS)))
    quarantined(world, delivery(strange(OTHER, "hello")))
    before = world.quarantined[1]
    erased(world)
    assert world.quarantined == [before]


def test_somebody_of_whom_nothing_was_ever_understood_is_looked_for_all_the_same() -> None:
    world = MemoryWorld()
    quarantined(world, delivery(strange(ID, WORDS)))
    erased(world)
    assert world.quarantined == []


def test_an_oversized_quarantined_delivery_is_scrubbed_in_the_table_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_MESSAGE", inbox.HEADROOM)
    monkeypatch.setattr(inbox, "PLAIN_UP_TO", 100)
    world = MemoryWorld()
    asked(world, ID)
    quarantined(world, delivery(strange(ID, WORDS), comment("c2", BY_HAND, author=OTHER)))
    quarantined(world, delivery(strange(ID, WORDS)))
    assert all("chunks" in json.loads(body) for body in world.quarantined)
    erased(world)
    (left,) = world.quarantined
    kept = inbox.decode(left, world.services.bodies.read)
    assert WORDS.encode() not in kept.body and OTHER.encode() in kept.body
    names = {i.key.pk for i in world.store.table.everything() if i.key.pk.startswith("d#body#")}
    assert names == {f"d#body#{json.loads(left)['chunks']}"}


def key(thread: str, customer: str = ID) -> dict[str, Any]:
    return {"v": 1, "product": "facebook", "account": PAGE, "thread": thread, "customer": customer}


def test_wake_ups_and_notices_of_a_conversation_that_is_no_more_go_and_a_failed_request_is_tried_again() -> None:
    world = MemoryWorld()
    asked(world, ID, OTHER)
    theirs = [key(f"c{ID}"), {**key(f"c{ID}"), "notice": "1.1", "delivery": "d"}]
    others = [key(f"c{OTHER}", OTHER), {"v": 1, "wake_at": "2026-11-23T10:00:00Z"}]
    failed = {"v": 1, "erase": {"product": "facebook", "account": PAGE, "id": ID}, "code": "c0", "pass": 1}
    world.dead += map(encode, [*theirs, *others, failed])
    erased(world)
    assert world.dead == list(map(encode, others))
    world.run(timedelta(minutes=20))
    assert "erased" in world.services.eraser.state("c0")


def bounce(tags: dict[str, str], subject: str = "") -> str:
    mail = {"messageId": "m", "tags": {k: [v] for k, v in tags.items()}, "commonHeaders": {"subject": subject}}
    return encode({"eventType": "Bounce", "mail": mail})


def test_what_ses_says_of_a_groups_email_stays_without_its_subject() -> None:
    world = MemoryWorld()
    asked(world, ID, OTHER)
    both = [ConversationKey("facebook", PAGE, f"c{id}", id) for id in (ID, OTHER)]
    world.store.note_email("group-1", [(key, "1.1") for key in both], NOW + timedelta(days=14))
    told = Notice(1, NOW, Outcome.SENT, emails=("group-1",))
    for key in both:
        world.store.update_conversation(key, lambda c: replace(c, notices={"1.1": told}), NOW)
    world.dead.append(bounce({"notice": "group-1", "to": "team"}, f"2 questions, one by {NAME}"))
    erased(world)
    (left,) = world.dead
    assert NAME not in left
    world.services.mail_events.hear(json.loads(left), NOW)  # the others of the group still reach their fallback
    notices = [c.notices["1.1"].fallback for c in world.conversations()]
    assert notices == [True]


def test_what_ses_says_of_their_own_email_and_answers_by_mail_go_with_their_mail() -> None:
    world = MemoryWorld(reply_domain="reply.example.com", public_url="https://earshot.example.com")
    asked(world, ID, OTHER)
    world.run(timedelta(minutes=15), sweep=True)
    mine, other = (next(e for e in world.emails if author in e.text) for author in (WORDS, "Robin"))
    for email in (mine, other):
        headers = {"subject": f"{email.subject} {NAME if email is mine else ''}"}
        world.dead.append(bounce(dict(email.tags), headers["subject"]))
        name = "mine" if email is mine else "others"
        world.services.mail_bucket.kept[name] = f"> {email.text}".encode()  # type: ignore[attr-defined]
        told = post_office.notice(name, email.reply_to, email.to, post_office.PASS, NOW)
        world.dead.append(encode({"Type": "Notification", "Message": json.dumps(told)}))
    erased(world)
    assert list(world.services.mail_bucket.kept) == ["others"]  # type: ignore[attr-defined]
    assert len(world.dead) == 2 and NAME not in "".join(world.dead)
    assert not any(value in body for body in world.dead for value in (mine.tags["notice"], mine.tags["about"]))
    assert reply_address.read(REPLAY_KEYS, world.store, "reply.example.com", [mine.reply_to]) is None


# --- a payload without one person, on every platform ---

PERSON = Person(Traces(names=(NAME,), known_as=(ID,)))


def payload(product: str, *said: SimulatedMessage) -> bytes | None:
    try:
        return deliver(APPS, *said).body
    except CannotSay:
        return None


@pytest.mark.parametrize("product", sorted(platforms.PRODUCTS))
def test_every_platforms_payload_loses_the_person_and_keeps_the_others(product: str) -> None:
    account = next(a for app in APPS.apps for a in app.accounts if a.product == product)
    one = platforms.product(product).one_form
    person = Person(PERSON.traces, one)
    theirs = SimulatedMessage(product, f"my {WORDS} dress", ID, NAME, at=NOW)
    other = SimulatedMessage(product, f"{COMMON} as @{NAME} says", OTHER, "Robin", at=NOW)
    for body, stays in ((payload(product, theirs), False), (payload(product, other), True)):
        if body is None or product == "google":  # a notification names the review and nobody
            continue
        left = scrubbed(body, person)
        text = (left or b"").decode()
        assert not [c for c in (WORDS, NAME, ID) if c in text]
        assert (OTHER in text and COMMON in text) == stays, (account.id, text)


def page(**value: Any) -> dict[str, Any]:
    """A delivery with one change of a Page's feed, by somebody else where it does not say by whom."""
    return {"entry": [{"changes": [{"value": {"from": {"id": "66"}, "message": BY_HAND, **value}}]}]}


MENTIONED = {"in_reply_to_user_id": ID, "entities": {"mentions": [{"id": ID, "username": NAME}]}}
QUOTING = [
    {"message": {"from": {"id": 66}, "text": BY_HAND, "reply_to_message": {"from": {"id": int(ID)}, "text": WORDS}}},
    {"message": {"from": {"id": 66}, "text": BY_HAND, "forward_origin": {"sender_user": {"id": int(ID)}}}},
    {"data": {"payload": {"author_id": "66", "text": BY_HAND, **MENTIONED}, "includes": {"users": [{"id": ID}]}}},
    {"tweet_create_events": [{"user": {"id": "66"}, "text": BY_HAND, **MENTIONED}], "users": {ID: {"name": NAME}}},
    {"tweet_create_events": [{"user": {"id": "66"}, "text": BY_HAND, "quoted_status": {"user": {"id": ID}}}]},
    page(message_tags=[{"id": ID, "name": NAME}]),
    page(to={"data": [{"id": ID, "name": NAME}]}),
    page(post_id=f"{ID}_1"),
    {"status": {"account": {"id": "66"}, "content": BY_HAND, "in_reply_to_account_id": ID}},
    {"events": [{"source": {"userId": ID}, "text": WORDS}, {"source": {"userId": "66"}, "text": BY_HAND}]},
    {"post": {"user_id": 66, "raw": f"{BY_HAND} @{NAME}", "reply_to_user": {"username": ID}}},
]


@pytest.mark.parametrize("payload", QUOTING, ids=range(len(QUOTING)))
def test_who_only_quotes_or_answers_the_person_keeps_their_own_words(payload: dict[str, Any]) -> None:
    left = (scrubbed(json.dumps(payload).encode(), PERSON) or b"").decode()
    assert BY_HAND in left and "66" in left
    assert not [c for c in (WORDS, NAME, ID) if c in left]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(
            {"entry": [{"messaging": [{"sender": {"id": PAGE}, "recipient": {"id": ID}, "message": {"text": WORDS}}]}]}
        ),
        json.dumps(
            {
                "entry": [
                    {"changes": [{"value": {"contacts": [{"wa_id": ID}], "messages": [{"from": ID, "text": WORDS}]}}]}
                ]
            }
        ),
        json.dumps({"object": {"from": ID, "text": WORDS}}).replace(ID, "\\u0037" + ID[1:]),
        f"not JSON, from {ID}: {WORDS}",
        json.dumps({"v": 1, "reason": "odd", "raw": json.dumps({"from": {"id": ID}, "text": WORDS})}),
        "[" * 5000 + f'"{ID} {WORDS}"' + "]" * 5000,
    ],
)
def test_what_is_about_the_person_alone_goes_however_it_is_written(body: str) -> None:
    assert scrubbed(body.encode(), PERSON) is None
    assert scrubbed(body.encode("utf-16") if body.startswith("{") else body.encode(), PERSON) is None


def test_what_says_nothing_of_the_person_keeps_its_very_bytes() -> None:
    body = b'{"entry" : [ {"text":"gr\\u00fc\\u00dfe  770099887766999"} ] }'
    assert scrubbed(body, PERSON) is body
