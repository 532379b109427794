"""What others say, without the customer who asked to be erased: ids and names are masked, their words stay."""

import base64
import re
from dataclasses import replace

from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.customer import Traces

MASK = "[erased]"  # stands where somebody else's words named the customer
_SHORTEST = 3  # letters of a part of a name that is looked for on its own
_CERTAIN = 6  # characters of an id that is looked for in places where the customer never spoke


def masked(text: str, traces: Traces, *, elsewhere: bool = False) -> str:
    """`text` with MASK where it holds an id or a name of the customer, the whole of it or one of its words.

    A word of a name counts only as it is written: "Will" is a name, "will" is none. `elsewhere`, where the customer
    never spoke, an Ann is probably another one: there only a long id, a name of several words, or one behind an @ are.
    """
    if not text:
        return text
    for pattern, flags in _patterns(traces, elsewhere):
        text = re.sub(pattern, MASK, text, flags=flags)
    return text


def _patterns(traces: Traces, elsewhere: bool) -> list[tuple[str, re.RegexFlag]]:
    ids = [w for w in traces.known_as if len(w) >= (_CERTAIN if elsewhere else _SHORTEST)]
    names = [w for w in traces.names if len(w) >= _SHORTEST]
    if not elsewhere:
        parts = [w for name in names for w in name.split() if len(w) >= _SHORTEST]
        return [*_one_of([*ids, *names], re.IGNORECASE), *_one_of(parts, re.NOFLAG)]
    long = [w for w in names if " " in w]
    return [*_one_of([*ids, *long], re.IGNORECASE), *_one_of(names, re.IGNORECASE, at="@")]


def _one_of(words: list[str], flags: re.RegexFlag, at: str = "@?") -> list[tuple[str, re.RegexFlag]]:
    if not words:
        return []
    longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return [(rf"(?<!\w){at}(?:{longest_first})(?!\w)", flags)]


def without_ids(id: str, traces: Traces) -> str:
    """An id or an address of something else, without the customer's own: a post on a customer's page begins with it."""
    for own in traces.ids:
        if len(own) >= _CERTAIN:
            id = re.sub(rf"(?<![A-Za-z0-9]){re.escape(own)}(?![A-Za-z0-9])", MASK, id)
    return id


def without(c: Conversation, traces: Traces, *, elsewhere: bool = False) -> Conversation:
    """Somebody else's conversation without the customer's name in what was answered and noted there."""

    def mask(text: str) -> str:
        return masked(text, traces, elsewhere=elsewhere)

    return replace(
        c,
        post=without_ids(c.post, traces),
        acknowledgements={k: replace(a, text=mask(a.text)) for k, a in c.acknowledgements.items()},
        answers={k: replace(a, text=mask(a.text)) for k, a in c.answers.items()},
        acts={k: replace(a, note=mask(a.note)) for k, a in c.acts.items()},
    )


def names_person(id: str, traces: Traces) -> bool:
    """Whether an object's id holds one of the customer's own: Telegram's begin with the chat's, WhatsApp's hold the
    number in base64."""
    packed = id.rpartition(".")[2]
    try:
        inside = base64.b64decode(packed + "=" * (-len(packed) % 4))
    except ValueError:
        inside = b""
    return any(person in id or person.encode() in inside for person in traces.ids)
