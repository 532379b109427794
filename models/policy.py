"""Which intents are no question: the trainer chooses the threshold as if a reply to any of them were wrong."""

from typing import Final

OTHER: Final = "other"
OUTSIDE: Final = frozenset({OTHER, "oos"})  # no intent at all

# Never acknowledged as if they were questions.
NEVER: Final = frozenset(
    {
        "closing",
        "complaint",
        "human_please",
        "jobs",
        "legal_safety",
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
