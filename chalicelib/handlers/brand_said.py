"""What the brand said: the echo of our own reply, a person's answer from the e-mail that came back, a reply that was
written on the platform, and the news that one of these did not arrive or is gone."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.aws.queues import Queue
from chalicelib.aws.timer import Timer
from chalicelib.conversations import answers, rules, staff_rules
from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import BrandReply, Conversation, Outcome, Thread
from chalicelib.conversations.interaction import Interaction, Kind
from chalicelib.conversations.why import Why
from chalicelib.handlers.scheduling import schedule
from chalicelib.outcomes.types import Stored
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.private_answers import PrivateAnswers
from chalicelib.storage.store import ConversationKey, Parents, Store, Talk
from chalicelib.storage.table import Item

Items = Mapping[ConversationKey, Item]


def _items(talk: Talk) -> Items:
    """The items of its conversations, so that a change of one need not read it again."""
    return {ConversationKey.of(held.noun): held.item for held in talk.held}


class BrandSaid(NamedTuple):
    """What hearing the brand works with."""

    store: Store
    playbook: Playbook
    due: Queue
    timer: Timer
    now: Callable[[], datetime]
    parents: Parents

    def hear(self, i: Interaction) -> Stored:
        """The echo of our own reply settles its claim; a person's reply answers what was asked before it; a machine's,
        and our own words in whatever place they come back, answer nothing."""
        place = (i.product, i.account, i.thread)
        if i.kind is Kind.BRAND_POST:
            return Stored(i, "")
        talk, why = self.store.talk(*place), ""
        conversations, seen = talk.conversations, _items(talk)
        is_gone = i.undelivered or i.deleted or i.hidden
        if is_gone:
            for c in conversations:
                self.undelivered(c, i)
        ours = answers.our_reply(conversations, i)
        mine = staff_rules.our_answer(conversations, i) or (None if ours else self._private_answer(i))
        if ours:
            conversations = [ours[0] if is_gone else self._echoed(*ours, i, seen)]
        elif mine:  # it answers what its page had shown, not all that was asked before it
            conversations = [mine[0] if is_gone or not mine[1] else self._came_back(*mine, i, seen)]
        elif not (i.ours or self.playbook.is_ours(i.text)):
            reply = rules.brand_reply(i, self._addressee(i), **self.playbook.spoken_by(i.via, i.text))
            conversations, thread = self._said(i, reply, talk)
            if any(i.id in answers.automatic(c, thread, self.playbook) for c in conversations):
                why = Why.AUTOMATIC
        return Stored(i, conversations[0].id if conversations else "", why=why)

    def _said(self, i: Interaction, reply: BrandReply, talk: Talk) -> tuple[list[Conversation], Thread]:
        """The conversations that the brand's `reply` concerns, with it applied, and what else was said in the thread.
        Where only one customer can ask, it is kept with their conversation, so that one write does both."""
        store, place = self.store, (i.product, i.account, i.thread)
        kept_here = i.id not in talk.thread.replies  # else what stands there would hold again once this is forgotten
        if kept_here and i.private and [c.customer for c in talk.conversations] == [i.thread]:
            noted = partial(rules.note_reply, id=i.id, reply=reply)
            if c := self._settled(talk.conversations[0], talk.thread, _items(talk), noted):
                return [c], talk.thread
        thread = store.change_thread(*place, partial(rules.add_reply, id=i.id, reply=reply), self.now(), talk.item)
        talk = store.talk(*place)  # also whoever asked before they could see the reply
        return [self._settled(c, thread, _items(talk)) or c for c in talk.conversations], thread

    def _private_answer(self, i: Interaction) -> tuple[Conversation, str] | None:
        """The answer to a public question that came back as the private message `i`."""
        if i.ours or not i.private or not platforms.product(i.product).brings_private_replies:
            return None
        return PrivateAnswers(self.store).of(i)

    def _addressee(self, i: Interaction) -> str | None:
        """The customer whom the brand answers: as the platform says, else who wrote what the reply stands under."""
        if i.to or i.private or not i.parent:
            return i.to
        parent = self.parents.of(i)
        return parent.customer if parent and not parent.brand and parent.thread else None

    def _echoed(self, conversation: Conversation, id: str, echo: Interaction, seen: Items) -> Conversation:
        """The conversation after our own reply came back: whatever its claim said, it was sent."""
        playbook, token = self.playbook, conversation.acknowledgements[id].token
        return self._updated(
            conversation,
            lambda old: rules.record(old, id, token, Outcome.SENT, playbook, self.now(), reply_id=echo.id),
            seen,
        )

    def _came_back(self, conversation: Conversation, id: str, echo: Interaction, seen: Items) -> Conversation:
        """A person's answer from the e-mail came back: it is on the platform, whatever its claim said."""
        return self._updated(
            conversation,
            lambda old: staff_rules.record_answer(old, id, Outcome.SENT, self.playbook, self.now(), reply_id=echo.id),
            seen,
        )

    def _settled(
        self,
        conversation: Conversation,
        thread: Thread,
        seen: Items,
        noted: Callable[[Conversation], Conversation] = lambda c: c,
    ) -> Conversation | None:
        """The conversation with the brand's replies applied, and first what `noted` adds to it; a reply that was taken
        back opens its question again. None where there is no such conversation any more."""
        key = ConversationKey.of(conversation)
        done = self.store.update_conversation(
            key,
            lambda old: rules.apply_replies(noted(old), thread, self.playbook, self.now()),
            self.now(),
            seen=seen.get(key),
        )
        if done is None:
            return None
        schedule(self.due, self.timer, done.after, self.now())
        return done.after

    def _updated(
        self, c: Conversation, change: Callable[[Conversation], Conversation], seen: Items = MappingProxyType({})
    ) -> Conversation:
        key = ConversationKey.of(c)
        done = self.store.update_conversation(key, change, self.now(), seen=seen.get(key))
        return done.after if done else c

    def undelivered(self, c: Conversation, reply: Interaction) -> None:
        """Tells `c` that what the brand had sent did not arrive, or is gone."""

        def change(old: Conversation) -> Conversation:
            acks = old.acknowledgements.items()  # its claim comes back where the send's answer, and so its id, was lost
            named = {id: replace(a, id=reply.id) if reply.token and a.token == reply.token else a for id, a in acks}
            known = replace(old, acknowledgements=named)
            return staff_rules.undelivered(known, reply.id, self.playbook, self.now())

        schedule(self.due, self.timer, self._updated(c, change), self.now())
