"""The news that an account's automatic replies stopped, and why: one e-mail to the shop's first team."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email, Mailer
from chalicelib.handlers.messages import AccountAlert, Stopped
from chalicelib.outcomes.types import Notified, Outcomes
from chalicelib.playbook.policy import Playbook
from chalicelib.storage import names
from chalicelib.storage.store import Store


@dataclass(frozen=True, slots=True)
class AccountAlerts:
    """What telling of it works with."""

    store: Store
    playbook: Playbook
    apps: Apps
    mailer: Mailer
    outcomes: Outcomes

    def tell(self, message: AccountAlert, now: datetime) -> None:
        """Tells the shop why an account's automatic replies stopped; the mark in the store makes that once a
        credential, or once a day of blocks. Raises MailRefused for the queue to bring it again."""
        told = names.alerted(message.product, message.account)
        if self.store.marked(told) == message.token:
            return
        team = self.playbook.team(None, 1)
        name, place = self.apps.account_name(message.product, message.account), platforms.title(message.product)
        what, fix = _ALERTS[message.stopped]
        subject = f"[Earshot] {what.format(place=place, name=name)}"
        until = f"{message.until:%d %B, %H:%M UTC}" if message.until else ""
        text = (
            f"{subject}.\n\nThe platform's code was {message.code}. Questions are still stored and escalated.\n"
            f"{fix.format(until=until)}\n"
        )
        self.mailer.send(Email(team.email, subject, text, f"<p>{text}</p>", tags={"alert": message.stopped.value}))
        self.store.mark(told, message.token, now)
        self.outcomes.notified(Notified(None, 0, team.email, subject, "sent", kind="alarm"))


# why they stopped → (subject, what to do)
_ALERTS = {
    Stopped.TOKEN: (
        "{place} no longer accepts the token of {name}: automatic replies have stopped",
        "Renew the credentials and put them into the apps file (see README): replies start again by themselves.",
    ),
    Stopped.BLOCK: (
        "{place} has blocked replies by {name} for a while: automatic replies pause",
        "It is a temporary block or a used-up quota, not the token. Replies start again by themselves after {until}; "
        "if it comes again, look for a notice in the account's own pages there.",
    ),
}
