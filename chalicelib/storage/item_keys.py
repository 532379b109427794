"""The table's keys: what an item is called, in which indexes it stands, what it is by its key. Nobody else knows.

An interaction is `i#{product}:{account}#{object id}`, so that the platform's own id makes it exist once; a thread is
`t#{product}:{account}#{thread}`, with the brand's replies under `brand` and each customer's conversation under
`c#{customer}`. What is small (names.py) is a mark, a counter or a document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from chalicelib.conversations.changed import swift
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.storage.table import Key

SHARDS = 4  # partitions of the overdue index; each takes 1,000 writes a second
ASIDE = "a#"  # the partition of what sweeps leave alone


@swift
@dataclass(frozen=True, slots=True)
class ConversationKey:
    product: str
    account: str
    thread: str
    customer: str

    @classmethod
    def of(cls, noun: Conversation | Interaction) -> "ConversationKey":
        return cls(noun.product, noun.account, noun.thread, noun.customer)

    @classmethod
    def named(cls, message: Mapping[str, Any]) -> "ConversationKey":
        """The one that a queue message names; raises KeyError."""
        return cls(message["product"], message["account"], message["thread"], message["customer"])


def interaction_key(product: str, account: str, id: str) -> Key:
    return Key(f"i#{product}:{account}#{id}", "i")


def thread_pk(product: str, account: str, thread: str) -> str:
    return f"t#{product}:{account}#{thread}"


def conversation_key(key: ConversationKey) -> Key:
    return Key(thread_pk(key.product, key.account, key.thread), f"c#{key.customer}")


def customer_key(product: str, account: str, customer: str) -> str:
    """The customer index's key: everything that one account knows of one customer."""
    return f"{product}:{account}#{customer}"


def own_conversation(product: str, account: str, customer: str) -> Key:
    """Where the conversation stands whose thread the platform calls by its customer, as it does private ones."""
    return conversation_key(ConversationKey(product, account, customer, customer))


def parse_conversation_key(key: Key) -> ConversationKey:
    owner, thread = key.pk.removeprefix("t#").split("#", 1)
    product, account = owner.split(":", 1)
    return ConversationKey(product, account, thread, key.sk.removeprefix("c#"))


def brand_key(product: str, account: str, thread: str) -> str:
    """Where releases before this one put what the brand said in a thread, in the same index; no customer's id holds
    white space."""
    return f"{product}:{account}# {thread}"


def brand_item(product: str, account: str, thread: str) -> Key:
    """Where the brand's replies in a thread stand."""
    return Key(thread_pk(product, account, thread), "brand")


def forgotten_item(pseudonym: str) -> Key:
    return Key(f"e#{pseudonym}", "e")


def is_forgotten(key: Key) -> bool:
    """Whether it is the mark of somebody who asked to be erased."""
    return key.pk.startswith("e#")


def mark_item(name: str) -> Key:
    return Key(f"m#{name}", "m")


def counter_item(name: str) -> Key:
    return Key(f"n#{name}", "n")


def once_item(name: str) -> Key:
    """What is sent once."""
    return Key(f"w#{name}", "w")


def pages_item() -> Key:
    """What the playbook's replies did for others."""
    return Key("d#pages", "latest")


def optout_item(product: str, account: str, customer: str) -> Key:
    """A customer's newest word about automatic replies."""
    return Key(f"o#{customer_key(product, account, customer)}", "o")


def links_pk(product: str, account: str, customer: str) -> str:
    """Under which other names a customer is known, by hand; a link's key turned round is its other side."""
    return f"l#{customer_key(product, account, customer)}"


def is_link(key: Key) -> bool:
    return key.pk.startswith("l#")


def documents_pk(collection: str) -> str:
    return f"d#{collection}"


def collection_of(key: Key) -> str | None:
    """The collection of a document; None for anything else."""
    return key.pk.removeprefix("d#") if key.pk.startswith("d#") else None


def is_conversation(key: Key) -> bool:
    return key.sk.startswith("c#")


def is_interaction(key: Key) -> bool:
    return key.pk.startswith("i#")


def is_thread(key: Key) -> bool:
    """Whether it is what the brand said in a thread."""
    return key.pk.startswith("t#") and key.sk == "brand"


def is_of_account(key: Key, product: str, account: str) -> bool:
    """Whether it is an interaction, a conversation or a thread of that account."""
    return key.pk.startswith((interaction_key(product, account, "").pk, thread_pk(product, account, "")))


def of_customer(product: str, account: str, customer: str | None) -> dict[str, Any]:
    """The attribute that puts an item into the customer's index."""
    return {"customer": customer_key(product, account, customer)} if customer else {}


def conversation_index(conversation: Conversation) -> dict[str, Any]:
    """Nothing of its customer where the thread is called by them: it is found by its key (`own_conversation`)."""
    c = conversation
    index = {} if c.thread == c.customer else of_customer(c.product, c.account, c.customer)
    if wake_at := conversation.wake_at:
        pk = thread_pk(conversation.product, conversation.account, conversation.thread)
        index |= {"shard": crc32(pk.encode()) % SHARDS, "wake_at": wake_at}
    return index
