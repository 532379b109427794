"""Dead letters about somebody who asked to be erased: in every queue's, whatever they are messages of.

A letter that is only about them goes; of a quarantined delivery, what others said in it stays; one that asks for their
erasure goes back to work. Whatever is put in a letter's place is there before the letter goes.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.aws.mail_bucket import MailBucket
from chalicelib.aws.queues import DeadLetters, Letter, Queue, encode
from chalicelib.codec import dump
from chalicelib.conversations.customer import Customer
from chalicelib.conversations.interaction import Interaction
from chalicelib.emails import about
from chalicelib.handlers import inbox, messages
from chalicelib.operations.masks import masked
from chalicelib.operations.scrub import Person, scrubbed, scrubbed_text
from chalicelib.staff.receipt import object_name
from chalicelib.storage.bodies import BodyStore
from chalicelib.storage.forgotten import Forgotten
from chalicelib.storage.store import Store


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of `queues`; `again` is the queue of erasures, `mails` holds what answers by e-mail said."""

    queues: Sequence[DeadLetters]
    store: Store
    forgotten: Forgotten
    again: Queue
    bodies: BodyStore
    mails: Callable[[], MailBucket]

    def search(self, customer: Customer, person: Person, now: datetime, first: int = 0) -> Iterator[tuple[int, int]]:
        """After each handful of letters: the number of the queue, from `first` on, and how many were taken out or
        changed. Who stops goes on with that queue's others: those that were looked at are held for a while."""
        for number, queue in enumerate(self.queues):
            if number < first:
                continue
            others: list[Letter] = []
            while letters := queue.take():
                kept = [letter for letter in letters if not self._worked(queue, letter, customer, person, now)]
                others += kept
                yield number, len(letters) - len(kept)
            queue.let_go(others)
            yield number + 1, 0

    def _worked(self, queue: DeadLetters, letter: Letter, customer: Customer, person: Person, now: datetime) -> bool:
        """Whether the letter went, or another one stands in its place."""
        left = self._left(queue, letter.body, customer, person, now)
        if left == letter.body:
            return False
        if left:
            queue.put(left)
        queue.drop(letter)
        return True

    def _left(self, queue: DeadLetters, body: str, customer: Customer, person: Person, now: datetime) -> str:
        """What may stay of a message's body; "" for nothing, or where it is put back by itself."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            return scrubbed_text(body, person) or ""
        if "platform" in message and "app" in message:
            return self._delivery(queue, body, message, person, now)
        told = _unwrapped(message)
        if "receipt" in told:
            return self._mail(body, told, person)
        if "mail" in told:
            return self._event(body, told, customer, person)
        return self._of_ours(body, message, customer, person)

    def _of_ours(self, body: str, message: Mapping[str, Any], customer: Customer, person: Person) -> str:
        """A wake-up or a notice of a conversation that is no more tells of nothing; a request of theirs that failed is
        tried again."""
        try:
            told = messages.decode(message)
        except (messages.UnknownMessage, KeyError, ValueError, TypeError):
            return scrubbed_text(body, person) or ""
        match told:
            case messages.Erase() if self._is_theirs(told.customer.account, told.customer.id, customer, person):
                self.again.send(message)
                return ""
            case messages.EscalationDue() | messages.SendNotice() if self._is_theirs(
                told.key.account, told.key.customer, customer, person
            ):
                return body if self.store.conversation(told.key) else ""
        return body

    def _event(self, body: str, told: Mapping[str, Any], customer: Customer, person: Person) -> str:
        """SES's word on an e-mail about one conversation of theirs goes with that; on one about others as well it loses
        the e-mail's headers, which may name the customer: its bounce still has to reach the fallback address."""
        mail = told["mail"] if isinstance(told["mail"], dict) else {}
        tags = {str(name): [str(tag) for tag in values] for name, values in (mail.get("tags") or {}).items()}
        one = about.named({name: values[0] for name, values in tags.items() if values})
        if one and self._is_theirs(one.key.account, one.key.customer, customer, person):
            if one.of(self.store.conversation(one.key)) is None:
                return ""
        elif not {tag for values in tags.values() for tag in values} & set(person.traces.tags):
            return scrubbed_text(body, person) or ""
        kept = {key: value for key, value in mail.items() if key in ("messageId", "tags", "timestamp", "destination")}
        return encode({"eventType": told.get("eventType", ""), "mail": kept})

    def _is_theirs(self, account: str, id: str, customer: Customer, person: Person) -> bool:
        return account == customer.account and id in person.traces.known_as

    def _delivery(
        self, queue: DeadLetters, body: str, message: Mapping[str, Any], person: Person, now: datetime
    ) -> str:
        try:
            envelope = inbox.decode(body, self.bodies.read)
        except inbox.AlreadyDone:
            return body
        except (inbox.UnknownVersion, KeyError, ValueError, TypeError):  # of a release to come
            return scrubbed_text(body, person) or ""
        if envelope.interaction:
            left = self._interaction(envelope.interaction, person)
            return "" if left is None else body if left == envelope.interaction else _with(message, left)
        content = scrubbed(envelope.body, person)
        if content == envelope.body:
            return body
        if content is not None:
            kept = envelope._replace(body=content)
            inbox.enqueue(_Into(queue), kept, self.bodies.save, now, message.get("reasons", ()))
        if "chunks" in message:
            self.bodies.drop(message["chunks"])
        return ""

    def _interaction(self, i: Interaction, person: Person) -> Interaction | None:
        if self.forgotten.concerns(i):
            return None
        to = None if i.to in person.traces.known_as else i.to
        text = "" if self.forgotten.answers_one(i) else masked(i.text, person.traces)
        return replace(i, text=text, to=to)

    def _mail(self, body: str, told: Mapping[str, Any], person: Person) -> str:
        """An answer by e-mail quotes the e-mail that it answers: both letter and mail go."""
        recipients = " ".join(map(str, told["receipt"].get("recipients", ()))).lower()
        if not any(tag in recipients for tag in person.traces.tags):
            return body
        with suppress(ValueError):
            self.mails().drop(object_name(told))
        return ""


@dataclass(frozen=True, slots=True)
class _Into:
    """A dead-letter queue as the one to send to."""

    letters: DeadLetters

    def send(self, message: Mapping[str, Any], delay: Any = None) -> None:
        self.letters.put(encode(message))

    def send_all(self, messages: Sequence[Mapping[str, Any]], delays: Any = ()) -> None:
        for message in messages:
            self.send(message)


def _with(message: Mapping[str, Any], i: Interaction) -> str:
    return encode({**message, "interaction": dump(replace(i, raw=""))})


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    """What a topic's envelope holds."""
    try:
        inner = json.loads(message["Message"])
    except (KeyError, TypeError, ValueError):
        return message
    return inner if isinstance(inner, dict) else message
