"""The news that an account's automatic replies stopped, and why: one e-mail to the shop's first team."""

from dataclasses import dataclass
from datetime import datetime
from html import escape

from chalicelib.apps import Apps
from chalicelib.aws.mailer import Email, Mailer
from chalicelib.emails.phrases import phrases
from chalicelib.emails.safe_text import name
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
        say, key = phrases(team.language, self.playbook.shop.timezone), _ALERTS[message.stopped]
        account = self.apps.account_name(message.product, message.account)
        what = say(key, where=say.place(message.product), account=name(account))
        until = say.time(message.until) if message.until else ""
        lines = (f"{what}.", say("alert_code", code=name(message.code)), say(f"{key}_do", time=until))
        subject, html = f"[Earshot] {what}", "".join(f"<p>{escape(line)}</p>" for line in lines)
        email = Email(team.email, subject, "\n\n".join(lines) + "\n", html, tags={"alert": message.stopped.value})
        self.mailer.send(email)
        self.store.mark(told, message.token, now)
        self.outcomes.notified(Notified(None, 0, team.email, subject, "sent", kind="alarm"))


_ALERTS = {Stopped.TOKEN: "alert_token", Stopped.BLOCK: "alert_block"}  # why they stopped → the phrase that says so
