"""What a person answered by a private message to a public question. It comes back in another thread, where the customer
may have asked something else, and is looked for by its words: the message can be told of before its sending is."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from chalicelib.codec import dump
from chalicelib.conversations.answers import plain, same_words
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.storage import names
from chalicelib.storage.store import ConversationKey, Store

KEPT = timedelta(days=1)  # a platform tells of a message within seconds


class PrivateAnswers(NamedTuple):
    """Kept in the store, by account and words; each goes with its customer's erasure."""

    store: Store

    def note(self, key: ConversationKey, id: str, text: str, now: datetime) -> None:
        """Notes, before anything is posted, that the answer `id` of the conversation may go out with these words."""
        doc = {**dump(key), "answer": id}
        self.store.put_document(_name(key.account, text), id, doc, now + KEPT, key)

    def of(self, echo: Interaction) -> tuple[Conversation, str] | None:
        """The conversation and answer that came back as the brand's message `echo`."""
        for doc in self.store.documents(_name(echo.account, echo.text)):
            c, id = self.store.conversation(ConversationKey.named(doc)), str(doc["answer"])
            answer = c.answers.get(id) if c else None
            if c and answer and (answer.id == echo.id or (answer.id is None and same_words(answer.text, echo.text))):
                return c, id
        return None


def _name(account: str, text: str) -> str:
    return names.said_privately(account, sha256(plain(text).encode()).hexdigest()[:32])
