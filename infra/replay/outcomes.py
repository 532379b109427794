"""What a replay writes down: a JSON object for each thing that happened, and the counts at the end."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from chalicelib.codec import from_time
from chalicelib.conversations.conversation import Conversation
from chalicelib.outcomes.types import Escalated, Failed, Handled, Notified, Replied, Stored
from infra.replay.memory import VirtualClock

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class Outcomes:
    """Stands where telemetry stands in Lambda: hears every outcome and writes it to `out`, in the order of time."""

    def __init__(self, out: TextIO, virtual_clock: VirtualClock, *, bodies: bool = False) -> None:
        self._out = out
        self._bodies = bodies
        self._clock = virtual_clock
        self.counts: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def answered(self, index: int, status: int, body: str) -> None:
        """What a recorded delivery was answered."""
        self._write("delivery", index=index, status=status, body=body)
        self.count(f"deliveries answered {status}")

    def skipped(self, parts: Sequence[str]) -> None:
        for part in parts:
            self.count(f"skipped {part}")

    def stored(self, outcome: Stored) -> None:
        if outcome.news:
            self._interaction(outcome)
        else:
            self.count("duplicates")

    def _interaction(self, outcome: Stored) -> None:
        incoming, known = outcome.incoming or outcome.interaction, outcome.interaction
        reading = known.reading
        self._write(
            "interaction",
            id=incoming.id,
            platform=incoming.product,
            account=incoming.account,
            author=incoming.author or known.author,
            brand=known.brand,
            kind=incoming.kind.value,
            text=incoming.text,
            conversation=outcome.conversation or None,
            thread=incoming.thread or known.thread or None,
            parent=incoming.parent or known.parent,
            intent=reading.intent if reading else None,
            confidence=round(reading.confidence, 4) if reading else None,
            why=outcome.why or None,
            guards=list(reading.guards) if reading else [],
        )
        self.count(f"interactions {incoming.product}: {incoming.kind.value}")
        if outcome.why:
            self.count(f"not acknowledged {incoming.product}: {outcome.why}")

    def replied(self, outcome: Replied) -> None:
        self._write(
            "reply",
            interaction=outcome.interaction.id,
            conversation=outcome.conversation,
            intent=outcome.intent,
            text=outcome.text,
            result=outcome.result,
            rung=outcome.rung or None,
            person=outcome.person,
        )
        self.count(f"replies {outcome.interaction.product}: {outcome.result}")
        if outcome.rung:
            self.count(f"replies by rung: {outcome.rung}")

    def escalated(self, outcome: Escalated) -> None:
        self._write(
            "escalation",
            conversation=outcome.conversation.id,
            tier=outcome.notice.tier,
            team=outcome.team,
            due_at=from_time(outcome.notice.due_at),
        )
        self.count(f"escalations {outcome.conversation.product}: tier {outcome.notice.tier}")

    def notified(self, outcome: Notified) -> None:
        if outcome.result == "sent":
            about = [c.id for c in (outcome.conversation, *outcome.others) if c]
            bodies = {"text": outcome.text, "html": outcome.html} if self._bodies else {}
            self._write(
                "email",
                to=outcome.to,
                subject=outcome.subject,
                conversation=about[0] if about else None,
                conversations=about,
                tier=outcome.tier,
                kind=outcome.kind,
                **bodies,
            )
        self.count(f"e-mails {outcome.result}")

    def channel_failed(self, kind: str, code: str) -> None:
        self.count(f"channel {kind} failed")

    def received(self, outcome: Handled) -> None:
        self._write("mail", conversation=outcome.conversation or None, result=outcome.result, reason=outcome.why)
        self.count(f"answers by e-mail {outcome.result}")

    def acted(self, conversation: str, action: str, result: str, reason: str) -> None:
        """What staff did on the page, and what it said."""
        self._write("act", conversation=conversation, action=action, result=result, reason=reason)
        self.count(f"acts {action}: {result}")

    def refused(self, status: int, platform: str, app: str) -> None:
        """Counted with the delivery."""

    def delivery(self, id: str) -> None:
        """The correlation id is for logs."""

    def failed(self, outcome: Failed) -> None:
        self.count(f"conversations {'set aside' if outcome.aside else 'left to the next sweep'}: {outcome.error}")

    def swept(self, complete: bool) -> None:
        """Nothing to write down."""

    def flush(self) -> None:
        """Everything is written as it happens."""

    def conversation(self, c: Conversation) -> None:
        """How a conversation stands at the end."""
        times = {"acknowledged_at": c.acknowledged_at, "answered_at": c.answered_at, "escalated_at": c.escalated_at}
        self._write(
            "conversation",
            id=c.id,
            account=c.account,
            customer=c.customer,
            state=c.state.value,
            **{name: from_time(at) if at else None for name, at in times.items()},
            tier=c.tier,
        )
        self.count(f"conversations {c.product}: {c.state.value}")
        for question in c.questions.values():
            if not question.needs_answer and not question.deleted:
                self.count(f"waits for nobody {c.product}")

    def summary(self) -> None:
        self._write("summary", counts=dict(sorted(self.counts.items())))

    def table(self, deliveries: int, seconds: float) -> str:
        """The counts for people, with the speed of the run."""
        width = max(map(len, self.counts), default=0)
        rows = [f"  {name:<{width}}  {number:>7,}" for name, number in sorted(self.counts.items())]
        rate = f"{deliveries:,} deliveries in {seconds:.1f} s ({deliveries / max(seconds, 0.001):,.0f} a second)"
        return "\n".join([rate, *rows])

    def _write(self, type: str, **fields: Any) -> None:
        row = {"at": from_time(self._clock.now), "type": type, **fields}
        self._out.write(_encode(row) + "\n")
