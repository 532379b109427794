"""How automatic replies are put together, and how a time is said: "today by 17:30", "morgen bis 10:00 Uhr"."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_STEP = 5  # minutes; nobody promises 17:27


@dataclass(frozen=True, slots=True)
class Wording:
    """What automatic replies in one language share: sentences with {when} in `promise`, and how to say when.

    `today`, `tomorrow`, `weekday` and `date` are patterns with {time}, {weekday}, {day} and {month}; `time` is one with
    {hour} and {minute}; `weekdays` begin with Monday, `months` with January.
    """

    disclosure: str
    received: str
    promise: str
    promise_soon: str
    resolved: str
    signature: str
    time: str
    today: str
    tomorrow: str
    weekday: str
    date: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]

    def compose(self, reply: str, promise: str) -> str:
        """The whole automatic reply: that it is one, `reply`, `promise`, and on a line of its own who signs."""
        return " ".join((self.disclosure, reply, promise)) + "\n" + self.signature

    def when(self, by: datetime, now: datetime, zone: ZoneInfo) -> str:
        """`by` in words, as seen from `now` on the shop's clock, rounded up to the next five minutes."""
        local = by.astimezone(zone)
        late = timedelta(minutes=local.minute % _STEP, seconds=local.second, microseconds=local.microsecond)
        if late:
            local = (by.astimezone(UTC) - late + timedelta(minutes=_STEP)).astimezone(zone)
        days = (local.date() - now.astimezone(zone).date()).days
        pattern = (self.today, self.tomorrow)[days] if days in (0, 1) else self.weekday if 1 < days < 7 else self.date
        time = self.time.replace("{hour}", f"{local:%H}").replace("{minute}", f"{local:%M}")
        words = {
            "{time}": time,
            "{weekday}": self.weekdays[local.weekday()],
            "{day}": str(local.day),
            "{month}": self.months[local.month - 1],
        }
        for name, word in words.items():
            pattern = pattern.replace(name, word)
        return pattern
