"""Makes each use case with what it needs, for app.py's entry points."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # each function imports only what it uses: the time to its first answer depends on it
    from chalicelib.handlers.account_alert import AccountAlerts
    from chalicelib.handlers.escalate import Escalator
    from chalicelib.handlers.mail_events import MailEvents
    from chalicelib.handlers.notify import Notifier
    from chalicelib.handlers.posting import Poster
    from chalicelib.handlers.receive import Receiver
    from chalicelib.handlers.respond import Responder
    from chalicelib.handlers.spike_news import SpikeNews
    from chalicelib.operations.doctor import Doctor
    from chalicelib.operations.erasure import Eraser
    from chalicelib.reports.shelf import Shelf
    from chalicelib.staff.answers import Answerer
    from chalicelib.staff.desk import Desk
    from chalicelib.staff.incoming import IncomingMail
    from chalicelib.storage.forgotten import Forgotten

from chalicelib.resources import REPEATED, Resources


class Services(Resources):
    """What app.py's entry points work with. What they stand on can be replaced by keyword arguments."""

    @property
    def receiver(self) -> "Receiver":
        from chalicelib.handlers.receive import Receiver

        return Receiver(self.apps, self.inbox, self.http, lambda *body: self.bodies.save(*body), self.new_token)

    @property
    def responder(self) -> "Responder":
        from chalicelib.handlers.acknowledge import Acknowledger
        from chalicelib.handlers.respond import Responder

        acknowledger = Acknowledger(self.store, self.playbook, self.poster, self.new_token, self.keys)
        return Responder(
            store=self.store,
            model=self.model,
            playbook=self.playbook,
            apps=self.apps,
            inbox=self.inbox,
            quarantine=self.quarantine,
            save_body=lambda *body: self.bodies.save(*body),
            due=self.due,
            timer=self.timer,
            http=self.http,
            acknowledger=acknowledger,
            forgotten=self.forgotten,
            outcomes=self.telemetry,
            fresh_apps=self.fresh_apps,
        )

    @property
    def poster(self) -> "Poster":
        from chalicelib.handlers.breaker import Breaker
        from chalicelib.handlers.posting import Poster

        return Poster(self.apps, self.http, Breaker(self.store, self.escalations))

    @property
    def forgotten(self) -> "Forgotten":
        from chalicelib.storage.forgotten import Forgotten

        return Forgotten(self.store, self.keys)

    @property
    def escalator(self) -> "Escalator":
        from chalicelib.handlers.escalate import Escalator

        return Escalator(self.store, self.playbook, self.escalations, self.timer, self.telemetry)

    @property
    def notifier(self) -> "Notifier":
        from chalicelib.handlers.notify import Notifier

        return Notifier(
            store=self.store,
            playbook=self.playbook,
            apps=self.apps,
            mailer=self.mailer,
            escalations=self.escalations,
            new_token=self.new_token,
            keys=self.keys,
            outcomes=self.telemetry,
            public_url=self.settings.public_url,
            reply_domain=self.settings.reply_domain,
            http=self.http,
            emails_are_read=self.emails_are_read,
        )

    @property
    def mail_events(self) -> "MailEvents":
        from chalicelib.handlers.mail_events import MailEvents

        return MailEvents(self.store, self.playbook, self.escalations, self.telemetry)

    @property
    def account_alerts(self) -> "AccountAlerts":
        from chalicelib.handlers.account_alert import AccountAlerts

        return AccountAlerts(self.store, self.playbook, self.apps, self.mailer, self.telemetry)

    @property
    def shelf(self) -> "Shelf":
        from chalicelib.reports.shelf import Shelf

        return Shelf(self.client("s3", REPEATED), self.settings.facts_bucket, self.keys)

    @property
    def spike_news(self) -> "SpikeNews":
        from chalicelib.handlers.spike_news import SpikeNews

        return SpikeNews(self.store, self.playbook, self.apps, self.mailer, self.keys, self.telemetry)

    @property
    def answerer(self) -> "Answerer":
        from chalicelib.staff.answers import Answerer

        return Answerer(self.store, self.playbook, self.poster, self.new_token, self.telemetry)

    @property
    def desk(self) -> "Desk":
        from chalicelib.staff.desk import Desk

        return Desk(
            store=self.store,
            playbook=self.playbook,
            apps=self.apps,
            keys=self.keys,
            answerer=self.answerer,
            escalations=self.escalations,
            due=self.due,
            timer=self.timer,
            new_token=self.new_token,
        )

    @property
    def incoming_mail(self) -> "IncomingMail":
        from chalicelib.staff.incoming import IncomingMail

        return IncomingMail(
            store=self.store,
            playbook=self.playbook,
            keys=self.keys,
            answerer=self.answerer,
            mailer=self.mailer,
            domain=self.settings.reply_domain,
        )

    @property
    def eraser(self) -> "Eraser":
        from chalicelib.operations.erasure import Eraser
        from chalicelib.operations.letters import Letters
        from chalicelib.operations.passes import Passes

        letters = Letters(
            queues=self.dead_letters,
            store=self.store,
            forgotten=self.forgotten,
            again=self.escalations,
            bodies=self.bodies,
            mails=lambda: self.mail_bucket,
        )
        passes = Passes(self.store, self.forgotten, letters)
        return Eraser(self.store, self.escalations, passes, self.apps, self.http)

    @property
    def doctor(self) -> "Doctor":
        from chalicelib.operations.doctor import Doctor
        from chalicelib.operations.leftovers import Leftovers

        known = self.settings
        letters = tuple(f"{known.quarantine_url} {known.dead_letters} {known.facts_letters}".split())
        left = Leftovers(self.lean_aws, letters, known.state_machine_arn)
        return Doctor(self.store, self.apps, self.playbook, self.http, self.mailer, left)
