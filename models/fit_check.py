"""What would be said to the messages of models/fit/: what is right, useless and wrong, by language and rung.

The decision is the running system's: model, guards and playbook. `python -m models.fit_check` prints the tables and
fails when more is wrong than `BOUNDS` allow; no training reads these messages (models/fit/README.md).
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.guards import guarded, guards
from chalicelib.intents import DEFAULT_MODEL, IntentModel
from chalicelib.playbook.parts import Answer, Silence
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from models.rows import utterances

FIT: Final = Path(__file__).parent / "fit"
LANGUAGES: Final = ("en", "de", "fr", "es")
SILENCE: Final = "silence"
_NOW: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
NOT_ORDINARY: Final = frozenset({"legal_safety", "spam", "other", "praise", "closing"})
UNANSWERED: Final = NOT_ORDINARY | {"complaint", "human_please", "jobs"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the check allows: the most that may be wrong, the least that has to be right, each a share."""

    wrong: float = 0.02  # of the replies to ordinary questions
    traps: float = 0.08  # of the traps, answered at all
    acknowledged: float = 0.45  # of the ordinary questions in English, rightly
    parallel: float = 0.8  # of what English acknowledges of the same messages
    urgent_found: float = 0.85  # of the urgent messages of a language
    urgent_wrongly: float = 0.01  # of the ordinary messages of a language
    silenced: float = 0.01  # of the ordinary questions of a language, by a guard


BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Said:
    """What is said to one message: `reply` names it (an intent, "topic:returns", "general" or "silence")."""

    row: Mapping[str, Any]
    reply: str
    rung: Rung | None
    urgent: bool

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


def say(row: Mapping[str, Any], read: Read, playbook: Playbook, product: str = "facebook") -> Said:
    """What is said to a message that has just come, in public, by nobody known, on `product`."""
    reading = read(row["text"])
    by = playbook.promise(reading.intent, _NOW)
    answer = playbook.acknowledgement(
        reading, product=product, account="", private=False, now=_NOW, asked_at=_NOW, by=by
    )
    rung = answer.rung if isinstance(answer, Answer) else None
    return Said(row, _name(answer, reading), rung, playbook.urgent(reading) is not None)


def _name(answer: Answer | Silence, reading: Reading) -> str:
    if isinstance(answer, Silence):
        return SILENCE
    if answer.rung is Rung.OWN:
        return reading.intent
    topic = reading.topic or next((t for t, intents in TOPICS.items() if reading.intent in intents), "")
    return f"topic:{topic}" if answer.rung is Rung.TOPIC else "general"


# --- tables ----------------------------------------------------------------------------------------------------------


def share(part: int, whole: int) -> str:
    return f"{part / whole:6.1%}" if whole else "     -"


def questions(name: str, told: Sequence[Said]) -> Iterator[str]:
    """One line a language: how many get a reply, on which rung, and what it is worth."""
    yield f"{name:10} messages  replied    right  useless  wrong |    own   topic  general | right of replies"
    for language in LANGUAGES:
        some = [s for s in told if s.row["language"] == language]
        replies = [s for s in some if s.rung]
        verdicts, rungs = Counter(s.verdict for s in replies), Counter(s.rung for s in replies)
        yield (
            f"{language:10} {len(some):8}  {share(len(replies), len(some))}  {share(verdicts['right'], len(some))}  "
            f"{share(verdicts['useless'], len(some))} {share(verdicts['wrong'], len(some))} | "
            f"{share(rungs[Rung.OWN], len(some))} {share(rungs[Rung.TOPIC], len(some))}  "
            f"{share(rungs[Rung.GENERAL], len(some))} | {share(verdicts['right'], len(replies))}"
        )


def trap_table(told: Sequence[Said]) -> Iterator[str]:
    """One line a kind of trap: how many are answered, on which rung."""
    yield "traps                messages  answered |    own   topic  general"
    for kind in (*dict.fromkeys(s.row["kind"] for s in told), ""):
        some = [s for s in told if kind in ("", s.row["kind"])]
        rungs = Counter(s.rung for s in some if s.rung)
        own, topic, general = (share(rungs[rung], len(some)) for rung in Rung)
        yield f"{kind or 'all':20} {len(some):8}    {share(rungs.total(), len(some))} | {own} {topic}  {general}"


@dataclass(frozen=True, slots=True)
class GuardShares:
    """Of the ordinary training utterances of a language, those that the guards alone call urgent, and of the questions
    those that they silence for another reason; a single word is silenced rightly and not counted."""

    messages: int
    urgent: int
    questions: int
    silenced: int


def guard_shares(language: str) -> GuardShares:
    """The guards over models/utterances, without the model."""
    ordinary = [r for r in utterances() if r.language == language and r.intent not in NOT_ORDINARY]
    found = {row.text: guards(row.text, language) for row in ordinary}
    asked = [row for row in ordinary if row.intent not in UNANSWERED]
    return GuardShares(
        messages=len(ordinary),
        urgent=sum(any(g.urgent for g in found[row.text]) for row in ordinary),
        questions=len(asked),
        silenced=sum(
            any(g.most is None and not g.urgent and g.name != "bare" for g in found[row.text]) for row in asked
        ),
    )


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was said; `failures` are the bounds that do not hold."""

    fit: Sequence[Said]
    controls: Sequence[Said]
    parallel: Sequence[Said]
    traps: Sequence[Said]
    urgent: Sequence[Said]
    guards: Mapping[str, GuardShares]

    def lines(self) -> Iterator[str]:
        yield "Messages that a training row says word for word are not counted, the parallel ones apart."
        for name, told in (("questions", self.fit), ("controls", self.controls), ("parallel", self.parallel)):
            yield from questions(name, told)
            yield ""
        yield from trap_table(self.traps)
        yield ""
        yield "urgent     messages  called at once | of the ordinary questions called urgent, silenced by a guard"
        for language in LANGUAGES:
            some, ordinary, found = self._urgent(language), self._of(self.fit, language), self.guards[language]
            yield (
                f"{language:10} {len(some):8}          {share(sum(s.urgent for s in some), len(some))} | "
                f"{share(sum(s.urgent for s in ordinary), len(ordinary))} here; of training utterances by guards alone"
                f" {share(found.urgent, found.messages)}, {share(found.silenced, found.questions)}"
            )

    def failures(self, bounds: Bounds = BOUNDS) -> Iterator[str]:
        replies = [s for s in self.fit if s.rung]
        wrong = [s for s in replies if s.verdict == "wrong"]
        if len(wrong) > bounds.wrong * len(replies):
            yield f"{len(wrong)} of {len(replies)} replies to questions are wrong, more than {bounds.wrong:.0%}"
        answered = [s for s in self.traps if s.rung]
        if len(answered) > bounds.traps * len(self.traps):
            yield f"{len(answered)} of {len(self.traps)} traps are answered, more than {bounds.traps:.0%}"
        if urgent := [s for s in self.urgent if s.rung]:
            yield f"{len(urgent)} urgent messages get an automatic reply"
        yield from self._by_language(bounds)

    def _by_language(self, bounds: Bounds) -> Iterator[str]:
        right = {lang: _right(self._of(self.parallel, lang)) for lang in LANGUAGES}
        english = self._of(self.fit, "en")
        if _right(english) < bounds.acknowledged * len(english):
            yield f"{_right(english)} of {len(english)} English questions are rightly acknowledged: too few"
        for lang in LANGUAGES:
            urgent, ordinary, found = self._urgent(lang), self._of(self.fit, lang), self.guards[lang]
            if right[lang] < bounds.parallel * right["en"]:
                yield f"{lang}: {right[lang]} of the parallel messages are acknowledged, {right['en']} in English"
            if sum(s.urgent for s in urgent) < bounds.urgent_found * len(urgent):
                yield f"{lang}: {sum(s.urgent for s in urgent)} of {len(urgent)} urgent messages are found"
            if sum(s.urgent for s in ordinary) > bounds.urgent_wrongly * len(ordinary):
                yield f"{lang}: {sum(s.urgent for s in ordinary)} of {len(ordinary)} questions are called urgent"
            if found.urgent > bounds.urgent_wrongly * found.messages:
                yield f"{lang}: guards call {found.urgent} of {found.messages} ordinary utterances urgent"
            if found.silenced > bounds.silenced * found.questions:
                yield f"{lang}: guards silence {found.silenced} of {found.questions} ordinary questions"

    def _urgent(self, language: str) -> list[Said]:
        return self._of(self.urgent, language)

    @staticmethod
    def _of(told: Iterable[Said], language: str) -> list[Said]:
        return [s for s in told if s.row["language"] == language]


def _right(told: Iterable[Said]) -> int:
    return sum(s.verdict == "right" for s in told)


def check(model: IntentModel, playbook: Playbook) -> Report:
    """All messages of models/fit/ through the decision of the running system, without those that a training row says
    word for word: an ordinary question of three words can be written twice. Parallel ones stay, to be compared."""
    read = reader(model, playbook)

    seen = {_same(row.text) for row in utterances()}

    def told(*names: str, also_seen: bool = False) -> list[Said]:
        found = [row for name in names for row in rows(name) if also_seen or _same(row["text"]) not in seen]
        return [say({"right": (), **row}, read, playbook) for row in found]

    return Report(
        fit=told(*(f"fit_{language}" for language in LANGUAGES)),
        controls=told("controls"),
        parallel=told("parallel", also_seen=True),
        traps=told("traps"),
        urgent=told(*(f"urgent_{language}" for language in LANGUAGES)),
        guards={language: guard_shares(language) for language in LANGUAGES},
    )


def _same(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.fit_check", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK)
    parser.add_argument("--wrong", action="store_true", help="print each wrong reply and each answered trap")
    options = parser.parse_args(arguments)
    playbook = load_playbook(options.playbook.read_text("utf-8"), options.playbook.name)
    report = check(IntentModel.load(options.model), playbook)
    print("\n".join(report.lines()))
    if options.wrong:
        for s in (*report.fit, *report.controls, *report.parallel, *report.traps, *report.urgent):
            if s.verdict == "wrong" and s.rung:
                wanted = s.row.get("intent", s.row.get("kind"))
                print(f"wrong: {s.row['language']} {wanted} got {s.reply}: {s.row['text']}")
    failures = list(report.failures())
    print("\n".join(["", *(f"FAILED: {failure}" for failure in failures)] if failures else ["", "every bound holds"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
