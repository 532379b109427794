"""The pure rules about conversations: how interactions fold in, what answers them, claims, tiers and notices.

Every function maps a conversation to the next one; `store.change_conversation` writes the result on condition that
nobody wrote in between.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.conversations.conversation import (
    Acknowledgement,
    BrandReply,
    Conversation,
    Notice,
    Outcome,
    Question,
    State,
    Thread,
)
from chalicelib.conversations.interaction import Interaction

NOTICE_RETRY = timedelta(minutes=2)  # a queued notice that was not claimed by then is queued again
NOTICE_LEASE = timedelta(minutes=10)  # a claimed notice without an outcome, nor an event from SES, is sent again
_MENTIONS = re.compile(r"^\s*(@\S+\s+)+")
REMEMBERED = 40  # settled questions and brand replies kept beside the open ones

DueTime = Callable[[str | None, datetime, int, datetime | None], datetime | None]
"""(intent, received_at, tier from 1, end of the messaging window) → when that tier falls due; None when there is no
such tier: `Playbook.due`."""


def apply_interaction(
    conversation: Conversation | None,
    interaction: Interaction,
    thread: Thread,
    due: DueTime,
    *,
    intent: str | None = None,
    needs_answer: bool = True,
) -> Conversation:
    """`conversation` after the (merged) customer `interaction`; any order and repetition gives the same questions."""
    i = interaction
    c = conversation or Conversation(i.product, i.account, i.thread, i.customer, i.app, i.private)
    known = c.questions.get(interaction.id)
    question = Question(
        at=interaction.at,
        received_at=interaction.received_at,
        text_at=interaction.text_at or interaction.at,
        intent=intent,
        needs_answer=needs_answer and not (c.closed_at and interaction.received_at <= c.closed_at),
        deleted=interaction.deleted,
        hidden_at=interaction.hidden_at,
        shown_at=interaction.shown_at,
        round=c.round,
    )
    question = _meet(known, question) if known else question
    if question.deleted:  # what a deleted text was about is nobody's business any more
        question = replace(question, intent=None, needs_answer=True, text_at=question.at)
    question = _answer(c, interaction.id, question, thread)
    if not known and question.pending and c.tier and (c.state is not State.OPEN or c.due_at is None):
        c = replace(c, round=c.round + 1, tier=0)
        question = replace(question, round=c.round)
    window = interaction.at + interaction.window if interaction.window and not interaction.deleted else None
    c = replace(
        c,
        app=interaction.app or c.app,
        post=interaction.post or c.post,
        private=interaction.private,
        questions=_remember({**c.questions, interaction.id: question}),
        window_closes_at=max(filter(None, (window, c.window_closes_at)), default=None),
    )
    return schedule(c, due)


def _meet(known: Question, incoming: Question) -> Question:
    """Both in one, whichever was written last: `incoming` can come from a worker that was overtaken."""
    newer = incoming if incoming.text_at >= known.text_at else known
    return replace(
        known,
        at=min(known.at, incoming.at),
        received_at=min(known.received_at, incoming.received_at),
        text_at=newer.text_at,
        intent=newer.intent,
        needs_answer=newer.needs_answer,
        deleted=known.deleted or incoming.deleted,
        hidden_at=max(filter(None, (known.hidden_at, incoming.hidden_at)), default=None),
        shown_at=max(filter(None, (known.shown_at, incoming.shown_at)), default=None),
    )


def apply_replies(conversation: Conversation, thread: Thread, due: DueTime) -> Conversation:
    """`conversation` with the brand's replies in its thread applied, by the platform's time and never by arrival."""
    questions = {i: _answer(conversation, i, q, thread) for i, q in conversation.questions.items()}
    return schedule(replace(conversation, questions=questions), due)


def _answer(c: Conversation, id: str, question: Question, thread: Thread) -> Question:
    by = thread.replies.get(question.answered_by or "")
    if by and by.deleted:  # the brand took its answer back
        question = replace(question, answered_at=None, answered_by=None)
    if question.answered_at:
        return question
    answers = [(r.at, i) for i, r in thread.replies.items() if _answers(c, id, question, r)]
    if not answers:
        return question
    at, answered_by = min(answers)
    return replace(question, answered_at=at, answered_by=answered_by)


def _answers(c: Conversation, id: str, question: Question, reply: BrandReply) -> bool:
    """Whether `reply` answers this question: written after it, and to this customer as far as the platform tells."""
    if reply.deleted or (reply.to and reply.to != c.customer):
        return False
    if reply.parent == id:
        return True
    ours = c.private or bool(reply.to) or reply.parent in (None, c.thread, *c.questions)
    return ours and reply.at > question.at


def _remember(questions: dict[str, Question]) -> dict[str, Question]:
    settled = sorted((q.at, i) for i, q in questions.items() if not q.pending)
    dropped = {i for _, i in settled[:-REMEMBERED]}
    return {i: q for i, q in questions.items() if i not in dropped}


def schedule(conversation: Conversation, due: DueTime) -> Conversation:
    """Sets `due_at` from the oldest promise among this round's open questions; a closed conversation is never due."""
    c, times = conversation, []
    for id, q in c.questions.items():
        if q.pending and q.round == c.round:
            closes = c.window_closes_at if c.window_closes_at and c.window_closes_at > q.received_at else None
            at, held = due(q.intent, q.received_at, c.tier + 1, closes), c.held_until(id)
            times.append(max(at, held) if at and held else at)
    return replace(c, due_at=min((t for t in times if t), default=None))


def close(conversation: Conversation, now: datetime, due: DueTime) -> Conversation:
    """A person says that nothing asked until `now` waits for an answer."""
    questions = {
        i: replace(q, needs_answer=False) if q.received_at <= now else q for i, q in conversation.questions.items()
    }
    return schedule(replace(conversation, closed_at=now, questions=questions), due)


def relabel(conversation: Conversation, intent: str, due: DueTime) -> Conversation:
    """A person says what the open questions are about: the promise and the team follow."""
    questions = {i: replace(q, intent=intent) if q.pending else q for i, q in conversation.questions.items()}
    return schedule(replace(conversation, questions=questions), due)


def add_reply(thread: Thread, interaction: Interaction) -> Thread:
    """`thread` with the brand's (merged) reply `interaction`; the newest REMEMBERED are kept."""
    replies = {
        **thread.replies,
        interaction.id: BrandReply(
            interaction.at, interaction.parent, interaction.to, interaction.deleted or interaction.hidden
        ),
    }
    newest = sorted(replies.items(), key=lambda item: item[1].at)[-REMEMBERED:]
    return replace(thread, replies=dict(newest))


# --- acknowledging: at most one automatic reply an interaction, ever -------------------------------------------------


def claim(conversation: Conversation, id: str, acknowledgement: Acknowledgement) -> Conversation:
    """`conversation` with the acknowledgement of interaction `id` claimed; unchanged when there is one already."""
    known = conversation.acknowledgements.get(id)
    if known and known.state is not Outcome.PENDING:
        return conversation
    return replace(conversation, acknowledgements={**conversation.acknowledgements, id: acknowledgement})


def keep_silence(conversation: Conversation, id: str, why: str) -> Conversation:
    """`conversation` with the label of why its question `id` gets no automatic reply."""
    question = conversation.questions.get(id)
    if question is None or question.silence == why:
        return conversation
    return replace(conversation, questions={**conversation.questions, id: replace(question, silence=why)})


def record(
    conversation: Conversation,
    id: str,
    token: str,
    state: Outcome,
    due: DueTime,
    *,
    reply_id: str | None = None,
    not_before: datetime | None = None,
) -> Conversation:
    """The outcome of the claim `token`; a resolving reply that was sent answers its question."""
    ack = conversation.acknowledgements.get(id)
    if ack is None or ack.token != token or ack.state is Outcome.SENT:
        return conversation
    ack = replace(ack, state=state, id=reply_id or ack.id, not_before=not_before)
    questions = conversation.questions
    if state is Outcome.SENT and ack.resolves and id in questions:
        questions = {**questions, id: replace(questions[id], resolved=True)}
    acknowledgements = {**conversation.acknowledgements, id: ack}
    return schedule(replace(conversation, acknowledgements=acknowledgements, questions=questions), due)


def our_reply(conversations: Sequence[Conversation], reply: Interaction) -> tuple[Conversation, str] | None:
    """The conversation and interaction whose acknowledgement came back as the brand's `reply`; None: a person wrote it.

    A public comment carries neither app nor token, so there the text that was claimed decides; an echo can come before
    its send returns.
    """
    found = []
    for c in conversations:
        for id, ack in c.acknowledgements.items():
            if ack.id == reply.id or (ack.token and ack.token == reply.token):
                return c, id
            posted = ack.state in (Outcome.CLAIMED, Outcome.UNKNOWN, Outcome.SENT)
            if posted and _plain(ack.text) == _plain(reply.text):
                found.append((ack.state is Outcome.SENT, id != reply.parent, c.customer, id, c))
    if not found:
        return None
    *_, id, c = min(found, key=lambda row: row[:4])
    return c, id


def _plain(text: str) -> str:
    """`text` without what platforms change about it: the mention in front, white space."""
    return " ".join(_MENTIONS.sub("", text).split())


# --- escalating: at most one e-mail for each (conversation, tier), none lost -----------------------------------------


def escalate(conversation: Conversation, due: DueTime, now: datetime) -> Conversation:
    """The next tier, with its notice pending, when the conversation is overdue; notices without an outcome are set to
    be queued again; otherwise unchanged."""
    c = conversation
    notices = {
        key: replace(n, state=Outcome.PENDING, again_at=now + NOTICE_RETRY) if n.again_at and n.again_at <= now else n
        for key, n in c.notices.items()
    }
    if c.state is not State.OPEN or c.due_at is None or c.due_at > now:
        return replace(c, notices=notices) if notices != c.notices else c
    tier = c.tier + 1
    notices[f"{c.round}.{tier}"] = Notice(tier, c.due_at, again_at=now + NOTICE_RETRY)
    return schedule(replace(c, tier=tier, escalated_at=now, notices=notices), due)


def claim_notice(conversation: Conversation, key: str, token: str, now: datetime) -> Conversation:
    """Claims the pending notice `key` (round.tier) for sending, or withdraws it when nothing is open any more."""
    notice = conversation.notices.get(key)
    if notice is None or notice.state is not Outcome.PENDING:
        return conversation
    if conversation.state is State.OPEN:
        notice = replace(notice, state=Outcome.CLAIMED, token=token, again_at=now + NOTICE_LEASE)
    else:
        notice = replace(notice, state=Outcome.WITHDRAWN, again_at=None)
    return replace(conversation, notices={**conversation.notices, key: notice})


def record_notice(
    conversation: Conversation,
    key: str,
    state: Outcome,
    *,
    token: str | None = None,
    id: str | None = None,
    again_at: datetime | None = None,
    at: datetime | None = None,
) -> Conversation:
    """The outcome of sending notice `key`, `at`, from the one who holds the claim `token` (None: SES's own word); one
    that was sent stays sent."""
    notice = conversation.notices.get(key)
    if notice is None or notice.state is Outcome.SENT or (token is not None and notice.token != token):
        return conversation
    sent_at = at if state is Outcome.SENT else notice.sent_at
    notice = replace(notice, state=state, id=id or notice.id, again_at=again_at, sent_at=sent_at)
    return replace(conversation, notices={**conversation.notices, key: notice})
