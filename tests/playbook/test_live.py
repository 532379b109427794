"""A playbook that was put is live within five minutes, everywhere, and a failing table never changes what is served."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.aws.client import AwsError
from chalicelib.playbook.live import FRESH_FOR, LivePlaybook, PlaybookVersions
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.storage.table import Conflict, Item, Key
from infra.replay.memory import MemoryTable

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
TEXT = DEFAULT_PLAYBOOK.read_text("utf-8")
PACKAGED = load_playbook(TEXT)
STOPPED = TEXT.replace("    all: false\n", "    all: true\n")


class Failing(MemoryTable):
    down = False

    def get(self, key: Key, *, lately: bool = False) -> Item | None:
        if self.down:
            raise AwsError("InternalServerError")
        return super().get(key, lately=lately)


@dataclass
class Shop:
    """A stack whose function is warm, and the operator's side."""

    table: Failing = field(default_factory=Failing)
    counted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.versions = PlaybookVersions(self.table)
        self.warm = self.start()

    def start(self) -> LivePlaybook:
        return LivePlaybook(self.versions, lambda: PACKAGED, lambda code, now: self.counted.append(code))

    def put(self, text: str) -> int:
        return self.versions.put(load_playbook(text), text, "mine.yaml", NOW)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def says_nothing(playbook: Playbook) -> bool:
    return playbook.stopped_altogether


def test_the_deployments_own_is_served_until_another_is_put(shop: Shop) -> None:
    assert shop.warm.at(NOW) is PACKAGED


def test_one_that_was_put_is_served_within_five_minutes_and_at_once_by_a_new_start(shop: Shop) -> None:
    assert not says_nothing(shop.warm.at(NOW))
    shop.put(STOPPED)
    assert says_nothing(shop.start().at(NOW))
    assert timedelta(0) < FRESH_FOR < timedelta(minutes=5)
    assert says_nothing(shop.warm.at(NOW + timedelta(minutes=5)))


def test_every_version_stays_and_an_older_one_can_be_served_again(shop: Shop) -> None:
    first, second = shop.put(STOPPED), shop.put(TEXT)
    assert [(v.number, v.file, v.served) for v in shop.versions.all()] == [
        (1, "mine.yaml", False),
        (2, "mine.yaml", True),
    ]
    assert not says_nothing(shop.start().at(NOW))
    shop.versions.serve(first)
    assert says_nothing(shop.start().at(NOW))
    shop.versions.serve(0)
    assert shop.start().at(NOW) is PACKAGED
    assert shop.put(STOPPED) == second + 1


def test_a_version_that_is_not_there_is_refused_and_changes_nothing(shop: Shop) -> None:
    shop.put(STOPPED)
    with pytest.raises(PlaybookError, match="no version 7"):
        shop.versions.serve(7)
    assert says_nothing(shop.start().at(NOW))


def test_while_the_table_fails_the_one_in_memory_serves_on_and_an_alarm_is_told(shop: Shop) -> None:
    shop.put(STOPPED)
    assert says_nothing(shop.warm.at(NOW))
    shop.table.down = True
    later = NOW + timedelta(minutes=6)
    assert says_nothing(shop.warm.at(later))
    assert says_nothing(shop.warm.at(later + timedelta(seconds=59)))
    assert shop.counted == ["InternalServerError"]  # asked again after a minute, not by every message
    shop.table.down = False
    shop.put(TEXT)
    assert not says_nothing(shop.warm.at(later + timedelta(minutes=2)))


def test_a_start_that_cannot_ask_does_not_guess(shop: Shop) -> None:
    """The packaged one may allow what the newest forbids: the message waits in its queue instead."""
    shop.put(STOPPED)
    shop.table.down = True
    with pytest.raises(AwsError):
        shop.start().at(NOW)


@pytest.mark.parametrize("compiled", [b"damaged", None])
def test_one_that_this_release_cannot_read_only_says_nothing(shop: Shop, compiled: bytes | None) -> None:
    number = shop.put(TEXT)
    item = shop.table.get(Key("d#playbook", f"v{number:06}"))
    assert item
    doc = {name: value for name, value in item.doc.items() if name != "compiled"}
    shop.table.put(Item(item.key, doc | ({"compiled": compiled} if compiled else {}), item.rev))
    found = shop.start().at(NOW)
    assert says_nothing(found)
    assert found.teams == PACKAGED.teams
    assert shop.counted == ["unreadable"]


def test_of_two_who_put_one_at_the_same_moment_one_is_refused(shop: Shop) -> None:
    shop.versions.all = list  # type: ignore[method-assign]  # the other one comes right after this look
    shop.put(TEXT)
    with pytest.raises(Conflict):
        shop.put(STOPPED)
    assert not says_nothing(shop.start().at(NOW))
