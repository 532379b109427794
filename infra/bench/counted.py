"""A table in memory that counts the calls that DynamoDB would get."""

from collections import Counter
from typing import Any

from infra.replay.memory import MemoryTable

CALLS = frozenset(("get", "put", "delete", "partition", "overdue", "count", "counted"))


class CountedTable(MemoryTable):
    """`asked` are the calls by name."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in CALLS:
            self.asked[name] += 1
        return found
