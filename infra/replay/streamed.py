"""The change stream of a replay's table: what DynamoDB Streams would tell, turned into facts by the same code."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from chalicelib.reports import lake
from chalicelib.reports.columns import End, Fact
from chalicelib.reports.facts import Deriver
from chalicelib.reports.questions import Asked
from chalicelib.reports.spikes import HOUR, Labelled, Question, spikes
from chalicelib.reports.stream import Changed, FactsOfChanges
from chalicelib.storage.item_keys import is_conversation, is_interaction
from chalicelib.storage.table import Item, Key
from infra.replay.memory import MemoryTable

BATCH = 500  # changes, as Lambda takes them from a shard


@dataclass
class StreamedTable(MemoryTable):
    """A table whose changes are turned into facts as they come, in batches. `deriver` None: nobody listens."""

    deriver: Deriver | None = None
    _changes: list[Changed] = field(default_factory=list)
    _facts: dict[tuple[str, date], Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def put(self, item: Item) -> Item:
        old = self.get(item.key)
        new = super().put(item)
        self._changed(item.key, old, new)
        return new

    def delete(self, key: Key, rev: int | None = None) -> None:
        old = self.get(key)
        super().delete(key, rev)
        if old:
            self._changed(key, old, None)

    def _changed(self, key: Key, old: Item | None, new: Item | None) -> None:
        if self.deriver is None or not (is_conversation(key) or is_interaction(key)):
            return
        self._changes.append(Changed(key, old, new))
        if len(self._changes) >= BATCH:
            self._derive()

    def _derive(self) -> None:
        assert self.deriver
        for fact in FactsOfChanges(self, self.deriver).facts(self._changes):
            at = (fact.question, fact.day)
            if at not in self._facts or self._facts[at].revision <= fact.revision:
                self._facts[at] = fact
        self._changes.clear()

    def facts(self) -> list[Fact]:
        """The facts of everything that has changed until now."""
        self._derive()
        return list(self._facts.values())

    def write_facts(self, folder: Path) -> int:
        """Writes the facts under `folder` as one Parquet file a day; how many questions."""
        facts = self.facts()
        lake.write(folder, facts, "replay")
        asked = [
            Question(f.asked_at, f.post, f.intent or "other", f.question, f.conversation)
            for f in facts
            if f.state is not End.MOVED
        ]
        first = min((q.asked_at for q in asked), default=None)
        assert self.deriver
        zone = ZoneInfo(self.deriver.playbook.shop.timezone)  # as the watch looks at them
        found = spikes(asked, first, max(q.asked_at for q in asked) + HOUR, first, zone) if first else []
        labels = [Labelled.of(spike) for spike in found]
        return lake.Lake(folder).compact(spikes=labels)

    def asked(self) -> Iterator[Asked]:
        """What customers wrote."""
        assert self.deriver
        return FactsOfChanges(self, self.deriver).asked()

    def names(self, wanted: Collection[str]) -> dict[str, str]:
        """What the customers of these pseudonyms are called in public."""
        assert self.deriver
        return FactsOfChanges(self, self.deriver).names(wanted)

    def stored(self) -> Iterator[str]:
        """The pseudonyms of the questions that the table itself holds, counted without the facts."""
        assert self.deriver
        return FactsOfChanges(self, self.deriver).stored()
