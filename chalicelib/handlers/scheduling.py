"""When a conversation is looked at next: at once where it is due already, else when its timer fires."""

from datetime import datetime

from chalicelib.aws.queues import Queue
from chalicelib.aws.timer import Timer, wake_for
from chalicelib.conversations.conversation import Conversation
from chalicelib.handlers.messages import EscalationDue, encode
from chalicelib.storage.store import ConversationKey


def schedule(due: Queue, timer: Timer, c: Conversation, now: datetime) -> None:
    """The wake-up for when `c` falls due; what is due already (an urgent question) goes to escalate at once, by the
    queue `due`. Raises QueueUnavailable."""
    if c.wake_at and c.wake_at <= now:
        due.send(encode(EscalationDue(ConversationKey.of(c))))
    wake_for(timer, c.due_at, now)
