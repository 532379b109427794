"""Escalate: sweep everything overdue, whatever woke us, and queue the notice of each newly reached tier."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.aws.queues import Queue
from chalicelib.aws.timer import Timer, wake_all
from chalicelib.codec import dump
from chalicelib.conversations import ladders, rules
from chalicelib.conversations.conversation import Conversation, Notice, Outcome
from chalicelib.handlers.bundles import Bundles
from chalicelib.outcomes.types import Escalated, Outcomes
from chalicelib.playbook.policy import Playbook
from chalicelib.storage.store import Contention, ConversationKey, Store


@dataclass(frozen=True, slots=True)
class Escalator:
    """The rooms that escalate works with."""

    store: Store
    playbook: Playbook
    escalations: Queue
    timer: Timer
    outcomes: Outcomes

    def sweep(self, now: Callable[[], datetime], until: Callable[[], bool] = lambda: True) -> bool:
        """Escalates everything that is overdue; False when `until` said stop first, so that the rest waits for the next
        sweep. A conversation that others are writing to is left to the next sweep as well."""
        for key in self.store.overdue(now()):
            if not until():
                return False
            try:
                self.escalate(key, now())
            except Contention:
                continue
        return True

    def escalate(self, key: ConversationKey, now: datetime) -> None:
        """Escalates one conversation if it is overdue. Raises Contention and QueueUnavailable."""
        thread = self.store.thread(key.product, key.account, key.thread)

        def change(old: Conversation) -> Conversation:
            return ladders.escalate(rules.apply_replies(old, thread, self.playbook, now), self.playbook, now)

        done = self.store.update_conversation(key, change, now)
        if done is None:  # erased in between; the index lags
            return
        wake_all(self.timer, done.after.wake_times, now)  # the next tier, and the look whether the notices went out
        before = done.before.notices if done.before else {}
        for name, notice in done.after.notices.items():
            if notice != before.get(name) and notice.state is Outcome.PENDING:
                team = self._team(done.after, notice)
                if name not in before:
                    Bundles(self.store, self.playbook).fell_due(done.after.on(notice), team, now)
                self.escalations.send(notice_message(key, name, done.after))
                if name not in before:
                    late = (now - notice.due_at).total_seconds()
                    self.outcomes.escalated(Escalated(done.after.on(notice), notice, team, late))

    def _team(self, c: Conversation, notice: Notice) -> str:
        return self.playbook.team(c.about(notice), notice.tier, urgent=notice.urgent).name


def notice_message(key: ConversationKey, notice: str, conversation: Conversation) -> dict[str, Any]:
    """The message on the escalations queue; `delivery` is the correlation id."""
    return {"v": 1, **dump(key), "notice": notice, "delivery": conversation.delivery}
