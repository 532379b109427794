"""Act: what staff do from the e-mail. The link shows a page; only its form's POST acts, because scanners open links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.codec import from_time
from chalicelib.conversations import rules
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails import links
from chalicelib.emails.escalation_email import environment
from chalicelib.emails.links import Link, LinkError
from chalicelib.emails.phrases import phrases
from chalicelib.emails.safe_text import clean, quoted
from chalicelib.keys import Keys
from chalicelib.playbook.policy import INTENTS, Playbook
from chalicelib.storage.store import ConversationKey, Store

TEMPLATES = Path(__file__).with_name("templates")
LABELS = "labels"  # the collection of stored labelled rows
KEPT = timedelta(days=400)


def _label(intent: str | None) -> str:
    return phrases("en", "UTC").label(intent)


class BadAction(ValueError):
    """The form asks for something that there is not; the text says what there is."""


@dataclass(frozen=True, slots=True)
class StaffActions:
    """The rooms that act works with."""

    store: Store
    playbook: Playbook
    apps: Apps
    keys: Keys

    def page(self, token: str, now: datetime, done: str = "") -> str:
        """The HTML page behind a link. Raises LinkError."""
        link = links.read(self.keys, token, now)
        conversation = self._conversation(link)
        view: dict[str, Any] = {
            "account": self.apps.account_name(conversation.product, conversation.account),
            "product": platforms.title(conversation.product),
            "state": conversation.state.value,
            "questions": [i for i in self._questions(conversation) if not i.deleted],
            "intent": _label(conversation.intent),
            "current": conversation.intent,
            "intents": [(name, _label(name) if name != "other" else "Something else") for name in INTENTS],
            "quoted": quoted,
            "clean": clean,
            "done": done,
        }
        return str(_template().render(view))

    def act(self, token: str, form: Mapping[str, str], now: datetime) -> str:
        """Does what the page's form asks for and returns the page again. Raises LinkError, BadAction."""
        link = links.read(self.keys, token, now)
        action, intent = form.get("action", ""), form.get("intent", "")
        if action == "correct":
            if intent not in INTENTS:
                raise BadAction("Choose one of the kinds of question in the list.")
            self._correct(self._conversation(link), intent, now)
            done = f"Noted: this was “{_label(intent)}”. It will count the next time the model is trained."
        elif action in ("answered", "close"):
            self._close(link, now)
            done = "Closed: no further e-mail about this conversation, unless the customer writes again."
        else:
            raise BadAction("Choose one of the buttons of the page.")
        return self.page(token, now, done)

    def _conversation(self, link: Link) -> Conversation:
        found = self.store.conversation(link.key)
        if found is None or found.round != link.round:
            raise LinkError("This conversation is no longer there, or a newer question has taken its place.")
        return found

    def _questions(self, conversation: Conversation) -> list[Interaction]:
        ordered = sorted(conversation.questions.items(), key=lambda row: row[1].at)
        found = (self.store.interaction(conversation.product, conversation.account, id) for id, _ in ordered)
        return [i for i in found if i]

    def _close(self, link: Link, now: datetime) -> None:
        """Nothing that was asked until now waits for anybody any more."""
        self._conversation(link)
        self.store.update_conversation(link.key, lambda old: rules.close(old, now, self.playbook.due), now)

    def _correct(self, conversation: Conversation, intent: str, now: datetime) -> None:
        """A labelled row for each text of the conversation; from now on the right team has it."""
        for i in self._questions(conversation):
            if not i.text or i.deleted:
                continue
            read_as = i.reading.intent if i.reading else None
            row = {
                "text": i.text,
                "intent": intent,
                "corrected_from": read_as,
                "source": "staff",
                "lang": i.reading.language if i.reading else None,
                "model": i.reading.model if i.reading else None,
                "at": from_time(now),
            }
            name = f"{i.product}:{i.account}:{i.id}"
            self.store.set_document(LABELS, name, {k: v for k, v in row.items() if v}, now + KEPT, customer=i)
        key = ConversationKey.of(conversation)
        self.store.update_conversation(key, lambda old: rules.relabel(old, intent, self.playbook.due), now)


@cache
def _template() -> Any:
    return environment(TEMPLATES).get_template("act.html")
