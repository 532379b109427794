""" "Stop" in four languages: honoured at once, undone by "start" or by staff, and never at the cost of a question."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.conversations.customer import Customer
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.storage.optouts import OptOut, OptOuts, wish
from chalicelib.storage.people import link, linked, unlink
from tests.staff.test_desk import FORM
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, QUESTION, MemoryWorld, comment, delivery, is_stopped, message

ME = ("messenger", PAGE, "psid-1")


@pytest.mark.parametrize(
    "text",
    [
        *("stop", "STOP!", "Stop please", "@ExampleShop stop", "unsubscribe", "No more automatic replies."),
        *("/stop", "🛑 stop"),
        *("Stopp", "bitte stopp!", "Keine automatischen Antworten mehr", "Abmelden"),
        *("Arrêtez !", "arrêt", "Plus de réponses automatiques", "STOP SVP"),
        *("Parar", "baja", "No más respuestas automáticas", "stop por favor"),
    ],
)  # fmt: skip
def test_the_word_alone_is_the_wish(text: str) -> None:
    assert wish(text) is True


@pytest.mark.parametrize("text", ["start", "START", "Starten", "démarrer", "empezar"])
def test_and_start_takes_it_back(text: str) -> None:
    assert wish(text) is False


@pytest.mark.parametrize(
    "text",
    [
        *("stop my order please", "Please stop, where is my parcel?", "Does the bus stop at your shop?", "stop 4711"),
        *("cancel", "Stoppt bitte meine Bestellung", "arrêtez ma commande", "¿Cómo me doy de baja?", "alto", "end", ""),
        *("stop stop", "don't stop", "start my return", "When do you start?", "x" * 500),
    ],
)
def test_with_anything_else_in_it_a_message_is_read_as_before(text: str) -> None:
    assert wish(text) is None


def asked(world: MemoryWorld, id: str, text: str, author: str = "psid-1") -> None:
    assert world.post(message(id, text, at=world.services.now(), author=author)) == 200
    world.run(timedelta(seconds=5))


def test_after_stop_nothing_automatic_is_said_anywhere_and_people_are_called_as_before() -> None:
    world = MemoryWorld()
    asked(world, "m1", "stop")
    asked(world, "m2", COMMON)
    world.run(timedelta(hours=2))
    assert world.platforms.posted == []
    asked(world, "m3", COMMON, author="psid-2")
    assert len(world.platforms.posted) == 1  # others are answered
    said = "\n".join(e.text for e in world.emails if COMMON in e.text)
    assert "This customer wants no automatic replies" in said
    silence = {id: q.silence for c in world.conversations() for id, q in c.questions.items()}
    assert silence["m2"] == "opted_out"


def test_start_brings_them_back() -> None:
    world = MemoryWorld()
    for id, text in (("m1", "stop"), ("m2", "Start!"), ("m3", COMMON)):
        asked(world, id, text)
    assert len(world.platforms.posted) == 1


def test_the_newest_word_holds_in_whatever_order_it_comes_and_stop_of_two_at_once() -> None:
    words = [OptOut(True, NOW), OptOut(False, NOW + timedelta(seconds=1)), OptOut(True, NOW + timedelta(seconds=1))]
    for order in itertools.permutations(words):
        world = MemoryWorld()
        optouts = OptOuts(world.store)
        for word in order:
            optouts.note(*ME, word)
        assert optouts.of(*ME) == words[2]


def test_what_was_open_stays_open_and_the_stop_itself_is_seen_by_a_person() -> None:
    world = MemoryWorld()
    asked(world, "m1", QUESTION)
    asked(world, "m2", "stop")
    (c,) = world.conversations()
    assert c.questions["m1"].pending and c.questions["m2"].pending


def test_staff_switch_it_on_the_desk_and_the_page_says_so() -> None:
    world = MemoryWorld(public_url="https://earshot.shop.example.com/api")
    world.post(delivery(comment("c1", "hm, and what about the other one?")))
    world.run(timedelta(hours=1))
    path = "/act/" + world.emails[0].text.partition("/act/")[2].split()[0]
    off = world.request("POST", path, b"action=automatic_off&who=Robin", FORM)
    assert "noted by Robin" in off.body.decode() and "only people answer" in off.body.decode()
    assert is_stopped(world.store, "facebook", PAGE, "5001")
    world.post(delivery(comment("c2", COMMON, at=world.services.now())))
    world.run(timedelta(minutes=1))
    assert world.platforms.posted == []
    on = world.request("POST", path, b"action=automatic_on&who=Robin", FORM)
    assert "automatic replies again" in on.body.decode()
    assert not is_stopped(world.store, "facebook", PAGE, "5001")


def test_who_was_linked_by_hand_is_one_person_and_nobody_else_is() -> None:
    world = MemoryWorld()
    there = ("facebook", PAGE, "5001")
    link(world.store, ME, there, "Robin", NOW)
    asked(world, "m1", "stop")
    assert is_stopped(world.store, *there) and not is_stopped(world.store, "facebook", PAGE, "5002")
    assert linked(world.store, *there) == [there, ME]
    assert unlink(world.store, ME, there) and not unlink(world.store, ME, there)
    assert not is_stopped(world.store, *there)


def test_export_hands_over_wish_and_links_and_an_erasure_takes_both_sides() -> None:
    world = MemoryWorld()
    there = ("facebook", PAGE, "5001")
    link(world.store, ME, there, "Robin", NOW)
    asked(world, "m1", "stop")
    eraser = world.services.eraser
    exported = str(eraser.export(Customer(*ME), world.services.now()))
    assert "stopped" in exported and "5001" in exported
    eraser.erase(Customer(*ME), "code", world.services.now())
    world.run(timedelta(hours=1))
    left = [str(i) for i in world.store.table.everything() if "psid-1" in str(i.key) + str(i.doc) + str(i.customer)]
    assert left == []
    assert OptOuts(world.store).of(*there) is None and linked(world.store, *there) == [there]


def test_a_wish_that_came_after_the_erasure_was_asked_for_stays() -> None:
    world = MemoryWorld()
    asked(world, "m1", QUESTION)
    world.services.eraser.erase(Customer(*ME), "code", world.services.now())
    world.virtual_clock.now += timedelta(minutes=1)
    asked(world, "m2", "stop")
    world.run(timedelta(hours=1))
    assert is_stopped(world.store, *ME)


def test_a_wish_that_was_said_before_the_erasure_and_comes_after_it_is_forgotten_like_all_else() -> None:
    world = MemoryWorld()
    asked(world, "m1", QUESTION)
    said_at = world.services.now()
    world.virtual_clock.now += timedelta(minutes=1)
    world.services.eraser.erase(Customer(*ME), "code", world.services.now())
    world.virtual_clock.now += timedelta(minutes=1)
    world.post(message("m2", "stop", at=said_at))
    world.run(timedelta(hours=1))
    assert OptOuts(world.store).of(*ME) is None


def test_a_pressed_start_or_a_sticker_is_no_wish_to_hear_from_the_machine_again() -> None:
    """A messenger sends it for whoever opens the talk anew: they typed nothing."""
    world = MemoryWorld()
    words = OptOuts(world.store)
    said = Interaction("telegram", "1", "m1", Kind.NEW, NOW, NOW, thread="7", author="7", text="/stop", private=True)
    words.heed(said)
    words.heed(replace(said, id="m2", text="/start", text_at=NOW + timedelta(minutes=1), tap=True))
    assert is_stopped(world.store, "telegram", "1", "7")
    words.heed(replace(said, id="m3", text="/start", text_at=NOW + timedelta(minutes=2)))
    assert not is_stopped(world.store, "telegram", "1", "7")


def test_a_wish_is_kept_for_ten_years_and_no_longer() -> None:
    world = MemoryWorld()
    OptOuts(world.store).note(*ME, OptOut(True, NOW))
    (item,) = [i for i in world.store.table.everything() if "stopped" in i.doc]
    assert item.expires_at == NOW + timedelta(days=3650)
