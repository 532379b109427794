"""What a form may ask for, read strictly: until when, which team, which kind of question."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.codec import to_span, to_time
from chalicelib.emails.phrases import Phrases
from chalicelib.playbook.business_time import Hours
from chalicelib.playbook.parts import INTENTS
from chalicelib.playbook.policy import Playbook

LONGEST = timedelta(days=14)


class BadAction(ValueError):
    """The form asks for something that there is not; the text says what there is."""


def _end_of_day(hours: Hours, now: datetime) -> datetime:
    """The end of the opening that runs or comes today; midnight, where there is none."""
    local = now.astimezone(ZoneInfo(hours.zone))
    closes = [end for _, end in (hours.spans(local.date()) if not hours.always else ()) if end > now]
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(closes) if closes else midnight.astimezone(UTC)


def _tomorrow(hours: Hours, now: datetime) -> datetime:
    """When the team next opens on a later day; 09:00 where it always works."""
    local = (now.astimezone(ZoneInfo(hours.zone)) + timedelta(days=1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    if hours.always:
        return local.replace(hour=9).astimezone(UTC)
    return hours.after(local.astimezone(UTC), timedelta())


UNTIL: Mapping[str, Callable[[Hours, datetime], datetime]] = {
    "30min": lambda hours, now: now + timedelta(minutes=30),
    "2h": lambda hours, now: now + timedelta(hours=2),
    "end_of_day": _end_of_day,
    "tomorrow": _tomorrow,
}


def until(text: str, hours: Hours, now: datetime, say: Phrases) -> datetime:
    """When a hold ends: one of UNTIL, a duration such as 90min, or a time. Raises BadAction."""
    if text in UNTIL:
        return UNTIL[text](hours, now)
    try:
        at = _at(text, now)
    except ValueError:
        raise BadAction(say("choose_until")) from None
    if not now < at <= now + LONGEST:
        raise BadAction(say("choose_until"))
    return at


def _at(text: str, now: datetime) -> datetime:
    try:
        return now + to_span(text)
    except ValueError:
        return to_time(text)


def team(text: str, playbook: Playbook, say: Phrases) -> str:
    """A team's name. Raises BadAction."""
    if text not in playbook.teams:
        raise BadAction(say("choose_team"))
    return text


def intent(text: str, say: Phrases) -> str:
    """An intent. Raises BadAction."""
    if text not in INTENTS:
        raise BadAction(say("choose_intent"))
    return text
