"""Respond: from an envelope to stored, acknowledged and scheduled interactions.

Each interaction passes the same steps: store, fold into its conversation and claim, wake, post, record. Every step is
a no-op when its result is already there, so that a message that comes again (a crash, a time-out, a duplicate) does
only what is missing.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from chalicelib import platforms
from chalicelib.apps import Apps, webhook_path
from chalicelib.aws.queues import Queue
from chalicelib.aws.timer import Timer
from chalicelib.conversations import rules
from chalicelib.conversations.changed import replace
from chalicelib.conversations.conversation import Conversation
from chalicelib.conversations.interaction import Interaction, Kind, Reading, bare, in_few_digits, merge, timely
from chalicelib.conversations.why import Why
from chalicelib.handlers import inbox
from chalicelib.handlers.acknowledge import Acknowledger, Claim, Permit
from chalicelib.handlers.brand_said import BrandSaid
from chalicelib.handlers.inbox import Envelope, SaveBody
from chalicelib.handlers.placing import Placer
from chalicelib.handlers.scheduling import schedule
from chalicelib.intents import IntentModel
from chalicelib.outcomes.types import Outcomes, Stored
from chalicelib.platforms.base import FOREIGN, Parsed, Poison, ReplyError, Skipped
from chalicelib.platforms.http import Http
from chalicelib.platforms.read import PayloadError
from chalicelib.playbook.policy import Playbook
from chalicelib.reading.guards import guarded
from chalicelib.storage.forgotten import Forgotten
from chalicelib.storage.optouts import OptOuts
from chalicelib.storage.store import Change, ConversationKey, Parents, Store

CHANGES = (Kind.EDIT, Kind.DELETE, Kind.HIDE)
SOMEBODY = "somebody"  # stands for the id of another customer, which this one's words need not keep
FETCHED = (Kind.NEW, Kind.MENTION, Kind.EDIT)  # what a platform may tell of by its id alone


class Responder(NamedTuple):
    """The responder that respond works with; `outcomes` hears of each."""

    store: Store
    model: IntentModel
    playbook: Playbook
    apps: Apps
    inbox: Queue
    quarantine: Queue
    save_body: SaveBody
    due: Queue
    timer: Timer
    http: Http
    acknowledger: Acknowledger
    forgotten: Forgotten
    outcomes: Outcomes
    fresh_apps: Callable[[], Apps]

    def respond(self, envelope: Envelope, now: Callable[[], datetime]) -> None:
        """Works on one envelope. One with several interactions is put back as a message for each, so that no invocation
        runs long and one that fails does not hold up the others. Raises for the queue to bring it again."""
        parsed = self._parsed(envelope)
        if parsed is None or any(map(self._is_unknown, parsed)):  # receive may have read another apps file than this
            fresh = self.fresh_apps()
            poster = self.acknowledger.poster._replace(apps=fresh)
            self = self._replace(apps=fresh, acknowledger=self.acknowledger._replace(poster=poster))
            parsed = self._parsed(envelope)
        interactions, reasons = _sorted_out(parsed, self._was_another(envelope))
        if reasons:
            inbox.enqueue(self.quarantine, envelope, self.save_body, now(), reasons)
        if len(interactions) > 1:
            self.inbox.send_all([inbox.part(envelope, i) for i in interactions])
        else:
            for interaction in interactions:
                Step(self, envelope, interaction, now, Parents(self.store)).run()
        if parsed and len(parsed) > len(interactions):
            self.outcomes.skipped(without_work(parsed, webhook_path(envelope.platform, envelope.app)))

    def _parsed(self, envelope: Envelope) -> list[Parsed] | None:
        """What the envelope says; None when nobody has its app. Poison, where the body as a whole is not understood."""
        if envelope.interaction:
            return [envelope.interaction]
        app, webhook = self.apps.get(envelope.platform, envelope.app), platforms.webhook(envelope.platform)
        if app is None or webhook is None:
            return None
        try:
            return list(webhook.read(app, envelope.body, envelope.received_at))
        except PayloadError as error:
            return [Poison(str(error), "")]

    def _is_unknown(self, parsed: Parsed) -> bool:
        """Whether it is for an account that the apps at hand do not have."""
        if isinstance(parsed, Interaction):
            return self.apps.owner(parsed.product, parsed.account) is None
        return _is_foreign(parsed)

    def _was_another(self, envelope: Envelope) -> bool:
        """Whether the app had other accounts when receive took the envelope in."""
        app = self.apps.get(envelope.platform, envelope.app)
        return bool(app and envelope.census and app.census != envelope.census)

    def read(self, interaction: Interaction) -> Interaction:
        """`interaction` with what the intent model and the guards read in its text."""
        if interaction.deleted or interaction.brand or not interaction.text.strip():
            return replace(interaction, reading=None)
        owner = self.apps.owner(interaction.product, interaction.account)
        own = (self.playbook.shop.name, owner[1].name if owner else "")
        reading = guarded(self.model.read(interaction.text), interaction.text, own)
        return replace(interaction, reading=in_few_digits(reading))

    def intent(self, reading: Reading | None) -> str | None:
        """The intent that decides promise and team; an urgent one from a low probability on, and not below it."""
        if reading is None:
            return None
        calm = None if reading.intent in self.playbook.urgency.intents else reading.intent
        return self.playbook.urgent(reading) or calm


def without_work(parsed: Iterable[Parsed], path: str) -> list[str]:
    """Of what product each part is that is no interaction, else where it came, and why it is none."""
    return [f"{p.product or path}: {p.reason}" for p in parsed if not isinstance(p, Interaction)]


def _leaves(old: Interaction, new: Interaction) -> bool:
    if not old.thread or old.brand:
        return False
    return new.brand or ConversationKey.of(old) != ConversationKey.of(new)


def _is_foreign(parsed: Parsed) -> bool:
    return isinstance(parsed, Skipped) and parsed.reason == FOREIGN


def _sorted_out(parsed: list[Parsed] | None, other_accounts: bool) -> tuple[list[Interaction], list[str]]:
    """The interactions, and why the rest goes to quarantine. What receive took in and nobody owns any more is among
    that: it would have refused a delivery for strangers alone, and a part for a stranger may have been for one of the
    `other_accounts` that the app had then."""
    if parsed is None:
        return [], ["the app is no longer in the apps file"]
    if parsed and all(map(_is_foreign, parsed)):
        return [], ["no account of the delivery is in the apps file any more"]
    reasons = [p.reason for p in parsed if isinstance(p, Poison)]
    if other_accounts and any(map(_is_foreign, parsed)):
        reasons.append("an account of the delivery is not in the apps file any more")
    return [p for p in parsed if isinstance(p, Interaction)], reasons


class Step(NamedTuple):
    """The steps of one interaction."""

    responder: Responder
    envelope: Envelope
    incoming: Interaction
    now: Callable[[], datetime]
    parents: Parents

    def run(self) -> None:
        """All steps for what a delivery tells of one interaction."""
        r = self.responder
        # It may have waited, or come again, while its author asked to be erased.
        if r.forgotten.concerns(self.incoming, lately=True):
            self._drop(self.incoming)
            return
        incoming = Placer(r.store, r.apps, self.parents).placed(self.incoming, self.now())
        if incoming is None or incoming.kind is Kind.SAME_PERSON:
            return
        if incoming.unproven and not self._is_true(incoming):
            return
        if self._came_before(incoming):
            r.outcomes.stored(Stored(bare(incoming), "", why=Why.NOT_REMEMBERED, news=False))
            return
        if incoming.author is None and incoming.kind in FETCHED:
            incoming = self._fetched(incoming)
        incoming = self._kept(incoming)
        if self._moved(incoming) and r.forgotten.concerns(incoming, lately=True):
            self._drop(incoming)
            return
        change = self._stored(incoming)
        before, interaction = change.before, change.after
        if not interaction.thread:  # a deletion that names nothing but the id, of something that has not come yet
            handled = Stored(interaction, "")
        elif interaction.brand:
            handled = self._brand.hear(interaction)
        else:
            handled = self._customer(interaction, before)
        news = before is None or (before != interaction and (incoming.kind in CHANGES or before.kind in CHANGES))
        r.outcomes.stored(handled._replace(incoming=incoming, news=news))

    @property
    def _brand(self) -> BrandSaid:
        r = self.responder
        return BrandSaid(r.store, r.playbook, r.due, r.timer, self.now, self.parents)

    def _came_before(self, incoming: Interaction) -> bool:
        """Whether it is older than anything that is remembered, and nothing of it is: a recorded delivery that is sent
        again, say. Nobody could tell whether it was answered or deleted, or its author erased."""
        i = incoming
        times = (i.at, i.text_at, i.hidden_at, i.shown_at, i.recovered_at)
        if i.deletes or self.responder.store.remembers(max(filter(None, times)), self.envelope.received_at):
            return False
        return self.responder.store.interaction(i.product, i.account, i.id) is None

    def _is_true(self, incoming: Interaction) -> bool:
        """Whether the platform itself says that it was deleted, or that it is there again; what it will not say is no
        reason to forget anybody."""
        owner = self.responder.apps.owner(incoming.product, incoming.account)
        try:
            fetch = platforms.product(incoming.product).fetch
            gone = bool(owner and fetch(self.responder.http, owner.account, incoming).get("deleted"))
        except ReplyError:
            gone = False
        return gone == incoming.deletes

    def _moved(self, incoming: Interaction) -> bool:
        """Whether it turned out to be of somebody else, or at another account, than its delivery said."""
        told = self.incoming
        return (incoming.account, incoming.author) != (told.account, told.author)

    def _drop(self, incoming: Interaction) -> None:
        """In public its tombstone stays: what the brand answers to it names the author as well."""
        if not (incoming.private or incoming.brand or incoming.kind is Kind.SAME_PERSON):
            self.responder.store.forget_interaction(incoming, "", self.now())
        self.responder.outcomes.stored(Stored(bare(incoming), "", why=Why.ERASED, news=False))

    def _kept(self, incoming: Interaction) -> Interaction:
        """`incoming` without what serves nothing once it is parsed: the platform's own JSON, which quotes others; the
        id of another customer to whom this one speaks; what the brand answered to words that are forgotten."""
        to = incoming.to if incoming.brand or incoming.to in (incoming.account, incoming.author) else None
        incoming = replace(incoming, raw="", to=to or (SOMEBODY if incoming.to else None))
        incoming = timely(incoming, self.envelope.received_at)
        if self.responder.forgotten.answers_one(incoming, self.parents):
            return replace(incoming, text="", author_name=None, to=SOMEBODY if incoming.to else None)
        return incoming

    def _fetched(self, incoming: Interaction) -> Interaction:
        """With the author and text that its delivery leaves out; as it came when the platform will not say."""
        owner = self.responder.apps.owner(incoming.product, incoming.account)
        if owner is None:
            return incoming
        try:
            fetched = platforms.product(incoming.product).fetch(self.responder.http, owner.account, incoming)
        except ReplyError:
            return incoming
        for more in fetched.pop("more", ()):
            Step(self.responder, self.envelope, more, self.now, self.parents).run()
        known = {k: v for k, v in fetched.items() if v}
        brand = known.get("author") == incoming.account
        return replace(incoming, **known, brand=brand, kind=Kind.BRAND_REPLY if brand else incoming.kind)

    def _stored(self, incoming: Interaction) -> Change[Interaction]:
        """Stores it. Where that changes whose conversation it is in (its author or thread became known), it leaves the
        old one first: a process that ends in between does so again, and nobody waits in both."""
        left: tuple[Interaction, ...] = ()
        while True:
            done = self.responder.store.decide_interaction(incoming, partial(self._merged, incoming, left), self.now())
            if done.change:
                return done.change
            old, new = done.result
            self._leave(old, new)
            left += (old,)

    def _merged(
        self, incoming: Interaction, left: tuple[Interaction, ...], old: Interaction | None
    ) -> tuple[Interaction | None, tuple[Interaction, Interaction]]:
        """`old` with what came in; None, so that nothing is written, where its conversation has to be left first.
        Behind it both, for who leaves it."""
        new = self.responder.read(merge(old, incoming))
        stays = old is None or not _leaves(old, new) or old in left
        return new if stays else None, (old or new, new)

    def _leave(self, old: Interaction, new: Interaction) -> None:
        """Nothing about `old` is open in its conversation any more; what was posted about it is known in the new one,
        so that it is not posted again."""
        r, gone = self.responder, replace(old, deleted=True)
        thread = r.store.thread(old.product, old.account, old.thread)
        known = r.store.conversation(ConversationKey.of(old))
        if known is None:
            return
        acks = {i: a for i, a in known.acknowledgements.items() if i in (old.id, f"{old.id}/private")}
        if acks and not new.brand:

            def carry(c: Conversation | None) -> Conversation:
                c = c or Conversation(new.product, new.account, new.thread, new.customer, new.app, new.private)
                return replace(c, acknowledgements={**acks, **c.acknowledgements})

            r.store.change_conversation(ConversationKey.of(new), carry, self.now())
        r.store.update_conversation(
            ConversationKey.of(old),
            lambda c: rules.apply_interaction(c, gone, thread, r.playbook, self.now()),
            self.now(),
        )

    # --- a customer's interaction ---

    def _customer(self, interaction: Interaction, before: Interaction | None) -> Stored:
        r = self.responder
        OptOuts(r.store).heed(interaction)  # before anything is said to them
        done, claim = self._applied(interaction, before)
        after = done.after
        schedule(r.due, r.timer, after, self.now())
        if after.wake_at:  # the e-mail tells what was asked, however late it comes
            r.store.keep_interaction(interaction, after.wake_at, self.now())
        if claim.ids and r.forgotten.concerns(interaction):  # erased since it was stored: the second pass meets it
            return Stored(bare(interaction), "", why=Why.ERASED)
        for posted, id in enumerate(claim.ids):
            if stopped := r.acknowledger.stop(done, interaction, claim, posted, self.now()):
                done, claim = stopped, Claim(why=Why.OPTED_OUT)
                break
            replied, done = r.acknowledger.post(done, interaction, id, self.now)
            if replied.not_before:
                r.inbox.send(inbox.part(self.envelope, interaction), delay=replied.not_before - self.now())
            r.outcomes.replied(replied)
        self._heed_failures(done.after, interaction)
        intent = interaction.reading.intent if interaction.reading else ""
        return Stored(interaction, after.id, intent, why=claim.why)

    def _heed_failures(self, c: Conversation, interaction: Interaction) -> None:
        """The platform may have said that a private reply did not arrive before its sending was recorded."""
        if not interaction.private or interaction.id not in c.acknowledgements:
            return
        id = c.acknowledgements[interaction.id].id
        reply = self.responder.store.interaction(c.product, c.account, id) if id else None
        if reply and reply.undelivered:
            self._brand.undelivered(c, reply)

    def _comes_again(self, interaction: Interaction, before: Interaction | None) -> bool:
        """Whether an earlier delivery than this one told of it, and nothing about it has changed since. (That one comes
        from the queue until it was worked on.)"""
        if before is None or self.envelope.received_at <= interaction.received_at:
            return False
        return replace(before, reading=None) == replace(interaction, reading=None)

    def _needs_answer(self, interaction: Interaction) -> bool:
        r = self.responder
        return not interaction.tap and r.playbook.needs_answer(interaction.reading, r.model.bounds)

    def _applied(self, interaction: Interaction, before: Interaction | None) -> tuple[Change[Conversation], Claim]:
        """The conversation with the interaction in it and its acknowledgement claimed, or why not. Of one that came
        `before` the conversation is read first. A claim on the guess that there is none would count against the caps,
        and a reply that a rate limit held back would then never go out."""
        r, now = self.responder, self.now()
        key, new, said, seen = ConversationKey.of(interaction), not before and not interaction.private, None, None
        if key.thread == key.customer:  # both in one read, and what is not there need not be looked for again
            (said, seen), new = r.store.standing(key), True
        thread = said or r.store.thread(key.product, key.account, key.thread)
        intent = r.intent(interaction.reading)
        needs_answer, again = self._needs_answer(interaction), self._comes_again(interaction, before)
        asked_anew = before is not None and not self._needs_answer(before)

        def decide(permit: Permit | None, old: Conversation | None) -> tuple[Conversation | None, Claim]:
            new = rules.apply_interaction(
                old,
                interaction,
                thread,
                r.playbook,
                self.now(),
                intent=intent,
                needs_answer=needs_answer,
                again=again,
                asked_anew=asked_anew,
            )
            if new != old:
                new = replace(new, delivery=self.envelope.id)
            new, claim = r.acknowledger.claim(new, thread, interaction, permit, now)
            return None if claim.unasked else new, claim

        done = r.store.decide_conversation(key, partial(decide, None), self.now(), new=new, seen=seen)
        if asked := done.result.unasked:
            permit = r.acknowledger.permit(asked.conversation, thread, interaction, now, self.parents)
            known_as = done.seen.noun(Conversation) if done.seen else None

            def decide_again(old: Conversation | None) -> tuple[Conversation | None, Claim]:
                """What was decided without the permit holds, unless somebody wrote in between."""
                unchanged = old is known_as
                return r.acknowledger.permitted(asked, interaction, permit, now) if unchanged else decide(permit, old)

            done = r.store.decide_conversation(key, decide_again, self.now(), new=True, seen=done.seen)
        assert done.change
        return done.change, done.result
