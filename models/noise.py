"""Copies of an utterance as hurried people would type it."""

import random
from collections.abc import Iterator
from typing import Final

from models.matrix import seed_of

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


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
