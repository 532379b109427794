"""Escalate: sweep everything overdue, whatever woke us, and queue the notice of each newly reached tier."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.aws.client import AwsError
from chalicelib.aws.queues import Queue, QueueUnavailable
from chalicelib.aws.timer import Timer, wake_for
from chalicelib.codec import from_time, to_time
from chalicelib.conversations import ladders, rules
from chalicelib.conversations.conversation import Conversation, Outcome, Thread
from chalicelib.handlers.bundles import SIBLINGS, Bundles, is_shared
from chalicelib.handlers.messages import SendNotice, encode
from chalicelib.handlers.outgoing import Outgoing
from chalicelib.outcomes.types import Escalated, Failed, Outcomes
from chalicelib.playbook.live import FRESH_FOR
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.store import SHARDS, Contention, ConversationKey, Store
from chalicelib.storage.table import Item

AT_ONCE = timedelta(minutes=1)  # a notice that is queued has gone out by then
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
NOBODY_LEFT = FRESH_FOR + timedelta(minutes=2)  # until then a process may work by the playbook before a change


@dataclass(frozen=True, slots=True)
class Escalator:
    """What escalate works with."""

    store: Store
    playbook: Playbook
    escalations: Queue
    timer: Timer
    outcomes: Outcomes

    def sweep(self, now: Callable[[], datetime], until: Callable[[], bool] = lambda: True) -> bool:
        """Escalates everything that is overdue; False when `until` said stop first, so that the rest waits for the next
        sweep. A conversation that others are writing to is left to the next sweep as well."""
        aside = self.store.aside(now())
        with Outgoing(self.escalations, lambda key, error: self._failed(key, error, now())) as outgoing:
            for key in self.store.overdue(now()):
                if not until():
                    return False
                if key not in aside:
                    self._guarded(key, now(), outgoing)
            return self._replan(now, until, outgoing)

    def _guarded(self, key: ConversationKey, now: datetime, outgoing: Outgoing, *, anew: bool = False) -> bool:
        """Escalates one conversation; whatever fails about it is told and set aside, and the rest goes on. False where
        it is to be tried again by the next sweep."""
        try:
            self.escalate(key, now, anew=anew, outgoing=outgoing)
        except Contention:
            return False
        except Exception as error:  # nothing that one conversation does may keep the others from being escalated
            self._failed(key, error, now)
            return not _is_passing(error)
        return True

    def _failed(self, key: ConversationKey, error: Exception, now: datetime) -> None:
        """Sets it aside, unless that is no fault of its own: whoever waits out an outage is not to wait longer."""
        aside = not _is_passing(error)
        self.outcomes.failed(Failed(key.product, key.account, type(error).__name__, aside))
        if aside:
            with suppress(Exception):  # told above; the next sweep tries again
                self.store.set_aside(key, now)

    def _replan(self, now: Callable[[], datetime], until: Callable[[], bool], outgoing: Outgoing) -> bool:
        """After a change of the playbook's clocks every conversation that waits is planned anew, so that shorter waits
        apply to it too: at once, and again when no process works by the playbook before any more. Goes on where the
        sweep before was stopped."""
        clocks, known = self.playbook.clocks, self.store.marked("clocks", lately=True)
        planned, _, at = (known or "").partition("|")
        again = planned == clocks
        if again and (not at or now() < to_time(at) + NOBODY_LEFT):
            return True
        plan = f"{clocks}, again" if again else clocks
        for shard in range(SHARDS):
            if not self._replan_shard(shard, plan, now, until, outgoing):
                return False
        self.store.mark("clocks", clocks if again or known is None else f"{clocks}|{from_time(now())}", now())
        return True

    def _replan_shard(
        self, shard: int, plan: str, now: Callable[[], datetime], until: Callable[[], bool], outgoing: Outgoing
    ) -> bool:
        """Whether all that waits in the shard is planned by `plan`; False when `until` said stop first, or when one is
        to be tried again."""
        done, _, since = (self.store.marked(names.replanned(shard)) or "").partition("|")
        if done == plan and not since:
            return True
        first = to_time(since) if done == plan else EARLIEST
        for at, key in list(self.store.waiting(shard, first)):
            if not until() or not self._guarded(key, now(), outgoing, anew=True):
                self.store.mark(names.replanned(shard), f"{plan}|{from_time(at)}", now())
                return False
        self.store.mark(names.replanned(shard), plan, now())
        return True

    def escalate(
        self, key: ConversationKey, now: datetime, *, anew: bool = False, outgoing: Outgoing | None = None
    ) -> None:
        """Escalates one conversation if it is overdue; `anew`: by the playbook as it is now, whatever was planned. One
        in public that is not (its notice is under way, or its entry lags) costs one read. What is not urgent waits in
        `outgoing`, where there is one, for the others of a sweep. Raises Contention and QueueUnavailable."""
        thread, item = self.store.standing(key)
        if item is None:  # erased in between; the index lags
            return
        known = item.noun(Conversation)
        wake_at = known.wake_at
        if anew or (wake_at and wake_at <= now):
            said = thread or self.store.thread(key.product, key.account, key.thread)
            self._call(key, said, item, now, anew=anew, outgoing=outgoing)
        else:
            self._settle(key, wake_at, item, now)
            wake_for(self.timer, known.due_at, now)  # whoever wrote it may have ended before that

    def _call(
        self,
        key: ConversationKey,
        thread: Thread,
        item: Item,
        now: datetime,
        *,
        anew: bool,
        outgoing: Outgoing | None,
    ) -> None:
        """Calls the team of each ladder that is overdue, unless `thread` answers it."""

        def change(old: Conversation) -> Conversation:
            planned = ladders.forget_promises(old) if anew else old
            return ladders.escalate(rules.apply_replies(planned, thread, self.playbook, now), self.playbook, now)

        done = self.store.update_conversation(key, change, now, passing=_is_queued, seen=item)
        if done is None:
            return
        if done.after == done.before and done.item:
            self._settle(key, done.after.wake_at, done.item, now)
        wake_for(self.timer, done.after.due_at, now)  # the next tier
        before = done.before.notices if done.before else {}
        for name, notice in done.after.notices.items():
            if notice != before.get(name) and notice.state is Outcome.PENDING:
                team, on = self.playbook.team_of(done.after, notice).name, done.after.on(notice)
                if name not in before:
                    Bundles(self.store, self.playbook).fell_due(on, team, now)
                wait = SIBLINGS if is_shared(done.after) and not notice.urgent else timedelta()
                message = encode(SendNotice.of(done.after, name))
                if outgoing and not notice.urgent:
                    outgoing.put(key, message, wait)
                else:
                    self.escalations.send(message, wait)
                if name not in before:
                    late = (now - notice.due_at).total_seconds()
                    self.outcomes.escalated(Escalated(on, notice, team, late))

    def _settle(self, key: ConversationKey, wake_at: datetime | None, item: Item, now: datetime) -> None:
        """Puts the entry where it belongs that was left because its notices were to be sent at once, and were not."""
        if item.wake_at and wake_at and item.wake_at < min(wake_at, now - AT_ONCE):
            self.store.update_conversation(key, lambda old: old, now, always=True, seen=item)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, QueueUnavailable) or (isinstance(error, AwsError) and error.passing)


def _is_queued(c: Conversation) -> bool:
    """Whether a notice's outcome is what it has to be looked at for next: that moves its entry as well, in seconds."""
    wake_at = c.wake_at
    return any(n.again_at == wake_at for n in c.notices.values())
