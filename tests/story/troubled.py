"""A second story for the crash matrix, of what goes wrong without a crash: rate limits, a refused token, poison, people
under two ids, a post told to two accounts, an author who becomes known, answers taken back, refused e-mails, an undo,
an answer by a private message, a conversation that cannot be written. With a fault at any one of its calls."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from chalicelib.apps import Account, App, Apps
from chalicelib.conversations.conversation import Conversation, Outcome, State
from chalicelib.platforms.base import hmac_base64
from infra.local.stand_in import Fault
from tests.staff.desk_browser import FORM, open_page
from tests.story import staffed
from tests.story.shop import ShopWorld
from tests.story.staffed import MINUTE, SECOND, WORDS, link, press, without_lines
from tests.story.telling import STARTS, TEXTS, policies
from tests.world import APPS, PAGE, comment, delivery, message

ANN, BOB, CAM, DEE, EVE, FAY, GUS, HAL, IVY, JIM = (f"8800{n}" for n in range(7001, 7011))
ANN_TOO = "GB.7001"
NUMBER, ONE, OTHER = "106500000000001", "880001", "880002"
TOKENS = {"token-a", "token-w", "token-1", "token-2"}


def apps() -> Apps:
    """The shop's, on WhatsApp and with two accounts on X as well."""
    main = next(app for app in APPS.apps if app.key == "main")
    meta = replace(main, accounts=(*main.accounts, Account(NUMBER, "whatsapp", "Example Shop", "token-w")))
    on_x = (Account(ONE, "x", "Shop", "token-1"), Account(OTHER, "x", "ShopHelp", "token-2"))
    return Apps((meta, App("x", "main", ("s",), accounts=on_x)))


def story(at: int = 0, how: str = "", *, noting: bool = False) -> ShopWorld:
    """What goes wrong in a shop in seven hours; call number `at` fails."""
    world = ShopWorld(policies(bundled=False)[0], STARTS[0])
    world.registered = apps()
    world.new_process()
    world.breaks.left, world.breaks.how = at, how
    world.breaks.places = [] if noting else None
    _customers_ask(world)
    world.run(11 * MINUTE)
    world.deliver(delivery(comment("r3", "It is blue.", author=PAGE, parent="q3", verb="remove", at=world.now())))
    _staff_answer(world)
    _nothing_is_posted_or_written(world)
    world.run(timedelta(hours=3))
    world.breaks.end()
    return world


def _customers_ask(world: ShopWorld) -> None:
    world.wire.faults = [Fault.RATE]
    whatsapp(world, "q1", "common", **{"from": ANN, "from_user_id": ANN_TOO})
    world.run(SECOND)
    whatsapp(world, "q11", "odd", from_user_id=ANN_TOO)
    for account in (ONE, OTHER):
        on_x(world, account)
    world.deliver(delivery(comment("q3", asked("common", 3), author=CAM, at=world.now())))
    world.run(SECOND)
    for told in [p for p in world.wire.stand_in.posted if p.target == "q3"]:  # our own words come back
        world.deliver(delivery(comment(told.id, told.text, author=PAGE, parent="q3", at=world.now())))
    world.deliver(message("q4", asked("odd", 4), author=DEE, at=world.now()))
    world.deliver(delivery(comment("q5", asked("odd", 5), author=EVE, post=f"{PAGE}_5", at=world.now())))
    unknown = comment("q6", "", author="", post=f"{PAGE}_6", at=world.now())
    del unknown["value"]["from"], unknown["value"]["message"]
    world.deliver(delivery({**unknown, "field": "mention"}))
    world.run(2 * MINUTE)
    world.deliver(delivery(comment("r3", "It is blue.", author=PAGE, parent="q3", at=world.now())))
    world.deliver(delivery(comment("q6", asked("common", 6), author=FAY, post=f"{PAGE}_6", at=world.now())))
    poison = comment("", asked("odd", 0), author=HAL, at=world.now())
    world.deliver(delivery(poison, comment("q8", asked("odd", 8), author=HAL, post=f"{PAGE}_8", at=world.now())))
    world.deliver(message("q9", asked("odd", 9), author=IVY, at=world.now()))
    world.run(SECOND)


def _staff_answer(world: ShopWorld) -> None:
    world.run(SECOND)
    page = open_page(world, link(world, EVE)[1])
    held = page.press("claim", who="Kim", until="2h")
    acts = [row.partition('"')[0] for row in held.html.split('name="act" value="')[1:]]
    for act in acts[-1:]:
        world.request("POST", page.path, f"action=undo&act={act}".encode(), FORM)
    press(world, EVE, "answer", text=f"{WORDS} 5", place="private")
    for told in [p for p in world.wire.stand_in.posted if p.text == f"{WORDS} 5"]:
        world.deliver(message(told.id, told.text, author=EVE, at=world.now(), is_echo=True, app_id=424242))
    world.run(SECOND)
    sent, _ = link(world, DEE)
    world.mail_in(sent.to, sent.reply_to, "")
    world.wire.faults = [Fault.RATE]
    world.mail_in(sent.to, sent.reply_to, f"{WORDS} 4")
    world.run(5 * MINUTE)


def _nothing_is_posted_or_written(world: ShopWorld) -> None:
    world.wire.faults, world.wire.refused = [], TOKENS
    world.deliver(delivery(comment("q7", asked("common", 7), author=GUS, post=f"{PAGE}_7", at=world.now())))
    world.run(20 * MINUTE)  # whoever dies while they stop the replies leaves that to the next one
    world.deliver(delivery(comment("q10", asked("common", 10), author=JIM, post=f"{PAGE}_10", at=world.now())))
    world.run(44 * MINUTE)
    world.refuse("messenger", PAGE, IVY)  # as her second step falls due
    world.run(12 * MINUTE)
    world.aws.refused.clear()
    world.run(timedelta(hours=3))


def asked(kind: str, number: int) -> str:
    return f"{TEXTS[kind]} (q{number}v1)"


def whatsapp(world: ShopWorld, id: str, kind: str, **sender: str) -> None:
    at = int(world.now().timestamp())
    text = {"type": "text", "text": {"body": f"{TEXTS[kind]} ({id}v1)"}}
    metadata = {"display_phone_number": "15550100200", "phone_number_id": NUMBER}
    value = {"metadata": metadata, "messages": [{"id": id, "timestamp": str(at), **text, **sender}]}
    body = json.loads(delivery({"field": "messages", "value": value, "_at": at}, page="555"))
    world.deliver(json.dumps({**body, "object": "whatsapp_business_account"}).encode())


def on_x(world: ShopWorld, account: str) -> None:
    text, at = f"@shop {asked('common', 2)}", world.now().replace(microsecond=0)
    payload = {"id": "q2", "text": text, "author_id": BOB, "conversation_id": "q2", "created_at": at.isoformat()}
    event = {"filter": {"user_id": account}, "event_type": "post.mention.create", "payload": payload}
    body = json.dumps({"data": event}).encode()
    signed = {"x-twitter-webhooks-signature": "sha256=" + hmac_base64("s", body)}
    world.until_taken("/webhooks/x/main", body, signed)
    world.run(SECOND)


def assert_promises(world: ShopWorld) -> None:
    assert {i.id for i in world.interactions()} >= {f"q{n}" for n in range(1, 12)} | {"r3"}  # P1
    assert world.quarantined
    found = {c.customer: c for c in world.conversations() if c.state in (State.OPEN, State.ANSWERED)}
    ann = found.pop(ANN, None) or found.pop(ANN_TOO)  # the id that was settled first
    assert set(ann.questions) == {"q1", "q11"}
    assert set(found) == {BOB, CAM, DEE, EVE, FAY, GUS, HAL, IVY, JIM}
    for who, number in ((DEE, 4), (EVE, 5)):
        _is_answered_at_most_once(world, found[who], f"{WORDS} {number}", f"q{number}")
    for c in (ann, *(found[who] for who in (BOB, CAM, FAY, GUS, HAL, IVY, JIM))):  # P2: on every step
        who = c.customer
        assert c.state is State.OPEN, who
        tiers = {m.tags["tier"] for m in world.mail_room.sent for path in m.links if world.key_of(path).customer == who}
        assert tiers >= {"1", "2"}, (who, tiers)
    automatic = Counter((p.product, p.target) for p in world.wire.stand_in.posted if not p.text.startswith(WORDS))
    assert max(automatic.values(), default=0) <= 1  # P3
    assert not automatic.keys() & {("facebook", "q7"), ("facebook", "q10")}
    calls = Counter((r["conversation"], r["tier"]) for r in world.records("escalation"))
    assert max(calls.values()) == 1  # P5
    sent = world.mail_room.sent
    mails = Counter((world.key_of(path), world.link_of(path).via, m.tags["to"]) for m in sent for path in m.links)
    assert max(mails.values()) == 1, mails.most_common(1)
    assert any("token" in m.subject.casefold() or "replies" in m.subject.casefold() for m in world.mail_room.sent)


def _is_answered_at_most_once(world: ShopWorld, c: Conversation, text: str, id: str) -> None:
    """Posted once; or nobody knows, and then it is not posted again and whoever waits is told of further."""
    times = sum(p.text == text for p in world.wire.stand_in.posted)
    assert times <= 1
    if times and any(a.state is Outcome.SENT for a in c.answers.values()):
        assert c.questions[id].answered_at
    elif not c.questions[id].answered_at:
        assert c.tier >= 2


def broken_at_every_call(mode: str) -> None:
    """Every way to a call that the first story does not go."""
    recorded = story(noting=True)
    assert_promises(recorded)
    seen = {without_lines(place) for place in staffed.story(noting=True).breaks.noted}
    assert staffed.break_each(mode, recorded.breaks.noted, lambda at: assert_promises(story(at, mode)), seen) > 15
