"""Campaigns: a line behind a fitting reply, and nowhere else; capped, counted, and refused where it is wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from chalicelib.conversations.conversation import Acknowledgement, Conversation, Outcome
from chalicelib.conversations.interaction import Reading, Rung
from chalicelib.keys import new_keys
from chalicelib.platforms.http import Answer as HttpAnswer
from chalicelib.playbook.check import summary
from chalicelib.playbook.compiled import compiled, load_compiled
from chalicelib.playbook.parts import Answer, Place, PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.preview import previews
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.reports.asked import Asked
from chalicelib.reports.campaigns import followed
from chalicelib.reports.lake import Lake, write
from chalicelib.storage.table import Key
from tests.reports.test_facts import DERIVER, one
from tests.reports.test_ledger import fact
from tests.test_orders import COMMON
from tests.world import APPS, NOW, PAGE, MemoryWorld, comment, delivery, message

LINE = "Returns are free until Christmas."
SHIPPED = DEFAULT_PLAYBOOK.read_text("utf-8")
CAMPAIGN = """
campaigns:
  christmas:
    intents: [return, international_shipping, exchange]
    kind: notice
    from: 2026-11-23
    until: 2026-11-24
    text: {en: "Returns are free until Christmas."}
"""


def book(text: str = CAMPAIGN, **more: Any) -> Playbook:
    found = load_playbook(SHIPPED.replace("campaigns: {}\n", text.lstrip("\n")))
    return replace(found, campaigns=tuple(replace(c, **more) for c in found.campaigns))


SURE = Reading("return", 1.0, 1.0, "en", True, rungs=dict.fromkeys(Rung, 1.0), urgent=1e-9)


def said(playbook: Playbook, reading: Reading = SURE, product: str = "facebook", now: Any = NOW) -> list[str]:
    """The names of the campaigns whose line may be said."""
    answer = playbook.acknowledgement(
        reading, product=product, account="1", private=False, now=now, asked_at=now, by=now + timedelta(hours=1)
    )
    return [p.campaign.name for p in answer.promoted] if isinstance(answer, Answer) else []


def test_the_line_stands_between_reply_and_signature() -> None:
    answer = book().acknowledgement(
        SURE, product="facebook", account="1", private=False, now=NOW, asked_at=NOW, by=NOW + timedelta(hours=1)
    )
    assert isinstance(answer, Answer) and LINE not in answer.text
    (promoted,) = answer.promoted
    *reply, line, signature = promoted.text.split("\n")
    assert line == LINE and "\n".join([*reply, signature]) == answer.text


@pytest.mark.parametrize(
    ("reading", "product", "now"),
    [
        (replace(SURE, intent="stock"), "facebook", NOW),
        (replace(SURE, language="fr"), "facebook", NOW),
        (replace(SURE, guards=("angry",)), "facebook", NOW),
        (replace(SURE, guards=("two_questions",)), "facebook", NOW),
        (replace(SURE, chances={"complaint": 0.11}), "facebook", NOW),
        (replace(SURE, urgent=0.9), "facebook", NOW),
        (replace(SURE, accepted=False, allowed=(Rung.TOPIC, Rung.GENERAL)), "facebook", NOW),
        (SURE, "facebook", NOW - timedelta(days=1)),
        (SURE, "facebook", NOW + timedelta(days=2)),
    ],
)
def test_and_nowhere_else(reading: Reading, product: str, now: Any) -> None:
    assert said(book()) == ["christmas"]
    assert said(book(), reading, product, now) == []


def test_its_days_are_the_shops_own() -> None:
    midnight_in_london = NOW.replace(day=25, hour=0)
    assert said(book(), now=midnight_in_london - timedelta(minutes=1)) == ["christmas"]
    assert said(book(), now=midnight_in_london) == []


def test_platforms_and_their_limits_are_kept() -> None:
    assert said(book(platforms=frozenset({"instagram"}))) == []
    assert said(book(), product="x") == []  # no room for it behind a reply of 280 characters
    assert said(book(texts={"en": "x" * 200}), product="instagram") == ["christmas"]


@pytest.mark.parametrize("place", [Place.BOTH])
def test_a_reply_in_public_and_private_has_it_once(place: Place) -> None:
    playbook = book()
    both = {name: replace(p, places={"default": place}) for name, p in playbook.intents.items()}
    answer = replace(playbook, intents=both).acknowledgement(
        SURE, product="facebook", account="1", private=False, now=NOW, asked_at=NOW, by=NOW + timedelta(hours=1)
    )
    assert isinstance(answer, Answer)
    assert LINE not in answer.promoted[0].text and LINE in answer.promoted[0].private_text


# --- with what the store knows ---


def world(playbook: Playbook | None = None) -> MemoryWorld:
    return MemoryWorld(playbook=playbook or book())


def ask(shop: MemoryWorld, id: str, author: str = "5001", text: str = COMMON) -> str:
    """The reply that `author` got."""
    before = len(shop.platforms.posted)
    shop.post(delivery(comment(id, text, author=author, at=shop.services.now(), post=f"p{id}")))
    shop.run(timedelta(seconds=2))
    return "\n".join(shop.platforms.texts()[before:])


def test_one_person_reads_it_once_and_a_day_has_its_cap() -> None:
    shop = world(book(per_day=2))
    assert LINE in ask(shop, "c1")
    again = ask(shop, "c2")
    assert again and LINE not in again
    assert LINE in ask(shop, "c3", "5003")
    assert LINE not in ask(shop, "c4", "5004")
    shop.run(timedelta(days=1))
    assert LINE in ask(shop, "c5", "5005")


def test_the_counters_of_a_person_name_them_by_the_stacks_key_and_expire() -> None:
    """What is no secret makes no name that could be tried out on a list of ids, and no erasure looks into counters."""
    shop, counted = world(), {}
    table = shop.store.table
    really = table.count

    def count(key: Key, limit: int, expires_at: datetime, by: int = 1) -> bool:
        counted[key.pk] = expires_at
        return bool(really(key, limit, expires_at, by))

    with patch.object(table, "count", count):
        assert LINE in ask(shop, "c1")
    keys, (campaign,) = shop.services.keys, shop.services.playbook.campaigns
    mine = {
        keys.named("campaign person", "facebook", PAGE, "5001"): datetime(2026, 11, 27, tzinfo=UTC),
        keys.named("author under a post", f"facebook:{PAGE}", "pc1", "5001"): NOW + timedelta(days=1, seconds=2),
    }
    for name, latest in mine.items():
        (ends,) = [at for pk, at in counted.items() if name in pk]
        assert NOW < ends <= latest
    assert campaign.last == date(2026, 11, 24)
    personal = [pk for pk in counted if "author#" in pk or "#person#" in pk]
    assert len(personal) == 2 and all(any(name in pk for name in mine) for pk in personal)
    assert not any(new_keys().named("campaign person", "facebook", PAGE, "5001") in pk for pk in personal)


def test_segments_are_told_apart_by_what_they_asked_before() -> None:
    for segment, first, second in (("new", True, False), ("returning", False, True)):
        shop = world(book(CAMPAIGN + f"    segment: {segment}\n", per_person=9))
        assert (LINE in ask(shop, "c1"), LINE in ask(shop, "c2")) == (first, second)


def test_a_reply_that_the_platform_held_back_keeps_its_line_and_is_counted_once() -> None:
    shop = world()
    shop.platforms.answers = [lambda: HttpAnswer(400, {"error": {"code": 4}}, {})]
    shop.post(delivery(comment("c1", COMMON)))
    shop.run(timedelta(minutes=8))
    assert [LINE in text for text in shop.platforms.texts()] == [True]


def test_never_in_a_second_reply() -> None:
    shop = world(book(per_person=9))
    shop.post(message("m1", COMMON))
    shop.run(timedelta(hours=25))
    shop.post(message("m2", COMMON, at=shop.services.now()))
    shop.run(timedelta(seconds=2))
    assert [LINE in text for text in shop.platforms.texts()] == [True, False]


def test_what_followed_is_counted_by_the_campaign() -> None:
    from io import StringIO

    from infra.replay.replay import replay
    from infra.replay.streamed import StreamedTable
    from tests.reports.test_facts import posted

    playbook = book()
    table = StreamedTable(replace(DERIVER, playbook=playbook))
    replay([posted(delivery(comment("c1", COMMON)), NOW)], APPS, playbook, timedelta(hours=1), StringIO(), table)
    assert one(table).campaign == "christmas"


def test_the_report_holds_it_against_the_same_questions_without_the_line(tmp_path: Path) -> None:
    with_line = [fact(question=f"a{n}", campaign="christmas", intent="return", customer=f"p{n}") for n in range(4)]
    with_line[0] = replace(with_line[0], follow_ups=1)
    with_line[1] = replace(with_line[1], reaction="complaint")
    plain = [fact(question=f"b{n}", intent="return", rung="own", follow_ups=n % 2) for n in range(4)]
    other = [fact(question="c", intent="stock", rung="own", follow_ups=1)]
    write(tmp_path, [*with_line, *plain, *other], "a")
    span = Asked(Lake(tmp_path), NOW - timedelta(days=40), NOW + timedelta(days=40), NOW, ZoneInfo("UTC"))
    (found,) = followed(span)
    assert (found.said, found.people, found.again, found.complained) == (4, 4, 1, 1)
    assert (found.usual, found.usual_again, found.usual_complained) == (4, 0.5, 0.0)


def test_an_acknowledgement_of_the_release_before_has_none() -> None:
    ack = Acknowledgement(Outcome.SENT, NOW)
    assert ack.campaign == "" and Conversation("facebook", "1", "t", "c").acknowledgements == {}


# --- the file ---


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("[return, international_shipping, exchange]", "[complaint]", "never stands on complaint"),
        ("[return, international_shipping, exchange]", "[returns]", 'unknown intent "returns"'),
        ("[return, international_shipping, exchange]", "[jobs]", "gets no reply of its own"),
        ("kind: notice", "kind: advert", 'unknown kind "advert"'),
        ("from: 2026-11-23", "from: soon", "not a day"),
        ("until: 2026-11-24", "until: 2026-11-22", "is before"),
        ("    from: 2026-11-23\n", "", '"from" is missing'),
        ('en: "Returns', 'xx: "Returns', 'unknown language "xx"'),
        ("are free", "are free " + "very " * 60, "write at most 200"),
        ("kind: notice", "platforms: [facebok]", 'unknown platform "facebok"'),
        ("are free", "are free at {links.nowhere}", "unknown placeholder"),
        ("kind: notice", "segment: rich", 'unknown segment "rich"'),
        ("kind: notice", "per_day: 0", "from 1 to"),
        ("are free", "are free https://shop.example.com/returns", "never fits on x"),
        ("christmas", "Christmas!", "not a name"),
    ],
)
def test_a_wrong_campaign_is_refused_with_its_line(old: str, new: str, wrong: str) -> None:
    on_x = CAMPAIGN.replace("    kind: notice\n", "    kind: notice\n    platforms: [x]\n")
    text = on_x if "on x" in wrong else CAMPAIGN
    assert old in text
    with pytest.raises(PlaybookError, match=wrong) as found:
        load_playbook(SHIPPED.replace("campaigns: {}\n", text.lstrip("\n").replace(old, new)))
    first = SHIPPED[: SHIPPED.index("campaigns: {}")].count("\n") + 1
    line = int(str(found.value).partition("\n")[0].split(":")[1])
    assert first < line <= first + 9


def test_a_promotion_is_kept_from_who_waits_for_goods_or_money() -> None:
    text = CAMPAIGN.replace("[return, international_shipping, exchange]", "[delivery_late]")
    assert book(text).campaigns[0].intents == {"delivery_late"}
    with pytest.raises(PlaybookError, match="not advertised to; leave it out, or write kind: notice"):
        book(text.replace("kind: notice", "kind: promotion"))


def test_the_check_shows_when_it_runs_and_how_it_reads() -> None:
    lines = "\n".join(summary(book()))
    assert "christmas" in lines and "2026-11-23" in lines and "500 a day, 1 a person" in lines
    shown = "\n".join(previews(book()))
    assert f"⏎ {LINE} ⏎" in shown and "without the line" in shown


def test_it_outlives_being_compiled() -> None:
    assert load_compiled(compiled(book(), date(2026, 11, 23))).campaigns == book().campaigns


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("reports: {weekly: nobody_known}", "unknown team"), ("reports: {daily: pr}", 'unknown key "daily"')],
)
def test_reports_go_to_teams_that_there_are(text: str, wrong: str) -> None:
    assert (book().weekly_report_to, book().spikes_to) == ("team_lead", "marketing")
    with pytest.raises(PlaybookError, match=wrong):
        load_playbook(SHIPPED.replace("reports:\n  weekly: team_lead\n  spikes: marketing\n", text + "\n"))
