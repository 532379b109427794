"""From what is stored to facts: a pure function of a conversation and its interactions, the same everywhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.conversations.conversation import Acknowledgement, Conversation, Notice, Outcome, Question
from chalicelib.conversations.interaction import Interaction
from chalicelib.keys import Keys
from chalicelib.playbook.policy import NEED_NO_ANSWER, Playbook
from chalicelib.reports.columns import End, Fact

NEEDS_NONE: Final = "needs_none"
BY_STAFF: Final = "by_staff"
HIDDEN: Final = "hidden"
_THANKS: Final = ("closing", "praise")
_COMPLAINT: Final = ("complaint", "legal_safety")


@dataclass(frozen=True, slots=True)
class Revised[T]:
    """A stored noun and the revision of its item."""

    noun: T
    rev: int


@dataclass(frozen=True, slots=True)
class Deriver:
    """What a fact depends on beside what is stored: the policy (teams, urgency, promises) and the stack's key."""

    playbook: Playbook
    keys: Keys

    def facts(
        self,
        conversation: Revised[Conversation],
        interactions: Mapping[str, Revised[Interaction]],
        *,
        erased: bool = False,
    ) -> Iterator[Fact]:
        """A fact for each question of `conversation`; `interactions` are by id, and a question whose interaction is
        not among them, or belongs to somebody else by now, has none. `erased`: the customer's name is taken away."""
        c = conversation.noun
        for id, question in c.questions.items():
            stored = interactions.get(id)
            if stored is None or stored.noun.brand or not (stored.noun.customer == c.customer or stored.noun.deleted):
                continue
            yield self._fact(c, id, question, stored.noun, conversation.rev + stored.rev, erased)

    def question(self, product: str, account: str, id: str) -> str:
        """The pseudonym of a question: the same in the facts and where they are held against what is stored."""
        return self.name("question", product, account, id)

    def customer(self, product: str, account: str, id: str) -> str:
        """The pseudonym of a customer of one account: another account's is another one."""
        return self.name("customer", product, account, id)

    def name(self, kind: str, *ids: str) -> str:
        """The pseudonym of what `ids` name; `kind` keeps a customer and a post of the same id apart."""
        return self.keys.pseudonym("\0".join((kind, *ids)))

    def _fact(self, c: Conversation, id: str, q: Question, i: Interaction, revision: int, erased: bool) -> Fact:
        name, owner = self.name, (c.product, c.account)
        question = self.question(*owner, id)
        ack = _acknowledgement(c, id)
        state, closed_why = _state(c, q)
        told = _told(c, q)
        by = None if q.answered_at is None else "person"
        return Fact(
            question=question,
            conversation=question if erased else name("conversation", *owner, c.thread, c.customer, str(q.round)),
            customer=None if erased else self.customer(*owner, c.customer),
            platform=c.product,
            account=c.account,
            post=name("post", *owner, i.post or c.thread) if not (erased or c.private) else None,
            team=self.playbook.team(q.intent, 1).name,
            language=i.reading.language if i.reading else None,
            intent=q.intent or (i.reading.intent if i.reading else None),
            confidence=round(i.reading.confidence, 4) if i.reading else None,
            private=c.private,
            urgent=q.intent in self.playbook.urgency.intents,
            asked_at=q.at,
            received_at=q.received_at,
            acknowledged_at=ack.at if ack else None,
            rung=_rung(ack),
            promised_by=self._promise(c, q),
            told_at=min((n.sent_at for n in told if n.sent_at), default=None),
            tier=max((n.tier for n in told), default=0),
            first_response_at=q.answered_at,
            first_response_by=by,
            answered_at=q.answered_at or (ack.at if ack and q.resolved else None),
            answered_by=by or ("resolving_reply" if q.resolved else None),
            state=state,
            closed_at=q.hidden_at if closed_why == HIDDEN else c.closed_at if closed_why == BY_STAFF else None,
            closed_why=closed_why,
            edited=i.edited,
            deleted=q.deleted,
            follow_ups=sum(1 for o in c.questions.values() if _follows(o, q)),
            reaction=_reaction(c, q),
            revision=revision,
        )

    def _promise(self, c: Conversation, q: Question) -> datetime | None:
        """When a person has to have answered; nothing is promised for what needs no answer."""
        if not q.needs_answer and not q.answered_at:
            return None
        closes = c.window_closes_at if c.window_closes_at and c.window_closes_at > q.received_at else None
        return self.playbook.due(q.intent, q.received_at, 1, closes)


def _state(c: Conversation, q: Question) -> tuple[End, str | None]:
    """What became of it, and why it was closed. An answer counts, also to what is taken back later."""
    if q.answered_at:
        return End.ANSWERED, None
    if q.resolved:
        return End.RESOLVED, None
    if q.deleted:
        return End.WITHDRAWN, None
    if q.hidden_at is not None and (q.shown_at is None or q.hidden_at >= q.shown_at):
        return End.WITHDRAWN, HIDDEN
    if not q.needs_answer:
        staff = c.closed_at and q.received_at <= c.closed_at and q.intent not in NEED_NO_ANSWER
        return End.CLOSED, BY_STAFF if staff else NEEDS_NONE
    return End.OPEN, None


def _acknowledgement(c: Conversation, id: str) -> Acknowledgement | None:
    """The automatic reply that went out to the question, in public before in private."""
    sent = (c.acknowledgements.get(name) for name in (id, f"{id}/private"))
    return next((a for a in sent if a and a.state is Outcome.SENT), None)


def _rung(ack: Acknowledgement | None) -> str | None:
    return "own" if ack else None


def _told(c: Conversation, q: Question) -> list[Notice]:
    """The e-mails that told of this question: those of its round that left after it had come."""
    notices = (n for key, n in c.notices.items() if key.startswith(f"{q.round}."))
    return [n for n in notices if n.sent_at and n.sent_at >= q.received_at]


def _follows(other: Question, q: Question) -> bool:
    """Whether the customer wrote `other` while still waiting for an answer to `q`."""
    return other.at > q.at and (q.answered_at is None or other.at < q.answered_at)


def _reaction(c: Conversation, q: Question) -> str | None:
    """How the customer took the answer: the next thing they wrote after it; None where it is another question."""
    if q.answered_at is None:
        return None
    after = [o for o in c.questions.values() if o.at > q.answered_at and not o.deleted]
    if not after:
        return "silence"
    intent = min(after, key=lambda o: o.at).intent
    return "thanks" if intent in _THANKS else "complaint" if intent in _COMPLAINT else None
