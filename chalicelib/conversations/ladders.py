"""Ladders: which questions share a promise, who is called about them next, and when. At most one e-mail for each
(conversation, tier), none lost."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import Conversation, Ladder, Notice, Outcome, Question, State

NOTICE_RETRY = timedelta(minutes=2)  # a queued notice that was not claimed by then is queued again
URGENT_RETRY = timedelta(minutes=1)  # the same for what is urgent: by the next sweep
LISTED = 40  # open questions that are kept: half of them the first, half the last, and as many urgent ones
REMEMBERED = 40  # settled questions, acknowledgements and settled notices kept beside the open ones
OPEN_LADDERS = 6  # of a kind; more than these are climbed together with the oldest
AT_ONCE = 3  # urgent calls about one conversation within `apart`; the next one waits until that has passed


class Clocks(Protocol):
    """What the playbook says about time: `chalicelib.playbook.policy.Playbook`."""

    @property
    def apart(self) -> timedelta:
        """The least time between two calls of one ladder."""

    @property
    def automatic_within(self) -> timedelta:
        """What the brand says so soon after a customer's first private message was said by a machine."""

    def is_urgent(self, intent: str | None) -> bool:
        """Whether a matter of this intent skips the wait."""

    def promise(self, intent: str | None, since: datetime) -> datetime:
        """By when a question that has waited since then is to be answered."""

    def next_call(
        self, intent: str | None, since: datetime, closes_at: datetime | None, ladder: Ladder
    ) -> datetime | None:
        """When the tier after the ladder's last one falls due; None when there is no such tier. `closes_at` is the end
        of the messaging window."""


def arrange(old: Conversation | None, new: Conversation, clocks: Clocks, now: datetime) -> Conversation:
    """`new` with every question that waits on a ladder, those that began to wait since `old` on a fresh one, and with
    what falls due when."""
    c = _still_promised(old, _upgraded(new, clocks))
    waited = {i for i, q in (old.questions if old else {}).items() if q.pending}
    waiting = [(id, q) for id, q in c.questions.items() if q.pending]
    if len(waiting) > 1:
        waiting.sort(key=lambda row: (row[1].since, row[1].at, row[0]))
    for id, q in waiting:
        ladder = c.ladders.get(str(q.round))
        if id not in waited or ladder is None or (clocks.is_urgent(q.intent) and not ladder.urgent):
            c = _place(c, id, q, clocks, now)
    return schedule(_bounded(_joined(c)), clocks)


def _still_promised(old: Conversation | None, c: Conversation) -> Conversation:
    """A promise that the customer was told stays theirs as long as they wait on it, whatever they are read to ask."""
    if old is None or not c.acknowledgements or old.questions is c.questions:
        return c
    kept = {}
    for id in _told(c):
        before, q = old.questions.get(id), c.questions.get(id)
        if before and q and before.promised_by and not q.promised_by and q.pending and before.since == q.since:
            kept[id] = replace(q, promised_by=before.promised_by)
    return replace(c, questions={**c.questions, **kept}) if kept else c


def _told(c: Conversation) -> set[str]:
    """The questions to which an automatic reply went out, or may have."""
    return {i for i, a in c.acknowledgements.items() if a.state in (Outcome.SENT, Outcome.UNKNOWN, Outcome.CLAIMED)}


def _upgraded(c: Conversation, clocks: Clocks) -> Conversation:
    """A conversation of the release before has one ladder, which only its round and tier tell of."""
    if c.ladders or not c.tier:
        return c
    pending = {i: q for i, q in c.questions.items() if q.pending}
    if not pending:
        return c
    oldest = min(pending.values(), key=lambda q: q.since)
    ladder = Ladder(clocks.is_urgent(oldest.intent), c.tier, None, c.escalated_at, c.escalated_at)
    rounds = {i: replace(q, round=c.round) for i, q in pending.items()}
    return replace(c, questions={**c.questions, **rounds}, ladders={str(c.round): ladder})


def _place(c: Conversation, id: str, question: Question, clocks: Clocks, now: datetime) -> Conversation:
    """`c` with the question on the ladder of its kind about which nobody was called yet, or on a new one."""
    urgent = clocks.is_urgent(question.intent)
    number = next((n for n, ladder in _ladders(c, urgent) if not ladder.tier), 0)
    if not number:
        number = c.round + 1 if c.tier or str(c.round) in c.ladders else c.round
        ladder = Ladder(urgent, not_before=_pace(c, clocks, now) if urgent else None)
        c = replace(c, round=number, tier=0, ladders={**c.ladders, str(number): ladder})
    return replace(c, questions={**c.questions, id: replace(question, round=number)})


def _pace(c: Conversation, clocks: Clocks, now: datetime) -> datetime | None:
    """None for at once; later when the same conversation called so often just now."""
    told = sorted(ladder.told_at for _, ladder in _ladders(c, True) if ladder.told_at)
    recent = [t for t in told if t > now - clocks.apart]
    return recent[-1] + clocks.apart if len(recent) >= AT_ONCE else None


def _ladders(c: Conversation, urgent: bool) -> list[tuple[int, Ladder]]:
    return sorted((int(n), ladder) for n, ladder in c.ladders.items() if ladder.urgent == urgent) if c.ladders else []


def _joined(c: Conversation) -> Conversation:
    """At most OPEN_LADDERS of a kind: the second oldest, about which its team was called, climbs with the oldest."""
    if len(c.ladders) <= OPEN_LADDERS:
        return c
    for urgent in (False, True):
        numbers = [n for n, _ in _ladders(c, urgent) if c.waiting_on(n)]
        while len(numbers) > OPEN_LADDERS:
            first, second = numbers[0], numbers.pop(1)
            joined = {i: replace(q, round=first) for i, q in c.questions.items() if q.round == second and q.pending}
            c = replace(c, questions={**c.questions, **joined})
    return c


def _bounded(c: Conversation) -> Conversation:
    """`c` within bounds, whatever came: open questions in the middle are only counted."""
    if len(c.questions) <= min(LISTED, REMEMBERED) and not c.unlisted:
        return _with_few_notices(c)
    questions = dict(c.questions)
    settled = sorted((q.at, i) for i, q in questions.items() if not q.pending)
    for _, id in settled[:-REMEMBERED]:
        del questions[id]
    unlisted = c.unlisted if c.state is State.OPEN else 0
    for urgent in (False, True):
        waiting = sorted((q.at, i) for i, q in questions.items() if q.pending and _is_on(c, q, urgent))
        for _, id in waiting[LISTED // 2 : len(waiting) - LISTED // 2]:
            q = questions[id]
            if any(o.pending and o.round == q.round and o.since <= q.since for i, o in questions.items() if i != id):
                del questions[id]  # another one of its ladder has waited longer, so nobody is called later
                unlisted += 1
    if len(questions) == len(c.questions) and unlisted == c.unlisted:
        return _with_few_notices(c)
    return _with_few_notices(replace(c, questions=questions, unlisted=unlisted))


def _is_on(c: Conversation, question: Question, urgent: bool) -> bool:
    ladder = c.ladders.get(str(question.round))
    return bool(ladder and ladder.urgent) == urgent


def _with_few_notices(c: Conversation) -> Conversation:
    """Settled notices and acknowledgements of long ago are of no use: what they guard against is over."""
    if max(len(c.notices), len(c.acknowledgements)) <= REMEMBERED:
        return c
    gone = _older([(n.due_at, i) for i, n in c.notices.items() if n.again_at is None])
    acks = _older([(a.at, i) for i, a in c.acknowledgements.items() if i not in c.questions])
    if not gone and not acks:
        return c
    return replace(
        c,
        notices={i: n for i, n in c.notices.items() if i not in gone},
        acknowledgements={i: a for i, a in c.acknowledgements.items() if i not in acks},
    )


def _older(rows: Iterable[tuple[datetime, str]]) -> set[str]:
    return {i for _, i in sorted(rows)[:-REMEMBERED]}


def schedule(conversation: Conversation, clocks: Clocks) -> Conversation:
    """Sets when each ladder falls due, from the oldest promise on it, and drops those that nothing waits on. A question
    that somebody has claimed or put off waits until then."""
    c = conversation
    questions = _all_promised(c.questions, clocks)
    waiting: dict[int, list[tuple[str, Question]]] = {}
    for i, q in questions.items():
        if q.pending:
            waiting.setdefault(q.round, []).append((i, q))
    ladders: dict[str, Ladder] = {}
    first: datetime | None = None
    for number, ladder in c.ladders.items():
        if on_it := waiting.get(int(number)):
            times = [t for i, q in _first_of_each(c, on_it) if (t := _call(c, i, q, ladder, clocks))]
            due_at = min(times) if times else None
            ladders[number] = ladder if ladder.due_at == due_at else replace(ladder, due_at=due_at)
            first = min(first, due_at) if first and due_at else first or due_at
    newest = ladders.get(str(c.round))
    tier = newest.tier if newest else c.tier
    if questions is c.questions and tier == c.tier and first == c.due_at and ladders == c.ladders:
        return c
    return replace(c, questions=questions, ladders=ladders, tier=tier, due_at=first)


def forget_promises(c: Conversation) -> Conversation:
    """`c` without the promises that nobody was told, so that they are made anew."""
    told = _told(c)
    questions = {i: replace(q, promised_by=None) if q.pending and i not in told else q for i, q in c.questions.items()}
    return replace(c, questions=questions)


def _all_promised(questions: dict[str, Question], clocks: Clocks) -> dict[str, Question]:
    """The same ones where each that needs an answer has its promise."""
    new = {
        i: replace(q, promised_by=clocks.promise(q.intent, q.since))
        for i, q in questions.items()
        if not q.promised_by and q.needs_answer and not q.deleted
    }
    return {**questions, **new} if new else questions


def _first_of_each(c: Conversation, waiting: list[tuple[str, Question]]) -> list[tuple[str, Question]]:
    """The oldest of each intent, because the others fall due later; and whatever is put off."""
    if len(waiting) == 1:
        return waiting
    first: dict[str | None, tuple[str, Question]] = {}
    held = [(i, q) for i, q in waiting if c.held_until(i)]
    for i, q in waiting:
        if (i, q) not in held and (q.intent not in first or q.since < first[q.intent][1].since):
            first[q.intent] = i, q
    return [*first.values(), *held]


def _call(c: Conversation, id: str, q: Question, ladder: Ladder, clocks: Clocks) -> datetime | None:
    closes = c.window_closes_at if c.window_closes_at and c.window_closes_at > q.since else None
    at = clocks.next_call(q.intent, q.since, closes, ladder)
    if not c.acts and not ladder.not_before:
        return at
    # whoever is on it took it for something that can wait: the people for what is urgent are called once all the same
    held = None if ladder.urgent and not ladder.tier else c.held_until(id)
    later = [t for t in (held, ladder.not_before if not ladder.tier else None) if t]
    return max(at, *later) if at and later else at


def again_in(urgent: bool) -> timedelta:
    """When a notice of which nothing is heard is queued again."""
    return URGENT_RETRY if urgent else NOTICE_RETRY


def _queued_again(n: Notice, now: datetime) -> Notice:
    return replace(n, state=Outcome.PENDING, again_at=now + again_in(n.urgent))


def escalate(conversation: Conversation, clocks: Clocks, now: datetime) -> Conversation:
    """The next tier of every ladder that is overdue, with its notice pending; notices without an outcome are set to be
    queued again; otherwise unchanged. The conversation is an arranged one: `rules.apply_replies` comes before."""
    c = conversation
    notices = {key: _queued_again(n, now) if n.again_at and n.again_at <= now else n for key, n in c.notices.items()}
    ladders = dict(c.ladders)
    for number, ladder in c.ladders.items():
        if ladder.due_at is None or ladder.due_at > now:
            continue
        tier, about = ladder.tier + 1, c.waiting_on(int(number))[0].intent
        again_at, urgent = now + again_in(ladder.urgent), ladder.urgent
        notices[f"{number}.{tier}"] = Notice(
            tier, ladder.due_at, again_at=again_at, round=int(number), urgent=urgent, intent=about
        )
        ladders[number] = replace(ladder, tier=tier, called_at=now, told_at=ladder.told_at or now)
    if ladders == c.ladders:
        return replace(c, notices=notices) if notices != c.notices else c
    return schedule(replace(c, ladders=ladders, notices=notices, escalated_at=now), clocks)
