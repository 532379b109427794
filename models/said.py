"""What the running system says to one message of models/fit/: model, guards and playbook together."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.intents import IntentModel
from chalicelib.playbook.parts import Answer, Silence
from chalicelib.playbook.policy import Playbook
from chalicelib.reading.guards import guarded

FIT: Final = Path(__file__).parent / "fit"
LANGUAGES: Final = ("en", "de", "fr", "es")
SILENCE: Final = "silence"
_NOW: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said to one message: `reply` names it (an intent, "topic:returns", "general" or "silence"). `closed`:
    it waits for nobody."""

    row: Mapping[str, Any]
    reply: str
    rung: Rung | None
    urgent: bool
    closed: bool = False

    @property
    def verdict(self) -> str:
        """right, useless or wrong; silence is none of them where the row wants a reply."""
        if self.reply in self.row["right"]:
            return "right"
        if self.reply == SILENCE:
            return SILENCE
        return "useless" if self.reply in self.row.get("useless", ()) else "wrong"


def rows(name: str) -> list[dict[str, Any]]:
    """The messages of `fit/NAME.jsonl`."""
    return [json.loads(line) for line in (FIT / f"{name}.jsonl").read_text("utf-8").splitlines()]


Read = Callable[[str], Reading]


def reader(model: IntentModel, playbook: Playbook) -> Read:
    """A text as respond reads it."""
    return lambda text: guarded(model.read(text), text, (playbook.shop.name,))


def say(
    row: Mapping[str, Any],
    read: Read,
    playbook: Playbook,
    bounds: Mapping[str, float] = MappingProxyType({}),
    product: str = "facebook",
) -> Said:
    """What is said to a message that has just come, in public, by nobody known, on `product`; `bounds` are the model's
    for what needs no answer."""
    reading = read(row["text"])
    by = playbook.promise(reading.intent, _NOW)
    answer = playbook.acknowledgement(
        reading, product=product, account="", private=False, now=_NOW, asked_at=_NOW, by=by
    )
    rung = answer.rung if isinstance(answer, Answer) else None
    urgent, closed = playbook.urgent(reading) is not None, not playbook.needs_answer(reading, bounds)
    return Said(row, _name(answer, reading), rung, urgent, closed)


def _name(answer: Answer | Silence, reading: Reading) -> str:
    if isinstance(answer, Silence):
        return SILENCE
    if answer.rung is Rung.OWN:
        return reading.intent
    topic = reading.topic or next((t for t, intents in TOPICS.items() if reading.intent in intents), "")
    return f"topic:{topic}" if answer.rung is Rung.TOPIC else "general"
