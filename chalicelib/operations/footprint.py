"""What is stored about one customer of one account, wherever it stands: for erasure and export alike.

The customer index finds their conversations and the documents about them; each conversation what they asked and the
e-mails about it; each of their threads what the brand answered there, and what others say there that names them. The
rest (a thanks after the answer, the oldest of very many) only a look at everything finds. Everything comes one by one
with the place where it stands in the order, so that whoever has no more time can go on behind it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.customer import Customer, Traces
from chalicelib.conversations.interaction import Interaction
from chalicelib.operations.masks import masked, without, without_ids
from chalicelib.reports.community import thanked
from chalicelib.storage import names
from chalicelib.storage.forgotten import before
from chalicelib.storage.item_keys import collection_of, interaction_key, is_conversation, is_interaction, is_of_account
from chalicelib.storage.store import ConversationKey, Store
from chalicelib.storage.table import Item, Key


class Role(StrEnum):
    """What somebody's words in a customer's thread are to that customer."""

    ANSWER = "answer"
    MENTION = "mention"
    THEIRS = "theirs"  # somebody else's conversation whose answers and notes name them
    THANKED = "thanked"  # somebody else's, who said thanks there: its facts may credit them as the one who helped
    NOTHING = "nothing"


class Seen(NamedTuple):
    """One thing in a thread, its place there, and what it is."""

    place: str
    role: Role
    noun: Interaction | Conversation


@dataclass(frozen=True, slots=True)
class Footprint:
    """`said` by the customer; `answers` of the brand to them; `mentions` of them in what others and the brand said to
    others; `theirs`, conversations of others whose answers and notes name them; `documents` about them."""

    said: list[Interaction] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    documents: list[Item] = field(default_factory=list)
    answers: list[Interaction] = field(default_factory=list)
    mentions: list[Interaction] = field(default_factory=list)
    theirs: list[Conversation] = field(default_factory=list)


def footprint(store: Store, customer: Customer, until: datetime) -> Footprint:
    """Everything about `customer` that was said, or had come, by `until`."""
    found, traces = Footprint(), Traces(known_as=(customer.id,))
    for _, item in own(store, customer):
        traces = traces_of(item, customer, until, traces)
        if is_interaction(item.key):
            if is_said(item, customer, until):
                found.said.append(item.noun(Interaction))
        elif is_conversation(item.key):
            found.conversations.append(item.noun(Conversation))
        else:
            found.documents.append(item)
    for c in found.conversations:
        found.documents.extend(noted_emails(store, c))
        for _, role, noun in round_about(store, c, traces, until, lambda id: False):
            if isinstance(noun, Conversation):
                found.theirs.extend([noun] if role is Role.THEIRS else [])
            elif role is not Role.NOTHING:
                (found.answers if role is Role.ANSWER else found.mentions).append(noun)
    _rest(store, customer, until, found)
    return found


def _rest(store: Store, customer: Customer, until: datetime, found: Footprint) -> None:
    """What no conversation names, by a look at everything: what the customer said, and answers to it."""
    known = {i.id for i in (*found.said, *found.answers, *found.mentions)}
    answers = []
    for item in store.table.everything():
        if is_interaction(item.key) and is_of_account(item.key, customer.product, customer.account):
            i = item.noun(Interaction)
            if i.id in known or i.erased:
                continue
            if is_said(item, customer, until):
                found.said.append(i)
            elif i.brand and before(i, until):
                answers.append(i)
    said = {i.id for i in found.said}
    found.answers.extend(i for i in answers if i.parent in said or customer.id in (i.to, i.reply_to))


def first_known(store: Store, customer: Customer) -> Customer:
    """`customer` under the id that stands for all others of theirs (chalicelib/handlers/placing.py), in whatever form
    it was given."""
    id = platforms.product(customer.product).one_form(customer.id)
    for doc in store.documents(names.person(customer.product, customer.account, id)):
        return Customer(customer.product, customer.account, str(doc["is"]))
    return Customer(customer.product, customer.account, id)


# --- the customer's own -----------------------------------------------------------------------------------------------


def own(store: Store, customer: Customer, after: str = "", *, once_more: bool = False) -> Iterator[tuple[str, Item]]:
    """What the index has of the customer, behind the place `after` (`once_more`: from there on): what they said, their
    conversations, documents about them, and last which of their ids stands for another one."""
    keys = {_place(key): key for key in _keys(store, customer)}
    for place in sorted(place for place in keys if place > after or (once_more and place == after)):
        if item := store.table.get(keys[place]):
            yield place, item


def _keys(store: Store, customer: Customer) -> Iterator[Key]:
    for key in store.keys_about(customer.product, customer.account, customer.id):
        yield key
        if is_conversation(key) and (item := store.table.get(key)):
            c = item.noun(Conversation)
            yield from (interaction_key(c.product, c.account, id) for id in c.questions)


def _place(key: Key) -> str:
    rank = 0 if is_interaction(key) else 1 if is_conversation(key) else 3 if _other_id(key) else 2
    return f"{rank} {key.pk} {key.sk}"


def traces_of(item: Item, customer: Customer, until: datetime, traces: Traces) -> Traces:
    """`traces` and those of one of the customer's own items."""
    if is_interaction(item.key):
        named = [item.noun(Interaction).author_name] if is_said(item, customer, until) else []
        return traces.and_of(names=named)
    if is_conversation(item.key):
        c = item.noun(Conversation)
        tags = [tag for notice in c.notices.values() for tag in notice.emails]
        return traces.and_of(tags=tags, talks=[c.thread])
    if other := _other_id(item.key):
        return traces.and_of(known_as=[other])
    return traces.and_of(tags=[names.email_named(collection_of(item.key) or "")])


def noted_emails(store: Store, c: Conversation) -> Iterator[Item]:
    """What is kept of the e-mails that told of a conversation, and of no other one in them."""
    for tag in dict.fromkeys(tag for notice in c.notices.values() for tag in notice.emails):
        for item in store.notes_of_email(tag):
            if ConversationKey.named(item.doc) == key_of(c):
                yield item


def has_for_itself(store: Store, c: Conversation) -> bool:
    """Whether the customer of a private conversation has its thread for themself."""
    others = store.conversations_behind(c.product, c.account, c.thread)
    return c.private and not any(o.customer != c.customer for o in others)


def is_said(item: Item, customer: Customer, until: datetime) -> bool:
    """Whether the interaction is one of the customer's own, said by `until`."""
    i = item.noun(Interaction)
    return i.customer == customer.id and not i.brand and before(i, until)


def is_identity(item: Item) -> bool:
    """Whether a document says which of a customer's ids stands for another one."""
    return _other_id(item.key) is not None


def _other_id(key: Key) -> str | None:
    return names.person_named(collection_of(key) or "")


# --- what stands round about it ---------------------------------------------------------------------------------------


def round_about(
    store: Store,
    c: Conversation,
    traces: Traces,
    until: datetime,
    is_theirs: Callable[[str], bool],
    after: str = "",
) -> Iterator[Seen]:
    """What the brand and others said in the thread of the customer's conversation `c`, behind the place `after`;
    `is_theirs` says of an id whether the customer's own words stood under it."""
    place = (c.product, c.account, c.thread)
    ours = _answering(c)
    alone = not any(o.customer != c.customer for o in store.conversations_behind(*place))
    for id in sorted(_ids_of_brand(store, c)):
        if (at := f"0 {id}") > after and (i := store.interaction(c.product, c.account, id)) and i.brand:
            private = alone and (i.private or c.thread in traces.known_as)
            theirs = i.parent is not None and (i.parent in c.questions or is_theirs(i.parent))
            answers = private or theirs or id in ours or {i.to, i.reply_to} & set(traces.known_as)
            role = Role.ANSWER if answers else Role.MENTION if masked(i.text, traces) != i.text else Role.NOTHING
            yield Seen(at, role if before(i, until) else Role.NOTHING, i)
    behind = after.removeprefix("1 ") if after.startswith("1 ") else ""
    for o in store.conversations_behind(*place, behind):
        if o.customer == c.customer:
            continue
        for id in o.questions:
            asked = store.interaction(o.product, o.account, id)
            if asked and tells_of(asked, traces):
                yield Seen(after, Role.MENTION, asked)
        role = Role.THEIRS if without(o, traces) != o else Role.THANKED if thanked(o) else Role.NOTHING
        yield Seen(f"1 {o.customer}", role, o)
        after = f"1 {o.customer}"


def tells_of(i: Interaction, traces: Traces, *, elsewhere: bool = False) -> bool:
    """Whether `i` is to the customer or names them."""
    place = f"{i.post} {i.parent} {i.link}"
    return (
        i.to in traces.known_as
        or masked(i.text, traces, elsewhere=elsewhere) != i.text
        or without_ids(place, traces) != place
    )


def _ids_of_brand(store: Store, c: Conversation) -> set[str]:
    """The index shows what was written just now a moment later; the thread and the conversation name the newest."""
    place = (c.product, c.account, c.thread)
    return {*store.ids_of_brand(*place), *store.thread(*place).replies, *c.replies, *_answering(c)}


def _answering(c: Conversation) -> set[str]:
    ours = {a.id for a in c.acknowledgements.values()} | {a.id for a in c.answers.values()}
    return {id for id in ours | {q.answered_by for q in c.questions.values()} if id}


def key_of(c: Conversation) -> ConversationKey:
    return ConversationKey(c.product, c.account, c.thread, c.customer)
