"""The pure rules about what staff do: each act applies to what the page had shown and to nothing that came later.

A page names what it shows by the questions' tags (`conversation.tag`). An act is stored with them; what it changes can
be put back for UNDO_WITHIN.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.conversations import rules
from chalicelib.conversations.answers import same_words
from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import (
    STAFF,
    Act,
    Conversation,
    Deed,
    Notice,
    Outcome,
    PersonalAnswer,
    Question,
    tag,
)
from chalicelib.conversations.interaction import Interaction
from chalicelib.conversations.ladders import Clocks, again_in, arrange

UNDO_WITHIN = timedelta(minutes=10)
LEASE = timedelta(seconds=60)  # a claimed answer without an outcome by then may have been posted
REMEMBERED = 40  # acts and answers
WORDS = 120_000  # bytes of the answers that are kept whole; an item of the table has 400 KB
BEGINNING = 200  # characters
_MAY_BE_OUT = frozenset({Outcome.CLAIMED, Outcome.UNKNOWN})


def shown(conversation: Conversation, listed: int | None = None) -> tuple[str, ...]:
    """The version of a conversation: the tags of all that was asked in it and not deleted; of what waits for an answer
    only the oldest `listed`, where a reader sees no more."""
    unseen = {i for i, _ in open_questions(conversation)[listed:]} if listed is not None else set()
    return tuple(tag(i, q) for i, q in conversation.questions.items() if not q.deleted and i not in unseen)


def open_questions(conversation: Conversation, tags: Collection[str] | None = None) -> list[tuple[str, Question]]:
    """What waits for an answer, oldest first; only what `tags` names, where they are given."""
    found = [(i, q) for i, q in conversation.questions.items() if q.pending and (tags is None or tag(i, q) in tags)]
    return sorted(found, key=lambda row: (row[1].at, row[0]))


def came_later(conversation: Conversation, tags: Collection[str]) -> list[tuple[str, Question]]:
    """What waits for an answer and was not on the page: the customer has written since."""
    return [(i, q) for i, q in open_questions(conversation) if tag(i, q) not in tags]


class Wish(NamedTuple):
    """What a person asks for. `id` makes it happen once; `shown` are the tags of what their page had shown."""

    id: str
    deed: Deed
    who: str
    shown: tuple[str, ...]
    until: datetime | None = None
    team: str = ""
    intent: str = ""
    note: str = ""
    link: str = ""


def act(conversation: Conversation, wish: Wish, clocks: Clocks, now: datetime) -> Conversation:
    """`conversation` after `wish`; unchanged when it was granted before, or when nothing that it names is there."""
    if wish.id in conversation.acts:
        return conversation
    reopens = wish.deed is Deed.REOPEN
    names = set(wish.shown)
    asked = {i: q for i, q in conversation.questions.items() if tag(i, q) in names and not q.deleted}
    meant = {i: q for i, q in asked.items() if q.pending is not reopens}
    if not meant:
        return conversation
    done = Act(
        wish.deed,
        now,
        wish.who,
        tuple(tag(i, q) for i, q in meant.items()),
        until=wish.until,
        team=wish.team,
        intent=wish.intent,
        note=wish.note,
        before={i: q.intent or "" for i, q in meant.items()} if wish.deed is Deed.CORRECT else {},
        link=wish.link,
    )
    changed = {i: _changed(q, wish, now) for i, q in meant.items()}
    c = replace(
        conversation,
        questions={**conversation.questions, **changed},
        acts=_newest({**conversation.acts, wish.id: done}),
    )
    if wish.deed in (Deed.HAND_OVER, Deed.CORRECT) and wish.team and not clocks.is_urgent(wish.intent or None):
        c = _told(c, wish.team, now, urgent=wish.deed is Deed.HAND_OVER and _is_urgent(c, meant.values()))
    return arrange(conversation, c, clocks, now)


def _changed(question: Question, wish: Wish, now: datetime) -> Question:
    if wish.deed in (Deed.CLOSE, Deed.ANSWERED):
        return replace(question, closed_text_at=question.text_at)
    if wish.deed is Deed.CORRECT:
        return replace(question, intent=wish.intent, promised_by=None)
    if wish.deed is Deed.REOPEN:
        opened = replace(question, closed_text_at=None, answered_at=None, answered_by=None)
        # what was said before does not answer it any more
        return replace(opened, resolved=False, needs_answer=True, asked_at=now, waits_since=now, promised_by=None)
    return question


def _is_urgent(c: Conversation, questions: Iterable[Question]) -> bool:
    """Whether one of them waits on an urgent ladder."""
    ladders = (c.ladders.get(str(q.round)) for q in questions)
    return any(ladder.urgent for ladder in ladders if ladder)


def _told(c: Conversation, team: str, now: datetime, *, urgent: bool) -> Conversation:
    """A notice of its own for a team that is told at once; the tiers go on beside it."""
    notice = Notice(max(c.tier, 1), now, again_at=now + again_in(urgent), team=team, round=c.round, urgent=urgent)
    place = f"{c.round}.{c.tier}+"
    last = max((int(name.removeprefix(place)) for name in c.notices if name.startswith(place)), default=0)
    return replace(c, notices={**c.notices, f"{place}{last + 1}": notice})


def undo(conversation: Conversation, id: str, clocks: Clocks, now: datetime) -> Conversation:
    """`conversation` without the act `id`, as long as that can be taken back; otherwise unchanged.

    What a hand-over told a team stays told.
    """
    done = conversation.acts.get(id)
    if done is None or not can_undo(done, now):
        return conversation
    questions = {
        i: _put_back(i, q, done) if tag(i, q) in done.questions else q for i, q in conversation.questions.items()
    }
    acts = {**conversation.acts, id: replace(done, undone_at=now)}
    return arrange(conversation, replace(conversation, questions=questions, acts=acts), clocks, now)


def can_undo(done: Act, now: datetime) -> bool:
    """An answer was posted: it cannot; anything else can for UNDO_WITHIN."""
    return done.deed is not Deed.ANSWER and not done.undone_at and now - done.at <= UNDO_WITHIN


def _put_back(id: str, question: Question, done: Act) -> Question:
    if done.deed in (Deed.CLOSE, Deed.ANSWERED):
        return replace(question, closed_text_at=None)
    if done.deed is Deed.CORRECT:
        return replace(question, intent=done.before.get(id) or None, promised_by=None)
    if done.deed is Deed.REOPEN:
        return replace(question, closed_text_at=question.text_at)
    return question


# --- answering as the brand: at most once ----------------------------------------------------------------------------


def nobody_answers(conversation: Conversation, id: str, tags: Collection[str]) -> list[tuple[str, Question]]:
    """What waits for an answer of what `tags` names, and has none on its way but the answer `id`."""
    under_way = [a for i, a in conversation.answers.items() if i != id and a.state in _MAY_BE_OUT]
    return open_questions(conversation, set(tags).difference(*(a.questions for a in under_way)))


def claim_answer(conversation: Conversation, id: str, answer: PersonalAnswer) -> Conversation:
    """`conversation` with the answer `id` claimed; unchanged when it is there already and was not held back."""
    known = conversation.answers.get(id)
    if known and known.state is not Outcome.PENDING:
        return conversation
    return replace(conversation, answers=_within_bounds(_newest({**conversation.answers, id: answer})))


def record_answer(
    conversation: Conversation,
    id: str,
    state: Outcome,
    clocks: Clocks,
    now: datetime,
    *,
    token: str | None = None,
    reply_id: str | None = None,
    code: str = "",
) -> Conversation:
    """The outcome of posting the answer `id` (from the holder of `token`; None: the platform's own word). One that was
    sent answers what the page had shown."""
    answer = conversation.answers.get(id)
    if answer is None or answer.state is Outcome.SENT or (token is not None and token != answer.token):
        return conversation
    answer = replace(answer, state=state, id=reply_id or answer.id, code=code)
    c = replace(conversation, answers={**conversation.answers, id: answer})
    if state is not Outcome.SENT:
        return c
    questions = {
        i: replace(q, answered_at=max(answer.at, q.at), answered_by=f"{STAFF}{id}")
        if q.pending and tag(i, q) in answer.questions
        else q
        for i, q in c.questions.items()
    }
    done = Act(Deed.ANSWER, answer.at, answer.who, answer.questions)
    acts = _newest({**c.acts, id: done})
    return arrange(conversation, replace(c, questions=questions, acts=acts), clocks, now)


def undelivered(conversation: Conversation, reply_id: str, clocks: Clocks, now: datetime) -> Conversation:
    """The platform could not deliver our reply `reply_id`, an acknowledgement or a person's answer, or somebody took it
    back there: what it had settled is open again, and it is not posted a second time."""
    c = rules.undelivered(conversation, reply_id, clocks, now)
    for id, answer in c.answers.items():
        if answer.id == reply_id and answer.state is not Outcome.REFUSED:
            questions = {
                i: replace(q, answered_at=None, answered_by=None, waits_since=now, promised_by=None)
                if q.answered_by == f"{STAFF}{id}"
                else q
                for i, q in c.questions.items()
            }
            failed = replace(answer, state=Outcome.REFUSED, code="undelivered")
            return arrange(c, replace(c, questions=questions, answers={**c.answers, id: failed}), clocks, now)
    return c


def our_answer(conversations: Collection[Conversation], reply: Interaction) -> tuple[Conversation, str] | None:
    """The conversation and answer that came back as the brand's `reply`: by id or token, else by its words, the one
    under whose question it stands before others. "" for the answer where the words are of several and nothing tells
    whose came back: it is ours, and settles nothing."""
    alike: list[tuple[bool, Conversation, str]] = []
    for c in conversations:
        for id, answer in c.answers.items():
            if answer.state is Outcome.REFUSED:
                continue
            if (answer.token and answer.token == reply.token) or (answer.id and answer.id == reply.id):
                return c, id
            if (
                answer.id is None
                and same_words(answer.text, reply.text)
                and not _is_for_another(c, reply, conversations)
            ):
                alike.append((answer.to != reply.parent, c, id))
    best = [(c, id) for elsewhere, c, id in alike if not elsewhere] or [(c, id) for _, c, id in alike]
    if not best:
        return None
    c, id = best[0]
    return (c, id) if all(other is c for other, _ in best) else (c, "")


def _is_for_another(c: Conversation, reply: Interaction, conversations: Collection[Conversation]) -> bool:
    """Whether the platform tells that the brand's `reply` is to another customer than that of `c`; some call what
    stands under a comment below the first one an answer to the first one."""
    if reply.to and reply.to != c.customer:
        return True
    if reply.parent in (None, reply.thread) or reply.parent in c.questions:
        return False
    return any(reply.parent in other.questions for other in conversations)


def unsure(answer: PersonalAnswer, now: datetime) -> bool:
    """Whether nobody knows if it was posted: look before you post again."""
    lapsed = answer.state is Outcome.CLAIMED and now - answer.at > LEASE
    return answer.state is Outcome.UNKNOWN or lapsed


def bounce(conversation: Conversation, key: str, now: datetime, email: str = "") -> Conversation:
    """Notice `key` goes to the fallback address, once, and by the same protocol as the first time; unchanged when it
    went there before, or when nothing waits for an answer any more. `email` is what came back: SES may say after that
    that it went out."""
    notice = conversation.notices.get(key)
    if notice is None or notice.fallback or not open_questions(conversation):
        return conversation
    emails = notice.emails if email in ("", *notice.emails) else (*notice.emails, email)
    again_at = now + again_in(notice.urgent)
    again = replace(notice, state=Outcome.PENDING, fallback=True, token="", id=None, again_at=again_at, emails=emails)
    return replace(conversation, notices={**conversation.notices, key: again})


def _within_bounds(answers: dict[str, PersonalAnswer]) -> dict[str, PersonalAnswer]:
    """The newest whole, as far as WORDS reaches; of older ones that were sent for certain the beginning is enough. A
    forum takes 32,000 characters an answer, and a conversation that cannot be written would lose the next one."""
    left, kept = WORDS, dict(answers)
    for id, answer in sorted(answers.items(), key=lambda row: row[1].at, reverse=True):
        left -= len(answer.text.encode())
        if left < 0 and answer.state is Outcome.SENT and answer.id and len(answer.text) > BEGINNING:
            kept[id] = replace(answer, text=f"{answer.text[:BEGINNING]}…")
    return kept


def _newest[T: (Act, PersonalAnswer)](rows: dict[str, T]) -> dict[str, T]:
    kept = sorted(rows.items(), key=lambda row: row[1].at)[-REMEMBERED:]
    return dict(kept)
