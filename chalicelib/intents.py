"""What a customer wants: text → intent, confidence and language, from one exported file of small integers.

The standard library only. A text becomes hashed word and character n-grams; every n-gram owns a row of signed
bytes, one for each class; the sum of the rows is the score. `models/` trains with the same `features`, so the
normalisation and the hash exist once.

Source: design/model.md (recipe and figures); models/CARD.md (what this file's numbers are worth).
"""

import hashlib
import json
import math
import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from chalicelib.conversations.interaction import TOPICS, Reading, Rung

MAGIC: Final = b"EARSHOT-INTENTS-1\n"
TEXT_CAP: Final = 2_000  # characters read of one message; the rest adds time, not meaning
LEAST_LETTERS: Final = 4  # of a text whose language can be told
LIKELY: Final = 0.1  # from which probability on an intent that is not the likeliest is named all the same
MATRIX_CAP: Final = 64 * 2**20  # bytes; a damaged header must not fill the memory
DEFAULT_MODEL: Final = Path(__file__).with_name("intents.model")
HASH_SUFFIX = ".sha256"  # beside the model, written at packaging: model and hash are one release

_ENTITIES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}
_ENTITY: Final = re.compile("|".join(_ENTITIES))
_MENTION: Final = re.compile(r"(?<!\w)@[\w.]+")
_URL: Final = re.compile(r"https?://\S+|www\.\S+")
_DIGITS: Final = re.compile(r"\d+")
_REPEAT: Final = re.compile(r"([^\W\d])\1{2,}|([^\w\s])\2+")
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’`´](?=\w)")
_TOKEN: Final = re.compile(r"\w+|[?!$£€]|[^\x00-\u2fff\u3000-\u303f]|[\u2600-\u27bf]")
_WORD_SEED: Final = zlib.crc32(b"word")
_CHAR_SEED: Final = zlib.crc32(b"char")
_FIELDS: Final = frozenset(
    (
        "bits",
        "classes",
        "languages",
        "scale",
        "bias",
        "line",
        "threshold",
        "never",
        "close_bounds",
        "language_threshold",
    )
)
_LANE: Final = 3  # bytes a column occupies in a row: room to add 65,000 rows without a carry
_OFFSET: Final = 128  # makes a signed byte a non-negative lane


class ModelError(ValueError):
    """The file is not a usable intent model, or not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Features:
    """Hashes (32 bits, unmasked, each once) of one text's n-grams, block by block."""

    words: Sequence[int]
    chars: Sequence[int]


def normalise(text: str | bytes) -> str:
    """The text as the model sees it: lower case, no accents, no @mentions, "url", runs of 0, emoji kept.

    Undecodable bytes and lone surrogates become replacement characters; what lies beyond `TEXT_CAP` is not read.
    """
    if isinstance(text, bytes):
        text = text[: 4 * TEXT_CAP].decode("utf-8", "replace")
    text = _ENTITY.sub(lambda found: _ENTITIES[found[0]], text[:TEXT_CAP])
    text = _MENTION.sub(" ", _URL.sub(" url ", text))
    text = unicodedata.normalize("NFKD", text.lower())[:TEXT_CAP]
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = _APOSTROPHE.sub("", text)
    text = _DIGITS.sub(lambda run: "0" * min(len(run[0]), 5), text)
    text = _REPEAT.sub(lambda run: (run[1] or "") * 2 or run[2], text)
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=8_192)
def _word_grams(word: str) -> tuple[int, ...]:
    """Hashes of the 3- and 4-grams of a word between spaces, in UTF-8 bytes; words come back, so they are kept."""
    padded = f" {word[:40]} ".encode()
    return tuple(
        zlib.crc32(padded[start : start + size], _CHAR_SEED)
        for size in (3, 4)
        for start in range(max(1, len(padded) - size + 1))
    )


def features(text: str | bytes) -> Features:
    """The hashed n-grams of a text: words 1–2, characters 3–4 inside word boundaries."""
    words = _TOKEN.findall(normalise(text))
    pairs = [f"{left} {right}" for left, right in pairwise(words)]
    return Features(
        words=[zlib.crc32(gram.encode(), _WORD_SEED) for gram in dict.fromkeys(words + pairs)],
        chars=list(dict.fromkeys(gram for word in words for gram in _word_grams(word))),
    )


def softmax(scores: Sequence[float]) -> list[float]:
    """Scores (natural logarithms, any offset) → probabilities that add up to 1."""
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def straighten(chance: float, slope: float, offset: float) -> float:
    """A probability moved along a line of log-odds: what a softmax says → how often it is right (Platt 1999)."""
    odds = math.log(max(chance, 1e-12) / max(1 - chance, 1e-12))
    return 1 / (1 + math.exp(min(700.0, -(slope * odds + offset))))


def pinned(path: Path = DEFAULT_MODEL) -> str | None:
    """The hash that the packaged model must have; None where nothing was packaged."""
    beside = path.with_suffix(HASH_SUFFIX)
    return beside.read_text("utf-8").strip() if beside.exists() else None


class IntentModel:
    """A trained model, ready to read messages. Immutable, safe to share between threads.

    `classes`: the intents, in the order of the scores. `languages`: codes it was trained on ("und" = not served).
    `threshold`: least confidence for an acknowledgement. `never`: intents that are no question and are never
    acknowledged as one. `bounds`: for intents that need no answer, the least confidence at which a conversation may be
    closed. `hash`: SHA-256 of the file, hex.
    """

    def __init__(self, content: bytes) -> None:
        """Raises ModelError when `content` is not an artifact written by models/artifact.py."""
        header, matrix = _open(content)
        self.hash: str = hashlib.sha256(content).hexdigest()
        self.header: Mapping[str, Any] = MappingProxyType(header)
        self.classes: tuple[str, ...] = tuple(header["classes"])
        self.languages: tuple[str, ...] = tuple(header["languages"])
        self.threshold: float = header["threshold"]
        self.never: frozenset[str] = frozenset(header["never"])
        self.bounds: Mapping[str, float] = MappingProxyType(header["close_bounds"])
        self._language_threshold: float = header["language_threshold"]
        self._line: tuple[float, float] = (header["line"][0], header["line"][1])
        self._mask = 2 ** header["bits"] - 1
        self._scale: list[float] = header["scale"]
        self._bias: list[float] = header["bias"]
        self._lanes = _widen(matrix)

    @classmethod
    def load(cls, path: str | Path = DEFAULT_MODEL, sha256: str | None = None) -> "IntentModel":
        """Read a model from a file, and refuse it unless its SHA-256 is the given one.

        Raises: ModelError for a damaged file or another hash; OSError when it cannot be read.
        """
        content = Path(path).read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256.lower():
            raise ModelError(f"{path}: SHA-256 differs from the pinned {sha256}")
        try:
            return cls(content)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    def scores(self, text: str | bytes) -> list[float]:
        """Calibrated scores: intents in the order of `classes`, then languages in the order of `languages`."""
        found = features(text)
        sums = [0.0] * len(self._bias)
        for block in (found.words, found.chars):
            if block:
                shrink = 1 / math.sqrt(len(block))
                sums = [total + shrink * value for total, value in zip(sums, self._sum(block), strict=True)]
        return [scale * total + bias for scale, total, bias in zip(self._scale, sums, self._bias, strict=True)]

    def read(self, text: str | bytes) -> Reading:
        """Intent, confidence, margin and language of a message, in one pass over its features."""
        scores = self.scores(text)
        chances = softmax(scores[: len(self.classes)])
        best = max(range(len(chances)), key=chances.__getitem__)
        second = max((chance for index, chance in enumerate(chances) if index != best), default=0.0)
        intent, confidence = self.classes[best], straighten(chances[best], *self._line)
        language = None if _wordless(text) else self._language(scores[len(self.classes) :])
        sure = intent not in self.never and confidence >= self.threshold
        accepted = sure and (language is not None or not self.languages)
        return Reading(
            intent=intent,
            confidence=confidence,
            margin=chances[best] - second,
            language=language,
            accepted=accepted,
            model=self.hash[:12],
            chances={c: p for c, p in zip(self.classes, chances, strict=True) if p >= LIKELY and c != intent},
            rungs={Rung.OWN: confidence},
            allowed=(Rung.OWN,) if accepted else (),
            topic=next((topic for topic, intents in TOPICS.items() if intent in intents), ""),
        )

    def confidences(self, text: str | bytes) -> dict[str, float]:
        """For every intent, how often it is the right one of such a message (0–1; they need not add up to 1)."""
        chances = softmax(self.scores(text)[: len(self.classes)])
        return {label: straighten(chance, *self._line) for label, chance in zip(self.classes, chances, strict=True)}

    def classify(self, text: str | bytes) -> tuple[str, float]:
        """The likeliest intent of a message, and its confidence (0–1)."""
        reading = self.read(text)
        return reading.intent, reading.confidence

    def language(self, text: str | bytes) -> str | None:
        """The code of the message's language; None when unsure, or when it is not one that is served."""
        return self.read(text).language

    def _language(self, scores: Sequence[float]) -> str | None:
        if not scores:
            return None
        chances = softmax(scores)
        best = max(range(len(chances)), key=chances.__getitem__)
        code = self.languages[best]
        return None if code == "und" or chances[best] < self._language_threshold else code

    def _sum(self, hashes: Sequence[int]) -> list[int]:
        """The sum of the hashes' rows, column by column: all columns in one addition of long integers."""
        step = _LANE * len(self._bias)
        lanes, mask = self._lanes, self._mask
        starts = [(value & mask) * step for value in hashes]
        total = sum(int.from_bytes(lanes[start : start + step], "little") for start in starts)
        summed = total.to_bytes(step, "little")
        offset = _OFFSET * len(hashes)
        return [int.from_bytes(summed[start : start + _LANE], "little") - offset for start in range(0, step, _LANE)]


def _wordless(text: str | bytes) -> bool:
    """Whether there is too little to tell a language by: "?", "ok", an emoji."""
    if isinstance(text, bytes):
        text = text[:200].decode("utf-8", "replace")
    return sum(map(str.isalpha, text[:200])) < LEAST_LETTERS


def _open(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the matrix of an artifact. Layout: magic, length of the header (4 bytes), JSON, zlib matrix."""
    if not content.startswith(MAGIC):
        raise ModelError("not an Earshot intent model")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    try:
        header = json.loads(content[start:end])
        missing = _FIELDS - header.keys()
        if missing or not 0 < header["bits"] <= 20:
            raise ModelError(f"damaged intent model: bits, or no {', '.join(sorted(missing))}")
        columns = len(header["classes"]) + len(header["languages"])
        size = columns * 2 ** header["bits"]
        if size > MATRIX_CAP or not columns == len(header["scale"]) == len(header["bias"]):
            raise ModelError("header and matrix do not agree")
        matrix = zlib.decompressobj().decompress(content[end:], size + 1)
    except ModelError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise ModelError(f"damaged intent model: {error}") from error
    if len(matrix) != size:
        raise ModelError(f"damaged intent model: {len(matrix)} weights instead of {size}")
    return header, matrix


def _widen(matrix: bytes) -> bytes:
    """Each signed byte as a lane of `_LANE` bytes, offset to be non-negative: a slice of lanes is one long integer."""
    wide = bytearray(len(matrix) * _LANE)
    wide[::_LANE] = matrix.translate(bytes((value + _OFFSET) % 256 for value in range(256)))
    return bytes(wide)
