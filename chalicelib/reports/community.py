"""Customers who help each other: whose answer was thanked for by the one who had asked.

The shop is not let off by it: the question stays open and its promise counts, because nobody of the shop has looked at
what was said in its name. Pure: a conversation and what was said around it in, the helpful answer out.
"""

from collections.abc import Collection, Mapping
from typing import Final

from chalicelib.conversations.conversation import Conversation, Question
from chalicelib.conversations.interaction import Interaction

THANKS: Final = "closing"
KIND_WORDS: Final = "praise"  # thanks as well, where they are said to the helper


def thanked(c: Conversation) -> bool:
    """Whether there can be a helper at all: in public, and the customer has said thanks while nobody had answered."""
    return not c.private and any(q.intent in (THANKS, KIND_WORDS) and not q.deleted for q in c.questions.values())


def helpful(
    c: Conversation, id: str, own: Mapping[str, Interaction], others: Collection[Interaction]
) -> Interaction | None:
    """The answer of another customer to the question `id` for which its author said thanks; None where there is none.

    It stands under the question, came after it, asks nothing itself, and the asker's next thanks follow: to it by
    name, or to the thread. `own` are the asker's interactions, `others` the other customers' in the thread.
    """
    question = c.questions[id]
    if not others or question.intent in (THANKS, KIND_WORDS):
        return None
    answers = [i for i in others if _answers(c, id, question, i)]
    for thanks in sorted((i for i in own.values() if _is_thanks(c, i) and i.at > question.at), key=lambda i: i.at):
        before = [i for i in answers if i.at < thanks.at]
        named = [i for i in before if i.id == thanks.parent]
        general = c.questions[thanks.id].intent == THANKS and thanks.parent in (None, id, c.thread)
        if found := named or (before if general else []):
            return max(found, key=lambda i: (i.at, i.id))
    return None


def _answers(c: Conversation, id: str, question: Question, i: Interaction) -> bool:
    if i.brand or i.deleted or i.hidden or i.private or i.customer == c.customer or i.at <= question.at:
        return False
    under = i.parent == id or (question.root and i.parent in (None, c.thread))
    return under and bool(i.text.strip()) and "?" not in i.text and (i.reading is None or i.reading.intent != "spam")


def _is_thanks(c: Conversation, i: Interaction) -> bool:
    said = c.questions.get(i.id)
    return said is not None and said.intent in (THANKS, KIND_WORDS) and not i.deleted and "?" not in i.text
