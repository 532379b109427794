"""Two customers who are one person, because somebody said so: by any of their ids, undone again, and what of the one
stays when the other is erased."""

import json
from argparse import Namespace
from datetime import timedelta

import pytest

from chalicelib.conversations.customer import Customer
from chalicelib.reports.facts import Deriver
from chalicelib.storage.people import link, linked
from infra.ops import export
from infra.ops import link as command
from infra.ops.stage import OpsError
from tests.handlers.test_placing import BOTH, NUMBER, WHATSAPP, whatsapp
from tests.test_orders import COMMON
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, is_stopped, message

HERE, THERE, THIRD = ("messenger", PAGE, "psid-1"), ("facebook", PAGE, "5001"), ("facebook", PAGE, "5009")
HOUR = timedelta(hours=1)


def linking(world: MemoryWorld, one: str, other: str, *, undo: bool = False) -> int:
    return command.run(Namespace(customer=one, other=other, by="Robin", undo=undo), world.services)


@pytest.mark.parametrize("named", ["491510000001", "+49 151 0000001", "DE.1349"])
def test_any_id_of_a_person_links_and_unlinks_all_of_them(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As any of them erases all (RUNBOOK.md): a link of an id that nobody is kept under would link nobody."""
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", from_user_id="DE.1349", body="hm, and the other one?")
    whatsapp(world, "wamid.2", **BOTH, body="hm, and the other one?")
    someone = ("whatsapp", NUMBER, "491510000777")
    linking(world, f"whatsapp:{NUMBER}:{named}", ":".join(someone))
    whatsapp(world, "wamid.3", **{"from": "491510000777"}, body="stop")
    assert linked(world.store, *someone) == [someone, ("whatsapp", NUMBER, "DE.1349")]
    whatsapp(world, "wamid.4", **BOTH, body=COMMON)
    assert world.platforms.posted == []
    linking(world, f"whatsapp:{NUMBER}:{named}", ":".join(someone), undo=True)
    assert "two people again" in capsys.readouterr().out
    assert linked(world.store, *someone) == [someone]
    whatsapp(world, "wamid.5", **BOTH, body=COMMON)
    assert len(world.platforms.posted) == 1


def test_two_ids_of_one_person_need_no_link() -> None:
    world = MemoryWorld(apps=WHATSAPP)
    whatsapp(world, "wamid.1", **BOTH, body="hm, and the other one?")
    with pytest.raises(OpsError, match="are the same"):
        linking(world, f"whatsapp:{NUMBER}:491510000001", f"whatsapp:{NUMBER}:DE.1349")


def shop() -> MemoryWorld:
    """Three names of one person, linked in a row, each with words of their own; the first and the last said "stop"."""
    world = MemoryWorld()
    link(world.store, HERE, THERE, "Robin", NOW)
    link(world.store, THERE, THIRD, "Robin", NOW)
    world.post(message("m1", "hm, and what about the blue hat?"))
    world.post(message("m2", "stop", at=NOW + timedelta(seconds=1)))
    world.post(delivery(comment("c1", "hm, and what about the red hat?")))
    world.post(delivery(comment("c9", "hm, and what about the green hat?", author="5009")))
    world.post(delivery(comment("c8", "stop", author="5009", parent="c9")))
    world.run(timedelta(minutes=1))
    return world


@pytest.mark.parametrize(("erased", "left"), [(HERE, {THERE, THIRD}), (THERE, {HERE, THIRD}), (THIRD, {HERE, THERE})])
def test_an_erasure_of_one_takes_their_links_and_nothing_of_the_others(
    erased: tuple[str, str, str], left: set[tuple[str, str, str]]
) -> None:
    world = shop()
    before = {c.customer: c for c in world.conversations()}
    world.services.eraser.erase(Customer(*erased), "code", world.services.now())
    world.run(HOUR)
    found = {c.customer: c for c in world.conversations()}
    assert {name for _, _, name in left} == found.keys()
    assert all(found[name].questions.keys() == before[name].questions.keys() for name in found)
    kept = [repr((i.key, i.doc, i.customer)) for i in world.store.table.everything()]
    assert not [i for i in kept if erased[2] in i]
    said_stop = {HERE, THIRD} - {erased}
    if erased == THERE:  # who was linked by way of them is two people again
        assert all(linked(world.store, *person) == [person] for person in left)
        assert {person for person in left if is_stopped(world.store, *person)} == said_stop
    else:  # the two that are left are one person still, of whom one has said it
        assert all(is_stopped(world.store, *person) for person in left)
    assert not is_stopped(world.store, *erased)


def test_an_export_holds_wish_links_words_and_what_a_profile_is_made_of_and_says_where_the_facts_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = shop()
    assert export.run(Namespace(customer=":".join(HERE)), world.services) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert {"said", "conversation", "document"} <= {row["kind"] for row in rows}
    assert "blue hat" in out and '"stopped": true' in out
    assert "5001" in out and "Robin" in out  # the link, and who said so
    assert not [words for words in ("red hat", "green hat") if words in out]  # another account's: an export of its own
    (c,) = (row["document"] for row in rows if row["kind"] == "conversation")
    assert {"m1", "m2"} == c["questions"].keys()
    pseudonym = Deriver(world.services.playbook, world.services.keys).customer(*HERE)
    assert pseudonym in err and "facts" in err
    assert "psid-1" not in err
