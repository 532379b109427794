"""Who wants no automatic replies: "stop", and "start" again, one word of the platform's time for each person.

A message is such a word only when nothing else stands in it: whoever also asks something is read as before. It closes
no question and hides none; people go on answering.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from chalicelib.codec import from_time, to_time
from chalicelib.conversations.answers import unaccented
from chalicelib.conversations.interaction import Interaction
from chalicelib.storage.item_keys import customer_key, optout_item
from chalicelib.storage.people import Person, linked
from chalicelib.storage.store import Store
from chalicelib.storage.table import Item, overwrite

REMEMBERED: Final = timedelta(days=3650)  # a wish does not run out by itself
SAID_AT: Final = "said_at"  # an erasure leaves what was said after it was asked for
LONGEST: Final = 80  # characters of a message that can be nothing but such a word
_NAMES: Final = re.compile(r"@[\w.]+")
_NO_WORD: Final = re.compile(r"[^\w]+")

_STOP: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "en": (
            *(
                "stop",
                "please stop",
                "stop please",
                "stop it",
                "unsubscribe",
                "opt out",
                "optout",
                "stopall",
                "stop all",
            ),
            *("stop automatic replies", "stop automated replies", "stop auto replies", "no automatic replies"),
            *("no more automatic replies", "no more automated replies", "no automated replies", "no auto replies"),
            *("stop the automatic replies", "stop sending automatic replies", "no more auto replies", "no bots"),
            *("no bot", "stop bot", "stop the bot", "stop messaging me", "stop writing to me", "no more messages"),
        ),
        "de": (
            *("stopp", "bitte stopp", "bitte stoppen", "stopp bitte", "abmelden", "abbestellen", "austragen"),
            *("keine automatischen antworten", "keine automatischen antworten mehr", "kein bot", "keine bots"),
            *("bitte keine automatischen antworten", "bitte keine automatischen antworten mehr", "stop bitte"),
            *("keine automatischen nachrichten", "keine automatischen nachrichten mehr", "keine nachrichten mehr"),
        ),
        "fr": (
            *("arret", "arretez", "stop svp", "arretez svp", "desabonner", "desinscription", "me desabonner"),
            *("desinscrire", "plus de reponses automatiques", "plus de reponse automatique", "pas de robot"),
            *("pas de reponse automatique", "pas de reponses automatiques", "plus de messages automatiques"),
            *("arretez les reponses automatiques", "plus de messages", "plus de robot", "stop au robot"),
        ),
        "es": (
            *("parar", "baja", "darme de baja", "dar de baja", "stop por favor", "cancelar suscripcion"),
            *("no mas respuestas automaticas", "sin respuestas automaticas", "no quiero respuestas automaticas"),
            *("no mas mensajes automaticos", "no mas mensajes", "sin robots", "no quiero bots"),
        ),
    }
)
_START: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "en": ("start", "unstop", "start again", "subscribe", "opt in", "automatic replies again"),
        "de": ("starten", "start bitte", "wieder automatische antworten"),
        "fr": ("demarrer", "reprendre", "reponses automatiques a nouveau"),
        "es": ("empezar", "comenzar", "iniciar", "respuestas automaticas otra vez"),
    }
)
_WORDS: Final[Mapping[str, bool]] = MappingProxyType(
    {phrase: stops for table, stops in ((_START, False), (_STOP, True)) for all in table.values() for phrase in all}
)


@dataclass(frozen=True, slots=True)
class OptOut:
    """The newest word of one person: whether they want no automatic replies, since when, and who said so ("" is the
    customer, else the member of staff)."""

    stopped: bool
    at: datetime
    by: str = ""


def wish(text: str) -> bool | None:
    """True for "stop", False for "start", None for a message with anything else in it."""
    return None if len(text) > LONGEST else _WORDS.get(_plain(text))


@dataclass(frozen=True, slots=True)
class OptOuts:
    """Reads and writes them; one is known to everybody when `note` returns."""

    store: Store

    def of(self, product: str, account: str, customer: str) -> OptOut | None:
        """The newest word of a customer, under whichever of the names that staff have linked; None for who has never
        said one. Read consistently."""
        return self.of_any(linked(self.store, product, account, customer))

    def of_any(self, people: Iterable[Person], *, lately: bool = False) -> OptOut | None:
        """The newest word that was said under any of one person's names; `lately`: as known a moment ago."""
        found = (self.store.table.get(optout_item(*person), lately=lately) for person in people)
        return max((_word(item) for item in found if item), key=lambda word: (word.at, word.stopped), default=None)

    def any_stopped(self, people: Iterable[Person], *, lately: bool = False) -> bool:
        """Whether nothing is said automatically to one person, by their names; `lately`: as known a moment ago."""
        found = self.of_any(people, lately=lately)
        return found is not None and found.stopped

    def heed(self, i: Interaction) -> None:
        """Notes the wish that the customer's `i` is, if it is one."""
        wanted = None if i.brand or i.deleted or i.tap or i.author is None else wish(i.text)
        if wanted is not None:
            self.note(i.product, i.account, i.customer, OptOut(wanted, i.text_at or i.at))

    def note(self, product: str, account: str, customer: str, word: OptOut) -> None:
        """Keeps `word`, unless a later one is known; of two at the same moment "stop" holds. Raises Contention."""
        key, index = optout_item(product, account, customer), customer_key(product, account, customer)
        doc = {"stopped": word.stopped, SAID_AT: from_time(word.at), "by": word.by}

        def newest(item: Item | None) -> Item | None:
            known = _word(item) if item else None
            if known and (known.at, known.stopped) >= (word.at, word.stopped):
                return None
            return Item(key, doc, expires_at=word.at + REMEMBERED, customer=index)

        overwrite(self.store.table, key, newest)


def _word(item: Item) -> OptOut:
    return OptOut(bool(item.doc["stopped"]), to_time(str(item.doc[SAID_AT])), str(item.doc["by"]))


def _plain(text: str) -> str:
    """Small letters without accents, marks, emojis and @names."""
    text = unaccented(_NAMES.sub(" ", text).casefold())
    return _NO_WORD.sub(" ", text).replace("_", " ").strip()
