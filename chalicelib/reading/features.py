"""A message as the intent model sees it: what says nothing taken off, the rest as hashed words and pieces of words.

Training and serving use the same functions, so the normalisation and the hash exist once. Whatever a person writes
round a question (a greeting, a name, thanks in advance, an e-mail address, an order number) is taken off here, so that
it costs no confidence. The standard library only.

Source: models/CARD.md (recipe and figures).
"""

import re
import unicodedata
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Final

TEXT_CAP: Final = 2_000  # characters read of one message; the rest adds time, not meaning
TAIL: Final = 20  # words in which a message ends
LEAST_WORDS: Final = 2  # that must be left when a greeting, politeness or a number is taken off
WORD_CAP: Final = 40  # letters; a longer word is several
LONG: Final = 80  # characters from which a message is also read sentence by sentence
SENTENCES: Final = 12  # of a long message that are read one by one

MAIL: Final = "\ue000"  # one private character stands for any e-mail address, another for any order number
NUMBER: Final = "\ue001"

_ENTITIES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}
_ENTITY: Final = re.compile("|".join(_ENTITIES))
_MAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,63}")
_MENTION: Final = re.compile(r"(?<!\w)@[\w.]+")
_URL: Final = re.compile(r"https?://\S+|www\.\S+")
_NUMBER: Final = re.compile(r"(?<![\w.,])#?[a-z]{0,4}[-_]?\d(?:[-/]?\d){5,30}[a-z]{0,3}(?![\w])")
_DIGITS: Final = re.compile(r"\d+")
_DIGIT: Final = re.compile(r"[0-9]")
_REPEAT: Final = re.compile(r"([^\W\d])\1{2,}|([^\w\s])\2+")
_ACCENTS: Final = re.compile("[\u0300-\u036f\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")  # once they are apart
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’`´](?=\w)")
_TOKEN: Final = re.compile(rf"\w{{1,{WORD_CAP}}}|[?!$£€]|[^\x00-\u2fff\u3000-\u303f]|[\u2600-\u27bf]")
_SIGNS: Final = ("?", "!", "$", "£")  # what else is a token in a text of Latin letters
_BLANKED: Final = bytes(n if chr(n).isalnum() or chr(n) in "?!$£_" else 32 for n in range(256))
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD_SEED: Final = zlib.crc32(b"word")
PIECE_SEED: Final = zlib.crc32(b"char")

# What people put before and behind what they want, by language; matched without accents, in lower case.
GREETINGS: Final = (
    *("hi", "hey", "hello", "heya", "hiya", "howdy", "greetings", "good morning", "good afternoon"),
    *("good evening", "good day", "dear"),
    *("hallo", "hallochen", "moin", "servus", "huhu", "guten tag", "guten morgen", "guten abend"),
    *("gru(?:ss|ß) gott", "gruezi", "sehr geehrte[rs]?", "liebes?"),
    *("bonjour", "bonsoir", "salut", "coucou", "chers?", "cheres?"),
    *("hola", "buenas tardes", "buenas noches", "buenos dias", "buenas", "buen dia", "estimad[oa]s?", "saludos"),
)
ADDRESSED: Final = (
    *("there", "all", "team", "guys", "folks", "everyone", "everybody", "again", "sir", "madam", "mam", "maam", "both"),
    *("zusammen", "ihr lieben", "leute", "nochmal", "damen und herren", "herr", "frau", "support", "service"),
    *("a tous", "madame", "monsieur", "madame monsieur", "lequipe", "equipe", "toute lequipe", "service client"),
    *("a todos", "todos", "equipo", "senores", "senora", "senor", "amigos", "que tal"),
)
FAREWELLS: Final = (
    *(
        "(?:kind|best|warm|many|with kind)? ?regards",
        "best wishes",
        "yours (?:sincerely|faithfully|truly)",
        "sincerely",
    ),
    *("cheers", "mfg", "lg", "vg", "(?:viele|liebe|beste|schone|freundliche) gru(?:ss|ß)e", "gru(?:ss|ß)"),
    *("mit freundlichen gru(?:ss|ß)en", "cordialement", "bien cordialement", "bien a vous", "sinceres salutations"),
    *("(?:many )?thanks in advance", "thank you in advance", "tia", "(?:vielen )?danke? im voraus", "danke? vorab"),
    *("merci (?:d|par |pour l)avance", "(?:muchas )?gracias (?:de antemano|por adelantado)"),
    *("bonne (?:journee|soiree)", "un saludo", "saludos(?: cordiales)?", "atentamente", "un abrazo", "besos"),
)
POLITENESS: Final = (
    *("please", "pls", "plz", "bitte(?: schon)?", "svp", "sil (?:vous|te) plait", "stp"),
    *("por favor", "porfa", "xfa"),
)
THANKS: Final = (  # taken off a question only: behind anything else they may be what the message is about
    *("(?:many )?thanks(?: a lot| so much| very much| guys)?", "thank you(?: so much| very much)?", "thx", "ty", "ta"),
    *("danke(?: schon| sehr)?", "vielen dank", "merci(?: beaucoup| bien)?", "(?:muchas |mil )?gracias"),
)


def _alternatives(rows: Sequence[str]) -> str:
    return "|".join(sorted(rows, key=len, reverse=True))


_GREETING: Final = re.compile(
    rf"[^\w?]*\b(?:{_alternatives(GREETINGS)})\b(?:[\s,]+(?:{_alternatives(ADDRESSED)})\b)*"
    rf"(?:[ ]\w+(?:[ ]\w+)?(?=[ ]?[,!\n]))?[\s,.!:-]*"
)
_FAREWELL: Final = re.compile(rf"(?:[\s,.!;-]|(?<=\?))\s*(?:{_alternatives(FAREWELLS)})\b(?:\W+\w+){{0,3}}\W*$")
_POLITE_END: Final = re.compile(rf"(?:[\s,.!;-]|(?<=\?))\s*(?:{_alternatives(POLITENESS)})\b[\s.,!?]*$")
_THANKS_END: Final = re.compile(rf"(?<=\?)\s*(?:{_alternatives(THANKS)})\b[\s.,!]*$")
_WORD: Final = re.compile(r"\w\w+")
_GAP: Final = re.compile(r"\s{3,}")  # the patterns above take the square of its length


# Every farewell has one of these words, every politeness, every thanks: most messages need no search for any.
_THANKS_WORDS: Final = ("thanks", "thank", "thx", "ty", "ta", "dank", "danke", "merci", "gracias")
_POLITE_WORDS: Final = ("please", "pls", "plz", "bitte", "svp", "plait", "stp", "favor", "porfa", "xfa")
_FAREWELL_WORDS: Final = (
    *("regards", "wishes", "yours", "sincerely", "cheers", "mfg", "lg", "vg", "gruss", "gruß", "grusse", "gruße"),
    *("grussen", "grußen", "cordialement", "bien", "salutations", "bonne", "saludo", "saludos", "atentamente"),
    *("abrazo", "besos", "tia", *_THANKS_WORDS),
)
_ENDS: Final = (
    (_FAREWELL, frozenset(_FAREWELL_WORDS)),
    (_POLITE_END, frozenset(_POLITE_WORDS)),
    (_THANKS_END, frozenset(_THANKS_WORDS)),
    (_POLITE_END, frozenset(_POLITE_WORDS)),
)
_ENDINGS: Final = frozenset((*_FAREWELL_WORDS, *_POLITE_WORDS))


@dataclass(frozen=True, slots=True)
class Features:
    """Hashes (32 bits, unmasked) of one text's n-grams, block by block: words and pairs of words each once, pieces of
    words once for every different word that has them."""

    words: Sequence[int]
    chars: Sequence[int]


def normalise(text: str | bytes) -> str:
    """The text as the model sees it: lower case, no accents, no @mentions, "url", runs of 0, emoji kept; one private
    character for an e-mail address and for an order number.

    Undecodable bytes and lone surrogates become replacement characters; what lies beyond `TEXT_CAP` is not read.
    """
    if isinstance(text, bytes):
        text = text[: 4 * TEXT_CAP].decode("utf-8", "replace")
    text = text[:TEXT_CAP]
    if "&" in text:
        text = _ENTITY.sub(lambda found: _ENTITIES[found[0]], text)
    if "://" in text or "www." in text:
        text = _URL.sub(" url ", text)
    if "@" in text:
        text = _MENTION.sub(" ", _MAIL.sub(f" {MAIL} ", text))
    text = text.lower()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)[:TEXT_CAP]
        text = _ACCENTS.sub("", text)
    if "'" in text or "`" in text or "’" in text:
        text = _APOSTROPHE.sub("", text)
    latin = _latin(text)
    if (_DIGITS if latin is None else _DIGIT).search(text):
        text = _DIGITS.sub(lambda run: "0" * min(len(run[0]), 5), _NUMBER.sub(f" {NUMBER} ", text))
    if latin is None:
        return _REPEAT.sub(_squeezed, text).encode("utf-8", "replace").decode("utf-8")
    if "!!" in text or "??" in text or "$$" in text or "££" in text or _three(latin):
        return _REPEAT.sub(_squeezed, text)
    return text


def _latin(text: str) -> bytes | None:
    """A byte for each character where there are only ASCII's and such as "¿" and "ß": as in most texts, once they are
    without accents. Those are read faster."""
    try:
        return text.encode() if text.isascii() else text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _three(text: bytes) -> bool:
    """Whether three of a character stand in a row. Two neighbours that are equal leave a zero byte when the text is
    laid over itself: a tenth of what a search costs."""
    number = int.from_bytes(text)
    return b"\0\0" in (number ^ number >> 8).to_bytes(len(text))


def _squeezed(run: re.Match[str]) -> str:
    return (run[1] or "") * 2 or run[2]


def core(text: str, tail: Collection[str]) -> str:
    """A normalised text without greeting, name, farewell and thanks in advance, as long as something is left; `tail`
    are its last words."""
    text = _GAP.sub(_closed, text)
    if found := _GREETING.match(text):
        text = _left(text[found.end() :], text)
    for pattern, telling in _ENDS:
        if not telling.isdisjoint(tail) and (found := pattern.search(text)):
            text = _left(text[: found.start()], text)
    return text


def _closed(gap: re.Match[str]) -> str:
    return "\n" if "\n" in gap[0] else " "


def _left(rest: str, whole: str) -> str:
    return rest if len(_WORD.findall(rest)) >= LEAST_WORDS else whole


def _tokens(text: str) -> list[str]:
    """What `_TOKEN` finds, six times as fast where all letters are Latin."""
    for sign in _SIGNS:
        if sign in text:
            text = text.replace(sign, f" {sign} ")
    latin = _latin(text)
    if latin is None:
        return _TOKEN.findall(text)
    found = latin.translate(_BLANKED).decode("latin-1").split()
    longest = len(text) - 2 * len(found) + 2  # at most: each of the others is a letter and a space at least
    return found if longest <= WORD_CAP or max(map(len, found), default=0) <= WORD_CAP else _TOKEN.findall(text)


def words(text: str | bytes) -> list[str]:
    """The words, signs and emoji that are looked at, in their order."""
    text = normalise(text)
    found = _tokens(text)
    tail = found[-TAIL:]
    if not _ENDINGS.isdisjoint(tail) or _GREETING.match(text):  # true of few messages
        found = _tokens(core(text, tail))
    if MAIL not in text and NUMBER not in text:
        return found
    telling = [word for word in found if word != MAIL and word != NUMBER]
    return telling if len(telling) >= LEAST_WORDS else found


def pieces(word: bytes) -> Collection[bytes]:
    """The different 3- and 4-grams of a word with a space on either side; `zlib.crc32(piece, PIECE_SEED)` is a hash."""
    return set(_cut(len(word))(word))


@cache
def _cut(length: int) -> Callable[[bytes], Sequence[bytes]]:
    """Takes the 3- and 4-grams out of so many bytes, all in one call."""
    threes = [slice(at, at + 3) for at in range(length - 2)]
    return itemgetter(*threes, *[slice(at, at + 4) for at in range(max(1, length - 3))])


def word_hash(word: str) -> int:
    """The hash of a word; `zlib.crc32(" next".encode(), word_hash(word))` is that of a pair."""
    return zlib.crc32(word.encode(), _WORD_SEED)


@lru_cache(maxsize=4_096)  # words come back
def _kept_hashes(word: str) -> Sequence[int]:
    return sorted(zlib.crc32(piece, PIECE_SEED) for piece in pieces(f" {word} ".encode()))  # sets have no order


def features(text: str | bytes) -> Features:
    """The hashed n-grams of a text: words 1–2, characters 3–4 inside word boundaries."""
    found = words(text)
    single = {word: word_hash(word) for word in found}
    pairs = dict.fromkeys(zlib.crc32(f" {right}".encode(), single[left]) for left, right in pairwise(found))
    return Features(words=[*single.values(), *pairs], chars=[hash for word in single for hash in _kept_hashes(word)])


def sentences(text: str | bytes, *, every: bool = False) -> list[str]:
    """The sentences of a message that is long or asks twice, or of `every` one; none of a single sentence."""
    if isinstance(text, bytes):
        text = text[: 4 * TEXT_CAP].decode("utf-8", "replace")
    if not every and len(text) < LONG and text.count("?") < 2:
        return []
    parts = [part for part in _SENTENCE.split(text[:TEXT_CAP]) if part.count(" ") >= LEAST_WORDS]
    return parts[:SENTENCES] if len(parts) > 1 else []
