"""A conversation: the interactions of one customer in one thread, as facts; what is open or due follows from them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from chalicelib.conversations.changed import replace, swift

STAFF = "staff#"  # begins `answered_by` of a question that was answered from the e-mail


class State(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    DELETED = "deleted"


class Outcome(StrEnum):
    """How far an acknowledgement or a notice came."""

    PENDING = "pending"  # not sent, may be tried (again) from `not_before` on
    CLAIMED = "claimed"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # may have been posted: never posted again
    WITHDRAWN = "withdrawn"  # answered before the e-mail went out


@swift
@dataclass(frozen=True, slots=True)
class Question:
    """What the conversation needs to know of one customer interaction. `at` is the platform's time, `text_at` that of
    the text which `intent` and `needs_answer` were read from, `words` that text's fingerprint, `edited` that it is not
    the first. `closed_text_at` is that of the version of the text that staff said needs no answer.

    `asked_at` is the platform's time of what has to be answered, where that is not `at`: a text that was rewritten
    after its answer. `waits_since` is when the promise `promised_by` began, `round` the ladder that it waits on.
    `root`: it begins its thread, so that an answer to the thread is one to it.
    `silence` is the label of why it got no automatic reply. `version_at` is the time of the first text that reads as
    this one does, where that is not `text_at`: punctuation alone makes no new version.
    """

    at: datetime
    received_at: datetime
    text_at: datetime
    intent: str | None = None
    needs_answer: bool = True
    resolved: bool = False
    deleted: bool = False
    hidden_at: datetime | None = None
    shown_at: datetime | None = None
    round: int = 1
    answered_at: datetime | None = None
    answered_by: str | None = None
    asked_at: datetime | None = None
    waits_since: datetime | None = None
    promised_by: datetime | None = None
    closed_text_at: datetime | None = None
    edited: bool = False
    silence: str = ""
    words: str = ""
    root: bool = True
    version_at: datetime | None = None

    @property
    def hidden(self) -> bool:
        return self.hidden_at is not None and (self.shown_at is None or self.hidden_at >= self.shown_at)

    @property
    def closed(self) -> bool:
        """Whether staff said that this text, as it reads now, needs no answer."""
        return self.closed_text_at is not None and self.text_at <= self.closed_text_at

    @property
    def pending(self) -> bool:
        """Whether a person still has to answer."""
        if not self.needs_answer or self.answered_at or self.resolved or self.deleted:  # asked more than all else
            return False
        return not ((self.closed_text_at and self.closed) or (self.hidden_at and self.hidden))

    @property
    def asked(self) -> datetime:
        """The platform's time of what has to be answered."""
        return self.asked_at or self.at

    @property
    def since(self) -> datetime:
        """From when its promise counts."""
        return self.waits_since or self.received_at


@swift
@dataclass(frozen=True, slots=True)
class Ladder:
    """Who was called about the questions of one promise: `tier` is the last one reached, at `called_at`; `told_at` is
    when the first was. An urgent matter has a ladder of its own."""

    urgent: bool = False
    tier: int = 0
    due_at: datetime | None = None
    called_at: datetime | None = None
    told_at: datetime | None = None
    not_before: datetime | None = None


@swift
@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The one automatic reply to an interaction; `token` is its claim, `id` what the platform calls the reply, `rung`
    how much it says (own, topic, general; "" for one of an earlier release), `campaign` whose line stands in it."""

    state: Outcome
    at: datetime
    token: str = ""
    text: str = ""
    intent: str = ""
    model: str = ""
    resolves: bool = False
    private: bool = False
    id: str | None = None
    not_before: datetime | None = None
    rung: str = ""
    campaign: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Notice:
    """The escalation e-mail of one tier; `sent_at` is when it left. `team` is named where it is not the tier's own
    (handed over, corrected); `fallback`: the team's mailbox sent it back, so it goes to the fallback address.
    `round` is the ladder, `intent` what its oldest question was about, `emails` what those are called in which it
    stands."""

    tier: int
    due_at: datetime
    state: Outcome = Outcome.PENDING
    again_at: datetime | None = None
    token: str = ""
    id: str | None = None
    sent_at: datetime | None = None
    team: str = ""
    fallback: bool = False
    round: int = 1
    urgent: bool = False
    intent: str | None = None
    emails: tuple[str, ...] = ()


class Bundle(StrEnum):
    """Why several conversations stand in one e-mail."""

    GROUP = "group"
    DIGEST = "digest"


class Deed(StrEnum):
    """What people do from the e-mail."""

    ANSWER = "answer"
    CLAIM = "claim"
    SNOOZE = "snooze"
    HAND_OVER = "hand_over"
    CORRECT = "correct"
    ANSWERED = "answered"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Act:
    """One of these, done by `who` at that time to the questions (their tags) that the page had shown. `before` is what
    an undo puts back, by question id; `link` the notice whose e-mail it came from."""

    deed: Deed
    at: datetime
    who: str
    questions: tuple[str, ...] = ()
    until: datetime | None = None
    team: str = ""
    intent: str = ""
    note: str = ""
    before: dict[str, str] = field(default_factory=dict)
    link: str = ""
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonalAnswer:
    """What a person answered from the e-mail, posted as the brand under interaction `to`, by the protocol of
    acknowledgements: at most once. `token` is its claim, `id` what the platform calls the reply, `code` its error."""

    state: Outcome
    at: datetime
    who: str
    to: str
    text: str = ""
    token: str = ""
    questions: tuple[str, ...] = ()
    id: str | None = None
    code: str = ""
    by_mail: bool = False


@swift
@dataclass(frozen=True, slots=True)
class BrandReply:
    """`parent` is what it answers directly, `to` the customer whom it answers, as far as that is known. `automatic`: a
    machine said it, by the playbook's list; `person`: by the same list a person did, however quickly it came."""

    at: datetime
    parent: str | None = None
    to: str | None = None
    deleted: bool = False
    automatic: bool = False
    person: bool = False


@swift
@dataclass(frozen=True, slots=True)
class Thread:
    """What the brand's people said in one thread, kept apart because it can arrive before any question."""

    product: str
    account: str
    thread: str
    replies: dict[str, BrandReply] = field(default_factory=dict)


def tag(id: str, question: Question) -> str:
    """Names one version of a question's text: what a page showed, and nothing that came later."""
    return sha256(f"{id}|{(question.version_at or question.text_at).isoformat()}".encode()).hexdigest()[:10]


@swift
@dataclass(frozen=True, slots=True)
class Conversation:
    """The questions of one customer in one thread, and the ladders that they wait on.

    Questions that come before anybody was called about the others share a ladder, and so a promise; one that comes
    later opens the next, and so does each urgent matter. A ladder (its number is `round`) has an id of its own, so that
    each (conversation, tier) has at most one e-mail and no question goes without. `round` is the newest ladder's number
    and `tier` what that one reached; `due_at` is when the first of all falls due.

    `unlisted` counts the open questions beyond those that are kept: the first, the last and the urgent ones. `replies`
    are the newest of what the brand's people said, where the thread is this customer's alone; others, and what came
    before any question, stand in the Thread.
    """

    product: str
    account: str
    thread: str
    customer: str
    app: str = ""
    private: bool = False
    questions: dict[str, Question] = field(default_factory=dict)
    acknowledgements: dict[str, Acknowledgement] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    round: int = 1
    tier: int = 0
    due_at: datetime | None = None
    escalated_at: datetime | None = None
    closed_at: datetime | None = None
    window_closes_at: datetime | None = None
    delivery: str = ""
    post: str = ""
    acts: dict[str, Act] = field(default_factory=dict)
    answers: dict[str, PersonalAnswer] = field(default_factory=dict)
    ladders: dict[str, Ladder] = field(default_factory=dict)
    unlisted: int = 0
    replies: dict[str, BrandReply] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.id_of(self.round)

    def id_of(self, round: int) -> str:
        """The id under which the ladder `round` is known."""
        suffix = f"~{round}" if round > 1 else ""
        return f"{self.product}:{self.account}:{self.thread}:{self.customer}{suffix}"

    def on(self, notice: Notice) -> "Conversation":
        """The same as seen from the ladder of `notice`: under its id."""
        return replace(self, round=notice.round, tier=notice.tier)

    def waiting_on(self, round: int) -> list[Question]:
        """The open questions of the ladder `round`, the oldest promise first."""
        waiting = [q for q in self.questions.values() if q.round == round and q.pending]
        return sorted(waiting, key=lambda q: q.since) if len(waiting) > 1 else waiting

    def about(self, notice: Notice) -> str | None:
        """What `notice` is about now: the intent of the oldest question that still waits on its ladder."""
        waiting = self.waiting_on(notice.round)
        return waiting[0].intent if waiting else notice.intent or self.intent

    @property
    def state(self) -> State:
        questions = list(self.questions.values())
        if questions and all(q.deleted for q in questions):
            return State.DELETED
        if any(q.pending for q in questions):
            return State.OPEN
        if any(q.answered_at or q.resolved for q in questions if not q.deleted):
            return State.ANSWERED
        return State.CLOSED

    @property
    def answered_at(self) -> datetime | None:
        """When a person answered the last question; None while one is open."""
        times = [q.answered_at for q in self.questions.values() if q.answered_at and not q.deleted]
        return max(times) if times and self.state is State.ANSWERED else None

    @property
    def acknowledged_at(self) -> datetime | None:
        times = [a.at for a in self.acknowledgements.values() if a.state is Outcome.SENT]
        return max(times) if times else None

    def held_until(self, id: str) -> datetime | None:
        """Until when somebody has claimed or put off the question `id`, as it reads now."""
        if not self.acts:
            return None
        mark = tag(id, self.questions[id])
        holds = (a.until for a in self.acts.values() if a.until and not a.undone_at and mark in a.questions)
        return max(holds, default=None)

    @property
    def wake_at(self) -> datetime | None:
        """When escalate has to look at it first, its place in the overdue index: the next tier falls due, or a notice
        has no outcome by then."""
        times = [n.again_at for n in self.notices.values() if n.again_at]
        if self.due_at:
            times.append(self.due_at)
        return min(times) if times else None

    @property
    def intent(self) -> str | None:
        """What the oldest open question is about (the last one, where none is open): it decides the team."""
        ordered = sorted(self.questions.values(), key=lambda q: (not q.pending, q.received_at))
        return ordered[0].intent if ordered else None
