"""Says in the terminal what happens, as it happens: one line an event, in columns, coloured only where people look."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, TextIO

from chalicelib import platforms
from chalicelib.conversations.interaction import Rung
from chalicelib.conversations.why import Why as Silent
from chalicelib.outcomes.types import Escalated, Notified, Replied, Stored
from chalicelib.platforms.simulation import Posted
from infra.local.local_run import Refusals
from infra.local.stand_in import RATE_S, Fault, Refusal

_COLOURS = {"in": "36", "out": "32", "warn": "33", "bad": "31", "dim": "2", "head": "1"}
_WIDTH = 120  # where nobody looks at a terminal

_FAULTS = {
    Fault.RATE: ("out", f"says: too many requests. Earshot tries again in {RATE_S} s"),
    Fault.BROKEN: ("warn", "answers with an error: the reply may be out or not"),
    Fault.LOST: ("warn", "posts the reply, but its answer gets lost on the way"),
}


@dataclass(slots=True)
class Teller:
    """Writes lines to `out`; `names` are the customers' by id, `repeats` counts what came more than once."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    names: dict[str, str] = field(default_factory=dict)
    repeats: int = 0
    _since: float = field(default_factory=monotonic)
    _lock: Any = field(default_factory=Lock)

    def start(self) -> None:
        """Counts the time from now."""
        self._since = monotonic()

    def heading(self, words: str) -> None:
        """What the next lines are about."""
        self._write("\n" + self._coloured("head", words))

    def line(self, colour: str, product: str, who: str, words: str = "") -> None:
        """Time, platform, who does what, and the words (cut to the width of the terminal)."""
        where = platforms.title(product)
        start = f"{monotonic() - self._since:6.1f} s  {where:<10} {who:<24} "
        room = max(20, self._width() - len(start))
        words = " ".join(words.split())
        shown = words if len(words) <= room else words[: room - 1] + "…"
        self._write(self._coloured("dim", start[:20]) + self._coloured(colour, start[20:] + shown).rstrip())

    def table(self, head: Sequence[str], rows: Sequence[tuple[str, object, object]]) -> None:
        """Rows of what, expected, actual; those that differ are marked."""
        self._write(f"{head[0]:<64}{head[1]:>10}{head[2]:>10}")
        self._write("-" * 84)
        for what, expected, actual in rows:
            right = expected == actual
            mark = self._coloured("out", "  ok") if right else self._coloured("bad", "  WRONG")
            self._write(f"{what:<64}{expected!s:>10}{actual!s:>10}{mark}")

    def text(self, words: str) -> None:
        self._write(words)

    def on_event(self, event: object) -> None:
        """Tells an event of the local run."""
        _EVENTS[type(event)](self, event)

    # --- one method an event ---

    def _stored(self, event: Stored) -> None:
        place = event.interaction.product
        if not event.news and event.why:  # without a reason it is a retry that went well
            self.repeats += 1
            self.line("dim", place, "Earshot", "knows it already: nothing to do")
        elif event.why == Silent.NOT_SURE:
            self.line("warn", place, "Earshot", "is not sure what this is about, so says nothing")
        elif event.why == Silent.GUARD and event.interaction.reading:
            guards = ", ".join(event.interaction.reading.guards)
            self.line("warn", place, "Earshot", f"says nothing: what it reads is {guards}")

    def _replied(self, event: Replied) -> None:
        if event.result == "sent" and event.rung and event.rung != Rung.OWN:
            self.line("dim", event.interaction.product, "Earshot", f"(not its own reply: the {event.rung} one)")
        if event.result == "unknown":
            name = self._name(event.interaction.customer)
            self.line(
                "warn",
                event.interaction.product,
                "Earshot",
                f"cannot know, so never posts it again; {name} is left to the timer",
            )

    def _posted(self, event: Posted) -> None:
        self.line("out", event.product, "Earshot replies", event.text)

    def _refusal(self, event: Refusal) -> None:
        colour, words = _FAULTS[event.fault]
        self.line(colour, event.product, "The platform", words)

    def _refusals(self, event: Refusals) -> None:
        self.line("out", "", "Earshot refuses it", f"{event.status}")

    def _escalated(self, event: Escalated) -> None:
        who = self._name(event.conversation.customer)
        waited = not (event.notice.urgent and event.notice.tier == 1)
        what = f"nobody has answered {who}" if waited else f"{who} cannot wait"
        words = f"{what}: tier {event.notice.tier} goes to {event.team.replace('_', ' ')}"
        self.line("warn", event.conversation.product, "Time is up" if waited else "Urgent", words)

    def _notified(self, event: Notified) -> None:
        product = event.conversation.product if event.conversation else ""
        if event.result == "sent":
            self.line("out", product, "E-mail", f"to {event.to}: {event.subject}")
        else:
            self.line("warn", product, f"E-mail {event.result}", event.code)

    # --- writing ---

    def _name(self, customer: str) -> str:
        return self.names.get(customer, "the customer")

    def _coloured(self, colour: str, words: str) -> str:
        return f"\033[{_COLOURS[colour]}m{words}\033[0m" if self._is_seen() else words

    def _is_seen(self) -> bool:
        return self.out.isatty() and "NO_COLOR" not in os.environ

    def _width(self) -> int:
        return shutil.get_terminal_size().columns if self.out.isatty() else _WIDTH

    def _write(self, line: str) -> None:
        with self._lock:
            print(line, file=self.out, flush=True)


_EVENTS: Mapping[type, Callable[[Teller, Any], None]] = {
    Stored: Teller._stored,
    Replied: Teller._replied,
    Posted: Teller._posted,
    Refusal: Teller._refusal,
    Refusals: Teller._refusals,
    Escalated: Teller._escalated,
    Notified: Teller._notified,
}
