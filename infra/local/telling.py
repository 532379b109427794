"""Says in the terminal what happens, as it happens: one line an event, in columns, coloured only where people look."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Any, TextIO

from chalicelib import platforms
from chalicelib.conversations.interaction import Rung
from chalicelib.conversations.why import Why as Silent
from chalicelib.emails.safe_text import duration
from chalicelib.outcomes.types import Escalated, Handled, Notified, Replied, Stored
from chalicelib.platforms.simulation import Posted
from infra.local.local_run import Refusals
from infra.local.stand_in import RATE_S, Fault, Refusal

_COLOURS = {"in": "36", "out": "32", "warn": "33", "bad": "31", "dim": "2", "head": "1"}
_WIDTH = 120  # where nobody looks at a terminal
_PLACE = 11  # characters of a platform's name

_FAULTS = {
    Fault.RATE: ("out", f"says: too many requests. Earshot tries again in {RATE_S} s"),
    Fault.BROKEN: ("warn", "answers with an error: the reply may be out or not"),
    Fault.LOST: ("warn", "posts the reply, but its answer gets lost on the way"),
}


@dataclass(slots=True)
class Teller:
    """Writes lines to `out`; `names` are the customers' by id, `repeats` counts what came more than once, `replied` are
    the questions that a reply was told of, `notified` the e-mails. While `spotlight` names customers, e-mails about
    others are held back; what the `crowd` of customers hears is not told one by one."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    names: dict[str, str] = field(default_factory=dict)
    repeats: int = 0
    replied: set[str] = field(default_factory=set)
    spotlight: frozenset[str] | None = None
    crowd: frozenset[str] = frozenset()
    notified: list[Notified] = field(default_factory=list)
    _held: list[tuple[frozenset[str], tuple[str, str, str, str, float]]] = field(default_factory=list)
    _since: float = field(default_factory=monotonic)
    _lock: Any = field(default_factory=Lock)

    def start(self) -> None:
        """Counts the time from now."""
        self._since = monotonic()

    def heading(self, words: str) -> None:
        """What the next lines are about."""
        self._write("\n" + self._coloured("head", words))

    def line(self, colour: str, product: str, who: str, words: str = "", at: float = 0.0) -> None:
        """The time, platform, who does what, and the words, cut to the width of the terminal."""
        where = platforms.title(product)[:_PLACE]
        start = f"{at or self.elapsed:6.1f} s  {where:<{_PLACE}} {who:<24} "
        room = max(20, self._width() - len(start))
        words = " ".join(words.split())
        shown = words if len(words) <= room else words[: room - 1] + "…"
        at_and_where = len(start) - 25
        self._write(
            self._coloured("dim", start[:at_and_where]) + self._coloured(colour, start[at_and_where:] + shown).rstrip()
        )

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._since

    def about(self, customers: frozenset[str] | None) -> None:
        """From now on e-mails about these customers only are told, and what was held back about them is; None: all."""
        with self._lock:
            self.spotlight = customers
            now = [held for held in self._held if self._is_lit(held[0])]
            self._held = [held for held in self._held if held not in now]
        for _, row in now:
            self.line(*row)

    def _is_lit(self, customers: frozenset[str]) -> bool:
        return self.spotlight is None or bool(customers & self.spotlight)

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
        elif event.why == Silent.NOT_SURE:
            self.line("warn", place, "Earshot", "is not sure what this is about, so says nothing")
        elif event.why == Silent.GUARD and event.interaction.reading:
            guards = ", ".join(event.interaction.reading.guards)
            self.line("warn", place, "Earshot", f"says nothing: what it reads is {guards}")

    def _replied(self, event: Replied) -> None:
        place, name = event.interaction.product, self._name(event.interaction.customer)
        if event.result == "sent" and event.interaction.customer not in self.crowd:
            self.line(
                "out", place, _REPLIES[event.rung] if event.person is None else f"{event.person} answers", event.text
            )
        elif event.result == "unknown":
            self.line("warn", place, "Earshot", f"cannot know, so never posts it again; {name} is left to the timer")
        if event.result != "refused":  # for the moment: it is tried again
            self.replied.add(event.interaction.id)

    def _posted(self, event: Posted) -> None:
        """Told when Earshot has recorded it."""

    def _refusal(self, event: Refusal) -> None:
        colour, words = _FAULTS[event.fault]
        self.line(colour, event.product, "The platform", words)

    def _refusals(self, event: Refusals) -> None:
        self.line("out", "", "Earshot refuses it", f"{event.status}")

    def _escalated(self, event: Escalated) -> None:
        """Told when the e-mail is out."""

    def _notified(self, event: Notified) -> None:
        c = event.conversation
        product, words = c.product if c else "", event.code
        if event.result == "sent":
            words = f"to {event.to.partition('@')[0]}: {_SUBJECT.sub(r'\1', event.subject)}{_timely(event)}"
        row = ("out" if event.result == "sent" else "warn", product, _email(event), words, self.elapsed)
        about = frozenset(c.customer for c in (c, *event.others) if c)
        with self._lock:
            lit = self._is_lit(about)
            if not lit:
                self._held.append((about, row))
        if lit:
            self.line(*row)
        self.notified.append(event)

    def _handled(self, event: Handled) -> None:
        if event.result != "sent":  # that is told as the answer it became
            self.line("warn", "", "An answer by e-mail", f"{event.result}: {event.why}")

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


_REPLIES = {
    "": "Earshot replies",
    Rung.OWN: "Earshot replies",
    Rung.TOPIC: "Earshot, on the topic",
    Rung.GENERAL: "Earshot, in general",
}
# "[Earshot] Ana: Late delivery on Facebook (Example Shop)" without what the line says anyway
_SUBJECT = re.compile(r"^(?:Re: )?\[Earshot\] (.*?)(?: on [^()]+ \(.*\))?$")


def _email(event: Notified) -> str:
    """What kind of e-mail, and its step."""
    if event.result != "sent":
        return f"E-mail {event.result}"
    return "E-mail, urgent" if "URGENT" in event.subject and event.tier == 1 else f"E-mail, step {event.tier}"


def _timely(event: Notified) -> str:
    """How long before the answer is due, or after it was."""
    c, now = event.conversation, datetime.now(UTC)
    times = [q.promised_by for q in (c.questions.values() if c else ()) if q.pending and q.promised_by]
    if not times or "URGENT" in event.subject:
        return ""
    early = min(times) >= now
    return f", {duration(abs(min(times) - now))} {'before the answer is' if early else 'after it was'} due"


_EVENTS: Mapping[type, Callable[[Teller, Any], None]] = {
    Stored: Teller._stored,
    Replied: Teller._replied,
    Posted: Teller._posted,
    Refusal: Teller._refusal,
    Refusals: Teller._refusals,
    Escalated: Teller._escalated,
    Notified: Teller._notified,
    Handled: Teller._handled,
}
