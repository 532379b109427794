"""The pure rules about conversations: how interactions are applied, claims and notices.

Every function maps a conversation to the next one; `store.change_conversation` writes the result on condition that
nobody wrote in between. What answers a question stands in `answers`, who is called about it when in `ladders`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from chalicelib.conversations.answers import answer_all, fingerprint
from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import (
    STAFF,
    Acknowledgement,
    BrandReply,
    Conversation,
    Notice,
    Outcome,
    Question,
    State,
    Thread,
)
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.conversations.ladders import OPEN_LADDERS, REMEMBERED, Clocks, arrange

NOTED = 10  # replies kept with a private conversation: it is written with each of them
NOTICE_LEASE = timedelta(minutes=10)  # a claimed notice without an outcome, nor an event from SES, is sent again
URGENT_LEASE = timedelta(minutes=1)  # the same for what is urgent: an e-mail twice is better than one that comes late
MISSED = timedelta(
    days=1
)  # an edit of something so young, of which nobody told, stands for it; of older it is no question


def apply_interaction(
    conversation: Conversation | None,
    interaction: Interaction,
    thread: Thread,
    clocks: Clocks,
    now: datetime,
    *,
    intent: str | None = None,
    needs_answer: bool = True,
    again: bool = False,
    asked_anew: bool = False,
) -> Conversation:
    """`conversation` after the (merged) customer `interaction`; any order and repetition gives the same questions.

    What needs no answer and comes while nothing is open changes nothing, so that it costs no write; nor does what comes
    `again`, as an earlier delivery told it, and is not kept any more in a conversation that keeps no more.
    `asked_anew`: what it said before needed no answer, and is perhaps not kept.
    """
    i = interaction
    c = conversation or Conversation(i.product, i.account, i.thread, i.customer, i.app, i.private)
    known = c.questions.get(i.id)
    incoming = _question(i, intent, needs_answer, asked_anew=asked_anew)
    if conversation and not known and not (incoming.needs_answer or incoming.deleted or c.state is State.OPEN):
        return conversation
    if conversation and not known and again and len(c.questions) >= REMEMBERED:
        return conversation
    question = _meet(known, incoming, i.recovered_at is not None, now) if known else incoming
    question = _without_words(question) if question.deleted else question
    window = i.at + i.window if i.window and not i.deleted else None
    new = replace(
        c,
        app=i.app or c.app,
        post=i.post or c.post,
        private=i.private,
        questions={**c.questions, i.id: question},
        window_closes_at=max(filter(None, (window, c.window_closes_at)), default=None),
    )
    return arrange(c, answer_all(new, thread, clocks), clocks, now)


def _question(i: Interaction, intent: str | None, needs_answer: bool, *, asked_anew: bool) -> Question:
    text_at = i.text_at or i.at
    missed = i.kind is not Kind.EDIT or text_at - i.at <= MISSED
    return Question(
        at=i.at,
        received_at=i.received_at,
        text_at=text_at,
        intent=intent,
        needs_answer=needs_answer and missed,
        deleted=i.deleted,
        hidden_at=i.hidden_at,
        shown_at=i.shown_at,
        asked_at=text_at if i.edited else None,
        waits_since=text_at if asked_anew else min(i.at, i.received_at),
        edited=i.edited,
        words=fingerprint(i.text),
        root=i.id == i.thread or (i.parent is None and i.begins is not False),
    )


def _meet(known: Question, incoming: Question, recovered: bool, now: datetime) -> Question:
    """Both in one, whichever was written last: `incoming` can come from a worker that was overtaken.

    A text that is the same apart from punctuation changes nothing, because staff may have corrected or closed it; one
    that is not has to be answered as it reads now, by a reply that came after it.
    """
    later = (incoming.text_at, incoming.edited) >= (known.text_at, known.edited)
    told = known.waits_since is not None or incoming.text_at > known.text_at  # not by the release before
    rewritten = later and ((incoming.words != known.words and told) or (known.deleted and recovered))
    newer = incoming if rewritten else known
    text_at = max(known.text_at, incoming.text_at)
    met = replace(
        known,
        at=min(known.at, incoming.at),
        received_at=min(known.received_at, incoming.received_at),
        text_at=text_at,
        version_at=None if rewritten else known.version_at or (known.text_at if text_at != known.text_at else None),
        closed_text_at=text_at if known.closed and not rewritten else known.closed_text_at,
        edited=known.edited or incoming.edited,
        words=newer.words or incoming.words,
        intent=newer.intent,
        needs_answer=newer.needs_answer,
        asked_at=incoming.text_at if rewritten and incoming.edited else known.asked_at,
        deleted=incoming.deleted or (known.deleted and not recovered),
        hidden_at=max(filter(None, (known.hidden_at, incoming.hidden_at)), default=None),
        shown_at=max(filter(None, (known.shown_at, incoming.shown_at)), default=None),
        root=incoming.root,
    )
    if rewritten and (known.resolved or _answers_what_stood_before(known, text_at)):
        met = replace(met, resolved=False, answered_at=None, answered_by=None)
    if met.pending and not known.pending:
        began = text_at if rewritten else met.shown_at if known.hidden else None
        met = replace(met, waits_since=min(began or now, now))
    fresh = met.intent != known.intent or met.waits_since != known.waits_since
    return replace(met, promised_by=None) if fresh else met


def _answers_what_stood_before(q: Question, text_at: datetime) -> bool:
    """Whether its answer is to a text that a newer one, of `text_at`, has replaced. On the platform people answer what
    stands there; from the e-mail they answer what their page had shown, and a text may be told of later."""
    return bool(q.answered_at and (q.answered_at <= text_at or (q.answered_by or "").startswith(STAFF)))


def _without_words(q: Question) -> Question:
    """What a deleted text was about is nobody's business any more."""
    return replace(
        q,
        intent=None,
        needs_answer=True,
        text_at=q.at,
        version_at=None,
        words="",
        edited=False,
        asked_at=None,
        promised_by=None,
    )


def apply_replies(conversation: Conversation, thread: Thread, clocks: Clocks, now: datetime) -> Conversation:
    """`conversation` with the brand's replies in its thread applied."""
    return arrange(conversation, _reopened(conversation, answer_all(conversation, thread, clocks), now), clocks, now)


def _reopened(old: Conversation, new: Conversation, now: datetime) -> Conversation:
    """`new` where what waits again does so from now on."""
    again = {
        i: q for i, q in new.questions.items() if q.pending and i in old.questions and not old.questions[i].pending
    }
    if not again:
        return new
    since = {i: replace(q, waits_since=now, promised_by=None) for i, q in again.items()}
    return replace(new, questions={**new.questions, **since})


def brand_reply(
    interaction: Interaction, to: str | None = None, *, automatic: bool = False, person: bool = False
) -> BrandReply:
    """What a thread remembers of the brand's (merged) `interaction`, which answers the customer `to` as far as that is
    known. One that was taken back, hidden or not delivered answers nobody."""
    i = interaction
    return BrandReply(i.at, i.parent, i.to or to, i.deleted or i.hidden or i.undelivered, automatic, person)


def add_reply(thread: Thread, id: str, reply: BrandReply) -> Thread:
    """`thread` with the brand's `reply`; this one and the newest others are kept."""
    return replace(thread, replies=_with(thread.replies, id, reply, REMEMBERED))


def note_reply(conversation: Conversation, id: str, reply: BrandReply) -> Conversation:
    """The same for a conversation whose thread nobody else is in: one write for the reply and for what it answers."""
    return replace(conversation, replies=_with(conversation.replies, id, reply, NOTED))


def _with(said: Mapping[str, BrandReply], id: str, reply: BrandReply, most: int) -> dict[str, BrandReply]:
    others = sorted((not r.automatic, r.at, known) for known, r in said.items() if known != id)[1 - most :]
    times = [(at, known) for _, at, known in others]  # what machines say answers nobody, and goes first
    return {known: reply if known == id else said[known] for _, known in sorted([*times, (reply.at, id)])}


# --- acknowledging: at most one automatic reply an interaction, ever -------------------------------------------------


def claim(conversation: Conversation, id: str, acknowledgement: Acknowledgement) -> Conversation:
    """`conversation` with the acknowledgement of interaction `id` claimed; unchanged when there is one already."""
    known = conversation.acknowledgements.get(id)
    if known and known.state is not Outcome.PENDING:
        return conversation
    return replace(conversation, acknowledgements={**conversation.acknowledgements, id: acknowledgement})


def take_back(conversation: Conversation, id: str, tokens: Collection[str], why: str) -> Conversation:
    """`conversation` without the claims of `tokens`, of which nothing was posted, and with the label of why its
    question `id` is not replied to."""
    kept = {
        name: ack
        for name, ack in conversation.acknowledgements.items()
        if ack.token not in tokens or ack.state is not Outcome.CLAIMED
    }
    return keep_silence(replace(conversation, acknowledgements=kept), id, why)


def keep_silence(conversation: Conversation, id: str, why: str) -> Conversation:
    """`conversation` with the label of why its question `id` gets no automatic reply."""
    question = conversation.questions.get(id)
    if question is None or question.silence == why or id in conversation.acknowledgements:
        return conversation
    return replace(conversation, questions={**conversation.questions, id: replace(question, silence=why)})


def record(
    conversation: Conversation,
    id: str,
    token: str,
    state: Outcome,
    clocks: Clocks,
    now: datetime,
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
    new = replace(conversation, acknowledgements=acknowledgements, questions=questions)
    return arrange(conversation, new, clocks, now)


def undelivered(conversation: Conversation, reply_id: str, clocks: Clocks, now: datetime) -> Conversation:
    """The platform says that our reply `reply_id`, which it had taken, did not arrive: what "sent" had settled is open
    again. It is not posted a second time."""
    for id, ack in conversation.acknowledgements.items():
        if ack.id == reply_id and ack.state is not Outcome.REFUSED:
            acknowledgements = {**conversation.acknowledgements, id: replace(ack, state=Outcome.REFUSED)}
            questions = dict(conversation.questions)
            if ack.resolves and id in questions:
                questions[id] = replace(questions[id], resolved=False)
            new = replace(conversation, acknowledgements=acknowledgements, questions=questions)
            return arrange(conversation, _reopened(conversation, new, now), clocks, now)
    return conversation


# --- notices: at most one e-mail for each (conversation, tier), none lost --------------------------------------------


def claim_notice(conversation: Conversation, key: str, token: str, now: datetime) -> Conversation:
    """Claims the pending notice `key` (round.tier) for sending, or withdraws it when nothing waits for it any more."""
    notice = conversation.notices.get(key)
    if notice is None or notice.state is not Outcome.PENDING:
        return conversation
    if _still_wanted(conversation, notice):
        lease = URGENT_LEASE if notice.urgent else NOTICE_LEASE
        notice = replace(notice, state=Outcome.CLAIMED, token=token, again_at=now + lease)
    else:
        notice = replace(notice, state=Outcome.WITHDRAWN, again_at=None)
    return replace(conversation, notices={**conversation.notices, key: notice})


def _still_wanted(c: Conversation, notice: Notice) -> bool:
    """Whether something waits on the notice's own ladder: what was asked since has another, and a call of its own. A
    team that was named is told of all that is open, and that of one of many ladders too: it may be joined. What came
    back goes to the fallback as long as anything is open."""
    if c.state is not State.OPEN:
        return False
    return bool(notice.team) or notice.fallback or len(c.ladders) >= OPEN_LADDERS or bool(c.waiting_on(notice.round))


def record_notice(
    conversation: Conversation,
    key: str,
    state: Outcome,
    *,
    token: str | None = None,
    id: str | None = None,
    again_at: datetime | None = None,
    at: datetime | None = None,
    email: str = "",
) -> Conversation:
    """The outcome of sending notice `key`, `at`, in the e-mail called `email`, from the one who holds the claim `token`
    (None: SES's own word); one that was sent stays sent, and word of an e-mail that came back since says nothing."""
    notice = conversation.notices.get(key)
    if notice is None or notice.state is Outcome.SENT or (token is not None and notice.token != token):
        return conversation
    if token is None and email in notice.emails:
        return conversation
    sent_at = at if state is Outcome.SENT else notice.sent_at
    emails = (*notice.emails, email) if email and email not in notice.emails else notice.emails
    notice = replace(notice, state=state, id=id or notice.id, again_at=again_at, sent_at=sent_at, emails=emails)
    return replace(conversation, notices={**conversation.notices, key: notice})
