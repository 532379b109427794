"""The two clocks: by when an answer is promised, and when who is told that there is none yet.

The promise and the telling of tier 1 count from the question, in the working time of its team; the later tiers count
from the promise, each in the working time of the team that it calls. What is urgent counts in plain time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from chalicelib.playbook.business_time import Hours

ENOUGH = timedelta(minutes=15)  # between two tiers: then nothing has to be spread
LEAST = timedelta(minutes=1)  # between two tiers, however short the messaging window is


@dataclass(frozen=True, slots=True)
class Calls:
    """`promised_by`, and when each tier falls due, tier 1 first; all in UTC."""

    promised_by: datetime
    times: tuple[datetime, ...]


def calls(
    since: datetime,
    own: Hours,
    answer_within: timedelta,
    tell_after: timedelta,
    later: Sequence[tuple[timedelta, Hours]],
    apart: timedelta,
) -> Calls:
    """For a question that has waited `since`, when nothing hurries."""
    since = since.astimezone(UTC)
    promised_by = own.after(since, answer_within)
    times = [own.after(since, tell_after)]
    for after, hours in later:
        times.append(after_call(hours.after(promised_by, after), times[-1], apart, hours))
    return Calls(promised_by, tuple(times))


def after_call(at: datetime, called_at: datetime, apart: timedelta, hours: Hours) -> datetime:
    """`at`, or as soon as the team works `apart` after the call before, where that is later."""
    return at if at >= called_at + apart else hours.after(called_at + apart, timedelta())


def urgent_calls(since: datetime, answer_within: timedelta, waits: Sequence[timedelta]) -> Calls:
    """For a matter that does not wait, by day and night."""
    since = since.astimezone(UTC)
    return Calls(since + answer_within, tuple(since + wait for wait in waits))


def before_window_closes(
    found: Calls, since: datetime, closes_at: datetime, margin: timedelta, tell_after: timedelta, teams: Sequence[Hours]
) -> Calls:
    """The same, early enough to answer before the messaging window closes, in order and never in the same minute.

    A tier comes `margin` before the last moment inside the window at which its team works. Where the first team does
    not work inside it at all, it is told at once after `tell_after` of plain time, because the window closes unseen
    otherwise; a later tier of such a team keeps its time.
    """
    since, closes_at = since.astimezone(UTC), closes_at.astimezone(UTC)
    if closes_at <= since:
        return found
    bounds = [_bound(hours, since, closes_at, margin) for hours in teams]
    first = min(found.times[0], since + tell_after if bounds[0] is None else bounds[0])
    if bounds[0] is None:
        first = min(first, max(since, closes_at - margin))
    times = [first, *(min(t, b) if b else t for t, b in zip(found.times[1:], bounds[1:], strict=True))]
    hurried = [n for n in range(1, len(times)) if times[n] != found.times[n]]
    return Calls(found.promised_by, tuple(_in_order(times, hurried) if hurried else times))


def _bound(hours: Hours, since: datetime, closes_at: datetime, margin: timedelta) -> datetime | None:
    """By when the team has to be called so that it can answer; None when it does not work before the window closes."""
    last = hours.last_open(since, closes_at)
    if last is None:
        return None
    return hours.last_open(since, last - margin) or since if last - margin > since else since


def _in_order(times: list[datetime], hurried: Sequence[int]) -> list[datetime]:
    """The hurried tiers one after the other between the first call and the last bound, as evenly as that allows."""
    last = max(hurried)
    room = (times[last] - times[0]) / last
    gaps = [b - a for a, b in pairwise(times[: last + 1])]
    if min(gaps) >= min(max(room, LEAST), ENOUGH):
        return times
    step = max(room, LEAST)
    spread = [times[0] + n * step for n in range(last + 1)]
    for n in range(last + 1, len(times)):
        spread.append(max(times[n], spread[-1] + LEAST))
    return spread
