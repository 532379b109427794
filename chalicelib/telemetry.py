"""One log line an outcome, ids and results only, and the metrics that the alarms and the dashboard read (EMF).

Nothing here ever sees a text, a name or a token: the reports carry them, the lines below leave them out.
"""

from typing import TYPE_CHECKING, Union

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from chalicelib.acknowledge import Replied
    from chalicelib.escalate import Escalated
    from chalicelib.notify import Notified
    from chalicelib.respond import Handled

NAMESPACE = "Earshot"


class Telemetry:
    """Hears of each outcome; `flush` writes the metrics of one invocation as one line."""

    def __init__(self, stage: str = "local") -> None:
        self._service = f"earshot-{stage}"  # the dimension that alarms name
        self.log = Logger(service=self._service)
        self._metrics = Metrics(namespace=NAMESPACE, service=self._service)

    def delivery(self, id: str) -> None:
        """The lines that follow belong to the delivery `id`; its e-mail carries the same id."""
        self.log.append_keys(delivery=id)

    def handled(self, outcome: Union["Handled", "Replied"]) -> None:
        """What respond did with one interaction."""
        i = outcome.interaction
        fields = {
            "interaction": i.id,
            "conversation": outcome.conversation,
            "product": i.product,
            "account": i.account,
            "kind": i.kind.value,
            "intent": outcome.intent,
        }
        result = getattr(outcome, "result", "")
        if not result:
            self.log.info("stored", extra=fields | {"why": getattr(outcome, "why", "")})
            self._count("Interactions")
            if getattr(outcome, "why", "") == "token_invalid":
                self._count("TokenFailures")
            return
        self.log.info(f"acknowledgement {result}", extra=fields | {"code": getattr(outcome, "code", "")})
        self._count(f"Acknowledgements{result.capitalize()}")
        self._metrics.add_metric("TimeToAcknowledge", MetricUnit.Seconds, getattr(outcome, "late_s", 0.0))

    def escalated(self, escalated: "Escalated") -> None:
        """A conversation reached a tier."""
        fields = {"conversation": escalated.conversation.id, "tier": escalated.notice.tier, "team": escalated.team}
        self.log.info("escalated", extra=fields | {"delivery": escalated.conversation.delivery})
        self._count("Escalations")
        with single_metric("EscalationsByTeam", MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", self._service)
            metric.add_dimension("team", escalated.team)
            metric.add_dimension("tier", str(escalated.notice.tier))
        self._metrics.add_metric("EscalationLateness", MetricUnit.Seconds, escalated.late_s)

    def notified(self, notified: "Notified") -> None:
        """An escalation e-mail was sent, withdrawn, refused, or may have been sent."""
        conversation = notified.conversation.id if notified.conversation else ""
        delivery = notified.conversation.delivery if notified.conversation else ""
        fields = {"conversation": conversation, "tier": notified.tier, "code": notified.code, "delivery": delivery}
        self.log.info(f"e-mail {notified.result}", extra=fields)
        self._count(f"Emails{notified.result.capitalize()}")
        if notified.conversation is None:  # the e-mail that tells of a token, once
            self._count("TokenFailures")

    def refused(self, status: int, platform: str, app: str) -> None:
        """Receive turned a delivery away."""
        self.log.warning("delivery refused", extra={"status": status, "platform": platform, "app": app})
        self._count("DeliveriesRefused")

    def swept(self, complete: bool) -> None:
        """A sweep ended; the alarm on missing sweeps counts these."""
        self._count("Sweeps")
        if not complete:
            self.log.warning("sweep stopped by the clock; the next one goes on")

    def flush(self) -> None:
        """Writes the metrics gathered since the last flush."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def _count(self, name: str) -> None:
        self._metrics.add_metric(name, MetricUnit.Count, 1)
