"""A lead with last month's recorded deliveries, a playbook and one command: the page answers what they ask first, and
each answer is what the outcomes file gives when it is counted by hand."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.reports.say import say_in
from infra.local.deliveries import Delivery, author_id, deliver
from infra.local.demo_apps import demo_apps, write
from infra.replay.command import main
from infra.replay.recording import Recorded
from tests.reports.test_words import LONDON
from tests.world import playbook

FIRST = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday; London's clock is UTC then
HOUR = timedelta(hours=1)  # the promise, and every question comes well within working hours
TEXTS = (
    *("Where is my order? It was due last week",) * 4,
    *("How do I return a dress that I bought online?",) * 2,
    *("My discount code is not working", "Do you ship to Canada?"),
    *("What time does the Leeds store close on Sunday?", "Is the blue vase back in stock?"),
)
PLACES = (*("facebook",) * 6, *("messenger",) * 3)
SAY = say_in("en", LONDON)


def deliveries() -> Iterator[tuple[datetime, Delivery]]:
    """Four weeks: ten questions a day between nine and three, twice as many on Mondays, most of them after ten. Of
    three in turn one is answered after twenty minutes, one after four hours, one never."""
    apps, random, number = demo_apps(), Random(5), 0
    for day in range(28):
        for n in range(20 if day % 7 == 0 else 10):
            number += 1
            hour = 10 if n % 2 else 9 + n % 6
            at = FIRST + timedelta(days=day, hours=hour, minutes=random.randrange(60), seconds=number % 60)
            product, author = random.choice(PLACES), author_id(f"customer {number}")
            said = SimulatedMessage(product, random.choice(TEXTS), author, "Robin", id=f"8{number:09}", at=at)
            yield at, deliver(apps, said)
            if number % 3:
                later = at + (timedelta(minutes=20) if number % 3 == 1 else 4 * HOUR)
                to = author if product == "messenger" else said.id
                words = SimulatedMessage(product, "Hello, here you are.", id=f"7{number:09}", at=later, to=to)
                yield later, deliver(apps, words)


@dataclass(frozen=True)
class Asked:
    """A question by the outcomes file alone."""

    at: datetime
    platform: str
    intent: str
    answered_at: datetime | None
    replied: bool
    mailed_at: datetime | None

    @property
    def late(self) -> bool:
        return self.answered_at is None or self.answered_at > self.at + HOUR


@dataclass(frozen=True)
class Month:
    folder: Path
    asked: list[Asked]

    @property
    def page(self) -> "Page":
        return Page((self.folder / "report.html").read_text("utf-8"))

    @property
    def told(self) -> Any:
        return json.loads((self.folder / "report.json").read_text("utf-8"))


class Page(HTMLParser):
    """The first screen: for each figure its name, value and lines; and what to change."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.figures: list[list[str]] = []
        self.change: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in.append(f"{tag}.{dict(attrs).get('class') or ''}")
        if tag == "dt":
            self.figures.append([])

    def handle_endtag(self, tag: str) -> None:
        while self._in and not self._in.pop().startswith(f"{tag}."):
            pass

    def handle_data(self, data: str) -> None:
        if "dl.figures" in self._in and data.strip():
            self.figures[-1].append(" ".join(data.split()))
        if "ol.advice" in self._in and self._in[-1] == "strong.":
            self.change.append(data)


def time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def counted(outcomes: Path) -> list[Asked]:
    rows = [json.loads(line) for line in outcomes.read_text("utf-8").splitlines()]
    ends = {row["id"].partition("~")[0]: row for row in rows if row["type"] == "conversation"}
    replied = {row["interaction"] for row in rows if row["type"] == "reply" and row["result"] == "sent"}
    mailed: dict[str, datetime] = {}
    for row in rows:
        if row["type"] == "email" and row["kind"] in ("notice", "group", "digest"):
            for name in row["conversations"]:
                mailed.setdefault(name.partition("~")[0], datetime.fromisoformat(row["at"]))
    found = []
    for row in rows:
        if row["type"] == "interaction" and not row["brand"]:
            end = ends[row["conversation"].partition("~")[0]]
            at = datetime.fromisoformat(row["at"])
            mail = mailed.get(row["conversation"].partition("~")[0])
            answered = time(end["answered_at"])
            found.append(Asked(at, row["platform"], row["intent"], answered, row["id"] in replied, mail))
    return found


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """The one command of the README, on the recorded month."""
    folder = tmp_path_factory.mktemp("month")
    recorded, apps = folder / "deliveries.jsonl", folder / "apps.json"
    with recorded.open("w", encoding="utf-8") as out:
        for at, d in sorted(deliveries(), key=lambda row: row[0]):
            out.write(Recorded(at, "POST", d.path, {}, d.headers, d.body).line())
    write(apps)
    command = [str(recorded), "--apps", str(apps), "--out", str(folder / "outcomes.jsonl"), "--until", "24h"]
    assert main([*command, "--report", str(folder / "report.html")]) == 0
    return Month(folder, counted(folder / "outcomes.jsonl"))


def test_how_many_asked_what_and_where(month: Month) -> None:
    name, value, mostly, before = month.page.figures[0]
    kinds, places = Counter(a.intent for a in month.asked), Counter(a.platform for a in month.asked)
    assert len(month.asked) == 28 * 10 + 4 * 10
    (kind, often), (place, there) = kinds.most_common(1)[0], places.most_common(1)[0]
    assert (name, value, before) == ("Questions", str(len(month.asked)), "nothing known of the time before")
    share, where = SAY.percent(often / len(month.asked)), SAY.percent(there / len(month.asked))
    assert mostly == " ".join(
        f"mostly {SAY.within('intent', kind)} ({share}), most on {SAY.within('platform', place)} ({where})".split()
    )
    assert {x["name"]: x["asked"] for x in month.told["ledger"]["groups"]["intent"]} == kinds
    assert {x["name"]: x["asked"] for x in month.told["ledger"]["groups"]["platform"]} == places


def test_how_many_waited_too_long(month: Month) -> None:
    name, value, more = month.page.figures[1]
    late = [a for a in month.asked if a.late]
    never = sum(a.answered_at is None for a in month.asked)
    assert len(late) > 100 and never > 50
    assert (name, value) == ("Waited too long", str(len(late)))
    assert more == f"of {len(month.asked)} with a promise; {never} still open"


def test_what_it_would_have_been_with_earshot(month: Month) -> None:
    name, value, more = month.page.figures[2]
    late = [a for a in month.asked if a.late]
    in_time = [a for a in late if a.mailed_at and a.mailed_at < a.at + HOUR]
    replied = sum(a.replied for a in month.asked)
    assert replied > 50
    assert (name, value) == ("Told in time by Earshot", str(len(in_time)))
    share = " ".join(SAY.percent(replied / len(month.asked)).split())
    assert more == f"of these {len(late)}, before the time was up; {share} of all had a reply at once"


def test_how_many_people_next_month_needs_and_when(month: Month) -> None:
    (_, expected, a_day), (_, people, when) = month.page.figures[4:6]
    assert int(expected) == pytest.approx(len(month.asked), rel=0.15)  # a month like the one before
    assert a_day.startswith(f"about {round(int(expected) / 28)} a day")
    by_hour: dict[tuple[int, int], int] = defaultdict(int)
    for a in month.asked:
        by_hour[a.at.weekday(), a.at.hour] += 1
    weekday, hour = max(by_hour, key=lambda key: by_hour[key])
    assert (weekday, hour) == (0, 10) and by_hour[0, 10] / 4 >= 10
    assert int(people) == month.told["plan"]["hours"][10]["people"] >= 1
    assert when.startswith("Monday at 10:00; ") and when.endswith(" person-hours a week")
    assert f"{sum(h['people'] for h in month.told['plan']['hours'])} person-hours" in when


def test_which_three_things_to_change_and_because_of_how_many(month: Month) -> None:
    assert len(month.page.change) == len(month.told["advice"]) == 3
    book, told = playbook(), {x["key"]: x["values"] for x in month.told["advice"]}
    for key, values in told.items():
        if key == "once":
            assert values["count"] == sum(a.intent == values["what"] for a in month.asked)
            assert values["count"] == max(Counter(a.intent for a in month.asked if a.intent != "other").values())
        elif key == "look":
            assert values["count"] == sum(a.platform == values["where"] and not a.answered_at for a in month.asked)
        elif key == "hours":
            hours = [(values["from"] + n) % 24 for n in range(3)]
            of = [
                a for a in month.asked if a.at.hour in hours and book.team(a.intent, 1).name == values["team"]
            ]  # fmt: skip
            assert (values["count"], values["of"]) == (sum(a.late for a in of), len(of))
        elif key == "promise":
            of = [a for a in month.asked if a.intent == values["what"]]
            assert (values["count"], values["of"]) == (sum(a.late for a in of), len(of))
        else:
            assert key == "teach"


def test_the_ledger_of_the_month_is_exact(month: Month) -> None:
    found = month.told["ledger"]["reconciled"]
    assert (found["facts"], found["stored"], found["missing"], found["surplus"]) == (320, 320, [], [])
