"""What is stored about one customer of one account, wherever it stands: for erasure and export alike.

The customer index finds what they said, their conversations and the documents about them; each of their threads what
the brand answered there, and what others say there that names them.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.codec import load
from chalicelib.conversations.conversation import Conversation, Thread
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.conversations.interaction import Interaction
from chalicelib.storage import names
from chalicelib.storage.forgotten import before
from chalicelib.storage.item_keys import collection_of, is_conversation, is_interaction
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import Item

MASK = "[erased]"  # stands where somebody else's words named the customer
_SHORTEST = 3  # letters of a part of a name that is looked for on its own


@dataclass(frozen=True, slots=True)
class Footprint:
    """`said` by the customer; `answers` of the brand to them; `mentions` of them in what others and the brand said to
    others; `theirs`, conversations of others whose answers and notes name them; `documents` about them."""

    traces: Traces
    said: list[Interaction] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    documents: list[Item] = field(default_factory=list)
    answers: list[Interaction] = field(default_factory=list)
    mentions: list[Interaction] = field(default_factory=list)
    theirs: list[Conversation] = field(default_factory=list)
    replies: list[Thread] = field(default_factory=list)


def footprint(store: Store, customer: Customer, until: datetime, traces: Traces | None = None) -> Footprint:
    """Everything about `customer` that was said, or had come, by `until`."""
    given, found = traces or Traces(), Footprint(Traces())
    for item in store.about(customer.product, customer.account, customer.id):
        if is_interaction(item.key):
            said = load(Interaction, item.doc)
            if said.customer == customer.id and not said.brand and before(said, until):
                found.said.append(said)
        elif is_conversation(item.key):
            found.conversations.append(load(Conversation, item.doc))
        else:
            found.documents.append(item)
    known_as = _distinct([customer.id, *given.known_as, *(_other_id(item) for item in found.documents)])
    places = [*known_as, *given.threads, *(c.thread for c in found.conversations), *(i.thread for i in found.said)]
    told = Traces(
        names=_distinct([*given.names, *(i.author_name for i in found.said)]),
        known_as=known_as,
        threads=_distinct(places),
        ids=_distinct(
            [*given.ids, *(i.id for i in found.said), *(q for c in found.conversations for q in c.questions)]
        ),
    )
    whole = replace(found, traces=told)
    for thread in told.threads:
        _look_round(store, customer, thread, until, whole)
    return whole


def first_known(store: Store, customer: Customer) -> Customer:
    """`customer` under the id that stands for all others of theirs (chalicelib/handlers/placing.py)."""
    for doc in store.documents(names.person(customer.product, customer.account, customer.id)):
        return replace(customer, id=str(doc["is"]))
    return customer


def is_identity(item: Item) -> bool:
    """Whether a document says which of a customer's ids stands for another one."""
    return names.person_named(collection_of(item.key) or "") is not None


def _other_id(item: Item) -> str:
    return names.person_named(collection_of(item.key) or "") or ""


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v for v in values if v))


def _look_round(store: Store, customer: Customer, thread: str, until: datetime, found: Footprint) -> None:
    """What the brand and others said in `thread`."""
    place = (customer.product, customer.account, thread)
    others = [c for c in store.conversations_in(*place) if c.customer != customer.id]
    kept = store.thread(*place)
    if kept.replies:
        found.replies.append(kept)
    own = next((c for c in found.conversations if c.thread == thread), None)
    ours = _answering(own) if own else set()
    for i in _by_brand(store, place, kept, own):
        if not before(i, until):
            continue
        alone = not others and (i.private or thread in found.traces.known_as)
        if alone or {i.to, i.reply_to} & set(found.traces.known_as) or i.parent in found.traces.ids or i.id in ours:
            found.answers.append(i)
        elif masked(i.text, found.traces) != i.text:
            found.mentions.append(i)
    for c in others:
        if without(c, found.traces) != c:
            found.theirs.append(c)
        for id in c.questions:
            asked = store.interaction(c.product, c.account, id)
            if asked and (asked.to in found.traces.known_as or masked(asked.text, found.traces) != asked.text):
                found.mentions.append(asked)


def _by_brand(store: Store, place: tuple[str, str, str], kept: Thread, own: Conversation | None) -> list[Interaction]:
    """The index shows what was written just now a moment later; the thread and the conversation name the newest."""
    found = {i.id: i for i in store.said_by_brand(*place)}
    for id in {*kept.replies, *(_answering(own) if own else ())} - set(found):
        i = store.interaction(*place[:2], id)
        if i and i.brand:
            found[id] = i
    return list(found.values())


def _answering(c: Conversation) -> set[str]:
    ours = {a.id for a in c.acknowledgements.values()} | {a.id for a in c.answers.values()}
    return {id for id in ours | {q.answered_by for q in c.questions.values()} if id}


# --- names in what others say ----------------------------------------------------------------------------------------


def masked(text: str, traces: Traces) -> str:
    """`text` with MASK where it holds an id or a name of the customer, the whole of it or one of its words.

    A word of a name counts only as it is written: "Will" is a name, "will" is none.
    """
    if not text:
        return text
    whole = [w for w in (*traces.known_as, *traces.names) if len(w) >= _SHORTEST]
    parts = [w for name in traces.names for w in name.split() if len(w) >= _SHORTEST]
    for words, flags in ((whole, re.IGNORECASE), (parts, re.NOFLAG)):
        if words:
            longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
            text = re.sub(rf"(?<!\w)@?(?:{longest_first})(?!\w)", MASK, text, flags=flags)
    return text


def without(c: Conversation, traces: Traces) -> Conversation:
    """Somebody else's conversation without the customer's name in what was answered and noted there."""
    return replace(
        c,
        acknowledgements={k: replace(a, text=masked(a.text, traces)) for k, a in c.acknowledgements.items()},
        answers={k: replace(a, text=masked(a.text, traces)) for k, a in c.answers.items()},
        acts={k: replace(a, note=masked(a.note, traces)) for k, a in c.acts.items()},
    )


def names_person(id: str, traces: Traces) -> bool:
    """Whether an object's id holds one of the customer's own: Telegram's begin with the chat's, WhatsApp's hold the
    number in base64."""
    packed = id.rpartition(".")[2]
    try:
        inside = base64.b64decode(packed + "=" * (-len(packed) % 4))
    except ValueError:
        inside = b""
    return any(person in id or person.encode() in inside for person in traces.known_as)


def key_of(c: Conversation) -> ConversationKey:
    return ConversationKey(c.product, c.account, c.thread, c.customer)
