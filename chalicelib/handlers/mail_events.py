"""SES's own word on an escalation e-mail: it went out, or it came back. What came back goes to the team's fallback
address, once, or raises an alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.aws.queues import Queue
from chalicelib.conversations import rules, staff_rules
from chalicelib.conversations.conversation import Conversation, Outcome
from chalicelib.emails import about
from chalicelib.handlers.messages import SendNotice, encode
from chalicelib.outcomes.types import Notified, Outcomes
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.once import Once
from chalicelib.storage.store import Store

DELAYED = "DeliveryDelay"  # the mailbox is full, or its server answers nothing


@dataclass(frozen=True, slots=True)
class MailEvents:
    """What listening to SES works with; `escalations` is the queue that brings a notice to its fallback address."""

    store: Store
    playbook: Playbook
    escalations: Queue
    outcomes: Outcomes

    def hear(self, event: Mapping[str, Any], now: datetime) -> None:
        """Send settles a claim whose answer was lost; Bounce and Reject send it to the team's fallback address, once,
        unless somebody has answered; one that comes back from there as well, or has none, raises an alarm. So does
        DeliveryDelay with what is urgent: SES tries for hours before it lets an e-mail bounce. Other events change
        nothing."""
        mail = event["mail"]
        tags = {name: values[0] for name, values in mail.get("tags", {}).items() if values}
        kind = event.get("eventType") or event.get("notificationType")
        if kind == "Send" and "once" in tags:
            Once(self.store.table).sent(tags["once"], now)
        for it in about.notices(self.store, tags):
            if kind == "Send":
                self._sent(it, str(mail.get("messageId", "")), tags["notice"], now)
            elif kind in ("Bounce", "Reject", DELAYED):
                self._bounced(it, tags, kind, now)

    def _sent(self, it: about.Named, id: str, tag: str, now: datetime) -> None:
        def change(old: Conversation) -> Conversation:
            told = rules.record_notice(old, it.name, Outcome.SENT, id=id, at=now, email=tag)
            return told if it.of(old) else old

        notice = it.of(self.store.lately(it.key))
        if notice and notice.state is Outcome.SENT and tag in notice.emails:  # as it is with all but a few
            return
        self.store.update_conversation(it.key, change, now)

    def _bounced(self, it: about.Named, tags: Mapping[str, str], kind: str, now: datetime) -> None:
        c = self.store.conversation(it.key)
        notice = it.of(c)
        if c is None or notice is None or not staff_rules.open_questions(c):
            return
        if kind == DELAYED and not notice.urgent:  # the next step comes sooner than this would be of use
            return
        team = self.playbook.team_of(c, notice)
        if tags.get("to") != "team" or team.fallback_email in ("", team.email):
            once = self.store.mark(names.undeliverable(tags["notice"], tags.get("to")), kind, now)
            if once:
                self.outcomes.notified(Notified(c, notice.tier, team.email, "", "undeliverable", kind, kind="alarm"))
            return
        done = self.store.update_conversation(
            it.key, lambda old: staff_rules.bounce(old, it.name, now, tags["notice"]), now
        )
        if done and done.before != done.after:
            self.escalations.send(encode(SendNotice.of(done.after, it.name)))
