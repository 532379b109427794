"""What a playbook says, as a table; for people who have just edited one."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from chalicelib.conversations.interaction import Rung
from chalicelib.playbook.business_time import Hours
from chalicelib.playbook.campaigns import Campaign
from chalicelib.playbook.parts import INTENTS, NEED_NO_ANSWER, Bars, IntentPolicy, PlaybookError, ProductPolicy, Tier
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.preview import previews
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK
from chalicelib.playbook.reader import read_playbook as load
from chalicelib.playbook.yaml_parts import span_text

_FEW = 3  # closed days that are named
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def main(arguments: Sequence[str]) -> int:
    """Checks the file that is named first, else the one that comes with Earshot; 0 when it is right, 1 when not."""
    parser = ArgumentParser("python -m chalicelib.playbook", description="Checks a playbook and shows what it says.")
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_PLAYBOOK, help="the one that comes along if none")
    path: Path = parser.parse_args(arguments).file
    try:
        playbook = load(path)
    except PlaybookError as error:
        print(error)
        return 1
    except OSError as error:
        print(f"{path.name}: cannot be read: {error.strerror}")
        return 1
    print("\n".join((*summary(playbook), "", "What customers read, on a Monday at 10:00:", "", *previews(playbook))))
    return 0


def summary(playbook: Playbook) -> Iterable[str]:
    """The lines of the table: hours and mailboxes, who is called when, and what is said to which intent."""
    yield f"{playbook.shop.name}, {playbook.shop.timezone}, languages: {', '.join(playbook.languages)}"
    if playbook.unserved:
        yield f"texts kept, languages not served: {', '.join(playbook.unserved)}"
    yield ""
    yield from _table(
        ("team", "mailbox", "when that bounces", "hours"), [_team(playbook, name) for name in playbook.teams]
    )
    yield ""
    yield f"promise:     answered within {span_text(playbook.answer_within)} of working time"
    yield f"escalation:  {_first(playbook)}, after the promise {_tiers(playbook.later_tiers)}"
    yield f"urgent:      {_tiers(playbook.urgency.tiers)}: {', '.join(sorted(playbook.urgency.intents))}"
    yield from examples(playbook)
    yield f"automatic replies: {_stops(playbook)}"
    yield f"rungs:       {_rungs(playbook.bars)}{''.join(f'; {n}: {_rungs(p.bars)}' for n, p in _own_bars(playbook))}"
    yield f"mailed:      the week's report to {_to(playbook.weekly_report_to)}, spikes to {_to(playbook.spikes_to)}"
    yield f"urgent gets: {'the general reply' if playbook.urgent_reply else 'no automatic reply'}"
    yield ""
    if playbook.campaigns:
        head = ("campaign", "kind", "from", "until", "behind the reply to", "platforms", "languages", "for", "at most")
        yield from _table(head, [_campaign(c) for c in playbook.campaigns])
        yield ""
    yield from _table(("intent", "team", "automatic reply", "place", "person"), [_intent(playbook, n) for n in INTENTS])


def _team(playbook: Playbook, name: str) -> tuple[str, ...]:
    team = playbook.teams[name]
    called = ", ".join(dict.fromkeys(team.titles.values()))
    hours = "always" if team.hours.always else _hours(playbook, name)
    return f"{name} ({called})" if called else name, team.email, team.fallback_email, hours


def _hours(playbook: Playbook, name: str) -> str:
    hours = playbook.teams[name].hours
    week = [" ".join(f"{_clock(opens)}-{_clock(closes)}" for opens, closes in day) or "closed" for day in hours.week]
    runs: list[tuple[int, int]] = []
    for day in range(7):
        if runs and week[runs[-1][1]] == week[day]:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    days = (f"{_DAYS[a]}-{_DAYS[b]} {week[a]}" if a != b else f"{_DAYS[a]} {week[a]}" for a, b in runs)
    return ", ".join(days) + (f", not on holidays of {hours.region}" if hours.region else "") + _away(hours)


def _away(hours: Hours) -> str:
    """What is closed besides, for instance by a calendar."""
    few = f", not on {', '.join(sorted(hours.closed))}" if hours.closed else ""
    days = few if len(hours.closed) <= _FEW else f", not on {len(hours.closed)} closed days"
    return days + (f", not in {len(hours.shut)} closed times" if hours.shut else "")


def _intent(playbook: Playbook, name: str) -> tuple[str, ...]:
    policy = playbook.intents.get(name, IntentPolicy())
    team = playbook.team(name, 1).name
    place = ", ".join(f"{p}" if k == "default" else f"{k}: {p}" for k, p in policy.places.items()) or str(
        playbook.place
    )
    person = "no" if policy.acknowledge and policy.resolves else "yes"
    if name in NEED_NO_ANSWER:
        person = f"below {policy.closes_at:g}"
    reply = "yes" if policy.acknowledge else "general" if policy.general else "no"
    return name, team, reply, place if reply != "no" else "", person


def _campaign(c: Campaign) -> tuple[str, ...]:
    asked, platforms = ", ".join(sorted(c.intents)), ", ".join(sorted(c.platforms)) or "all"
    caps = f"{c.per_day} a day, {c.per_person} a person"
    languages = ", ".join(c.texts)
    return c.name, c.kind, str(c.first), str(c.last), asked, platforms, languages, c.segment, caps


def _first(playbook: Playbook) -> str:
    return f"{span_text(playbook.tell_after)} → team of the intent"


def examples(playbook: Playbook) -> Iterable[str]:
    """What the two clocks make of a question on a working morning and of one on a Friday evening."""
    zone = ZoneInfo(playbook.shop.timezone)
    team = playbook.team(None, 1)
    for asked in (datetime(2026, 6, 8, 10, 0, tzinfo=zone), datetime(2026, 6, 12, 18, 20, tzinfo=zone)):
        found = playbook.calls(None, asked)
        said = [
            f"is promised for {_when(found.promised_by, asked)}",
            f"{team.name} is told {_when(found.times[0], asked)}",
        ]
        for tier, at in enumerate(found.times[1:], start=2):
            said.append(f"{playbook.team(None, tier).name} {_when(at, asked)}")
        yield f"             a question on {asked:%A %H:%M} {', '.join(said)}"
    if playbook.urgency.intents:
        asked = datetime(2026, 6, 13, 22, 0, tzinfo=zone)
        urgent = min(playbook.urgency.intents)
        times = enumerate(playbook.calls(urgent, asked).times, start=1)
        calls = (f"{playbook.team(urgent, tier, urgent=True).name} {_when(at, asked)}" for tier, at in times)
        yield f"             something urgent on {asked:%A %H:%M} is told to {', '.join(calls)}"


def _when(at: datetime, asked: datetime) -> str:
    local = at.astimezone(asked.tzinfo)
    if local.date() == asked.date():
        return f"{local:%H:%M}"
    return f"{local:%A %H:%M}" if local - asked < timedelta(days=6) else f"{local:%A %d %B %H:%M}"


def _tiers(tiers: Iterable[Tier]) -> str:
    return ", ".join(
        f"{span_text(tier.after) if tier.after else 'at once'} → {tier.team or 'team of the intent'}" for tier in tiers
    )


def _own_bars(playbook: Playbook) -> list[tuple[str, ProductPolicy]]:
    return [(name, policy) for name, policy in playbook.products.items() if policy.bars]


def _rungs(bars: Bars) -> str:
    """How much may be said, for instance "own from 0.99, topic, general off"."""
    said = {rung: bars.get(rung, 0.0) for rung in Rung}
    return ", ".join(f"{r} off" if b is None else f"{r} from {b:g}" if b else f"{r}" for r, b in said.items())


def _to(team: str) -> str:
    return team or "nobody"


def _stops(playbook: Playbook) -> str:
    if playbook.stopped_altogether:
        return "STOPPED altogether"
    return f"on, STOPPED for {', '.join(sorted(playbook.stopped))}" if playbook.stopped else "on"


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24 if minutes > 1440 else minutes // 60:02}:{minutes % 60:02}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, tuple("-" * width for width in widths), *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
