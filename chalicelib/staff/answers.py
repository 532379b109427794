"""A person's answer, posted as the brand by the protocol of acknowledgements: claimed, posted once, recorded. At most
once, whatever fails; what may have been posted is never posted again without somebody having looked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from chalicelib import platforms
from chalicelib.conversations import staff_rules
from chalicelib.conversations.conversation import Conversation, Outcome, PersonalAnswer
from chalicelib.conversations.interaction import Interaction, Reading
from chalicelib.handlers.posting import Poster
from chalicelib.outcomes.types import Outcomes, Replied
from chalicelib.platforms.base import Reply
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.private_answers import PrivateAnswers
from chalicelib.storage.store import ConversationKey, Store

_LONGEST_DRAFT = 200_000  # characters of a form or an e-mail that are looked at: no platform takes so many


class Problem(StrEnum):
    """Why nothing was posted: the phrase that says so."""

    EMPTY = "no_text_given"
    TOO_LONG = "too_long"
    LINKS = "no_links"
    WINDOW = "window_over"
    NO_ACCOUNT = "no_account"
    NOT_REPLIABLE = "cannot_answer"
    ANSWERED = "answered_meanwhile"
    UNSURE = "unsure_before"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants posted. `id` makes it happen once; `shown` are the tags of what they had before them;
    `again` says that they have looked and want it posted all the same."""

    id: str
    who: str
    text: str
    shown: tuple[str, ...]
    private: bool = False
    again: bool = False
    by_mail: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of it: a `problem` (then `fits` characters would fit), or the `answer` with its outcome; `wait` is
    how long the platform takes none."""

    problem: Problem | None = None
    answer: PersonalAnswer | None = None
    fits: int = 0
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Answerer:
    """What answering works with."""

    store: Store
    playbook: Playbook
    poster: Poster
    new_token: Callable[[], str]
    outcomes: Outcomes

    def answer(self, key: ConversationKey, draft: Draft, now: Callable[[], datetime]) -> Result:
        """Posts `draft` unless something speaks against it. The same draft again gives the same result."""
        c = self.store.conversation(key)
        if c is None:
            return Result(Problem.NOT_REPLIABLE)
        known = c.answers.get(draft.id)
        if known and known.state is not Outcome.PENDING:
            return Result(answer=known)
        to = self.target(c, draft.shown)
        if to is None:
            return Result(Problem.NOT_REPLIABLE)
        if found := self._problem(c, to, draft, now()):
            return found
        token = self.new_token()
        if _is_private(to, draft.private):
            PrivateAnswers(self.store).note(key, draft.id, draft.text, now())
        after = self._claim(key, draft, to, token, now())
        if after is None:
            return Result(Problem.NOT_REPLIABLE)
        held = after.answers.get(draft.id)
        if held is None:  # somebody else answered in this moment, or is about to
            return Result(Problem.ANSWERED)
        return self._post(after, draft, to, held, now) if held.token == token else Result(answer=held)

    def target(self, c: Conversation, shown: tuple[str, ...]) -> Interaction | None:
        """What the answer is posted under: the newest shown question that waits for one, else the newest at all."""
        open_ones = staff_rules.open_questions(c, shown)
        others = sorted(((i, q) for i, q in c.questions.items() if not q.deleted), key=lambda row: row[1].at)
        for id, _ in (*reversed(open_ones), *reversed(others)):
            found = self.store.interaction(c.product, c.account, id)
            if found and not found.deleted and found.repliable and found.author is not None:
                return found
        return None

    def wording(self, to: Interaction, text: str, private: bool) -> str:
        """`text` as the platform would show it: cut, without links where it allows none."""
        return self.poster.wording(to, text, _is_private(to, private))

    def _problem(self, c: Conversation, to: Interaction, draft: Draft, now: datetime) -> Result | None:
        if not draft.text.strip():
            return Result(Problem.EMPTY)
        if self.poster.owner(to) is None:
            return Result(Problem.NO_ACCOUNT)
        if to.window and c.window_closes_at and c.window_closes_at <= now:
            return Result(Problem.WINDOW)
        posted = self.wording(to, draft.text, draft.private)
        if posted != draft.text:
            cut = posted.endswith("…") and draft.text.startswith(posted[:-1][:40])
            return Result(Problem.TOO_LONG, fits=len(posted) - 1) if cut else Result(Problem.LINKS)
        if draft.again:
            return None
        if any(staff_rules.unsure(a, now) for i, a in c.answers.items() if i != draft.id):
            return Result(Problem.UNSURE)
        if staff_rules.open_questions(c, draft.shown):
            return None
        return Result(Problem.STALE if staff_rules.open_questions(c) else Problem.ANSWERED)

    def _claim(
        self, key: ConversationKey, draft: Draft, to: Interaction, token: str, now: datetime
    ) -> Conversation | None:
        """The conversation after the claim, whoever holds it; None when it is there no more."""
        claim = PersonalAnswer(
            Outcome.CLAIMED, now, draft.who, to.id, draft.text, token, draft.shown, by_mail=draft.by_mail
        )

        def change(old: Conversation) -> Conversation:
            if not draft.again and not staff_rules.nobody_answers(old, draft.id, draft.shown):
                return old
            return staff_rules.claim_answer(old, draft.id, claim)

        done = self.store.update_conversation(key, change, now)
        return done.after if done else None

    def _post(
        self, c: Conversation, draft: Draft, to: Interaction, answer: PersonalAnswer, now: Callable[[], datetime]
    ) -> Result:
        """One POST, and what became of it recorded."""
        reply = Reply(to, draft.text, answer.token, now(), _is_private(to, draft.private))
        state, reply_id, wait, code = self.poster.post(reply)

        def change(old: Conversation) -> Conversation:
            return staff_rules.record_answer(
                old, draft.id, state, self.playbook, now(), token=answer.token, reply_id=reply_id, code=code
            )

        done = self.store.update_conversation(ConversationKey.of(c), change, now())
        after = done.after.answers.get(draft.id, answer) if done else answer
        late = (now() - to.received_at).total_seconds()
        reading = to.reading or Reading("", 0.0, 0.0, None, False)
        result = "refused" if state is Outcome.PENDING else state.value
        self.outcomes.replied(
            Replied(to, c.id, reading.intent, draft.text, result, code, late, person=draft.who or "somebody")
        )
        return Result(answer=after, wait=wait)


def _is_private(to: Interaction, wanted: bool) -> bool:
    """Whether the answer to a public question goes by a message of its own: if that is wanted, where there are such."""
    return wanted and not to.private and platforms.product(to.product).private_replies


def once_id(once: str, *asked_for: str) -> str:
    """What makes a form happen once: the same one sent twice, and not another one from a page that was gone back to."""
    return sha256("\0".join((once, *asked_for)).encode()).hexdigest()[:32]


def draft_text(text: str) -> str:
    """The text of a form or an e-mail as it is posted: lines ended alike, nothing invisible, no white space around."""
    # start-up time: only an answer that is being written needs it
    from chalicelib.emails.safe_text import clean

    return clean(text, _LONGEST_DRAFT).strip()
