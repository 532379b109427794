r"""Phrases: the files in `guard_words/`, and which of their phrases stand in a text.

A file: `NAME = words`, which phrases may then name, and `[guard]` above its phrases, one a line, in small letters
without accents. In a phrase a space is whatever parts two words, `~` up to four words between, a `*` behind a letter
any ending, a `^` in front the beginning of a sentence; the rest is a regular expression, between the edges of words.
THANKS and WITH are for a message that is thanks and nothing else: its words, one of them a THANKS, stand in them all.
PERSONAL are words of somebody who speaks of himself, to a shop or of one: `[legal_term]` is `[legal]` only beside one.

A phrase is compiled when a word comes that it may begin with: hundreds of them cost nothing until then.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

WORDS: Final = Path(__file__).with_name("guard_words")
ANY: Final = "any"  # what is the same in every language
LANGUAGES: Final = tuple(sorted(file.stem for file in WORDS.glob("*.txt") if file.stem != ANY))
_HEAD: Final = 5  # letters of its first word by which a phrase is found
_WORD: Final = re.compile(r"\w+")
_GAP: Final = r"[^\w.!?\n]+"
_START: Final = r"(?:\A|(?<=[.!?;:,\n]\s))"
_PIECE: Final = re.compile(r"\\.\*?|\[[^\]]*\]|\)\*| ~ | ~$| \?| |\*")
_PIECES: Final = {
    " ~ ": rf"(?:{_GAP}\w+){{0,4}}?{_GAP}",
    " ~": rf"{_GAP}\w+",
    " ?": rf"(?:{_GAP})?",
    " ": _GAP,
    "*": r"\w*",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    guard: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """The phrases of one file: by the first letters of what they begin with, and those without any."""

    by_head: Mapping[str, Sequence[Phrase]]
    headless: Sequence[Phrase]


def found_in(key: str, text: str) -> Iterator[tuple[str, str]]:
    """(guard, words found) for each phrase of the file `key` that stands in `text`, a plain one (guards.plain)."""
    for guard, pattern in _headless(key):
        if found := pattern.search(text):
            yield guard, found[0]
    for start, head in _words(text):
        for guard, pattern in _beginning(key, head):
            if found := pattern.match(text, start):
                yield guard, found[0]


@lru_cache(maxsize=8)  # the files of every language are asked about the same text
def _words(text: str) -> Sequence[tuple[int, str]]:
    """Where each word of `text` begins, and with what letters."""
    return [(word.start(), word[0][:_HEAD]) for word in _WORD.finditer(text)]


Patterns = Sequence[tuple[str, re.Pattern[str]]]
"""(guard, phrase)."""


@lru_cache(maxsize=8_192)
def _beginning(key: str, word: str) -> Patterns:
    """The phrases of the file `key` that may begin with a word of these first letters."""
    by_head = _table(key).by_head
    found = [phrase for size in range(1, len(word) + 1) for phrase in by_head.get(word[:size], ())]
    return [(phrase.guard, _compiled(phrase.text)) for phrase in found]


@lru_cache
def _headless(key: str) -> Patterns:
    """Those that may begin with anything."""
    return [(phrase.guard, _compiled(phrase.text)) for phrase in _table(key).headless]


@lru_cache
def named(key: str, name: str) -> frozenset[str]:
    """The words that the file `key` calls `name`."""
    return frozenset(_lines(key)[0].get(name, ()))


@lru_cache
def _table(key: str) -> Table:
    common, names, sections = _lines(ANY)[0], *_lines(key)
    by_head: dict[str, list[Phrase]] = {}
    headless: list[Phrase] = []
    for guard, lines in sections.items():
        for line in lines:
            phrase = Phrase(guard, _named(line, {**common, **names}))
            heads = {head for head, _ in _heads(phrase.text.removeprefix("^"), _HEAD)}
            if "" in heads:
                headless.append(phrase)
                continue
            for head in heads:
                by_head.setdefault(head, []).append(phrase)
    return Table(by_head, headless)


@lru_cache
def _lines(key: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The names of a file and its sections, as they are written."""
    names: dict[str, list[str]] = {}
    sections: dict[str, list[str]] = {}
    phrases: list[str] = []
    for line in (WORDS / f"{key}.txt").read_text("utf-8").splitlines():
        if name := re.fullmatch(r"([A-Z]+) = (.+)", line):
            names.setdefault(name[1], []).extend(name[2].split(" | "))
        elif section := re.fullmatch(r"\[(\w+)\]", line):
            phrases = sections.setdefault(section[1], [])
        elif line and not line.startswith("# "):
            phrases.append(line)
    return names, sections


def _named(phrase: str, names: Mapping[str, Sequence[str]]) -> str:
    """`phrase` with the words that it names written out."""
    return re.sub(r"[A-Z]{2,}", lambda name: "(" + "|".join(names[name[0]]) + ")", phrase)


@lru_cache(maxsize=4_096)
def _compiled(phrase: str) -> re.Pattern[str]:
    body = _PIECE.sub(lambda piece: _PIECES.get(piece[0], piece[0]), phrase.removeprefix("^"))
    body = re.sub(r"(\\.)|\((?!\?)", lambda found: found[1] or "(?:", body)
    if not re.search(r"[a-z]", phrase):  # an emoji has no edges
        return re.compile(body)
    return re.compile((_START if phrase.startswith("^") else r"(?<!\w)") + f"(?:{body})" + r"(?!\w)")


# --- how a phrase may begin ------------------------------------------------------------------------------------------

Heads = frozenset[tuple[str, bool]]
"""Beginnings of a phrase: (letters, whether what comes next may follow directly in the same word)."""
_NOTHING: Final[Heads] = frozenset({("", True)})


def _heads(phrase: str, size: int) -> Heads:
    """Every beginning of `phrase`, at most `size` letters each: none that matches begins otherwise."""
    parts = [_sequence(part, size) for part in _alternatives(phrase)]
    return frozenset().union(*parts)


def _sequence(rest: str, size: int) -> Heads:
    heads = _NOTHING
    while rest and any(goes_on for _, goes_on in heads):
        atom, rest = _atom(rest, size)
        heads = frozenset(
            ((head + more)[:size], goes_on and further and len(head + more) < size)
            for head, goes_on in heads
            for more, further in (atom if goes_on else [("", False)])
        )
    return heads


def _atom(rest: str, size: int) -> tuple[Heads, str]:
    """The beginnings of the next letter or group with its sign of repetition, and what comes after it."""
    if rest.startswith("(?<!"):  # what must not stand before it is no letter of it
        return _NOTHING, rest[_closing(rest) + 1 :]
    if rest.startswith("("):
        end = _closing(rest)
        heads, rest = _heads(rest[1:end], size), rest[end + 1 :]
        if rest[:1] in ("*", "+"):
            many = frozenset((head, False) for head, _ in heads)
            return many | _NOTHING if rest[0] == "*" else many, rest[1:]
    elif rest[0].isalnum():
        heads, rest = frozenset({(rest[0], True)}), rest[1:]
        if rest[:1] in ("*", "+"):  # the letter with any ending
            return frozenset((head, False) for head, _ in heads), rest[1:]
    else:
        return frozenset({("", False)}), ""  # the word ends here, or anything may follow
    return (heads | _NOTHING, rest[1:]) if rest.startswith("?") else (heads, rest)


def _alternatives(phrase: str) -> Iterator[str]:
    """What stands between the `|` of `phrase` that no bracket holds."""
    depth, start = 0, 0
    for place, char in enumerate(phrase):
        depth += (char == "(") - (char == ")")
        if char == "|" and not depth:
            yield phrase[start:place]
            start = place + 1
    yield phrase[start:]


def _closing(text: str) -> int:
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if not depth:
            return place
    raise ValueError(f"a bracket is left open: {text}")
