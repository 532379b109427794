"""Respond: from an envelope to stored, acknowledged and scheduled interactions.

Each interaction passes the same steps: store, fold into its conversation and claim, wake, post, record. Every step is
a no-op when its result is already there, so that a message that comes again (a crash, a time-out, a duplicate) does
only what is missing.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib import conversation as rules
from chalicelib import inbox, platforms
from chalicelib.apps import Account, App, Apps
from chalicelib.breaker import Breaker
from chalicelib.codec import dump
from chalicelib.conversation import Acknowledgement, Conversation, Outcome, State, Thread
from chalicelib.inbox import Envelope
from chalicelib.intents import IntentModel
from chalicelib.interaction import Interaction, Kind, Reading, merge
from chalicelib.platforms.base import (
    NotSent,
    OutcomeUnknown,
    PayloadError,
    Poison,
    Refused,
    Reply,
    ReplyError,
    TokenInvalid,
)
from chalicelib.platforms.http import Http
from chalicelib.playbook import Answer, Playbook
from chalicelib.queues import Queue
from chalicelib.store import ConversationKey, Store
from chalicelib.timer import Timer, TimerError


class Why(StrEnum):
    """Why there was no acknowledgement, beside the playbook's own reasons."""

    NOTHING_OPEN = "nothing_open"
    OVERTAKEN = "overtaken_by_an_edit"
    ALREADY = "already"
    NOT_REPLIABLE = "not_repliable"
    AUTHOR_UNKNOWN = "author_unknown"
    RECENT = "acknowledged_recently"
    WINDOW = "window_closed"
    CAP = "cap"
    BREAKER = "token_invalid"
    NO_ACCOUNT = "no_account"


@dataclass(frozen=True, slots=True)
class Handled:
    """One interaction (merged) was stored and folded into `conversation`. `told` is what this delivery said of it,
    `news` whether anything in that was new; `why` is the label of why nothing was posted."""

    interaction: Interaction
    conversation: str
    intent: str = ""
    why: str = ""
    told: Interaction | None = None
    news: bool = True


@dataclass(frozen=True, slots=True)
class Replied:
    """An acknowledgement was posted, or tried: `result` is sent, refused or unknown, `code` the platform's error.
    `late_s` is the time since the delivery was received, in seconds."""

    interaction: Interaction
    conversation: str
    intent: str
    text: str
    result: str
    code: str
    late_s: float


Report = Callable[[Handled | Replied], None]
CHANGES = (Kind.EDIT, Kind.DELETE, Kind.HIDE)


@dataclass(frozen=True, slots=True)
class Responder:
    """The rooms that respond works with. `new_token` makes claim tokens; `report` hears of each outcome."""

    store: Store
    model: IntentModel
    playbook: Playbook
    apps: Apps
    inbox: Queue
    quarantine: Queue
    due: Queue
    timer: Timer
    http: Http
    breaker: Breaker
    new_token: Callable[[], str]
    report: Report

    def respond(self, envelope: Envelope, now: Callable[[], datetime]) -> None:
        """Works on one envelope. One with several interactions is put back as a message for each, so that no invocation
        runs long and one that fails does not hold up the others. Raises for the queue to bring it again."""
        interactions = [envelope.interaction] if envelope.interaction else list(self._parse(envelope))
        if len(interactions) > 1:
            self.inbox.send_all([inbox.part(envelope, i) for i in interactions])
            return
        for interaction in interactions:
            Step(self, envelope, interaction, now).take()

    def _parse(self, envelope: Envelope) -> Iterator[Interaction]:
        """The interactions of a raw delivery; parts that cannot be understood go to quarantine with the reason."""
        app = self.apps.get(envelope.platform, envelope.app)
        webhook = platforms.webhook(envelope.platform)
        if app is None or webhook is None:
            self._quarantine(envelope, "the app is no longer in the apps file", envelope.body.decode("utf-8", "replace"))
            return
        try:
            for parsed in webhook.parse(app, envelope.body, envelope.received_at):
                if isinstance(parsed, Interaction):
                    yield parsed
                elif isinstance(parsed, Poison):
                    self._quarantine(envelope, parsed.reason, parsed.raw)
        except PayloadError as error:
            self._quarantine(envelope, str(error), envelope.body.decode("utf-8", "replace"))

    def _quarantine(self, envelope: Envelope, reason: str, raw: str) -> None:
        message = {"v": inbox.VERSION, "id": envelope.id, "platform": envelope.platform, "app": envelope.app}
        self.quarantine.send({**message, "reason": reason, "raw": raw})

    def read(self, interaction: Interaction) -> Interaction:
        """`interaction` with what the intent model reads in its text."""
        if interaction.deleted or interaction.brand or not interaction.text.strip():
            return replace(interaction, reading=None)
        return replace(interaction, reading=self.model.read(interaction.text))

    def intent(self, reading: Reading | None) -> str | None:
        """The intent by which the question is promised and routed; an urgent one counts only when it is likely enough."""
        if reading is None or (reading.intent in self.playbook.urgency.intents and not self.playbook.urgent(reading)):
            return None
        return reading.intent


@dataclass(frozen=True, slots=True)
class Step:
    """The steps of one interaction."""

    rooms: Responder
    envelope: Envelope
    told: Interaction
    now: Callable[[], datetime]

    def take(self) -> None:
        """All steps for what a delivery tells of one interaction."""
        r, told = self.rooms, self.told
        if told.kind is Kind.MENTION and told.author is None:
            told = self._fetched(told)
        change = r.store.change_interaction(told, lambda old: r.read(merge(old, told)), self.now())
        before, interaction = change.before, change.after
        if not interaction.thread:  # a deletion that names nothing but the id, of something that has not come yet
            handled = Handled(interaction, "")
        elif interaction.brand:
            handled = self._brand(interaction)
        else:
            if before and before.thread and before.customer != interaction.customer and not before.brand:
                self._move(before)
            handled = self._customer(interaction, known=before is not None)
        news = before is None or (before != interaction and (told.kind in CHANGES or before.kind in CHANGES))
        r.report(replace(handled, told=told, news=news))

    def _fetched(self, told: Interaction) -> Interaction:
        """A mention with the author and text that its delivery leaves out; as it came when the platform will not say."""
        owner = self.rooms.apps.owner(told.product, told.account)
        fetch = getattr(platforms.product(told.product), "fetch", None)
        if owner is None or fetch is None:
            return told
        try:
            known = {k: v for k, v in fetch(self.rooms.http, owner[1], told).items() if v}
        except ReplyError:
            return told
        brand = known.get("author") == told.account
        return replace(told, **known, brand=brand, kind=Kind.BRAND_REPLY if brand else told.kind)

    def _move(self, before: Interaction) -> None:
        """The author became known: the conversation of the unknown one has nothing open any more."""
        gone = replace(before, deleted=True)
        self._fold(gone, claim=None, known=True)

    # --- a customer's interaction ---

    def _customer(self, interaction: Interaction, *, known: bool) -> Handled:
        r = self.rooms
        attempt = Attempt(r, interaction, self.now())
        change = self._fold(interaction, attempt, known=known)
        after = change.after
        self._schedule(after)
        claimed = [
            (id, ack)
            for id, ack in after.acknowledgements.items()
            if attempt.token and ack.token.startswith(attempt.token) and ack.state is Outcome.CLAIMED
        ]
        for id, ack in claimed:
            self._post(after, interaction, id, ack)
        intent = interaction.reading.intent if interaction.reading else ""
        return Handled(interaction, after.id, intent, why=attempt.why)

    def _fold(self, interaction: Interaction, claim: "Attempt | None", *, known: bool) -> Any:
        """`known`: the interaction came before, so its conversation is read first. A claim on the guess that there is
        none would count against the caps, and a reply that a rate limit held back would then never go out."""
        r = self.rooms
        thread = r.store.thread(interaction.product, interaction.account, interaction.thread)
        intent = r.intent(interaction.reading)
        needs_answer = r.playbook.needs_answer(interaction.reading, r.model.bounds)

        def change(old: Conversation | None) -> Conversation:
            new = rules.fold(old, interaction, thread, r.playbook.due, intent=intent, needs_answer=needs_answer)
            if new != old:
                new = replace(new, delivery=self.envelope.id)
            return claim.claim(new) if claim else new

        return r.store.change_conversation(ConversationKey.of(interaction), change, self.now(), new=not known)

    def _schedule(self, conversation: Conversation) -> None:
        """The wake-up for when it falls due; what is due already (an urgent question) goes to escalate at once."""
        r, now = self.rooms, self.now()
        if conversation.wake_at and conversation.wake_at <= now:
            r.due.send({"v": 1, **dump(ConversationKey.of(conversation))})
        try:
            for at in conversation.wake_times:
                r.timer.wake(max(at, now))
        except TimerError:
            return  # due_at is stored: the scheduled sweep finds it

    def _post(self, conversation: Conversation, interaction: Interaction, id: str, ack: Acknowledgement) -> None:
        """Posts a claimed acknowledgement exactly once and records what became of it."""
        r = self.rooms
        owner = r.apps.owner(interaction.product, interaction.account)
        reply = Reply(interaction, ack.text, ack.token, ack.private and not interaction.private)
        reply_id, not_before, code = None, None, ""
        try:
            app, account = owner or (App("", ""), Account("", ""))
            reply_id = platforms.product(interaction.product).reply(r.http, app, account, reply)
            state = Outcome.SENT
        except NotSent as error:
            state, not_before, code = Outcome.PENDING, self.now() + error.wait, error.code
        except TokenInvalid as error:
            state, code = Outcome.REFUSED, error.code
            r.breaker.open(account, error.code, self.now())
        except OutcomeUnknown as error:
            state, code = Outcome.UNKNOWN, error.code
        except Refused as error:
            state, code = Outcome.REFUSED, error.code

        def change(old: Conversation | None) -> Conversation:
            return rules.record(
                old or conversation, id, ack.token, state, r.playbook.due, reply_id=reply_id, not_before=not_before
            )

        r.store.change_conversation(ConversationKey.of(conversation), change, self.now())
        if not_before and not_before - interaction.received_at <= r.playbook.caps.max_age:
            r.inbox.send(inbox.part(self.envelope, interaction), delay=not_before - self.now())
        late = (self.now() - interaction.received_at).total_seconds()
        result = "refused" if state is Outcome.PENDING else state.value
        r.report(Replied(interaction, conversation.id, ack.intent, ack.text, result, code, late))

    # --- what the brand said ---

    def _brand(self, interaction: Interaction) -> Handled:
        """The echo of our own reply settles its claim; a person's reply answers what was asked before it."""
        r = self.rooms
        place = (interaction.product, interaction.account, interaction.thread)
        if interaction.kind is Kind.BRAND_POST:
            return Handled(interaction, "")
        conversations = r.store.conversations_in(*place)
        if ours := rules.our_reply(conversations, interaction):
            conversations = [self._echoed(*ours, interaction)]
        elif not interaction.ours:
            thread = r.store.change_thread(*place, lambda old: rules.add_reply(old, interaction), self.now())
            conversations = [self._settled(c, thread) for c in r.store.conversations_in(*place)]
        return Handled(interaction, conversations[0].id if conversations else "")

    def _echoed(self, conversation: Conversation, id: str, echo: Interaction) -> Conversation:
        """The conversation after our own reply came back: whatever its claim said, it was sent."""
        r, token = self.rooms, conversation.acknowledgements[id].token

        def change(old: Conversation | None) -> Conversation:
            return rules.record(old or conversation, id, token, Outcome.SENT, r.playbook.due, reply_id=echo.id)

        return r.store.change_conversation(ConversationKey.of(conversation), change, self.now()).after

    def _settled(self, conversation: Conversation, thread: Thread) -> Conversation:
        """The conversation with the brand's replies applied; a reply that was taken back opens its question again."""

        def change(old: Conversation | None) -> Conversation:
            return rules.settle(old or conversation, thread, self.rooms.playbook.due)

        key = ConversationKey.of(conversation)
        after = self.rooms.store.change_conversation(key, change, self.now()).after
        self._schedule(after)
        return after


@dataclass(slots=True)
class Attempt:
    """The decision to acknowledge one interaction. It runs inside a conditional write, perhaps more than once; what it
    counts (caps) it counts once."""

    rooms: Responder
    interaction: Interaction
    now: datetime
    token: str = ""
    why: str = ""
    _allowed: str | None = None

    def claim(self, conversation: Conversation) -> Conversation:
        """`conversation` with the acknowledgement claimed, or unchanged with `why` set."""
        self.token = self.why = ""
        decision = self._decide(conversation)
        if isinstance(decision, str):
            self.why = decision
            return conversation
        self.token = self.rooms.new_token()
        reading = self.interaction.reading or Reading("", 0.0, 0.0, None, False)
        places = {"public": [False], "private": [True], "both": [False, True]}[decision.place]
        for private in places:
            ack = Acknowledgement(
                state=Outcome.CLAIMED,
                at=self.now,
                token=self.token + ("-private" if private and len(places) > 1 else ""),
                text=decision.text,
                intent=reading.intent,
                model=reading.model,
                resolves=decision.resolves,
                private=private,
            )
            id = self.interaction.id + ("/private" if private and len(places) > 1 else "")
            conversation = rules.claim(conversation, id, ack)
        return conversation

    def _decide(self, c: Conversation) -> Answer | str:
        """The playbook's answer, or the label of what speaks against it; the cheap reasons first."""
        i, r = self.interaction, self.rooms
        ack = c.acknowledgements.get(i.id)
        question = c.questions.get(i.id)
        if ack and (ack.state is not Outcome.PENDING or (ack.not_before and self.now < ack.not_before)):
            return Why.ALREADY
        if c.state is not State.OPEN or question is None or not question.pending:
            return Why.NOTHING_OPEN
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
            received_at=i.received_at,
            by=c.due_at,
        )
        if not isinstance(answer, Answer):
            return answer.why
        lasts = timedelta(hours=r.playbook.caps.author_per_thread_hours)
        if any(a.at > self.now - lasts and a.state is not Outcome.PENDING for id, a in c.acknowledgements.items() if id != i.id):
            return Why.RECENT
        owner = r.apps.owner(i.product, i.account)
        if owner is None:
            return Why.NO_ACCOUNT
        if self._allowed is None:
            self._allowed = Why.BREAKER if r.breaker.is_open(owner[1]) else "" if ack else self._count()
        return self._allowed or answer

    def _count(self) -> str:
        """Takes one place of each cap; the label of what forbids, "" when nothing does."""
        i, caps = self.interaction, self.rooms.playbook.caps
        owner, post = f"{i.product}:{i.account}", i.post or i.thread
        author = hashlib.sha256(f"{owner}#{post}#{i.author}".encode()).hexdigest()[:32]
        limits = [
            (f"author#{author}#{self.now:%Y%m%d}", 1, timedelta(days=1)),
            (f"post#{owner}#{post}#{self.now:%Y%m%dT%H}", caps.post_per_hour, timedelta(hours=1)),
            (f"account#{owner}#{self.now:%Y%m%dT%H}", caps.account_per_hour, timedelta(hours=1)),
        ]
        for name, limit, lasts in limits[1:] if i.private else limits:
            if not self.rooms.store.count(name, limit, lasts, self.now):
                return Why.CAP
        return ""
