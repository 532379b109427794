"""What would be said to the messages of models/fit/: what is right, useless and wrong, by language and rung.

The decision is the running system's: model, guards and playbook. `python -m models.fit_check` prints the tables and
fails when more is wrong than `BOUNDS` allow; no training reads these messages (models/fit/README.md).
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib import textfile
from chalicelib.intents import DEFAULT_MODEL, IntentModel
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from chalicelib.reading.guards import guards
from models.chatter import chatter
from models.fit_tables import (
    chatter_table,
    contact_table,
    nobody_table,
    of,
    questions,
    right_ones,
    share,
    spoilt_table,
    trap_table,
)
from models.hurried import SPOILT, hurried
from models.policy import kind
from models.rows import utterances
from models.said import LANGUAGES, Read, Said, reader, rows, say

MAY_WAIT: Final = ("thanks, chat, adverts", "praise", "settled", "spam")  # kinds of messages, for nobody
NOT_ORDINARY: Final = frozenset({"legal_safety", "spam", "other", "praise", "closing"})
UNANSWERED: Final = NOT_ORDINARY | {"complaint", "human_please", "jobs"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the check allows: the most that may be wrong, the least that has to be right, each a share."""

    wrong: float = 0.02  # of the replies to ordinary questions
    traps: float = 0.08  # of the traps, answered at all
    chatter: float = 0.015  # of the posts that are nothing to a shop, answered at all
    acknowledged: float = 0.45  # of the ordinary questions in English, rightly
    contacts_right: float = 0.95  # of all replies to first contacts
    contacts_needless: float = 0.02  # of the first contacts that need no answer, answered
    parallel: float = 0.8  # of what English acknowledges of the same messages
    urgent_found: float = 0.85  # of the urgent messages of a language
    urgent_wrongly: float = 0.01  # of the ordinary messages of a language
    silenced: float = 0.01  # of the ordinary questions of a language, by a guard
    closed: int = 0  # questions, complaints, matters for people and urgent messages that would wait for nobody


BOUNDS: Final = Bounds()


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
    contacts: Sequence[Said]
    posts: Sequence[Said]
    traps: Sequence[Said]
    urgent: Sequence[Said]
    chatter: Sequence[Said]
    spoilt: Mapping[str, Sequence[Said]]
    guards: Mapping[str, GuardShares]

    def lines(self) -> Iterator[str]:
        yield "Messages that a training row says word for word are not counted, the parallel ones apart."
        each = {lang: Counter(s.row["intent"] for s in of(self.fit, lang)) for lang in LANGUAGES}
        yield f"questions an intent: {', '.join(f'{lang} {min(n.values(), default=0)}' for lang, n in each.items())}"
        for name, those in (("questions", self.fit), ("controls", self.controls), ("parallel", self.parallel)):
            yield from questions(name, those)
            yield ""
        for name, those in (("first contacts", self.contacts), ("posts", self.posts)):
            yield from contact_table(name, those)
            yield ""
        yield from spoilt_table(self.spoilt)
        yield ""
        yield from trap_table(self.traps)
        yield ""
        yield from chatter_table(self.chatter)
        yield ""
        yield from nobody_table(self._nobody())
        yield ""
        yield "urgent     messages  called at once | of the ordinary questions called urgent, silenced by a guard"
        for language in LANGUAGES:
            some, ordinary, found = self._urgent(language), of(self.fit, language), self.guards[language]
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
        for name, those in (("first contacts", self.contacts), ("posts", self.posts)):
            answered = [s for s in those if s.rung]
            if right_ones(answered) < bounds.contacts_right * len(answered):
                yield f"only {right_ones(answered)} of {len(answered)} replies to {name} are right"
            needless = [s for s in those if kind(s.row["intent"]) == "needless"]
            if sum(s.rung is not None for s in needless) > bounds.contacts_needless * len(needless):
                yield f"more than {bounds.contacts_needless:.0%} of the {name} that need no answer get one"
        answered = [s for s in self.traps if s.rung]
        if len(answered) > bounds.traps * len(self.traps):
            yield f"{len(answered)} of {len(self.traps)} traps are answered, more than {bounds.traps:.0%}"
        answered = [s for s in self.chatter if s.rung]
        if len(answered) > bounds.chatter * len(self.chatter):
            yield f"{len(answered)} of {len(self.chatter)} posts that are nothing to a shop are answered"
        if urgent := [s for s in self.urgent if s.rung]:
            yield f"{len(urgent)} urgent messages get an automatic reply"
        lost = [s for kind, some in self._nobody().items() if kind not in MAY_WAIT for s in some if s.closed]
        if len(lost) > bounds.closed:
            yield f"{len(lost)} messages that want something wait for nobody, the first: {lost[0].row['text']}"
        yield from self._by_language(bounds)

    def _by_language(self, bounds: Bounds) -> Iterator[str]:
        right = {lang: right_ones(of(self.parallel, lang)) for lang in LANGUAGES}
        english = of(self.fit, "en")
        if right_ones(english) < bounds.acknowledged * len(english):
            yield f"{right_ones(english)} of {len(english)} English questions are rightly acknowledged: too few"
        for lang in LANGUAGES:
            urgent, ordinary, found = self._urgent(lang), of(self.fit, lang), self.guards[lang]
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

    def _nobody(self) -> dict[str, list[Said]]:
        """The messages by whether they may wait for nobody."""
        contacts = (*self.contacts, *self.posts)
        needless = [s for s in contacts if kind(s.row["intent"]) == "needless"]
        wanting = [s for s in contacts if kind(s.row["intent"]) != "needless"]
        may = [needless, *([s for s in self.traps if s.row["kind"] == name] for name in MAY_WAIT[1:])]
        asked = [*self.fit, *self.controls, *self.parallel]
        must = {"questions": asked, "first contacts that want something": wanting, "urgent": list(self.urgent)}
        return dict(zip(MAY_WAIT, may, strict=True)) | must

    def _urgent(self, language: str) -> list[Said]:
        return of(self.urgent, language)


def check(model: IntentModel, playbook: Playbook) -> Report:
    """All messages of models/fit/ through the decision of the running system, without those that a training row says
    word for word: an ordinary question of three words can be written twice. Parallel ones stay, to be compared."""
    read = reader(model, playbook)

    seen = {_same(row.text) for row in utterances()}

    def told(*names: str, also_seen: bool = False) -> list[Said]:
        found = [row for name in names for row in rows(name) if also_seen or _same(row["text"]) not in seen]
        return [say({"right": (), **row}, read, playbook, model.bounds) for row in found]

    return Report(
        fit=told(*(f"fit_{language}" for language in LANGUAGES)),
        controls=told("controls"),
        parallel=told("parallel", also_seen=True),
        contacts=told("contacts"),
        posts=told("posts"),
        traps=told("traps", "contact_traps"),
        spoilt=spoilt(read, playbook),
        urgent=told(*(f"urgent_{language}" for language in LANGUAGES)),
        chatter=[say(row, read, playbook, model.bounds) for row in chatter()],
        guards={language: guard_shares(language) for language in LANGUAGES},
    )


def spoilt(read: Read, playbook: Playbook) -> dict[str, list[Said]]:
    """Every third question of the fit test, as it stands and spoilt in each way."""
    stories = {language: [row["text"] for row in _in(language, "stories")] for language in LANGUAGES}
    asked = [row for language in LANGUAGES for row in _in(language, f"fit_{language}")][::3]
    found = {"as written": [say(row, read, playbook) for row in asked]}
    for how in SPOILT:
        texts = [hurried(row["text"], row["language"], how, stories[row["language"]]) for row in asked]
        found[how] = [say({**row, "text": text}, read, playbook) for row, text in zip(asked, texts, strict=True)]
    return found


def _in(language: str, name: str) -> list[dict[str, Any]]:
    return [row for row in rows(name) if row["language"] == language]


def _same(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.fit_check", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--playbook", type=Path, default=DEFAULT_PLAYBOOK)
    parser.add_argument("--wrong", action="store_true", help="print each wrong reply and each answered trap")
    options = parser.parse_args(arguments)
    try:
        playbook = read_playbook(options.playbook)
    except (PlaybookError, OSError) as error:
        print(f"models.fit_check: {textfile.told(error)}", file=sys.stderr)
        return 2
    report = check(IntentModel.load(options.model), playbook)
    print("\n".join(report.lines()))
    if options.wrong:
        contacts = (*report.contacts, *report.posts)
        silent = (*report.traps, *report.urgent, *report.chatter)
        for s in (*report.fit, *report.controls, *report.parallel, *contacts, *silent):
            if s.verdict == "wrong" and s.rung:
                wanted = s.row.get("intent", s.row.get("kind", "nothing"))
                print(f"wrong: {s.row['language']} {wanted} got {s.reply}: {s.row['text']}")
    failures = list(report.failures())
    print("\n".join(["", *(f"FAILED: {failure}" for failure in failures)] if failures else ["", "every bound holds"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
