"""What a report takes from the playbook and the registrations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

HANDLING: Final = timedelta(minutes=6)
"""How long a person works on a question, where nobody has stated it: an assumption, and the page says so."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the report takes from the playbook. `within` is the promise that people are planned for, `share` of the
    questions have to be taken up within it; `open_hours` are the 168 hours of a week, Monday 00:00 first. `accounts`
    are the names of the accounts, by product:id, `teams` the playbook's own ones of teams (Team.titles); `language` is
    that in which the report is written."""

    shop: str
    zone: ZoneInfo
    within: timedelta = timedelta(hours=1)
    share: float = 0.9
    handling: timedelta = HANDLING
    stated: bool = True
    open_hours: tuple[bool, ...] = ()
    resolving: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    teams: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    special: Mapping[str, frozenset[date]] = field(default_factory=dict)
