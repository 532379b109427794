"""The questions of the fit test as people in a hurry send them, by one rule each: how much each costs is measured.

Deterministic: the same question is spoilt in the same way whatever stands beside it.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.matrix import seed_of
from models.noise import typos

TYPO_RATE: Final = 0.05  # mistakes a character
SLANG: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        **{"you": "u", "your": "ur", "are": "r", "please": "pls", "to": "2", "because": "cos", "don't": "dont"},
        **{
            "can't": "cant",
            "what's": "whats",
            "it's": "its",
            "with": "w",
            "going": "goin",
            "though": "tho",
            "my": "me",
        },
    },
    "de": {
        **{"ich": "i", "nicht": "nich", "ist": "is", "eine": "ne", "einen": "nen", "habe": "hab", "bitte": "bidde"},
        **{"mal": "ma", "auch": "au", "und": "u", "haben": "ham", "können": "könn", "nichts": "nix", "etwas": "was"},
    },
    "fr": {
        **{"vous": "vs", "pour": "pr", "que": "ke", "pas": "pa", "beaucoup": "bcp", "c'est": "c", "toujours": "tjrs"},
        **{"quand": "qd", "je": "j", "quel": "kel", "avec": "avc", "est-ce": "es", "où": "ou", "dans": "ds"},
    },
    "es": {
        **{"que": "q", "qué": "q", "por": "x", "para": "pa", "porque": "xq", "también": "tb", "está": "ta"},
        **{"mi": "m", "es": "s", "de": "d", "cuánto": "cto", "cuándo": "cdo", "usted": "ud", "estoy": "toy"},
    },
}
HANDLES: Final = ("@LarkAndLoom", "@hobbfield_help", "@mapleandmoss", "@Graingrocer")
BEHIND: Final = (
    "#help",
    "#fail #customerservice",
    "🙏🙏",
    "😡",
    "🤔",
    "https://pic.example/a1B2",
    "#badservice 😩",
    "!!!",
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

Spoil = Callable[[str, str, Sequence[str], random.Random], str]
"""A text, its language, stories in that language and chance, to the text as it is sent."""


def _slang(text: str, language: str, stories: Sequence[str], chance: random.Random) -> str:
    table = SLANG[language]
    return _WORD.sub(lambda word: table.get(word[0].casefold(), word[0]), text)


def _tagged(text: str, language: str, stories: Sequence[str], chance: random.Random) -> str:
    return f"{chance.choice(HANDLES)} {text} {chance.choice(BEHIND)}"


def _story(text: str, language: str, stories: Sequence[str], chance: random.Random) -> str:
    return f"{chance.choice(stories)} {text}"


def _all(text: str, language: str, stories: Sequence[str], chance: random.Random) -> str:
    text = typos(_slang(text, language, stories, chance), TYPO_RATE / 2, chance.randrange(2**32))
    text = re.sub(r"[,.;:!?¿¡]", "", text.lower())
    return _tagged(_story(text, language, stories, chance), language, stories, chance)


SPOILT: Final[Mapping[str, Spoil]] = {
    "typos": lambda text, _language, _stories, chance: typos(text, TYPO_RATE, chance.randrange(2**32)),
    "no punctuation": lambda text, *_: re.sub(r"[,.;:!?¿¡]", "", text.lower()),
    "capitals": lambda text, *_: text.upper(),
    "slang": _slang,
    "handle and tags": _tagged,
    "story in front": _story,
    "all but capitals": _all,
}


def hurried(text: str, language: str, how: str, stories: Sequence[str]) -> str:
    """`text` spoilt in the way `how` (a key of `SPOILT`)."""
    return SPOILT[how](text, language, stories, random.Random(seed_of(text, how)))
