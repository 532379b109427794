"""Copies of an utterance as hurried people would type it: with mistakes, between other sentences, with a hashtag."""

import random
import re
from collections.abc import Iterator, Sequence
from typing import Final

from models.matrix import seed_of

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
SIGNS: Final = re.compile(r"[,.;:!?¿¡]")
UNSIGNED: Final = 0.25  # share of the copies that have no signs
LEAST_GAPS: Final = 3  # between words: "price?" asks, "price" does not
TAGS: Final = ("#fail", "#help", "#customerservice", "#love", "#shopping", "😡", "🙏", "🙈", "!!", "...", "?!", "❤️")


def typos(text: str, rate: float, seed: int) -> str:
    """The text with about `rate` mistakes a character: a letter dropped, doubled up, replaced, or two swapped."""
    chance, kept, index = random.Random(seed), [], 0
    while index < len(text):
        letter = text[index]
        if letter.isalpha() and chance.random() < rate:
            following = text[index + 1 : index + 2]
            mistake = chance.choice(("drop", "insert", "replace", "swap"))
            index += mistake == "swap" and bool(following)
            letter = {
                "drop": "",
                "insert": letter + chance.choice(LETTERS),
                "replace": chance.choice(LETTERS),
                "swap": following + letter,
            }[mistake]
        kept.append(letter)
        index += 1
    return "".join(kept)


def copies(text: str, count: int, rate: float) -> Iterator[str]:
    """`count` copies with typos; the same text gets the same mistakes in whatever order it comes."""
    for copy in range(count):
        yield typos(text, rate, seed_of(text, str(copy)))


def surrounded(text: str, context: Sequence[str], rate: float, seed: int) -> str:
    """The text as it stands in a longer, hastier message: half the time beside another sentence (of `context`), half
    the time with typos, sometimes without a sign between or behind its words, sometimes with a hashtag or an emoji."""
    chance = random.Random(seed)
    if text.count(" ") >= LEAST_GAPS and chance.random() < UNSIGNED:
        text = SIGNS.sub("", text)
    if context and chance.random() < 0.5:
        beside = chance.choice(context)
        first, second = (beside, text) if chance.random() < 0.5 else (text, beside)
        text = f"{first if first[-1:] in '?!.' else first + '.'} {second}"
    if chance.random() < 0.5:
        text = typos(text, rate, chance.randrange(2**32))
    return f"{text} {chance.choice(TAGS)}" if chance.random() < 0.3 else text
