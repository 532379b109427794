"""Guards: what in the words of a message forbids an automatic reply, or all but a plain one, whatever the model says.

Pure: a text and its language in, rows of a table out. A guard that is wrong costs a rung of the ladder, never a
question: people are called all the same, and at once for an urgent one. The words stand in `guard_words/`, a file a
language; phrases.py reads them.
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.conversations.answers import unaccented
from chalicelib.conversations.changed import replace
from chalicelib.conversations.interaction import Reading, Rung
from chalicelib.reading.phrases import ANY, LANGUAGES, found_in, named

TEXT_CAP: Final = 2_000  # characters read of one message
LONG: Final = 300  # characters: a message of that length has more in it than one intent's reply answers
CAPITALS: Final = 20  # letters, nearly all of them capitals: shouting
TAGS: Final = 4  # hashtags


@dataclass(frozen=True, slots=True)
class Guard:
    """`most` is the highest rung that is left, None: silence. `urgent`: people are told at once."""

    name: str
    most: Rung | None = None
    urgent: bool = False


_ROWS: Final = (
    *(Guard(name, urgent=True) for name in ("self_harm", "safety", "takeover", "fraud", "legal", "grief")),
    *(Guard(name) for name in ("only_thanks", "bare", "links", "advert", "news", "quotation", "advice")),
    *(Guard(name) for name in ("joke", "settled_at_last")),
    *(
        Guard(name)
        for name in ("another_shop_instead", "about_another_shop", "negated", "settled", "thankless", "sarcasm")
    ),
    *(Guard(name, Rung.GENERAL) for name in ("another_shop", "angry", "politics", "shouting", "link")),
    *(Guard(name, Rung.TOPIC) for name in ("long", "two_questions")),
)
# The same words inside a message that asks something: a person is to be told so in the plainest words.
_ASKING: Final = {
    name: Guard(f"{name}_asking", Rung.GENERAL)
    for name in ("links", "another_shop_instead", "negated", "settled", "thankless", "sarcasm")
}
GUARDS: Final[Mapping[str, Guard]] = {guard.name: guard for guard in (*_ROWS, *_ASKING.values())}

# What reads as thanks or praise with one of these in it waits for a person all the same.
NO_THANKS: Final = frozenset({"thankless", "thankless_asking", "angry", "shouting"})
# What is nothing but thanks, praise, a heart waits for nobody, however unsure the model is of so few words.
ONLY_THANKS: Final = "only_thanks"
_ABOUT_SHOPS: Final = ("another_shop", "another_shop_instead")

_URL: Final = re.compile(r"https?://\S+|www\.\S+|\b[\w-]+\.(?:com|net|org|io|shop|store|ly|me|info)/\S*", re.IGNORECASE)
_MENTION: Final = re.compile(r"(?<!\w)@[\w.]+")
_MARKS: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "œ": "oe", "æ": "ae", "\ufe0f": None})
_RUN: Final = re.compile(r"([^\w\s])\1{2,}")
_SPACE: Final = re.compile(r"[^\S\n]+")
_POINT: Final = re.compile(r"(?<=\d)[.,](?=\d)")  # of a price: no sentence ends there
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_QUOTED: Final = re.compile(r"“[^”]+”|\"[^\"]+\"|«[^»]+»|„[^“”]+[“”]|(?m:^>.+$)")
_SENTENCES: Final = re.compile(r"[^.!?\n]+[.!?]*")
_SPEAKER: Final = re.compile(r"(?:^|[\n.?!…] *)([\w' ]{0,30}?) ?[:–—-] ")
_SELVES: Final = frozenset({"me", "also me", "ich", "auch ich", "moi", "aussi moi", "yo", "tambien yo"})
_LIKES: Final = re.compile("[❤♥💕💖💗💙💚💛💜🧡🤍💯👍👌🙌😍🥰😘😊🤗🤩🔥✨🎉☺🙏\ufe0f\U0001f3fb-\U0001f3ff]")
_ASKS: Final = frozenset("?¿@#…")
THANKS_CAP: Final = 12  # words
TERM: Final = "_term"
REPORT: Final = 8  # words: a shorter text need not name whom it is about
_POLITE: Final = frozenset(
    (
        *("hi", "hello", "hey", "please", "pls", "plz", "thanks", "thank", "you", "ta", "hallo", "moin", "servus"),
        *("bitte", "danke", "guten", "tag", "bonjour", "bonsoir", "salut", "merci", "svp", "stp", "hola", "buenas"),
        *("buenos", "dias", "gracias", "favor", "por", "url"),
    )
)


def guards(text: str, language: str | None, own: Collection[str] = ()) -> tuple[Guard, ...]:
    """The guards that `text` trips, the gravest first; at most one row of a name.

    `language` is the text's, None when unknown (then every language's words count). `own` are names of the shop itself,
    which are nobody else's.
    """
    found = set(_tripped(text, language, own))
    asks = "?" in text
    return tuple(_ASKING.get(guard.name, guard) if asks else guard for guard in _ROWS if guard.name in found)


def guarded(reading: Reading, text: str, own: Collection[str] = ()) -> Reading:
    """`reading` of `text` with the guards that it trips; an urgent one makes it urgent whatever the model says."""
    found = guards(text, reading.language, own)
    names = tuple(guard.name for guard in found)
    return replace(reading, guards=names, urgent=1.0 if urgent(found) else reading.urgent)


def urgent(found: Sequence[Guard]) -> bool:
    """Whether one of them calls people at once."""
    return any(guard.urgent for guard in found)


def most(found: Sequence[Guard], best: Rung = Rung.OWN) -> Rung | None:
    """The highest rung, from `best` down, that all of them leave; None: silence."""
    ladder = list(Rung)
    lowest = ladder.index(best)
    for guard in found:
        if guard.most is None:
            return None
        lowest = max(lowest, ladder.index(guard.most))
    return ladder[lowest]


def plain(text: str) -> str:
    """`text` as the phrases are written: small letters without accents, "url" for an address, no @names."""
    text = html.unescape(text[:TEXT_CAP])
    if _may_have_address(text):
        text = _URL.sub(" url ", text)
    if "@" in text:
        text = _MENTION.sub(" ", text)
    text = _POINT.sub("", unaccented(text.casefold().translate(_MARKS)))
    return _RUN.sub(r"\1\1", _SPACE.sub(" ", text)).strip()


def _may_have_address(text: str) -> bool:
    """Whether a search for `_URL` may find anything: each of its forms has one of these."""
    return "/" in text or "www." in text.lower()


def _tripped(text: str, language: str | None, own: Collection[str]) -> Iterator[str]:
    text = text[:TEXT_CAP]
    words = plain(text)
    yield from _shape(text, words)
    found = {name for key in _tables(language) for name in _said(key, words, own)}
    if "sarcasm" not in found and _only_thanks(text, words, language):
        yield ONLY_THANKS
    if "price_match" in found and "another_shop_instead" in found:  # comparing is asking this shop
        found -= {"another_shop_instead"}
        found |= {"another_shop"}
    if "another_shop" in found and not {"addressed", "price_match"} & found:
        found.add("about_another_shop")
    terms = {name for name in found if name.endswith(TERM)}
    if terms and _by_somebody(text, words, language):
        found |= {name.removesuffix(TERM) for name in terms}
    if "bait" in found and "url" in words.split():
        found.add("links" if "?" in text else "link" if "trouble" in found else "advert")
    if "settled" in found and _settled_at_last(words, language):
        yield "settled_at_last"
    if "second_question" in found and "?" in text:
        found.add("two_questions")
    yield from found & GUARDS.keys()


def _tables(language: str | None) -> Sequence[str]:
    return (ANY, language) if language in LANGUAGES else (ANY, *LANGUAGES)


def _shape(text: str, words: str) -> Iterator[str]:
    """What the form of a message says without its words."""
    meant, asks = [word for word in _LETTERS.findall(words) if word not in _POLITE], "?" in text
    if len(meant) < 2 or (len(meant) == 2 and not asks):
        yield "bare"
    links = len(_URL.findall(text)) if _may_have_address(text) else 0
    if links > 1 or (links and len(meant) < 5) or text.count("#") >= TAGS:
        yield "links"
    said = _QUOTED.sub("", text)
    if len(said) < len(text) and "?" not in said and (len(said) < len(text) / 2 or asks) and _letters(text):
        yield "quotation"
    capitals = sum(map(str.isupper, text))
    if capitals > 0.8 * CAPITALS and _letters(text) >= CAPITALS and capitals > 0.8 * _letters(text):
        yield "shouting"
    if len(text) > LONG:
        yield "long"
    if _is_dialogue(words):
        yield "joke"
    if words.count("?") > 1:
        asked = [part for part in _SENTENCES.findall(words) if "?" in part and len(part.split()) > 3]
        if len(asked) > 1:
            yield "two_questions"


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _is_dialogue(words: str) -> bool:
    """Whether it is told as a scene with oneself in it: "Shop: two days or five? Me: two. Shop: it comes in five."."""
    speakers = {who.strip() for who in _SPEAKER.findall(words)}
    return len(speakers) > 1 and not _SELVES.isdisjoint(speakers)


def _by_somebody(text: str, words: str, language: str | None) -> bool:
    """Whether a customer may be speaking: a long text of third persons, no shop among them, is news."""
    said = _LETTERS.findall(words)
    return (
        len(said) < REPORT
        or "@" in text
        or any(not named(key, "PERSONAL").isdisjoint(said) for key in _tables(language))
    )


def _only_thanks(text: str, words: str, language: str | None) -> bool:
    """Whether every word is of those that thank and praise, or there is nothing but hearts and thumbs up."""
    said = _LETTERS.findall(words)
    if len(said) > THANKS_CAP:
        return False
    if said and not any(_thanks(said, named(key, "THANKS"), named(key, "WITH")) for key in _tables(language)):
        return False
    rest = _LIKES.sub("", text)
    if any(c in _ASKS or c.isdigit() or unicodedata.category(c) == "So" for c in rest):
        return False
    return bool(said) or rest != text


def _thanks(said: Collection[str], some: frozenset[str], others: frozenset[str]) -> bool:
    return bool(some.intersection(said)) and some | others >= set(said)


def _settled_at_last(words: str, language: str | None) -> bool:
    """Whether what has settled itself stands behind the last question: "Where is it? Oh wait, the doorbell"."""
    _, asked, rest = words.rpartition("?")
    rest, said = rest.strip(), set(_LETTERS.findall(rest))
    return bool(asked) and any(
        not said & named(key, "BUT") and "settled" in {name for name, _ in found_in(key, rest)}
        for key in _tables(language)
    )


def _said(key: str, words: str, own: Collection[str]) -> Iterator[str]:
    for name, found in found_in(key, words):
        if not (name in _ABOUT_SHOPS and any(each and (each in found or found in each) for each in map(plain, own))):
            yield name
