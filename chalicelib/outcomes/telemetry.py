"""One log line an outcome, ids and results only, and the metrics that the alarms and the dashboard read (EMF).

No text, name or token stands in them, and of people and what they wrote only pseudonyms: a WhatsApp conversation's id
holds a phone number. An interaction's is the one that the facts call `question`.
"""

from collections.abc import Callable, Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.conversations.why import Why
from chalicelib.outcomes.types import Escalated, Failed, Handled, Notified, Replied, Stored

NAMESPACE = "Earshot"
PATH_PART = 64  # characters of one that are logged
FAILED = ("refused", "unknown", "undeliverable")  # what becomes of an e-mail and somebody has to look at
METRICS = frozenset(
    {
        *("AcknowledgementsSent", "AcknowledgementsRefused", "EscalationLateness", "TokenFailures"),
        *("EmailsFailed", "DeliveriesRefused", "ConversationsSetAside", "ChannelsFailed", "ServedStale"),
    }
)
"""What alarms ask for, and nothing else: AWS gives ten custom metrics for nothing. All that happens stands in the log,
from which the dashboard counts it."""


class Telemetry:
    """Hears of each outcome; `flush` writes the metrics of one invocation as one line. `pseudonym` names what must not
    be named."""

    def __init__(self, stage: str, pseudonym: Callable[[str], str]) -> None:
        self._pseudonym = pseudonym
        self._service = f"earshot-{stage}"  # the dimension that alarms name
        # the stage is in the group's name and a line's place in its message: nobody asks for either, and all are paid
        self.log = Logger(service=self._service, location=None)
        self.log.remove_keys(["service"])
        self._metrics = Metrics(namespace=NAMESPACE, service=self._service)

    def delivery(self, id: str) -> None:
        """The lines that follow belong to the delivery `id`; its e-mail carries the same id."""
        self.log.append_keys(delivery=id)

    def skipped(self, parts: Sequence[str]) -> None:
        """Most of what platforms send is such: a line for each would cost more than the questions."""

    def stored(self, outcome: Stored) -> None:
        """One interaction was stored, and nothing posted (yet)."""
        reading = outcome.interaction.reading
        guards = ",".join(reading.guards) if reading else ""
        self.log.info("stored", extra=_told(self._about(outcome) | {"why": outcome.why, "guards": guards}))
        if outcome.why == Why.BREAKER:
            self._count("TokenFailures")

    def replied(self, outcome: Replied) -> None:
        """An acknowledgement or a person's answer was posted, or tried."""
        if outcome.person:
            self.log.info(f"answer {outcome.result}", extra=_told(self._about(outcome) | {"code": outcome.code}))
            return
        fields = self._about(outcome) | {"code": outcome.code, "rung": outcome.rung}
        self.log.info(f"acknowledgement {outcome.result}", extra=_told(fields) | {"late_s": outcome.late_s})
        self._count(f"Acknowledgements{outcome.result.capitalize()}")

    def escalated(self, outcome: Escalated) -> None:
        """A conversation reached a tier."""
        fields = {
            "conversation": self._conversation(outcome.conversation.id),
            "tier": outcome.notice.tier,
            "team": outcome.team,
        }
        self.log.info("escalated", extra=fields | {"delivery": outcome.conversation.delivery})
        self._metrics.add_metric("EscalationLateness", MetricUnit.Seconds, outcome.late_s)

    def notified(self, outcome: Notified) -> None:
        """An escalation e-mail was sent, withdrawn, refused, or may have been sent."""
        conversation = self._conversation(outcome.conversation.id if outcome.conversation else "")
        delivery = outcome.conversation.delivery if outcome.conversation else ""
        fields = _told({"conversation": conversation, "code": outcome.code, "delivery": delivery})
        self.log.info(f"e-mail {outcome.result}", extra=fields | {"tier": outcome.tier})
        if outcome.result == "counted":  # in an e-mail that was counted itself
            return
        if outcome.result in FAILED:
            self._count("EmailsFailed")
        if outcome.conversation is None:  # the e-mail that tells of a token, once
            self._count("TokenFailures")

    def channel_failed(self, kind: str, code: str) -> None:
        """Slack, Teams or a webhook did not take a notice; its e-mail went out all the same."""
        self.log.warning("channel failed", extra={"channel": kind, "code": code})
        self._count("ChannelsFailed")

    def received(self, outcome: Handled) -> None:
        """An answer by e-mail was posted, refused or dropped."""
        fields = {"why": outcome.why, "conversation": self._conversation(outcome.conversation)}
        self.log.info(f"mail {outcome.result}", extra=_told(fields))

    def refused(self, status: int, platform: str, app: str) -> None:
        """Receive turned a delivery away. Where there is no such app, anybody may have written what the path says."""
        fields = {"status": status, "platform": platform[:PATH_PART], "app": app[:PATH_PART]}
        self.log.warning("delivery refused", extra=fields)
        self._count("DeliveriesRefused")

    def failed(self, outcome: Failed) -> None:
        """A sweep set a conversation aside; an alarm counts these. Or it left it to the next sweep."""
        fields = {"product": outcome.product, "account": outcome.account, "error": outcome.error}
        if not outcome.aside:
            self.log.warning("a conversation waits for the next sweep", extra=fields)
            return
        self.log.error("a conversation was set aside", extra=fields)
        self._count("ConversationsSetAside")

    def swept(self, complete: bool) -> None:
        """A sweep ended, perhaps before it had looked at everything."""
        if not complete:
            self.log.warning("sweep stopped by the clock; the next one goes on")

    def flush(self) -> None:
        """Writes the metrics gathered since the last flush."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def _count(self, name: str) -> None:
        if name in METRICS:
            self._metrics.add_metric(name, MetricUnit.Count, 1)

    def _about(self, outcome: Stored | Replied) -> dict[str, str]:
        i = outcome.interaction
        return {
            "interaction": self._pseudonym("\0".join(("question", i.product, i.account, i.id))),
            "conversation": self._conversation(outcome.conversation),
            "product": i.product,
            "account": i.account,
            "kind": i.kind.value,
            "intent": outcome.intent,
        }

    def _conversation(self, id: str) -> str:
        return self._pseudonym(f"conversation {id}") if id else ""


def _told(fields: dict[str, str]) -> dict[str, str]:
    """Those that say something: an empty one costs as much as its name is long."""
    return {name: value for name, value in fields.items() if value}
