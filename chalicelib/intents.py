"""What a customer wants: text → intent, rungs of the reply ladder, urgency, language, from a file of small integers.

The standard library only. A text becomes hashed word and character n-grams (`features`); every n-gram owns a row of
signed bytes, one for each class; the sum of the rows is the score. `models/` trains with the same features.

Source: models/CARD.md (recipe, and what the numbers in this file are worth).
"""

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from chalicelib.conversations.interaction import Reading, Rung
from chalicelib.reading.features import LONG, sentences, words
from chalicelib.reading.sums import Sums

MAGIC: Final = b"EARSHOT-INTENTS-2\n"
LEAST_LETTERS: Final = 4  # of a text whose language can be told
LIKELY: Final = 0.1  # from which probability on an intent that is not the likeliest is named all the same
ALONE: Final = 2.0  # log-odds by which a sentence says less than a message that urgent people are needed
A_KIND: Final = 2.0  # log-odds by which the general reply may be surer than that the message is of any one kind
A_MATTER: Final = 0.5  # from which probability on a sentence has a matter of its own
URGENT_FROM: Final = 0.5  # people are called at once
SILENT_FROM: Final = 0.2  # not sure enough to call them, too much to answer cheerfully
UNSERVED: Final = "und"
NEVER_MET: Final = 2.0  # more than any confidence
MATRIX_CAP: Final = 64 * 2**20  # bytes; a damaged header must not fill the memory
DEFAULT_MODEL: Final = Path(__file__).with_name("intents.model")
HASH_SUFFIX = ".sha256"  # beside the model, written at packaging: model and hash are one release

_FIELDS: Final = frozenset(
    (
        *("bits", "classes", "languages", "heads", "scale", "bias", "lines", "thresholds", "topics", "needless"),
        *("never", "close_bounds", "language_threshold", "urgent", "urgent_from"),
    )
)
_LINES: Final = ("own", "topic", "general", "urgent")
_NO_LINE: Final = (1.0, 0.0, 0.0)
RANGE: Final = 500.0  # of scores, the powers of which are numbers
_OWN, _TOPIC, _GENERAL = Rung


class ModelError(ValueError):
    """The file is not a usable intent model, or not the one that was asked for."""


def softmax(scores: Sequence[float], top: float) -> list[float]:
    """Scores (natural logarithms, any offset), the largest of which is `top` → probabilities that add up to 1."""
    powers = list(map(exp, scores)) if -RANGE < top < RANGE else [exp(score - top) for score in scores]
    part = 1 / sum(powers)
    return [power * part for power in powers]


def log_odds(chance: float) -> float:
    """The natural logarithm of a probability's odds; that of 1 and 0 is large, not infinite."""
    if 1e-12 < chance < 1 - 1e-12:
        return log(chance / (1 - chance))
    return log(max(chance, 1e-12) / max(1 - chance, 1e-12))


def probability(odds: float) -> float:
    """What `log_odds` came from."""
    try:
        return 1 / (1 + exp(-odds))
    except OverflowError:  # the odds against it are above every number
        return 0.0


class Look(NamedTuple):
    """What the columns say of one text or sentence: probabilities of the intents and which is likeliest, log-odds of
    the two heads, and the languages' scores."""

    chances: Sequence[float]
    best: int
    gate: float
    urgent: float
    spoken: Sequence[float]


class Sureness(NamedTuple):
    """Log-odds, for one text or sentence, that a reply of each rung is right; `topic` is the likeliest one. `wanted`:
    that anything is wanted of this shop, whatever it may be."""

    own: float
    topic: str
    on_topic: float
    general: float
    wanted: float


class Evidence(NamedTuple):
    """What a message says, before any threshold: what decisions are made from, and what thresholds are chosen on.

    `rungs` are confidences (0–1), `reach` the rungs that its intent and its number of matters leave open. `urgent` is
    in log-odds, `chances` in the order of the classes, `best` an index into them.
    """

    best: int
    chances: Sequence[float]
    language: str | None
    topic: str
    rungs: dict[str, float]
    reach: tuple[Rung, ...]
    gate: float
    urgent: float


def pinned(path: Path = DEFAULT_MODEL) -> str | None:
    """The hash that the packaged model must have; None where nothing was packaged."""
    beside = path.with_suffix(HASH_SUFFIX)
    return beside.read_text("utf-8").strip() if beside.exists() else None


class IntentModel:
    """A trained model, ready to read messages. Immutable but for a cache, safe to share between threads.

    `classes`: the intents, in the order of the scores. `languages`: codes it was trained on ("und" = not served).
    `thresholds`: by rung and language, the least confidence for a reply of that rung; `threshold` is the least one of
    the own rung. `never`: intents that are no question and are never acknowledged as one. `bounds`: for intents that
    need no answer, the least confidence at which a conversation may be closed. `hash`: SHA-256 of the file, hex.
    """

    def __init__(self, content: bytes) -> None:
        """Raises ModelError when `content` is not an artifact written by models/artifact.py."""
        header, matrix = _open(content)
        self.hash: str = hashlib.sha256(content).hexdigest()
        self._name = self.hash[:12]
        self.header: Mapping[str, Any] = MappingProxyType(header)
        self.classes: tuple[str, ...] = tuple(header["classes"])
        self.languages: tuple[str, ...] = tuple(header["languages"])
        self.heads: tuple[str, ...] = tuple(header["heads"])
        self.thresholds: Mapping[str, Mapping[str, float]] = MappingProxyType(header["thresholds"])
        self.threshold: float = min(header["thresholds"][Rung.OWN].values())
        self.never: frozenset[str] = frozenset(header["never"])
        self.bounds: Mapping[str, float] = MappingProxyType(header["close_bounds"])
        self._language_threshold: float = header["language_threshold"]
        lines: list[tuple[float, float, float]] = [header["lines"].get(name, _NO_LINE) for name in _LINES]
        self._own_line, self._topic_line, self._general_line, self._urgent_line = lines
        ladder = tuple(Rung)
        self._reaches = [ladder[1:] if label in header["never"] else ladder for label in self.classes]
        self._bars = {rung: header["thresholds"].get(rung, {}) for rung in ladder}
        self._urgent_from: Mapping[str, float] = header["urgent_from"]
        self._needless: tuple[bool, ...] = tuple(label in header["needless"] for label in self.classes)
        self._of_needless = _adder([index for index, needless in enumerate(self._needless) if needless])
        of_topics = {intent for intents in header["topics"].values() for intent in intents}
        people = [n for n, label in enumerate(self.classes) if not self._needless[n] and label not in of_topics]
        self._of_people = _adder(people)
        topics = {intent: topic for topic, intents in header["topics"].items() for intent in intents}
        self._topic_of: tuple[str, ...] = tuple(topics.get(label, "") for label in self.classes)
        self._topics: dict[str, Adder] = {
            name: _adder([index for index, topic in enumerate(self._topic_of) if topic == name])
            for name in header["topics"]
        }
        self._urgent_class = self.classes.index(header["urgent"]) if header["urgent"] in self.classes else None
        self._intents = len(self.classes)
        self._spoken = before = len(self.classes) + len(self.languages)
        places = [before + self.heads.index(head) if head in self.heads else 0 for head in ("gate", "urgent")]
        self._places: tuple[int, int] = (places[0], places[1])
        try:
            self._score = Sums(matrix, header["bits"], header["scale"], header["bias"]).scores
        except ValueError as error:
            raise ModelError(f"damaged intent model: {error}") from error

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
        """Calibrated scores: intents in the order of `classes`, then `languages`, then `heads`."""
        return self._score(words(text))

    def read(self, text: str | bytes) -> Reading:
        """Intent, confidence on every rung, urgency and language of a message."""
        best, chances, language, topic, rungs, reach, gate, urgent = self.evidence(text)
        others = [*chances]
        others[best] = 0.0
        second = max(others)
        urgent = probability(urgent - self._urgent_from.get(language or "", 0.0))
        allowed = () if urgent >= SILENT_FROM else self._allowed(rungs, reach, language)
        return Reading(
            intent=self.classes[best],
            confidence=rungs[_OWN],
            margin=chances[best] - second,
            language=language,
            accepted=_OWN in allowed,
            model=self._name,
            chances=self._likely(chances, best) if second >= LIKELY else {},
            rungs=rungs,
            allowed=allowed,
            topic=topic,
            gate=gate,
            urgent=urgent,
        )

    def _likely(self, chances: Sequence[float], best: int) -> dict[str, float]:
        return {self.classes[index]: p for index, p in enumerate(chances) if p >= LIKELY and index != best}

    def evidence(self, text: str | bytes) -> Evidence:
        """What `text` says, before any threshold.

        A message of several sentences is also read sentence by sentence: two matters lower the ladder, and in a long
        one the surest sentence speaks for the topic's and the general rung.
        """
        whole = self._look(words(text))
        parts = [self._look(words(sentence)) for sentence in sentences(text)]
        best = whole.best
        sureness = self._sureness(whole)
        urgent = self._urgent(whole)
        if parts:
            urgent = max(urgent, *[self._urgent(part) - ALONE for part in parts])
            if len(text) >= LONG:
                sureness = self._surest(sureness, parts)
        if self._needless[best]:
            sureness = self._harmless(sureness, parts or [self._look(words(s)) for s in sentences(text, every=True)])
        return Evidence(
            best,
            whole.chances,
            None if _wordless(text) else self._language(whole.spoken),
            sureness.topic,
            {
                _OWN: probability(sureness.own),
                _TOPIC: probability(sureness.on_topic),
                _GENERAL: probability(sureness.general),
            },
            self._reach(best, parts) if parts else self._reaches[best],
            self._needed(whole),
            urgent,
        )

    def confidences(self, text: str | bytes) -> dict[str, float]:
        """For every intent, how often it is the right one of such a message (0–1; they need not add up to 1)."""
        look = self._look(words(text))
        return {label: probability(self._own(look, index)) for index, label in enumerate(self.classes)}

    def classify(self, text: str | bytes) -> tuple[str, float]:
        """The likeliest intent of a message, and its confidence (0–1)."""
        found = self.evidence(text)
        return self.classes[found.best], found.rungs[Rung.OWN]

    def language(self, text: str | bytes) -> str | None:
        """The code of the message's language; None when unsure, or when it is not one that is served."""
        return None if _wordless(text) else self._language(self._look(words(text)).spoken)

    # --- what the columns say ---

    def _look(self, found: Sequence[str]) -> Look:
        scores, intents = self._score(found), self._intents
        of_intents, spoken = scores[:intents], self._spoken
        top = max(of_intents)
        gate, urgent = self._places
        return Look(
            softmax(of_intents, top),
            of_intents.index(top),
            scores[gate] if gate else 0.0,
            scores[urgent] if urgent else 0.0,
            scores[intents:spoken],
        )

    def _own(self, look: Look, index: int) -> float:
        slope, weight, offset = self._own_line
        gate = -look.gate if self._needless[index] else look.gate
        return slope * log_odds(look.chances[index]) + weight * gate + offset

    def _sureness(self, look: Look) -> Sureness:
        """Where a public intent's own reply is right, its topic's is too, and then the general one. What may be
        anything is rather nothing to a shop: the general reply asks for a topic, or a matter for people, that stands
        out."""
        chances, _, gate, _, _ = look
        own, topic = self._own(look, look.best), self._topic_of[look.best]
        slope, weight, offset = self._general_line
        wanted = weight * gate + offset - slope * log_odds(self._of_needless(chances))
        slope, weight, offset = self._topic_line
        if topic:
            on_topic = max(own, slope * log_odds(self._topics[topic](chances)) + weight * gate + offset)
            return Sureness(own, topic, on_topic, max(on_topic, min(wanted, on_topic + A_KIND)), wanted)
        found = [(added(chances), name) for name, added in self._topics.items()] or [(0.0, "")]
        chance, topic = max(found, key=itemgetter(0))
        kind = slope * log_odds(max(chance, self._of_people(chances))) + weight * gate + offset
        on_topic = slope * log_odds(chance) + weight * gate + offset
        return Sureness(own, topic, on_topic, min(wanted, kind + A_KIND), wanted)

    def _surest(self, whole: Sureness, parts: Sequence[Look]) -> Sureness:
        """Topic and general rung of the surest sentence, where it is surer than the whole; never the own rung."""
        each = [self._sureness(part) for part in parts]
        topic = max([whole, *each], key=lambda s: s.on_topic)
        general = max(s.general for s in [whole, *each])
        return whole._replace(topic=topic.topic, on_topic=topic.on_topic, general=general)

    def _harmless(self, whole: Sureness, parts: Sequence[Look]) -> Sureness:
        """No surer that nothing is wanted than the sentence that wants most: thanks may stand before a question."""
        wants = [self._sureness(part).wanted for part in parts]
        return whole._replace(own=min([whole.own, *[-each for each in wants]]))

    def _reach(self, best: int, parts: Sequence[Look]) -> tuple[Rung, ...]:
        """The rungs that are open: no own reply to an intent without one, and none of its own or its topic's to a
        message with two matters, each in a sentence that is sure enough to count."""
        matters = {part.best for part in parts if self._topic_of[part.best] and part.chances[part.best] >= A_MATTER}
        topics = {self._topic_of[matter] for matter in matters}
        if len(topics) > 1:
            return (Rung.GENERAL,)
        return self._reaches[best][-2:] if len(matters) > 1 else self._reaches[best]

    def _allowed(self, rungs: Mapping[str, float], reach: tuple[Rung, ...], language: str | None) -> tuple[Rung, ...]:
        """The rungs within reach whose threshold in the message's language is met, and those below them."""
        if language is None and self.languages:
            return ()
        code = language or ""
        for number, rung in enumerate(reach):
            if rungs[rung] >= self._bars[rung].get(code, NEVER_MET):
                return reach[number:]
        return ()

    def _needed(self, look: Look) -> float:
        """The probability that a message needs an answer from this shop."""
        if "gate" in self.heads:
            return probability(look.gate)
        return sum(p for c, p in zip(self.classes, look.chances, strict=True) if c not in self.never)

    def _urgent(self, look: Look) -> float:
        """How urgent a text or sentence sounds, in log-odds."""
        if self._urgent_class is None:
            return -math.inf
        slope, weight, offset = self._urgent_line
        return slope * log_odds(look.chances[self._urgent_class]) + weight * look.urgent + offset

    def _language(self, scores: Sequence[float]) -> str | None:
        if not scores:
            return None
        top = max(scores)
        code, chance = self.languages[scores.index(top)], 1 / sum([exp(score - top) for score in scores])
        return None if code == UNSERVED or chance < self._language_threshold else code


Adder = Callable[[Sequence[float]], float]


def _adder(indices: Sequence[int]) -> Adder:
    """What adds the probabilities of some classes."""
    if not indices:
        return lambda _: 0.0
    if len(indices) == 1:
        return itemgetter(*indices)
    chosen = itemgetter(*indices)
    return lambda chances: sum(chosen(chances))


def _wordless(text: str | bytes) -> bool:
    """Whether there is too little to tell a language by: "?", "ok", an emoji."""
    if isinstance(text, bytes):
        text = text[:200].decode("utf-8", "replace")
    first = text[: 2 * LEAST_LETTERS].replace(" ", "")[:LEAST_LETTERS]
    if len(first) == LEAST_LETTERS and first.isalpha():  # as nearly always
        return False
    return sum(map(str.isalpha, text[:200])) < LEAST_LETTERS


def _open(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the matrix of an artifact. Layout: magic, length of the header (4 bytes), JSON, zlib matrix."""
    if content.startswith(b"EARSHOT-INTENTS-") and not content.startswith(MAGIC):
        raise ModelError("an intent model of another release: train it again with this one's models.train")
    if not content.startswith(MAGIC):
        raise ModelError("not an Earshot intent model")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    try:
        header = json.loads(content[start:end])
        missing = _FIELDS - header.keys()
        if missing or not 0 < header["bits"] <= 20:
            raise ModelError(f"damaged intent model: bits, or no {', '.join(sorted(missing))}")
        columns = len(header["classes"]) + len(header["languages"]) + len(header["heads"])
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
