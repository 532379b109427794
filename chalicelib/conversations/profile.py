"""What is known of a customer at one account, from the conversations that are stored: for who answers them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.conversations.conversation import Conversation, Question

RECENT = timedelta(days=30)
_COMPLAINTS = ("complaint", "legal_safety")


@dataclass(frozen=True, slots=True)
class Profile:
    """`recent` counts the questions of the last 30 days, this one among them; `last_wait` is how long the question
    before waited for a person (until now, where nobody has answered) and `last_unheard` that it still does. `intents`
    are the most frequent first, `complaints` how many of `questions` were complaints."""

    questions: int
    recent: int
    last_wait: timedelta | None
    last_unheard: bool
    intents: tuple[str, ...]
    complaints: int
    since: datetime | None

    @property
    def returning(self) -> bool:
        """Whether there is anything to say: the customer has asked before."""
        return self.questions > 1


def profile(conversations: Iterable[Conversation], now: datetime) -> Profile:
    """The profile of one customer at `now`, from all their conversations. What was deleted or needed no answer counts
    for nothing."""
    asked = sorted(_asked(conversations), key=lambda q: q.at)
    before = asked[-2] if len(asked) > 1 else None
    unheard = before is not None and before.answered_at is None and not before.resolved and before.pending
    kinds = Counter(q.intent for q in asked if q.intent)
    return Profile(
        questions=len(asked),
        recent=sum(1 for q in asked if q.at > now - RECENT),
        last_wait=_wait(before, now) if before else None,
        last_unheard=unheard,
        intents=tuple(intent for intent, _ in kinds.most_common(3)),
        complaints=sum(n for intent, n in kinds.items() if intent in _COMPLAINTS),
        since=asked[0].at if asked else None,
    )


def _asked(conversations: Iterable[Conversation]) -> Iterator[Question]:
    for c in conversations:
        for q in c.questions.values():
            if not q.deleted and (q.needs_answer or q.answered_at):
                yield q


def _wait(q: Question, now: datetime) -> timedelta | None:
    if q.answered_at:
        return q.answered_at - q.at
    return now - q.at if q.pending else None
