"""The playbook that is served: the newest that `make playbook` put into the table, else the packaged one. A change is
live within FRESH_FOR without a deployment.

It lies in the table, and not in a store of its own, because work that cannot read the table does nothing anyway: so the
playbook never fails alone, and a start never has to guess whether a newer one forbids what the packaged one allows.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.aws.client import AwsError
from chalicelib.codec import from_time
from chalicelib.playbook.compiled import compiled, load_compiled
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.item_keys import documents_pk
from chalicelib.storage.table import Item, Key, Table

FRESH_FOR: Final = timedelta(minutes=4)
STALE_FOR: Final = timedelta(minutes=1)  # when the table fails, until it is asked again
PACKAGED_VERSION: Final = 0
_PARTITION: Final = documents_pk("playbook")
_SERVED: Final = Key(_PARTITION, "served")


@dataclass(frozen=True, slots=True)
class Version:
    """One playbook that was put: its number, what its file was called, and when (ISO 8601)."""

    number: int
    file: str
    at: str
    served: bool = False


class PlaybookVersions:
    """Every playbook that was put into the table, and which of them is served."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def served(self) -> int:
        """The number of the one that is served; PACKAGED_VERSION: that of the deployment."""
        item = self._table.get(_SERVED)
        return int(item.doc["version"]) if item else PACKAGED_VERSION

    def load(self, number: int) -> Playbook:
        """That version; raises PlaybookError when it is not there or this release cannot read it."""
        item = self._table.get(_key(number))
        if item is None:
            raise PlaybookError(f"there is no version {number}")
        try:
            text = zlib.decompress(bytes(item.doc["compiled"])).decode()
        except (zlib.error, UnicodeDecodeError, KeyError):
            raise PlaybookError(f"version {number} is damaged") from None
        return load_compiled(text)

    def put(self, playbook: Playbook, text: str, file: str, now: datetime) -> int:
        """Keeps `playbook`, which is written in `text`, as a new version and serves it; its number. Raises Conflict
        when somebody else put one at the same moment."""
        number = max((v.number for v in self.all()), default=PACKAGED_VERSION) + 1
        doc = {
            "version": number,
            "file": file,
            "at": from_time(now),
            "compiled": zlib.compress(compiled(playbook, now.date()).encode(), 9),
            "yaml": zlib.compress(text.encode(), 9),
        }
        self._table.put(Item(_key(number), doc))
        self._serve(number)
        return number

    def serve(self, number: int) -> None:
        """Serves an older version again, or the deployment's own. Raises PlaybookError, Conflict."""
        if number != PACKAGED_VERSION:
            self.load(number)
        self._serve(number)

    def all(self) -> list[Version]:
        """Every version, the oldest first."""
        served = self.served()
        docs = [item.doc for item in self._table.partition(_PARTITION) if item.key != _SERVED]
        return [Version(n := int(d["version"]), str(d["file"]), str(d["at"]), n == served) for d in docs]

    def _serve(self, number: int) -> None:
        old = self._table.get(_SERVED)
        self._table.put(Item(_SERVED, {"version": number}, old.rev if old else 0))


class LivePlaybook:
    """The playbook as it is now; `packaged` is the deployment's, `count` notes that an old one serves on, and why."""

    def __init__(
        self, versions: PlaybookVersions, packaged: Callable[[], Playbook], count: Callable[[str, datetime], None]
    ) -> None:
        self._versions, self._packaged, self._count = versions, packaged, count
        self._known: tuple[int, Playbook] | None = None
        self._asked_at: datetime | None = None

    def at(self, now: datetime) -> Playbook:
        """The one to work with at `now`. Raises AwsError where none is known yet and the table does not answer."""
        if self._known and self._asked_at and timedelta() <= now - self._asked_at <= FRESH_FOR:
            return self._known[1]
        self._known, self._asked_at = self._asked(now)
        return self._known[1]

    def _asked(self, now: datetime) -> tuple[tuple[int, Playbook], datetime]:
        known, soon = self._known, now - FRESH_FOR + STALE_FOR
        try:
            number = self._versions.served()
            if known is None or known[0] != number:
                known = number, self._packaged() if number == PACKAGED_VERSION else self._versions.load(number)
            return known, now
        except AwsError as error:
            if known is None:
                raise
            self._count(error.code, now)
            return known, soon
        except PlaybookError:  # written by another release
            self._count("unreadable", now)
            # nobody knows what the unreadable one forbids: people are told as ever, and nothing is said in public
            return known or (PACKAGED_VERSION, replace(self._packaged(), stopped_altogether=True)), soon


def _key(number: int) -> Key:
    return Key(_PARTITION, f"v{number:06}")
