"""One story for the crash matrix: a group, pages, answers by the form and by e-mail, a bounce, other channels, "stop",
an erasure; with a fault at any one of its calls."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from chalicelib.conversations.conversation import Conversation, Outcome, State
from chalicelib.conversations.customer import Customer
from tests.staff.desk_browser import open_page
from tests.story.shop import Sent, ShopWorld
from tests.story.telling import STARTS, TEXTS, policies
from tests.world import PAGE, comment, delivery, message

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ANN, BOB, CAM, DEE, EVE = (f"8800600{n}" for n in range(1, 6))  # under one post; Eve writes in private
WORDS = "Kim says: it is on its way"
READS = ("dynamodb.GetItem", "dynamodb.Query", "dynamodb.Scan")
CALLS = {
    *("dynamodb.GetItem", "dynamodb.PutItem", "dynamodb.Query", "sqs.SendMessage", "states.StartExecution"),
    *("ses.SendEmail", "s3.GetObject", "s3.DeleteObject", "platform"),
}


def story(at: int = 0, how: str = "", *, noting: bool = False) -> ShopWorld:
    """What happens to a shop and its staff in four hours; call number `at` fails."""
    policy = policies(bundled=True)[0]
    loud = replace(policy.teams["customer_service"], channels={"slack": "https://hooks.example.com/slack"})
    policy = replace(policy, teams={**policy.teams, "customer_service": loud})
    world = ShopWorld(policy, STARTS[0])
    world.breaks.left, world.breaks.how = at, how
    world.breaks.places = [] if noting else None
    for number, who in enumerate((ANN, BOB, CAM, DEE), start=1):
        text = f"{TEXTS['odd']} (q{number}v1)"
        world.deliver(delivery(comment(f"q{number}", text, author=who, at=world.virtual_clock.now)))
    world.deliver(message("q5", f"{TEXTS['common']} (q5v1)", author=EVE, at=world.virtual_clock.now))
    world.run(30 * MINUTE)
    press(world, ANN, "answer", text=f"{WORDS} 1")
    by_mail(world, EVE, f"{WORDS} 5")
    press(world, BOB, "claim", until="30min")
    press(world, CAM, "hand_over", team="web_shop", note="please")
    press(world, DEE, "correct", intent="legal_safety")
    world.run(5 * MINUTE)
    for sent in [m for m in world.mail_room.sent if m.to == "webshop@shop.example.com"]:
        world.bounced(sent)
        world.bounced(sent)
    world.run(20 * MINUTE)
    press(world, BOB, "close")
    world.deliver(message("q6", "stop", author=EVE, at=world.virtual_clock.now))
    world.run(SECOND)
    erase(world, DEE)
    world.run(timedelta(hours=3))
    world.breaks.end()
    return world


def link(world: ShopWorld, who: str) -> tuple[Sent, str]:
    """The newest e-mail that leads to a customer's desk, and its link."""
    for sent in reversed(world.mail_room.sent):
        for path in sent.links:
            if world.key_of(path).customer == who:
                return sent, path
    raise AssertionError(f"nobody was told of {who}")


def press(world: ShopWorld, who: str, action: str, **fields: str) -> None:
    page = open_page(world, link(world, who)[1])
    page.press(action, who="Kim", **fields)
    world.run(SECOND)


def by_mail(world: ShopWorld, who: str, text: str) -> None:
    sent, _ = link(world, who)
    world.mail_in(sent.to, sent.reply_to, text)
    world.run(MINUTE)


def erase(world: ShopWorld, who: str) -> None:
    """Whoever asks goes on until it is taken down."""
    for _ in range(3):
        if world.tries(lambda: world.services.eraser.request([Customer("facebook", PAGE, who)], "code1", world.now())):
            return
    raise AssertionError("the request was never taken down")


def assert_promises(world: ShopWorld) -> None:
    found = {c.customer: c for c in world.conversations()}
    assert DEE not in found and "(q4v1)" not in repr([i.doc for i in world.store.table.everything()])  # P7
    assert set(found) == {ANN, BOB, CAM, EVE}  # P1
    for who, number in ((ANN, 1), (EVE, 5)):
        _is_answered_once(world, found[who], f"{WORDS} {number}", f"q{number}")
    assert found[BOB].state is State.CLOSED and [a.deed for a in found[BOB].acts.values()] == ["claim", "close"]
    assert found[CAM].state is State.OPEN and found[CAM].tier >= 2  # P2: the lead, and whom it was handed over to
    told = [m for m in world.mail_room.sent if "q3v1" in m.marks]
    assert {"webshop@shop.example.com", "service-lead@shop.example.com"} <= {m.to for m in told}
    assert any(m.tags["to"] == "fallback" for m in told)
    assert any(m.to == "press@shop.example.com" and "q4v1" in m.marks for m in world.mail_room.sent)
    posted = Counter(p.target for p in world.wire.stand_in.posted if not p.text.startswith(WORDS))
    assert max(posted.values(), default=0) <= 1 and set(posted) <= {EVE}  # P3, P4
    calls = Counter((r["conversation"], r["tier"]) for r in world.records("escalation"))
    assert max(calls.values()) == 1  # P5
    mails = Counter(
        (world.key_of(path), world.link_of(path).via, m.tags["to"]) for m in world.mail_room.sent for path in m.links
    )
    assert max(mails.values()) == 1, mails.most_common(1)
    assert max(Counter(world.wire.channels).values()) == 1
    assert not world.quarantined


def _is_answered_once(world: ShopWorld, c: Conversation, text: str, id: str) -> None:
    """Posted once; or nobody knows, and then it is not posted again and whoever waits is told of further."""
    times = sum(p.text == text for p in world.wire.stand_in.posted)
    (answer,) = c.answers.values()
    assert times <= 1
    if answer.state is Outcome.SENT:
        assert times == 1 and c.questions[id].answered_at
    else:
        assert answer.state in (Outcome.UNKNOWN, Outcome.CLAIMED) and c.tier >= 2


def broken_at_every_call(mode: str) -> None:
    """The story once for each way to a call, which fails there."""
    recorded = story(noting=True)
    assert_promises(recorded)
    assert {place[0] for place in recorded.breaks.noted} >= CALLS
    assert break_each(mode, recorded.breaks.noted, lambda at: assert_promises(story(at, mode)), set()) > 20


def break_each(
    mode: str, places: Iterable[tuple[str, ...]], play: Callable[[int], None], seen: set[tuple[str, ...]]
) -> int:
    """Plays it once for each way to a call that is not among those `seen`, with the number of the call; how many."""
    known = len(seen)
    for at, place in enumerate(places, start=1):
        way = without_lines(place)
        if way in seen or (place[0] in READS and mode != "crash"):  # a look that fails is one that was not made
            continue
        seen.add(way)
        try:
            play(at)
        except AssertionError as error:
            raise AssertionError(f"{mode} at call {at}: {' < '.join(place)}: {error}") from error
    return len(seen) - known


def without_lines(place: tuple[str, ...]) -> tuple[str, ...]:
    """The way to a call; of one that only looks its last steps are enough."""
    return tuple(re.sub(r":\d+$", "", step) for step in (place[:5] if place[0] in READS else place))
