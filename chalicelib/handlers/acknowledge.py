"""Acknowledging: the decision, the claim and the one POST behind an automatic reply. At most one an interaction, ever.

States of a claim: none → claimed → sent, refused or unknown. Only a definite no leads back to another attempt;
whatever may have been posted is never posted again.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.apps import Account
from chalicelib.conversations import rules
from chalicelib.conversations.addressing import (
    begun_by_another,
    for_somebody_else,
    in_others_thread,
    person_read,
    person_wrote,
)
from chalicelib.conversations.answers import automatic
from chalicelib.conversations.conversation import Acknowledgement, Conversation, Outcome, Question, State, Thread
from chalicelib.conversations.interaction import Interaction, Kind, Reading
from chalicelib.conversations.why import Why
from chalicelib.handlers.campaign_lines import Lines, is_second_reply, with_line
from chalicelib.handlers.posting import Poster
from chalicelib.keys import Keys
from chalicelib.outcomes.types import Replied
from chalicelib.platforms.base import Reply
from chalicelib.playbook.parts import Answer, Place, Silence
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.optouts import OptOuts
from chalicelib.storage.people import Person, linked
from chalicelib.storage.store import Change, ConversationKey, Parents, Store

SHARE = 50  # a process takes this part of an account's hour at once: one write for several replies
_PASSING = frozenset({Why.NOTHING_OPEN, Why.OVERTAKEN, Why.ALREADY})  # they say nothing of the question


class Permit(NamedTuple):
    """What was asked once for one interaction: the `token` of its claim, or `why` there must be none; `campaign` is the
    one whose line may stand in it. `people` are the customer's names."""

    token: str = ""
    why: str = ""
    campaign: str = ""
    people: tuple[Person, ...] = ()


class Unasked(NamedTuple):
    """What a permit has to be asked for first: the playbook's answer in this conversation."""

    conversation: Conversation
    answer: Answer


class Claim(NamedTuple):
    """The `ids` of the acknowledgements that were claimed, or `why` none was; `unasked`: a permit comes first. `people`
    are the names of whom the reply is for."""

    ids: tuple[str, ...] = ()
    why: str = ""
    unasked: Unasked | None = None
    people: tuple[Person, ...] = ()


class Acknowledger(NamedTuple):
    """What acknowledging works with. `new_token` makes claim tokens."""

    store: Store
    playbook: Playbook
    poster: Poster
    new_token: Callable[[], str]
    keys: Keys

    def post(
        self, claimed: Change[Conversation], interaction: Interaction, id: str, now: Callable[[], datetime]
    ) -> tuple[Replied, Change[Conversation]]:
        """Posts the acknowledgement `id`, which `claimed` has, exactly once and records what became of it; that change
        of the conversation."""
        conversation = claimed.after
        ack = conversation.acknowledgements[id]
        reply = Reply(interaction, ack.text, ack.token, now(), ack.private and not interaction.private)
        state, reply_id, wait, code = self.poster.post(reply)
        not_before = now() + wait if wait else None

        def change(old: Conversation) -> Conversation:
            return rules.record(
                old, id, ack.token, state, self.playbook, now(), reply_id=reply_id, not_before=not_before
            )

        key = ConversationKey.of(conversation)
        recorded = self.store.update_conversation(key, change, now(), seen=claimed.item) or claimed
        if not_before and not_before - interaction.at > self.playbook.caps.max_age:
            not_before = None  # too late for an acknowledgement by then: the timer covers the customer
        result = "refused" if state is Outcome.PENDING else state.value
        late = (now() - interaction.received_at).total_seconds()
        told = Replied(interaction, conversation.id, ack.intent, ack.text, result, code, late, not_before, ack.rung)
        return told, recorded

    def claim(
        self, c: Conversation, thread: Thread, i: Interaction, permit: Permit | None, now: datetime
    ) -> tuple[Conversation, Claim]:
        """`c` with the acknowledgement of `i` claimed, or with the reason why not; `thread` has what the brand's people
        said there. It is asked within a conditional write, perhaps more than once, and changes nothing itself."""
        decision = self._decide(c, thread, i, now)
        if isinstance(decision, str):
            return _silent(c, i, decision)
        if permit is None:
            return c, Claim(unasked=Unasked(c, decision))
        return self.permitted(Unasked(c, decision), i, permit, now)

    def permitted(self, asked: Unasked, i: Interaction, permit: Permit, now: datetime) -> tuple[Conversation, Claim]:
        """The conversation with that answer to `i` claimed, unless the permit says why not."""
        c, answer = asked.conversation, with_line(asked.answer, permit.campaign)
        if permit.why:
            return _silent(c, i, permit.why)
        both, claimed = answer.place is Place.BOTH, []
        for private in [False, True] if both else [answer.place is Place.PRIVATE]:
            id, token = i.id, permit.token
            if private and both:
                id, token = f"{id}/private", f"{token}-private"
            c = rules.claim(c, id, self._acknowledgement(i, answer, token, private, now))
            if c.acknowledgements[id].token == token:  # the other half may be out already
                claimed.append(id)
        return c, Claim(tuple(claimed), people=permit.people)

    def stop(
        self, claimed: Change[Conversation], i: Interaction, claim: Claim, posted: int, now: datetime
    ) -> Change[Conversation] | None:
        """Takes back what of `claim` is not `posted` where the customer has said "stop" since, and only then: the
        permit was asked for before the claim was written, and it knew what they had said a moment before."""
        if not OptOuts(self.store).any_stopped(claim.people):
            return None
        tokens = {claimed.after.acknowledgements[id].token for id in claim.ids[posted:]}
        key = ConversationKey.of(claimed.after)

        def change(old: Conversation) -> Conversation:
            return rules.take_back(old, i.id, tokens, Why.OPTED_OUT)

        return self.store.update_conversation(key, change, now, seen=claimed.item) or claimed

    def permit(self, c: Conversation, thread: Thread, i: Interaction, now: datetime, parents: Parents) -> Permit:
        """Asks for what the claim of `i` needs, and takes it: once an interaction, before its claim is written."""
        owner = self.poster.owner(i)
        people = linked(self.store, i.product, i.account, i.customer)
        why: str = Why.NO_ACCOUNT
        if owner:
            is_stopped = OptOuts(self.store).any_stopped(people, lately=True)
            why = Why.OPTED_OUT if is_stopped else self._aside(c, thread, i, owner.account, parents)
        if owner and not why:
            held_back = i.id in c.acknowledgements  # it was counted when it was claimed the first time
            why = Why.BREAKER if self.poster.breaker.is_open(owner, now) else "" if held_back else self._count(i, now)
        if why:
            return Permit(why=why)
        return Permit(self.new_token(), campaign=self._campaign(c, i, people, now), people=tuple(people))

    def _campaign(self, c: Conversation, i: Interaction, people: list[Person], now: datetime) -> str:
        """The campaign whose line this customer is told now, counted; "" for none."""
        question = c.questions.get(i.id)
        answer = self._answer(i, question, now) if question and self.playbook.campaigns else None
        if not isinstance(answer, Answer) or not answer.promoted or is_second_reply(c, i.id):
            return ""
        lines, before = Lines(self.store, self.playbook, self.keys), c.acknowledgements.get(i.id)
        return lines.choose(answer.promoted, i, people, before, now)

    def _acknowledgement(
        self, i: Interaction, answer: Answer, token: str, private: bool, now: datetime
    ) -> Acknowledgement:
        reading = i.reading or Reading("", 0.0, 0.0, None, False)
        words = answer.private_text if private else answer.text
        return Acknowledgement(
            state=Outcome.CLAIMED,
            at=now,
            token=token,
            text=self.poster.wording(i, words, private and not i.private),
            intent=reading.intent,
            model=reading.model,
            resolves=answer.resolves,
            private=private,
            rung=answer.rung,
            campaign=answer.campaign if private or answer.place is not Place.BOTH else "",
        )

    def _answer(self, i: Interaction, question: Question, now: datetime) -> Answer | Silence:
        return self.playbook.acknowledgement(
            i.reading,
            product=i.product,
            account=i.account,
            private=i.private,
            now=now,
            asked_at=min(i.at, i.received_at),
            by=question.promised_by,
            seed=i.id,
            fits=partial(self._fits, i),
        )

    def _decide(self, c: Conversation, thread: Thread, i: Interaction, now: datetime) -> Answer | str:
        """The playbook's answer, or the label of what speaks against it, the cheap reasons first."""
        ack = c.acknowledgements.get(i.id)
        question = c.questions.get(i.id)
        if ack and (ack.state is not Outcome.PENDING or (ack.not_before and now < ack.not_before)):
            return Why.ALREADY
        if c.state is not State.OPEN or question is None or not question.pending:
            return Why.NOTHING_OPEN
        ladder = c.ladders.get(str(question.round))
        if ladder and ladder.urgent and not self.playbook.urgent(i.reading):  # people were called before it was edited
            return Why.URGENT
        if i.kind is Kind.EDIT:
            return Why.NEVER_SEEN
        if question.text_at > (i.text_at or i.at):
            return Why.OVERTAKEN
        if i.author is None:
            return Why.AUTHOR_UNKNOWN
        if not i.repliable:
            return Why.NOT_REPLIABLE
        if i.window and c.window_closes_at and c.window_closes_at <= now:
            return Why.WINDOW
        answer = self._answer(i, question, now)
        if not isinstance(answer, Answer):
            return answer.why
        if person_read(c, i.id):
            return Why.CORRECTED
        if person_wrote(c, thread, automatic(c, thread, self.playbook), now):
            return Why.PERSON_WROTE
        lasts, halves = timedelta(hours=self.playbook.caps.author_per_thread_hours), (i.id, f"{i.id}/private")
        others = [a for id, a in c.acknowledgements.items() if id not in halves]
        if any(a.at > now - lasts and a.state is not Outcome.PENDING for a in others):
            return Why.RECENT
        if self.poster.owner(i) is None:
            return Why.NO_ACCOUNT
        return answer

    def _fits(self, i: Interaction, text: str, private: bool) -> bool:
        """Whether the platform would neither cut `text` nor take anything out of it: else something plainer is said."""
        return self.poster.wording(i, text, private and not i.private).split() == text.split()

    def _aside(self, c: Conversation, thread: Thread, i: Interaction, account: Account, parents: Parents) -> str:
        """The label of why it is not for the brand to speak here, "" where it is."""
        store = self.store
        product = platforms.product(i.product)
        options = [account.options.get(option) for option in product.called_by]
        called = [name for name in (account.name, *options) if isinstance(name, str)]
        staff = [name for names in options if isinstance(names, list) for name in names if isinstance(name, str)]
        if for_somebody_else(i, [*called, *staff], tags_people=product.tags_people):
            return Why.TO_SOMEBODY_ELSE
        parent = None if i.private else parents.of(i)
        if in_others_thread(i, c, thread, parent, called):
            return Why.OTHERS_THREAD
        if product.threads_have_an_owner and begun_by_another(
            i, c, store.conversations_in(i.product, i.account, i.thread), called
        ):
            return Why.OTHERS_THREAD
        return ""

    def _count(self, i: Interaction, now: datetime) -> str:
        """Takes one place of each cap; the label of what forbids, "" when nothing does."""
        caps = self.playbook.caps
        owner, post = f"{i.product}:{i.account}", i.post or i.thread
        author = self.keys.named("author under a post", owner, post or "", i.author or "")
        hour, few = timedelta(hours=1), max(1, caps.account_per_hour // SHARE)
        limits = [
            (names.author_under_post(author, now), 1, timedelta(days=1), 1),
            (names.under_post(owner, post, now), caps.post_per_hour, hour, 1),
            (names.of_account(owner, now), caps.account_per_hour, hour, few),
        ]
        # a direct message stands under no post, and its thread's name is the customer's own
        for name, limit, lasts, at_once in limits[2:] if i.private else limits:
            if not self.store.count(name, limit, lasts, now, at_once=at_once):
                return Why.CAP
        return ""


def _silent(c: Conversation, i: Interaction, why: str) -> tuple[Conversation, Claim]:
    return c if why in _PASSING else rules.keep_silence(c, i.id, why), Claim(why=why)
