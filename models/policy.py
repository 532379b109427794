"""What the trainer counts as a question, as right, and how often each kind of message comes: tables, nothing learnt."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chalicelib.conversations.interaction import TOPICS

OTHER: Final = "other"
OUTSIDE: Final = frozenset({OTHER, "oos"})  # no intent at all
URGENT: Final = "legal_safety"
NO_REPLY: Final = "no_reply"  # what staff say of a message to which no automatic reply was right

# Never acknowledged with a reply of their own.
NEVER: Final = frozenset(
    {
        "closing",
        "complaint",
        "human_please",
        "jobs",
        URGENT,
        OTHER,
        "oos",
        "praise",
        "product_question",
        "spam",
    }
)

# Need no answer: a conversation may be closed above the intent's own bound.
CLOSING: Final = ("closing", "praise", "spam")

# Closing a conversation over a message of these loses nobody's question.
ASKS_NOTHING: Final = frozenset(CLOSING) | OUTSIDE

# Need no answer from this shop's customer service; what the gate tells from the rest.
NEEDLESS: Final = frozenset(CLOSING) | OUTSIDE | {"jobs"}

PUBLIC: Final = frozenset(intent for intents in TOPICS.values() for intent in intents)
ASIDE: Final = frozenset({"complaint", "human_please", URGENT, "jobs"})  # for people, with no text of their own

# First contacts as they come to a shop, by kind; the utterances have other shares, and are weighed to these when
# thresholds are chosen. Source: 837 real first contacts, read by hand, of which 374 were common questions; the parting
# of the rest is an estimate.
MIX: Final[Mapping[str, float]] = MappingProxyType({"public": 0.45, "aside": 0.25, "needless": 0.30})

# Utterances that ask for nothing are hard on purpose, most of them with a shop's words: the release before acknowledged
# 1.3 % of them and .34 % of random real messages. Each counts as so many real ones.
HARD: Final = 0.26


def kind(intent: str) -> str:
    """Which share of `MIX` an intent belongs to."""
    return "public" if intent in PUBLIC else "aside" if intent in ASIDE else "needless"
