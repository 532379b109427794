"""Posts that are nothing to a shop, composed of authored parts: chat, other industries, news, adverts, in numbers.

A share of two in a thousand cannot be seen among fifty messages. The parts stand in `fit/chatter.json`, by language and
kind; the same parts give the same posts.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from models.said import FIT

COUNT: Final[Mapping[str, int]] = {"en": 3_000, "de": 1_000, "fr": 1_000, "es": 1_000}
FORMS: Final = (
    "{who} {did} {mood}",
    "{thing} {op} {mood}",
    "{verb} {obj} {mood}",
    "{tel} {telp}, {telq}",
    "{air} {airp}, {airq}",
    "{bank} {bankp} {mood}",
    "{soft} {softp} {mood}",
    "{tra} {trap} {mood}. {thing} {op}",
    "{news}",
    "{food} {mood}",
    "{food} {mood}. {q}",
    "{name} {oth}",
    "{q}",
    "{who} {did}, {q}",
    "{telq} {tel} {telp}",
    "{ad}",
)
NAMES: Final = ("@anna_b", "@tomk", "@jess", "@marc89", "@lu_r")
HANDLES: Final = ("@SkyFern ", "@NovaTel ", "@HarborBank ", "@NorthRail ")
ENDS: Final = (" #mondaymood", " #fail", " #lovemyjob", " 🤷", " 🎉", "!!", "...")

Parts = Mapping[str, Sequence[str]]


def posts(language: str) -> list[str]:
    """Different posts in `language`, at most `COUNT` of them."""
    parts = json.loads((FIT / "chatter.json").read_text("utf-8"))[language]
    return list(dict.fromkeys(_composed(parts, COUNT[language])))


def chatter() -> Iterator[dict[str, Any]]:
    """The posts as rows of the fit test."""
    for language in COUNT:
        yield from ({"text": text, "language": language, "right": ("silence",)} for text in posts(language))


def _composed(parts: Parts, count: int) -> Iterator[str]:
    chance = random.Random(count)
    for number in range(count):
        chosen = {name: chance.choice(some) for name, some in parts.items()}
        text = FORMS[number % len(FORMS)].format(name=chance.choice(NAMES), **chosen).strip().replace(" .", ".")
        if chance.random() < 0.25:
            text = chance.choice(HANDLES) + text
        if chance.random() < 0.3:
            text = text.lower()
        yield text + chance.choice(ENDS) if chance.random() < 0.12 else text
