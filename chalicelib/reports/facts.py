"""From what is stored to facts: a pure function of a conversation and its interactions, the same everywhere."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.conversations.conversation import (
    STAFF,
    Acknowledgement,
    Act,
    Conversation,
    Deed,
    Notice,
    Outcome,
    Question,
    tag,
)
from chalicelib.conversations.interaction import Interaction
from chalicelib.keys import Keys
from chalicelib.playbook.parts import NEED_NO_ANSWER
from chalicelib.playbook.policy import Playbook
from chalicelib.reports.columns import End, Fact, HandOver, written
from chalicelib.reports.community import helpful

NEEDS_NONE: Final = "needs_none"
BY_STAFF: Final = "by_staff"
HIDDEN: Final = "hidden"
ELSEWHERE: Final = "answered_elsewhere"
CUSTOMER: Final = "customer"
PEOPLE: Final = ("person", "form", "mail")
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
        others: Collection[Interaction] = (),
    ) -> Iterator[Fact]:
        """A fact for each question of `conversation`; `interactions` are by id, and a question whose interaction is
        not among them, or belongs to somebody else by now, has none. `erased`: the customer's name is taken away.
        `others` is what other customers said in the thread."""
        c = conversation.noun
        for id, question in c.questions.items():
            stored = interactions.get(id)
            if stored is None or stored.noun.brand or not (stored.noun.customer == c.customer or stored.noun.deleted):
                continue
            helper = helpful(c, id, {name: r.noun for name, r in interactions.items()}, others)
            yield self._fact(c, id, question, stored.noun, conversation.rev + stored.rev, erased, helper)

    def question(self, product: str, account: str, id: str) -> str:
        """The pseudonym of a question: the same in the facts and where they are held against what is stored."""
        return self.name("question", product, account, id)

    def customer(self, product: str, account: str, id: str) -> str:
        """The pseudonym of a customer of one account: another account's is another one."""
        return self.name("customer", product, account, id)

    def name(self, kind: str, *ids: str) -> str:
        """The pseudonym of what `ids` name; `kind` keeps a customer and a post of the same id apart."""
        return self.keys.named(kind, *ids)

    def _fact(
        self,
        c: Conversation,
        id: str,
        q: Question,
        i: Interaction,
        revision: int,
        erased: bool,
        helper: Interaction | None,
    ) -> Fact:
        name, owner, hands = self.name, (c.product, c.account), list(self._hand_overs(c, id, q))
        question = self.question(*owner, id)
        ack = _acknowledgement(c, id)
        end = _end(c, id, q)
        if helper and end.state is End.OPEN:  # the clock runs on: a customer's answer is not the shop's
            end = _End(End.ANSWERED, helper.at, CUSTOMER)
        told = _told(c, q)
        return Fact(
            question=question,
            conversation=question if erased else name("conversation", *owner, c.thread, c.customer, str(q.round)),
            customer=None if erased else self.customer(*owner, c.customer),
            platform=c.product,
            account=c.account,
            post=name("post", *owner, i.post or c.thread) if not (erased or c.private) else None,
            team=hands[-1].to if hands else self.playbook.team(q.intent, 1).name,
            language=i.reading.language if i.reading else None,
            intent=q.intent or (i.reading.intent if i.reading else None),
            confidence=round(i.reading.confidence, 4) if i.reading else None,
            private=c.private,
            urgent=q.intent in self.playbook.urgency.intents,
            asked_at=q.at,
            received_at=q.received_at,
            acknowledged_at=ack.at if ack else None,
            rung=_rung(ack),
            promised_by=self._promise(q),
            told_at=min((n.sent_at for n in told if n.sent_at), default=None),
            tier=max((n.tier for n in told), default=0),
            first_response_at=end.at if end.by in PEOPLE else None,
            first_response_by=end.by if end.by in PEOPLE else None,
            answered_at=(end.at or (ack.at if ack else None)) if end.by else None,
            answered_by=end.by,
            state=end.state,
            closed_at=None if end.by else end.at,
            closed_why=end.why,
            edited=i.edited,
            deleted=q.deleted,
            follow_ups=sum(1 for o in c.questions.values() if _follows(o, q)),
            reaction="thanks" if end.by == CUSTOMER else _reaction(c, q),
            campaign=next((a.campaign for a in _sent(c, id) if a.campaign), None),
            helped_by=self.customer(*owner, helper.customer) if helper and end.by == CUSTOMER else None,
            revision=revision,
            hand_overs=written(hands),
            reach=None if erased else _rounded(i.reach),
        )

    def _hand_overs(self, c: Conversation, id: str, q: Question) -> Iterator[HandOver]:
        """What people gave from one team to another, the oldest first: by hand, or by saying what it is about."""
        done = _acts(c, id, q, (Deed.HAND_OVER, Deed.CORRECT))
        corrected = next((a for a in done if a.deed is Deed.CORRECT), None)
        owner = self.playbook.team(corrected.before.get(id) or None if corrected else q.intent, 1).name
        for act in done:
            to = act.team or self.playbook.team(act.intent or q.intent, 1).name
            if to != owner:
                yield HandOver(owner, to, act.at)
            owner = to

    def _promise(self, q: Question) -> datetime | None:
        """When a person has to have answered; nothing is promised for what needs no answer."""
        if not q.needs_answer and not q.answered_at:
            return None
        return q.promised_by or self.playbook.promise(q.intent, q.since)


@dataclass(frozen=True, slots=True)
class _End:
    """What became of a question, when, by whom it was answered, why it was closed."""

    state: End
    at: datetime | None = None
    by: str | None = None
    why: str | None = None


def _end(c: Conversation, id: str, q: Question) -> _End:
    """An answer counts, also to what is taken back later."""
    if q.answered_at:
        return _End(End.ANSWERED, q.answered_at, _answered_by(c, q))
    if q.resolved:
        return _End(End.RESOLVED, None, "resolving_reply")
    if q.deleted:
        return _End(End.WITHDRAWN)
    if q.hidden_at is not None and (q.shown_at is None or q.hidden_at >= q.shown_at):
        return _End(End.WITHDRAWN, q.hidden_at, None, HIDDEN)
    if q.pending:
        return _End(End.OPEN)
    if done := _act(c, id, q, (Deed.CLOSE, Deed.ANSWERED)):
        if done.deed is Deed.ANSWERED:
            return _End(End.ANSWERED, done.at, "person", ELSEWHERE)
        return _End(End.CLOSED, done.at, None, BY_STAFF)
    staff = q.closed_text_at or (c.closed_at and q.received_at <= c.closed_at and q.intent not in NEED_NO_ANSWER)
    return _End(End.CLOSED, c.closed_at if staff else None, None, BY_STAFF if staff else NEEDS_NONE)


def _act(c: Conversation, id: str, q: Question, deeds: tuple[Deed, ...]) -> Act | None:
    """The newest of `deeds` that a person did to this version of the question and did not take back."""
    return next(reversed(_acts(c, id, q, deeds)), None)


def _acts(c: Conversation, id: str, q: Question, deeds: tuple[Deed, ...]) -> list[Act]:
    """All of them, the oldest first."""
    name = tag(id, q)
    done = [a for a in c.acts.values() if a.deed in deeds and not a.undone_at and name in a.questions]
    return sorted(done, key=lambda a: a.at)


def _rounded(reach: int | None) -> int | None:
    """Two digits of it: enough to order by, and too few to know a customer by."""
    return None if reach is None else round(reach, min(0, 2 - len(str(reach))))


def _answered_by(c: Conversation, q: Question) -> str:
    """A person on the platform, or by the form or e-mail of Earshot's own."""
    if not (q.answered_by or "").startswith(STAFF):
        return "person"
    answer = c.answers.get((q.answered_by or "").removeprefix(STAFF))
    return "mail" if answer and answer.by_mail else "form"


def _sent(c: Conversation, id: str) -> list[Acknowledgement]:
    """The automatic reply that went out to the question: its public part before its private one, where it has both."""
    parts = (c.acknowledgements.get(name) for name in (id, f"{id}/private"))
    return [a for a in parts if a and a.state is Outcome.SENT]


def _acknowledgement(c: Conversation, id: str) -> Acknowledgement | None:
    """The first part of it."""
    return next(iter(_sent(c, id)), None)


def _rung(ack: Acknowledgement | None) -> str | None:
    return (ack.rung or "own") if ack else None  # what was stored before the ladder had one rung


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
