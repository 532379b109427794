"""The playbook's sections about people: hours, teams and escalation."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from chalicelib.playbook.business_time import LONGEST_WAIT, MINUTES_A_DAY, Hours, Span, is_region
from chalicelib.playbook.closures import CalendarError, Closures, merged, read_closures
from chalicelib.playbook.notices import CHANNELS, read_channels
from chalicelib.playbook.parts import INTENTS, Team, Tier, Urgency
from chalicelib.playbook.yaml_parts import Block, Part, span_text

ALWAYS: Final = Hours("UTC", always=True)
_NEVER: Final[tuple[tuple[Span, ...], ...]] = ((),) * 7
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHANNEL_KEYS: Final = (*CHANNELS, "webhook_secret")
_DAY: Final = re.compile(r"(\d{4}-)?\d{2}-\d{2}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]*")
_EMAIL: Final = re.compile(
    r"(?![.])[\w.!#$%&'*+/=?^`{|}~-]+(?<![.])@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.ASCII | re.IGNORECASE
)
_NO_TIERS: Final[tuple[Tier, ...]] = ()
_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(days=30)
_SOME_DAY: Final = datetime(2026, 1, 5, tzinfo=UTC)


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
    block = part.block("days", "holidays", "closed", "calendars")
    week = block.need("days", _week, _NEVER, 'write for instance days: {mon-fri: "08:00-20:00"}')
    calendars = block.get("calendars", lambda p: p.each(lambda one: _calendar(one, zone)), list[Closures]())
    closed = block.get("closed", lambda p: p.each(_closed_day), list[str]())
    return Hours(
        zone,
        week,
        region=block.get("holidays", _region, ""),
        closed=frozenset(closed).union(*(calendar.days for calendar in calendars)),
        shut=merged(time for calendar in calendars for time in calendar.times),
    )


def _calendar(part: Part, zone: str) -> Closures:
    write = "write a file beside the playbook, such as closures.ics, or an https address"
    source = part.word(write)
    if "://" in source and not source.startswith("https://"):
        raise part.wrong("not an https address", write)
    try:
        return read_closures(source, part.file.folder, zone, date.today())
    except CalendarError as error:
        raise part.wrong(f"a calendar cannot be used: {error}", "nobody would know when this team is away") from None


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
        if not _DAY.fullmatch(day):  # "W52" is a date as well, says ISO 8601
            raise ValueError
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
    keys = ("email", "fallback_email", "name", "language", "hours", "answer_within", "tell_after", *_CHANNEL_KEYS)
    block = part.block(*keys)
    email = block.need(
        "email", read_email, "", "write the team's mailbox, for instance email: service@shop.example.com"
    )
    open_hours = block.need("hours", lambda p: p.choice(hours, "hours"), "", "write the name of one of the hours above")
    channels, secret = read_channels(block)
    return Team(
        name,
        email,
        fallback_email=block.get("fallback_email", read_email, ""),
        language=block.get("language", lambda p: p.choice(languages, "language"), languages[0]),
        hours=hours.get(open_hours, ALWAYS),
        answer_within=block.get("answer_within", _wait, None),
        tell_after=block.get("tell_after", _wait, None),
        channels=channels,
        webhook_secret=secret,
        titles=block.get("name", lambda p: _titles(p, languages), dict[str, str]()),
    )


def _titles(part: Part, languages: Sequence[str]) -> dict[str, str]:
    """What people call a team: one name, or one a language."""
    write = "write name: Press desk, or {en: Press desk, de: Pressestelle}"
    if part.is_text:
        return {"": part.word(write)}
    return {language: entry.word(write) for language, entry in part.items(languages, "language").items()}


def read_email(part: Part) -> str:
    """An e-mail address."""
    email = part.word("write an e-mail address")
    if not _EMAIL.fullmatch(email) or ".." in email or len(email) > 254:
        raise part.wrong(f'"{email}" is not an e-mail address', "write one such as service@shop.example.com")
    return email


@dataclass(frozen=True, slots=True)
class Escalation:
    """The section `escalation`, in the Playbook's own fields."""

    default_team: str = ""
    before_window_closes: timedelta = timedelta(minutes=30)
    answer_within: timedelta = timedelta(hours=1)
    tell_after: timedelta = timedelta(minutes=10)
    lead: timedelta = timedelta(minutes=30)
    apart: timedelta = timedelta(minutes=15)
    later_tiers: tuple[Tier, ...] = ()
    urgency: Urgency = field(default_factory=lambda: Urgency(frozenset(), 0.2, ()))


def read_escalation(part: Part, teams: Collection[str]) -> Escalation:
    """The section `escalation`: who is called after what time, and what does not wait."""
    clocks = ("answer_within", "tell_after", "lead", "apart")
    block, usual = part.block("team", *clocks, "before_window_closes", "tiers", "urgent"), Escalation()
    apart = block.get("apart", _wait, usual.apart)
    return Escalation(
        block.need("team", lambda p: p.choice(teams, "team"), "", "write the team for all that names none"),
        block.get("before_window_closes", _margin, usual.before_window_closes),
        block.get("answer_within", _wait, usual.answer_within),
        block.get("tell_after", _wait, usual.tell_after),
        block.get("lead", _wait, usual.lead),
        apart,
        block.need("tiers", lambda p: _tiers(p, teams, apart), usual.later_tiers, "write for instance - after: 30min"),
        block.need("urgent", lambda p: _urgency(p, teams, apart), usual.urgency, "write which intents skip the wait"),
    )


def check_clocks(top: Block, escalation: Escalation, teams: Mapping[str, Team], intents: Mapping[str, Any]) -> None:
    """Refuses a promise that cannot be kept: the team would be told too late, or does not work often enough."""
    if top.part.file.mistakes:
        return
    lines, usual = top.entries["teams"].items(), top.entries["escalation"]
    for name, team in teams.items():
        with top.part.file.collect():
            within, tell = team.answer_within or escalation.answer_within, team.tell_after or escalation.tell_after
            own = team.answer_within or team.tell_after
            _check_lead(lines[name] if own else usual, within, tell, escalation.lead)
            if team.hours.after(_SOME_DAY, within) >= _SOME_DAY + LONGEST_WAIT:
                raise lines[name].wrong(
                    "never works so long as it has to answer", "give it hours, or fewer closed days"
                )
    rows = top.entries["intents"].items() if "intents" in top.entries else {}
    for name, policy in intents.items():
        team = teams[policy.team or escalation.default_team]
        within, tell = team.answer_within or escalation.answer_within, team.tell_after or escalation.tell_after
        if policy.answer_within:
            with top.part.file.collect():
                if policy.answer_within > within:
                    raise rows[name].wrong(
                        f"answers within {span_text(policy.answer_within)}, its team within {span_text(within)}",
                        "an intent may only be quicker than its team",
                    )
                _check_lead(rows[name], policy.answer_within, tell, escalation.lead)


def _check_lead(part: Part, within: timedelta, tell: timedelta, lead: timedelta) -> None:
    if tell + lead > within:
        said = (
            f"told after {span_text(tell)}, with {span_text(lead)} of lead, nobody answers within {span_text(within)}"
        )
        raise part.wrong(said, "make answer_within longer, or tell_after or escalation.lead shorter")


def _margin(part: Part) -> timedelta:
    return part.duration(timedelta(), timedelta(hours=12))


def _wait(part: Part) -> timedelta:
    return part.duration(_SHORTEST, _LONGEST)


def _urgency(part: Part, teams: Collection[str], apart: timedelta) -> Urgency:
    block = part.block("intents", "at_confidence", "tiers")
    intents = block.need("intents", _intent_names, list[str](), "write intents: [legal_safety]")
    confidence = block.get("at_confidence", lambda p: p.number(0, 1), 0.2)
    tiers = block.need("tiers", lambda p: _tiers(p, teams, apart), _NO_TIERS, "write - after: 0min and a team")
    if tiers and tiers[0].after:
        raise block.entries["tiers"].wrong("the first tier of urgent intents waits", "write after: 0min")
    return Urgency(frozenset(intents), confidence, tiers)


def _tiers(part: Part, teams: Collection[str], apart: timedelta) -> tuple[Tier, ...]:
    tiers = part.each(lambda p: _tier(p, teams))
    if not tiers and not part.file.mistakes:
        raise part.wrong("has no tier", "write at least one, such as - after: 30min")
    for one, other in pairwise(tiers):
        if other.after < one.after + apart:
            raise part.wrong(
                f"a tier comes less than {span_text(apart)} (escalation.apart) after the one before",
                "write longer and longer waits: 30min, 4h, 24h",
            )
    return tuple(tiers)


def _tier(part: Part, teams: Collection[str]) -> Tier:
    block = part.block("after", "team")
    after = block.need(
        "after", lambda p: p.duration(timedelta(), _LONGEST), timedelta(), "write for instance after: 1h"
    )
    return Tier(after, block.get("team", lambda p: p.choice(teams, "team"), None))


def _intent_names(part: Part) -> list[str]:
    return part.each(lambda p: p.choice(INTENTS, "intent"))
