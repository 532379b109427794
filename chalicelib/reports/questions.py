"""Questions worth answering once: the most frequent ones with the playbook's own answers, as a page for search engines.

No customer's sentence is shown. The words that customers use for a question are those that at least WRITTEN_BY
different customers have used, and never a number, an address or a name that one person wrote.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.wording import on_lines, placed

TITLES: Final = Path(__file__).with_name("titles.yaml")
WRITTEN_BY: Final = 5  # customers, before a word of theirs is shown
SHOWN: Final = 12  # questions on the page
TERMS: Final = 5  # words of customers beside each
_TO_SOMEBODY: Final = re.compile(  # the first sentence of a reply, when it thanks for a message or is sorry
    r"(?:thank you|thanks|we are sorry|(?:vielen )?danke?|entschuldig\w+|es tut uns leid|merci|nous sommes désolés"
    r"|(?:muchas )?gracias|sentimos|lamentamos)\b[^.!?]*[.!]\s+(?=\S)",
    re.IGNORECASE,
)
_TOKEN: Final = re.compile(r"https?://\S+|(?<!\S)\S+@\S+|@\w+|#\w+|[^\W_]+(?:['’][^\W_]+)*")
_PLAIN: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one customer wrote: `customer` only tells people apart."""

    intent: str
    language: str
    customer: str
    text: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A kind of question with the answer that the playbook approves, and the words that customers use for it."""

    intent: str
    question: str
    answer: str
    asked: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Messages that the model did not know and that are alike; `name` are the words that set them apart."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Questions:
    """`unanswerable`: none of the kinds of question that were asked has a reply that names a page."""

    answered: tuple[Answered, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    unanswerable: bool = False
    language: str = "en"


def answered(
    playbook: Playbook, counts: Mapping[str, int], asked: Iterable[Asked] = (), language: str | None = None
) -> tuple[Answered, ...]:
    """The most frequent kinds of question that the playbook has an answer to: a reply that names a page, or one that
    resolves the question. `counts` are by intent; `language` is the shop's own by default."""
    spoken = language or playbook.languages[0]
    words = common_words(a for a in asked if a.language == spoken)
    found = []
    for intent, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        policy, title = playbook.intents.get(intent), _titles().get(intent, {}).get(spoken)
        said = placed(policy.replies.get(spoken, "") if policy else "", private=False, direct_messages=False)
        begins = _TO_SOMEBODY.match(said)  # a page answers no message
        reply = on_lines(said[begins.end() if begins else 0 :])
        if policy and title and reply and count and (policy.resolves or "://" in reply):
            found.append(Answered(intent, title, reply, count, tuple(words.get(intent, ()))))
    return tuple(found[:SHOWN])


def common_words(asked: Iterable[Asked], written_by: int = WRITTEN_BY) -> dict[str, list[str]]:
    """For each intent the pairs and triples of words that at least `written_by` customers used, the most used first."""
    used: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for a in asked:
        for phrase in phrases(a.text):
            used[a.intent][phrase].add(a.customer)
    found = {}
    for intent, by_phrase in used.items():
        common = {phrase: len(people) for phrase, people in by_phrase.items() if len(people) >= written_by}
        found[intent] = _longest(sorted(common, key=lambda p: (-common[p], -p.count(" "), p)))[:TERMS]
    return found


def phrases(text: str) -> set[str]:
    """The pairs and triples of neighbouring words of `text`, without those that hold a number, an address or a name of
    an account."""
    tokens = [t.casefold() for t in _TOKEN.findall(text)]
    plain = [bool(_PLAIN.fullmatch(t)) for t in tokens]
    found = set()
    for size in (2, 3):
        for start in range(len(tokens) - size + 1):
            if all(plain[start : start + size]):
                found.add(" ".join(tokens[start : start + size]))
    return found


def _longest(ordered: Sequence[str]) -> list[str]:
    """Without phrases that are part of one that stands before them or is as frequent."""
    kept: list[str] = []
    for phrase in ordered:
        if not any(phrase in other or other in phrase for other in kept):
            kept.append(phrase)
    return kept


def json_ld(questions: Sequence[Answered]) -> dict[str, Any]:
    """The questions as schema.org's FAQPage. Source: https://schema.org/FAQPage and
    https://developers.google.com/search/docs/appearance/structured-data/faqpage"""
    return {
        "@context": "https://schema.org",
        "@type": "FAQPage",
        "mainEntity": [
            {
                "@type": "Question",
                "name": q.question,
                "acceptedAnswer": {"@type": "Answer", "text": q.answer},
                **({"keywords": ", ".join(q.words)} if q.words else {}),
            }
            for q in questions
        ],
    }


def script(questions: Sequence[Answered]) -> str:
    """The JSON-LD as it may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(json_ld(questions), ensure_ascii=False, indent=1)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def unknown(asked: Iterable[Asked], below: float = 0.5) -> list[Asked]:
    """What the model did not know: read as something else, or with less confidence than `below`."""
    return [a for a in asked if (a.intent == "other" or a.confidence < below) and a.text.strip()]


@cache
def _titles() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(TITLES.read_text("utf-8"))
    return found
