"""An erasure in a large shop: piece by piece, whatever time there is; every id of a person; mentions in places where
they never spoke; done when all of it is done, and watched until then."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import app as entry
from chalicelib.apps import Account, App, Apps
from chalicelib.conversations.conversation import State
from chalicelib.conversations.customer import Customer
from chalicelib.emails.about import named
from chalicelib.handlers.messages import Erase, decode
from chalicelib.operations.leftovers import LeftBehind
from chalicelib.operations.masks import MASK
from infra.local.events import message, sqs_event
from infra.ops.erase import erase
from infra.ops.given import customer_named
from tests.aws_world import AwsWorld
from tests.handlers.test_placing import BOTH, NUMBER, WHATSAPP, echo, whatsapp
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery
from tests.world import message as direct

WORDS, NAME, ID = "canarywords", "Canary Name", "770099887766"
WHO = Customer("facebook", PAGE, ID)
BY_HAND = "hm, and what about the other one?"
TWENTY = timedelta(minutes=20)


def said(id: str, text: str, author: str = ID, **more: Any) -> bytes:
    change = comment(id, text, author=author, **more)
    change["value"]["from"]["name"] = {ID: NAME, PAGE: "Example Shop"}.get(author, "Robin")
    return delivery(change)


def crowd(world: Any, many: int, tell: Callable[[bytes], Any]) -> None:
    """One thread in which many speak, the customer among them, and the brand answers."""
    tell(said("c1", f"Can I return this {WORDS} dress?"))
    for n in range(many):
        tell(said(f"o{n}", f"{BY_HAND} I ask like {NAME}", author=f"66{n:04}", parent="c1"))
        tell(said(f"m{n}", f"my {WORDS} number {n}?", parent="c1"))
        tell(said(f"r{n}", f"Dear {NAME.split()[0]}, part {n}", author=PAGE, parent=f"m{n}"))


def kept(world: MemoryWorld) -> str:
    return repr(list(world.store.table.everything())) + repr(world.virtual_clock._heap) + repr(world.dead)


def erase_of(body: str) -> Erase:
    found = decode(json.loads(body))
    assert isinstance(found, Erase)
    return found


class Clock:
    """A function that ends after so many looks at the clock."""

    def __init__(self, looks: int) -> None:
        self.looks, self.calls = looks, 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.calls % self.looks != 0


@pytest.mark.parametrize("looks", [1, 2, 7])
def test_a_large_thread_is_erased_piece_by_piece_and_nothing_is_left(looks: int) -> None:
    world = MemoryWorld()
    crowd(world, 25, world.post)
    world.run()
    assert WORDS in kept(world) and NAME in kept(world)
    world.services.eraser.request([WHO], "code1", world.services.now())
    steps = 0
    for _ in range(5000):
        due = world.virtual_clock.next(NOW + TWENTY)
        if due is None:
            break
        if due.name == "escalations" and "erase" in due.body:
            steps += 1
            world.services.eraser.work(erase_of(due.body), world.services.now(), Clock(looks))
    assert steps > 60 / looks
    assert "erased" in world.services.eraser.state("code1")
    left = kept(world)
    assert not [c for c in (WORDS, NAME, ID) if c in left]
    others = [i for i in world.interactions() if not i.erased]
    assert len(others) == 25 and all(i.text == f"{BY_HAND} I ask like {MASK}" for i in others)


def test_a_function_that_is_killed_at_any_call_of_an_erasure_loses_nothing_of_it() -> None:
    def story(at: int = 0, mode: str = "") -> AwsWorld:
        world = AwsWorld()
        for body in (said("c1", f"my {WORDS} dress?"), said("r1", "Dear Canary, yes.", author=PAGE, parent="c1")):
            world.deliver(body)
        world.deliver(said("c2", f"as {NAME} says, {BY_HAND}", author="66", parent="c1"))
        world.deliver(said("c9", f"as @{NAME} says, {BY_HAND}", author="67"))
        world.work()
        world.services.eraser.request([WHO], "code1", world.services.now())
        world.faults.names.clear()
        world.faults.places.clear()
        world.faults.at, world.faults.mode = at, mode
        world.work()
        world.pass_time(20)
        return world

    recorded, seen = story().faults, set()
    for at, place in enumerate(recorded.places, start=1):
        if place in seen:
            continue
        seen.add(place)
        for mode in ("crash", "dies", "lost"):
            world = story(at, mode)
            left = repr(world.items())
            assert not [c for c in (WORDS, NAME, "Canary", ID) if c in left], (at, mode, place)
            assert "erased" in world.services.eraser.state("code1"), (at, mode, place)
    assert len(seen) > 20


def test_mentions_where_the_customer_never_spoke_lose_the_id_and_the_whole_name_and_no_namesake() -> None:
    world = MemoryWorld()
    world.post(said("c1", f"my {WORDS} dress?"))
    world.post(said("c2", f"{NAME} told me so, and @Canary Name too, says {ID}", author="66"))
    world.post(said("c3", "a Canary sings, Name it", author="67"))
    world.post(said("r3", f"We asked {NAME}.", author=PAGE, parent="c3"))
    world.run()
    world.services.eraser.request([WHO], "code1", world.services.now())
    world.run(TWENTY)
    texts = {i.id: i.text for i in world.interactions()}
    assert texts["c2"] == f"{MASK} told me so, and {MASK} too, says {MASK}"
    assert (texts["c3"], texts["r3"]) == ("a Canary sings, Name it", f"We asked {MASK}.")


def test_what_others_say_under_a_post_of_the_customers_own_does_not_keep_their_id() -> None:
    world = MemoryWorld()
    at, post = int(NOW.timestamp()), f"{ID}_1"
    told = {"item": "post", "verb": "add", "post_id": post, "message": f"my {WORDS} dress?", "created_time": at}
    change = {"field": "mention", "_at": at, "value": {**told, "from": {"id": ID, "name": NAME}}}
    world.post(delivery(change))
    world.post(said("o1", BY_HAND, author="66", post=post, parent=post))
    world.run(timedelta(minutes=12), sweep=True)
    world.services.eraser.request([WHO], "code1", world.services.now())
    world.run(TWENTY)
    left = kept(world) + repr(world.store.table._counters)
    assert not [c for c in (WORDS, NAME, ID) if c in left]
    assert [(c.customer, c.state) for c in world.conversations()] == [("66", State.OPEN)]


@pytest.mark.parametrize("named", ["491510000001", "+49 151 0000001", "DE.1349", "491510000099"])
def test_every_id_of_a_person_erases_all_of_them(named: str) -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", **BOTH, body=f"my {WORDS} dress?")
    system = {"type": "user_changed_number", "wa_id": "491510000099", "body": "Ann changed their number"}
    whatsapp(world, "wamid.2", **{"from": "491510000001"}, type="system", system=system)
    whatsapp(world, "wamid.3", **{"from": "491510000099"}, body=f"and my {WORDS} hat?")
    echo(world, to="491510000099")
    erase(world.services, customer_named(f"whatsapp:{NUMBER}:{named}"), world.services.now())
    world.run(TWENTY)
    left = kept(world)
    assert not [c for c in (WORDS, "491510000001", "491510000099", "DE.1349", "Hello Ann") if c in left]
    whatsapp(world, "wamid.3", **{"from": "491510000099"}, body=f"and my {WORDS} hat?")  # delivered again
    assert WORDS not in kept(world)


@pytest.mark.parametrize("named", ["5551980201045", "555180201045", "+55 51 98020-1045"])
def test_a_number_is_erased_in_whatever_form_it_is_given(named: str) -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", **{"from": "5551980201045"}, body=f"my {WORDS} dress?")
    count, _ = erase(world.services, customer_named(f"whatsapp:{NUMBER}:{named}"), world.services.now())
    assert count and WORDS not in kept(world)


def test_a_request_for_several_accounts_is_done_when_it_is_for_all_of_them() -> None:
    pages = tuple(Account(id, "facebook", "Shop", "t") for id in (PAGE, "777"))
    world = MemoryWorld(apps=Apps((App("meta", "main", ("current",), accounts=pages),)))
    world.post(said("c1", f"my {WORDS} dress?"))
    world.post(delivery(comment("c2", f"my {WORDS} hat?", author="88", post="777_1"), page="777"))
    world.run()
    eraser = world.services.eraser
    eraser.request([WHO, Customer("facebook", "777", "88")], "code1", world.services.now())
    held = []
    while due := world.virtual_clock.next(NOW + TWENTY):
        if '"777"' in due.body:
            held.append(due)
        elif due.name == "escalations":
            eraser.work(erase_of(due.body), world.services.now())
    assert "erased" not in eraser.state("code1")
    assert WORDS in kept(world)
    for due in held:
        world.virtual_clock.add(NOW, due.name, due.body)
    world.run(2 * TWENTY)
    assert "erased" in eraser.state("code1") and WORDS not in kept(world)


def test_a_request_whose_work_never_ended_is_told_by_doctor_every_day_until_it_is() -> None:
    world = MemoryWorld()
    world.post(said("c1", f"my {WORDS} dress?"))
    world.run()
    world.services.eraser.request([WHO], "code1", world.services.now())
    (lost,) = [due for due in world.virtual_clock._heap if "erase" in due.body]
    world.virtual_clock._heap.clear()
    assert world.services.doctor.erasures(world.services.now()) == []
    world.virtual_clock.now += timedelta(hours=7)
    (finding,) = world.services.doctor.erasures(world.services.now())
    assert "code1" in finding.what and "daily-check" in finding.fix and ID not in repr(finding)
    for _ in range(2):  # day by day
        with pytest.raises(LeftBehind, match=r"code1\) is not done"):
            world.services.doctor.visit(world.services.now())
    world.virtual_clock.add(world.services.now(), lost.name, lost.body)
    world.run(TWENTY)
    assert world.services.doctor.erasures(world.services.now()) == []
    assert "erased" in world.services.eraser.state("code1")


def test_notify_gives_an_erasure_back_before_its_time_is_up() -> None:
    """The function's own clock: with none left after the first look, the queue has what is left to do."""

    class Context:
        def __init__(self) -> None:
            self.left = 60_000

        def get_remaining_time_in_millis(self) -> int:
            self.left -= 5_000
            return self.left

    world = MemoryWorld()
    crowd(world, 10, world.post)
    world.run()
    world.services.eraser.request([WHO], "code1", world.services.now())
    due = world.virtual_clock.next(NOW)
    assert due
    with world._entered():
        assert not entry.notify(sqs_event([message(due.body)], "escalations"), Context())["batchItemFailures"]
    (again,) = [d for d in world.virtual_clock._heap if "erase" in d.body]
    assert json.loads(again.body)["after"]


# --- what no conversation names: an entry of its own for each interaction would double what storing it costs ---


@pytest.mark.parametrize("looks", [1, 1000])
def test_what_no_conversation_names_is_exported_and_erased_as_well(looks: int) -> None:
    world = MemoryWorld()
    world.post(said("c1", f"Can I return this {WORDS} dress?"))
    world.run(timedelta(minutes=2))
    for n in range(60):  # more than a conversation, or what a thread remembers of the brand, holds
        world.post(said(f"q{n:02}", f"and {WORDS} number {n}?", parent="c1"))
        at = world.virtual_clock.now + timedelta(seconds=20)
        world.post(said(f"r{n:02}", f"Dear {NAME}, {WORDS} {n}", author=PAGE, parent=f"q{n:02}", at=at))
        world.run(timedelta(minutes=3))
    now = world.virtual_clock.now
    world.post(said("thanks", "Thank you so much!", parent="c1", at=now))
    world.run(timedelta(minutes=1))
    world.post(said("r99", f"Dear {NAME}, you are welcome", author=PAGE, parent="thanks", at=world.virtual_clock.now))
    world.run(timedelta(minutes=1))
    (c,) = world.conversations()
    assert "thanks" not in c.questions and "q00" not in c.questions and len(c.questions) <= 41
    exported = {d["document"].get("id") for d in world.services.eraser.export(WHO, world.services.now())}
    assert exported >= {"c1", "thanks", "r99", *(f"q{n:02}" for n in range(60)), *(f"r{n:02}" for n in range(60))}

    world.services.eraser.request([WHO], "code1", world.services.now())
    while due := world.virtual_clock.next(world.virtual_clock.now + TWENTY):
        if due.name == "escalations" and "erase" in due.body:
            world.services.eraser.work(erase_of(due.body), world.services.now(), Clock(looks))
    assert "erased" in world.services.eraser.state("code1")
    assert not [canary for canary in (WORDS, NAME, ID) if canary in kept(world)]


@pytest.mark.parametrize("private", [True, False])
def test_the_first_pass_takes_the_conversation_its_questions_and_the_notes_of_its_emails(private: bool) -> None:
    world = MemoryWorld()
    words = f"{BY_HAND} {WORDS}"
    world.post(direct("m1", words, author=ID) if private else said("c1", words))
    world.run(timedelta(hours=3), sweep=True)
    assert len(world.emails) >= 2 and ID in kept(world)
    for email in world.emails:  # as an e-mail about several has them, and each of the release before
        one = named(email.tags)
        assert one
        world.store.note_email(email.tags["notice"], [(one.key, one.name)], NOW + timedelta(days=14))
    who = Customer("messenger" if private else "facebook", PAGE, ID)
    exported = world.services.eraser.export(who, world.services.now())
    assert {d["kind"] for d in exported} == {"said", "conversation", "document"}
    assert len([d for d in exported if d["kind"] == "document"]) == len(world.emails)
    world.services.eraser.erase(who, "code1", world.services.now())
    left = repr([i for i in world.store.table.everything() if not i.key.pk.startswith(("e#", "d#erasure"))])
    assert ID not in left and WORDS not in left
