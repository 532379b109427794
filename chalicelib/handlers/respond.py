"""Respond: from an envelope to stored, acknowledged and scheduled interactions.

Each interaction passes the same steps: store, fold into its conversation and claim, wake, post, record. Every step is
a no-op when its result is already there, so that a message that comes again (a crash, a time-out, a duplicate) does
only what is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.aws.queues import Queue
from chalicelib.aws.timer import Timer, wake_all
from chalicelib.codec import dump
from chalicelib.conversations import answers, rules, staff_rules
from chalicelib.conversations.conversation import Conversation, Outcome, Thread
from chalicelib.conversations.interaction import Interaction, Kind, Reading, merge
from chalicelib.guards import guarded
from chalicelib.handlers import inbox
from chalicelib.handlers.acknowledge import Acknowledger, Attempt
from chalicelib.handlers.inbox import Envelope, SaveChunks
from chalicelib.handlers.placing import Placer
from chalicelib.intents import IntentModel
from chalicelib.outcomes.types import Outcomes, Stored
from chalicelib.platforms.base import Poison, ReplyError
from chalicelib.platforms.http import Http
from chalicelib.platforms.read import PayloadError
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.store import Change, ConversationKey, Store

CHANGES = (Kind.EDIT, Kind.DELETE, Kind.HIDE)
FETCHED = (Kind.NEW, Kind.MENTION, Kind.EDIT)  # what a platform may tell of by its id alone


@dataclass(frozen=True, slots=True)
class Responder:
    """The responder that respond works with; `outcomes` hears of each."""

    store: Store
    model: IntentModel
    playbook: Playbook
    apps: Apps
    inbox: Queue
    quarantine: Queue
    save_chunks: SaveChunks
    due: Queue
    timer: Timer
    http: Http
    acknowledger: Acknowledger
    outcomes: Outcomes

    def respond(self, envelope: Envelope, now: Callable[[], datetime]) -> None:
        """Works on one envelope. One with several interactions is put back as a message for each, so that no invocation
        runs long and one that fails does not hold up the others. Raises for the queue to bring it again."""
        interactions, reasons = ([envelope.interaction], []) if envelope.interaction else self._parse(envelope)
        if reasons:
            inbox.enqueue(self.quarantine, envelope, self.save_chunks, reasons)
        if len(interactions) > 1:
            self.inbox.send_all([inbox.part(envelope, i) for i in interactions])
            return
        for interaction in interactions:
            Step(self, envelope, interaction, now).run()

    def _parse(self, envelope: Envelope) -> tuple[list[Interaction], list[str]]:
        """The interactions of a raw delivery, and why other parts of it could not be understood."""
        app = self.apps.get(envelope.platform, envelope.app)
        webhook = platforms.webhook(envelope.platform)
        if app is None or webhook is None:
            return [], ["the app is no longer in the apps file"]
        try:
            parsed = list(webhook.read(app, envelope.body, envelope.received_at))
        except PayloadError as error:
            return [], [str(error)]
        return [p for p in parsed if isinstance(p, Interaction)], [p.reason for p in parsed if isinstance(p, Poison)]

    def read(self, interaction: Interaction) -> Interaction:
        """`interaction` with what the intent model and the guards read in its text."""
        if interaction.deleted or interaction.brand or not interaction.text.strip():
            return replace(interaction, reading=None)
        owner = self.apps.owner(interaction.product, interaction.account)
        own = (self.playbook.shop.name, owner[1].name if owner else "")
        return replace(interaction, reading=guarded(self.model.read(interaction.text), interaction.text, own))

    def intent(self, reading: Reading | None) -> str | None:
        """The intent that decides promise and team; an urgent one from a low probability on, and not below it."""
        if reading is None:
            return None
        calm = None if reading.intent in self.playbook.urgency.intents else reading.intent
        return self.playbook.urgent(reading) or calm


@dataclass(frozen=True, slots=True)
class Step:
    """The steps of one interaction."""

    responder: Responder
    envelope: Envelope
    incoming: Interaction
    now: Callable[[], datetime]

    def run(self) -> None:
        """All steps for what a delivery tells of one interaction."""
        r = self.responder
        incoming = Placer(r.store, r.apps).placed(self.incoming, self.now())
        if incoming is None or incoming.kind is Kind.SAME_PERSON:
            return
        if incoming.author is None and incoming.kind in FETCHED:
            incoming = self._fetched(incoming)
        change = r.store.change_interaction(incoming, lambda old: r.read(merge(old, incoming)), self.now())
        before, interaction = change.before, change.after
        if not interaction.thread:  # a deletion that names nothing but the id, of something that has not come yet
            handled = Stored(interaction, "")
        elif interaction.brand:
            handled = self._brand(interaction)
        else:
            if before and before.thread and before.customer != interaction.customer and not before.brand:
                self._move(before)
            handled = self._customer(interaction, known=before is not None)
        news = before is None or (before != interaction and (incoming.kind in CHANGES or before.kind in CHANGES))
        r.outcomes.stored(replace(handled, incoming=incoming, news=news))

    def _fetched(self, incoming: Interaction) -> Interaction:
        """With the author and text that its delivery leaves out; as it came when the platform will not say."""
        owner = self.responder.apps.owner(incoming.product, incoming.account)
        if owner is None:
            return incoming
        try:
            fetched = platforms.product(incoming.product).fetch(self.responder.http, owner.account, incoming)
        except ReplyError:
            return incoming
        known = {k: v for k, v in fetched.items() if v}
        brand = known.get("author") == incoming.account
        return replace(incoming, **known, brand=brand, kind=Kind.BRAND_REPLY if brand else incoming.kind)

    def _move(self, before: Interaction) -> None:
        """The author became known: the conversation of the unknown one has nothing open any more."""
        gone = replace(before, deleted=True)
        self._fold(gone, claim=None, known=True)

    # --- a customer's interaction ---

    def _customer(self, interaction: Interaction, *, known: bool) -> Stored:
        r = self.responder
        attempt = Attempt(r.acknowledger, interaction, self.now())
        change = self._fold(interaction, attempt, known=known)
        after = change.after
        self._schedule(after)
        for id in attempt.claimed(after):
            replied = r.acknowledger.post(after, interaction, id, self.now)
            if replied.not_before:
                r.inbox.send(inbox.part(self.envelope, interaction), delay=replied.not_before - self.now())
            r.outcomes.replied(replied)
        intent = interaction.reading.intent if interaction.reading else ""
        return Stored(interaction, after.id, intent, why=attempt.why)

    def _fold(self, interaction: Interaction, claim: Attempt | None, *, known: bool) -> Change[Conversation]:
        """`known`: the interaction came before, so its conversation is read first. A claim on the guess that there is
        none would count against the caps, and a reply that a rate limit held back would then never go out."""
        r = self.responder
        thread = r.store.thread(interaction.product, interaction.account, interaction.thread)
        intent = r.intent(interaction.reading)
        needs_answer = not interaction.tap and r.playbook.needs_answer(interaction.reading, r.model.bounds)

        def change(old: Conversation | None) -> Conversation:
            new = rules.apply_interaction(
                old, interaction, thread, r.playbook, self.now(), intent=intent, needs_answer=needs_answer
            )
            if new != old:
                new = replace(new, delivery=self.envelope.id)
            return claim.claim(new, thread) if claim else new

        return r.store.change_conversation(ConversationKey.of(interaction), change, self.now(), new=not known)

    def _schedule(self, conversation: Conversation) -> None:
        """The wake-up for when it falls due; what is due already (an urgent question) goes to escalate at once."""
        r, now = self.responder, self.now()
        if conversation.wake_at and conversation.wake_at <= now:
            r.due.send({"v": 1, **dump(ConversationKey.of(conversation))})
        wake_all(r.timer, conversation.wake_times, now)

    # --- what the brand said ---

    def _brand(self, interaction: Interaction) -> Stored:
        """The echo of our own reply settles its claim; a person's reply answers what was asked before it."""
        r = self.responder
        place = (interaction.product, interaction.account, interaction.thread)
        if interaction.kind is Kind.BRAND_POST:
            return Stored(interaction, "")
        conversations = r.store.conversations_in(*place)
        if ours := answers.our_reply(conversations, interaction):
            conversations = [self._echoed(*ours, interaction)]
        elif (mine := staff_rules.our_answer(conversations, interaction)) or not interaction.ours:
            if mine:
                self._came_back(*mine, interaction)
            thread = r.store.change_thread(*place, lambda old: rules.add_reply(old, interaction), self.now())
            conversations = [self._settled(c, thread) for c in r.store.conversations_in(*place)]
        return Stored(interaction, conversations[0].id if conversations else "")

    def _echoed(self, conversation: Conversation, id: str, echo: Interaction) -> Conversation:
        """The conversation after our own reply came back: whatever its claim said, it was sent."""
        playbook, token = self.responder.playbook, conversation.acknowledgements[id].token
        return self._updated(
            conversation, lambda old: rules.record(old, id, token, Outcome.SENT, playbook, self.now(), reply_id=echo.id)
        )

    def _came_back(self, conversation: Conversation, id: str, echo: Interaction) -> None:
        """A person's answer from the e-mail came back: it is on the platform, whatever its claim said."""
        self._updated(
            conversation,
            lambda old: staff_rules.record_answer(
                old, id, Outcome.SENT, self.responder.playbook, self.now(), reply_id=echo.id
            ),
        )

    def _settled(self, conversation: Conversation, thread: Thread) -> Conversation:
        """The conversation with the brand's replies applied; a reply that was taken back opens its question again."""
        after = self._updated(
            conversation, lambda old: rules.apply_replies(old, thread, self.responder.playbook, self.now())
        )
        self._schedule(after)
        return after

    def _updated(self, c: Conversation, change: Callable[[Conversation], Conversation]) -> Conversation:
        done = self.responder.store.update_conversation(ConversationKey.of(c), change, self.now())
        return done.after if done else c
