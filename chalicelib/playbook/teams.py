"""The playbook's sections about people: hours, teams and escalation."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from chalicelib.playbook.business_time import MINUTES_A_DAY, Hours, Span, is_region
from chalicelib.playbook.policy import INTENTS, Team, Tier, Urgency
from chalicelib.playbook.yaml_parts import Part

ALWAYS: Final = Hours("UTC", always=True)
_NEVER: Final[tuple[tuple[Span, ...], ...]] = ((),) * 7
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]*")
_EMAIL: Final = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]+@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.ASCII | re.IGNORECASE
)
_NO_TIERS: Final[tuple[Tier, ...]] = ()
_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(days=30)


def read_hours(part: Part, zone: str) -> dict[str, Hours]:
    """The section `hours`: by name, when people work."""
    found = {}
    for name, entry in part.items().items():
        with part.file.collect():
            found[name] = _hours_of(entry, zone)
    return found


def _hours_of(part: Part, zone: str) -> Hours:
    if part.is_text:
        part.choice(("always",), "hours")
        return Hours(zone, always=True)
    block = part.block("days", "holidays", "closed")
    week = block.need("days", _week, _NEVER, 'write for instance days: {mon-fri: "08:00-20:00"}')
    return Hours(
        zone,
        week,
        region=block.get("holidays", _region, ""),
        closed=frozenset(block.get("closed", lambda p: p.each(_closed_day), list[str]())),
    )


def _week(part: Part) -> tuple[tuple[Span, ...], ...]:
    week: dict[str, tuple[Span, ...]] = {}
    for key, entry in part.items().items():
        with part.file.collect():
            days = _days(entry, key)
            if twice := [day for day in days if day in week]:
                raise entry.wrong(f"{twice[0]} stands twice", "let each day stand in one line only")
            week |= dict.fromkeys(days, _spans(entry))
    if not part.file.mistakes and not any(week.values()):
        raise part.wrong("no day has any hours", 'write for instance mon-fri: "08:00-20:00", or hours: always')
    return tuple(week.get(day, ()) for day in _DAYS)


def _days(part: Part, key: str) -> tuple[str, ...]:
    first, _, last = key.partition("-")
    if first not in _DAYS or (last or first) not in _DAYS or _DAYS.index(last or first) < _DAYS.index(first):
        raise part.wrong(f'"{key}" is not a day', "write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri")
    return _DAYS[_DAYS.index(first) : _DAYS.index(last or first) + 1]


def _spans(part: Part) -> tuple[Span, ...]:
    if part.is_text and part.word('write "08:00-20:00" or closed') == "closed":
        return ()
    spans = sorted(_span(p) for p in part.parts())
    for (_, closes), (opens, _) in pairwise(spans):
        if opens < closes:
            raise part.wrong("two of the hours overlap", "write them one after the other, or as one")
    return tuple(spans)


def _span(part: Part) -> Span:
    opens, closes = part.clock_span()
    return opens, closes if closes > opens else closes + MINUTES_A_DAY


def _region(part: Part) -> str:
    region = part.word("write a country such as DE, or a part of one such as GB-ENG")
    if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,4})?", region) or not is_region(region):
        raise part.wrong(f'no public holidays known for "{region}"', "write a country or a part of one: DE, GB-ENG")
    return region


def _closed_day(part: Part) -> str:
    day = part.word('write a day such as "2026-12-24", or "12-24" for every year')
    try:
        date.fromisoformat(day if len(day) == 10 else f"2024-{day}")
    except ValueError:
        raise part.wrong(f'"{day}" is not a day', 'write "2026-12-24", or "12-24" for every year') from None
    return day


def read_teams(part: Part, languages: Sequence[str], hours: Mapping[str, Hours]) -> dict[str, Team]:
    """The section `teams`: by name, a mailbox and its hours."""
    teams = {}
    for name, entry in part.items().items():
        with part.file.collect():
            if not _WORD.fullmatch(name):
                raise entry.wrong(f'"{name}" is not a name for a team', "write small letters and _, such as web_shop")
            teams[name] = _team(entry, name, languages, hours)
    return teams


def _team(part: Part, name: str, languages: Sequence[str], hours: Mapping[str, Hours]) -> Team:
    block = part.block("email", "fallback_email", "language", "hours")
    email = block.need("email", _email, "", "write the team's mailbox, for instance email: service@shop.example.com")
    open_hours = block.need("hours", lambda p: p.choice(hours, "hours"), "", "write the name of one of the hours above")
    return Team(
        name,
        email,
        fallback_email=block.get("fallback_email", _email, ""),
        language=block.get("language", lambda p: p.choice(languages, "language"), languages[0]),
        hours=hours.get(open_hours, ALWAYS),
    )


def _email(part: Part) -> str:
    email = part.word("write an e-mail address")
    if not _EMAIL.fullmatch(email) or ".." in email or len(email) > 254:
        raise part.wrong(f'"{email}" is not an e-mail address', "write one such as service@shop.example.com")
    return email


@dataclass(frozen=True, slots=True)
class Escalation:
    """The section `escalation`, in the Playbook's own fields."""

    default_team: str = ""
    before_window_closes: timedelta = timedelta(minutes=30)
    tiers: tuple[Tier, ...] = ()
    urgency: Urgency = field(default_factory=lambda: Urgency(frozenset(), 0.2, ()))


def read_escalation(part: Part, teams: Collection[str]) -> Escalation:
    """The section `escalation`: who is called after what time, and what does not wait."""
    block, usual = part.block("team", "before_window_closes", "tiers", "urgent"), Escalation()
    return Escalation(
        block.need("team", lambda p: p.choice(teams, "team"), "", "write the team for all that names none"),
        block.get("before_window_closes", _margin, usual.before_window_closes),
        block.need("tiers", lambda p: _tiers(p, teams, _SHORTEST), usual.tiers, "write for instance - after: 1h"),
        block.need("urgent", lambda p: _urgency(p, teams), usual.urgency, "write which intents skip the wait"),
    )


def _margin(part: Part) -> timedelta:
    return part.duration(timedelta(), timedelta(hours=12))


def _urgency(part: Part, teams: Collection[str]) -> Urgency:
    block = part.block("intents", "at_confidence", "tiers")
    intents = block.need("intents", _intent_names, list[str](), "write intents: [legal_safety]")
    confidence = block.get("at_confidence", lambda p: p.number(0, 1), 0.2)
    tiers = block.need("tiers", lambda p: _tiers(p, teams, timedelta()), _NO_TIERS, "write - after: 0min and a team")
    return Urgency(frozenset(intents), confidence, tiers)


def _tiers(part: Part, teams: Collection[str], least: timedelta) -> tuple[Tier, ...]:
    tiers = part.each(lambda p: _tier(p, teams, least))
    if not tiers and not part.file.mistakes:
        raise part.wrong("has no tier", "write at least one, such as - after: 1h")
    if least == timedelta() and tiers and tiers[0].after:
        raise part.wrong("the first tier of urgent intents waits", "write after: 0min")
    for one, other in pairwise(tiers):
        if other.after <= one.after:
            raise part.wrong(
                "a tier does not come after the one before it", "write longer and longer waits: 1h, 4h, 24h"
            )
    return tuple(tiers)


def _tier(part: Part, teams: Collection[str], least: timedelta) -> Tier:
    block = part.block("after", "team")
    after = block.need("after", lambda p: p.duration(least, _LONGEST), least, "write for instance after: 1h")
    return Tier(after, block.get("team", lambda p: p.choice(teams, "team"), None))


def _intent_names(part: Part) -> list[str]:
    return part.each(lambda p: p.choice(INTENTS, "intent"))
