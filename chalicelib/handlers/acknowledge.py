"""Acknowledging: the decision, the claim and the one POST behind an automatic reply. At most one an interaction, ever.

States of a claim: none → claimed → sent, refused or unknown. Only a definite no leads back to another attempt;
whatever may have been posted is never posted again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import platforms
from chalicelib.apps import Account, Apps
from chalicelib.conversations import rules
from chalicelib.conversations.addressing import begun_by_another, for_somebody_else, in_others_thread, person_wrote
from chalicelib.conversations.answers import automatic
from chalicelib.conversations.conversation import Acknowledgement, Conversation, Outcome, State, Thread
from chalicelib.conversations.interaction import Interaction, Kind, Reading
from chalicelib.conversations.why import Why
from chalicelib.handlers.breaker import Breaker
from chalicelib.outcomes.types import Replied
from chalicelib.platforms.base import Blocked, NotSent, OutcomeUnknown, Refused, Reply, TokenInvalid
from chalicelib.platforms.http import Http
from chalicelib.playbook.policy import Answer, Place, Playbook
from chalicelib.storage import names
from chalicelib.storage.optouts import OptOuts
from chalicelib.storage.store import ConversationKey, Store

_PASSING = frozenset({Why.NOTHING_OPEN, Why.OVERTAKEN, Why.ALREADY})  # they say nothing of the question
_NAMES = ("username", "handle", "api_username")  # of an account's options: what customers call it by


@dataclass(frozen=True, slots=True)
class Acknowledger:
    """The acknowledger that acknowledging works with. `new_token` makes claim tokens."""

    store: Store
    playbook: Playbook
    apps: Apps
    http: Http
    breaker: Breaker
    new_token: Callable[[], str]

    def post(
        self, conversation: Conversation, interaction: Interaction, id: str, now: Callable[[], datetime]
    ) -> Replied:
        """Posts the claimed acknowledgement `id` exactly once and records what became of it."""
        ack = conversation.acknowledgements[id]
        state, reply_id, wait, code = self._try(interaction, ack, now())
        not_before = now() + wait if wait else None

        def change(old: Conversation) -> Conversation:
            return rules.record(
                old, id, ack.token, state, self.playbook, now(), reply_id=reply_id, not_before=not_before
            )

        self.store.update_conversation(ConversationKey.of(conversation), change, now())
        if not_before and not_before - interaction.at > self.playbook.caps.max_age:
            not_before = None  # too late for an acknowledgement by then: the timer covers the customer
        result = "refused" if state is Outcome.PENDING else state.value
        late = (now() - interaction.received_at).total_seconds()
        return Replied(interaction, conversation.id, ack.intent, ack.text, result, code, late, not_before, ack.rung)

    def _try(
        self, interaction: Interaction, ack: Acknowledgement, now: datetime
    ) -> tuple[Outcome, str | None, timedelta | None, str]:
        """One POST: (outcome, the platform's id of the reply, how long to wait before another attempt, error code)."""
        owner = self.apps.owner(interaction.product, interaction.account)
        if owner is None:
            return Outcome.REFUSED, None, None, Why.NO_ACCOUNT
        product = platforms.product(interaction.product)
        reply = Reply(interaction, ack.text, ack.token, ack.private and not interaction.private, now)
        try:
            return Outcome.SENT, product.reply(self.http, owner.app, owner.account, reply), None, ""
        except NotSent as error:
            return Outcome.PENDING, None, error.wait, error.code
        except Blocked as error:
            self.breaker.open(owner, error, now)
            return Outcome.PENDING, None, error.wait, error.code
        except TokenInvalid as error:
            self.breaker.open(owner, error, now)
            return Outcome.REFUSED, None, None, error.code
        except OutcomeUnknown as error:
            return Outcome.UNKNOWN, None, None, error.code
        except Refused as error:
            return Outcome.REFUSED, None, None, error.code


@dataclass(slots=True)
class Attempt:
    """The decision to acknowledge one interaction. It runs inside a conditional write, perhaps more than once; what it
    counts (caps) it counts once."""

    acknowledger: Acknowledger
    interaction: Interaction
    now: datetime
    token: str = ""
    why: str = ""
    _allowed: str | None = None
    _counted: bool = False

    def claim(self, conversation: Conversation, thread: Thread) -> Conversation:
        """`conversation` with the acknowledgement claimed, or with the reason why not, and `why` set; `thread` has what
        the brand's people said there."""
        self.token = self.why = ""
        decision = self._decide(conversation, thread)
        if isinstance(decision, str):
            self.why = decision
            return (
                conversation
                if decision in _PASSING
                else rules.keep_silence(conversation, self.interaction.id, decision)
            )
        self.token = self.acknowledger.new_token()
        both = decision.place is Place.BOTH
        for private in [False, True] if both else [decision.place is Place.PRIVATE]:
            id, token = self.interaction.id, self.token
            if private and both:
                id, token = f"{id}/private", f"{token}-private"
            conversation = rules.claim(conversation, id, self._acknowledgement(decision, token, private))
        return conversation

    def claimed(self, conversation: Conversation) -> list[str]:
        """The ids of the acknowledgements that this attempt claimed in `conversation`."""
        acks = conversation.acknowledgements.items()
        return [
            id for id, ack in acks if self.token and ack.token.startswith(self.token) and ack.state is Outcome.CLAIMED
        ]

    def _acknowledgement(self, answer: Answer, token: str, private: bool) -> Acknowledgement:
        i = self.interaction
        reading = i.reading or Reading("", 0.0, 0.0, None, False)
        owner = self.acknowledger.apps.owner(i.product, i.account)
        words = answer.private_text if private else answer.text
        if owner:
            words = platforms.product(i.product).wording(owner.account, i, words, private and not i.private)
        return Acknowledgement(
            state=Outcome.CLAIMED,
            at=self.now,
            token=token,
            text=words,
            intent=reading.intent,
            model=reading.model,
            resolves=answer.resolves,
            private=private,
            rung=answer.rung,
        )

    def _decide(self, c: Conversation, thread: Thread) -> Answer | str:
        """The playbook's answer, or the label of what speaks against it; the cheap reasons first."""
        i, r = self.interaction, self.acknowledger
        ack = c.acknowledgements.get(i.id)
        question = c.questions.get(i.id)
        if ack and (ack.state is not Outcome.PENDING or (ack.not_before and self.now < ack.not_before)):
            return Why.ALREADY
        if c.state is not State.OPEN or question is None or not question.pending:
            return Why.NOTHING_OPEN
        if i.kind is Kind.EDIT:
            return Why.NEVER_SEEN
        if question.text_at > (i.text_at or i.at):
            return Why.OVERTAKEN
        if i.author is None:
            return Why.AUTHOR_UNKNOWN
        if not i.repliable:
            return Why.NOT_REPLIABLE
        if i.window and c.window_closes_at and c.window_closes_at <= self.now:
            return Why.WINDOW
        answer = r.playbook.acknowledgement(
            i.reading,
            product=i.product,
            account=i.account,
            private=i.private,
            now=self.now,
            asked_at=min(i.at, i.received_at),
            by=question.promised_by,
            seed=i.id,
        )
        if not isinstance(answer, Answer):
            return answer.why
        if person_wrote(c, thread, automatic(c, thread, r.playbook), self.now):
            return Why.PERSON_WROTE
        lasts = timedelta(hours=r.playbook.caps.author_per_thread_hours)
        if any(
            a.at > self.now - lasts and a.state is not Outcome.PENDING
            for id, a in c.acknowledgements.items()
            if id != i.id
        ):
            return Why.RECENT
        owner = r.apps.owner(i.product, i.account)
        if owner is None:
            return Why.NO_ACCOUNT
        if self._allowed is None:
            self._allowed = self._aside(c, thread, owner.account)
        if not self._allowed and not self._counted:
            self._counted = True
            self._allowed = Why.BREAKER if r.breaker.is_open(owner, self.now) else "" if ack else self._count()
        return self._allowed or answer

    def _aside(self, c: Conversation, thread: Thread, account: Account) -> str:
        """The label of why it is not for the brand to speak here, "" where it is."""
        i, store = self.interaction, self.acknowledger.store
        if OptOuts(store).stopped(i.product, i.account, i.customer):
            return Why.OPTED_OUT
        called = [name for name in (account.name, *map(account.options.get, _NAMES)) if isinstance(name, str)]
        product = platforms.product(i.product)
        if for_somebody_else(i, called, tags_people=product.tags_people):
            return Why.TO_SOMEBODY_ELSE
        parent = store.interaction(i.product, i.account, i.parent) if i.parent and not i.private else None
        if in_others_thread(i, c, thread, parent, called):
            return Why.OTHERS_THREAD
        if product.threads_have_an_owner and begun_by_another(
            i, c, store.conversations_in(i.product, i.account, i.thread), called
        ):
            return Why.OTHERS_THREAD
        return ""

    def _count(self) -> str:
        """Takes one place of each cap; the label of what forbids, "" when nothing does."""
        i, caps = self.interaction, self.acknowledger.playbook.caps
        owner, post = f"{i.product}:{i.account}", i.post or i.thread
        author = hashlib.sha256(f"{owner}#{post}#{i.author}".encode()).hexdigest()[:32]
        limits = [
            (names.author_under_post(author, self.now), 1, timedelta(days=1)),
            (names.under_post(owner, post, self.now), caps.post_per_hour, timedelta(hours=1)),
            (names.of_account(owner, self.now), caps.account_per_hour, timedelta(hours=1)),
        ]
        # a direct message stands under no post, and its thread's name is the customer's own
        for name, limit, lasts in limits[2:] if i.private else limits:
            if not self.acknowledger.store.count(name, limit, lasts, self.now):
                return Why.CAP
        return ""
