"""What becomes of the shop's machinery in the story: queues repeat themselves, services and platforms are out, accounts
leave and come back, the playbook goes back and forth."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from chalicelib.apps import Apps
from tests.story.staff import Staff
from tests.story.telling import MINUTE, SECOND, SOON_AGAIN
from tests.world import APPS

SOONER = timedelta(minutes=3)  # a change is known to all


class Machinery(Staff):
    """Nothing of it is anybody's fault, and whoever waits is told all the same."""

    @rule(data=st.data())
    def a_queue_brings_something_twice(self, data: st.DataObject) -> None:
        """However long ago it was worked on."""
        sent = [row for row in self.world.aws.sent[-30:] if row[0] != "quarantine"]
        if sent:
            self.world.virtual_clock.add(self.now(), *data.draw(st.sampled_from(sent)))
            self.world.run(SECOND)

    @rule(service=st.sampled_from(("dynamodb", "sqs", "states", "ses")), minutes=st.sampled_from((1, 4, 9)))
    def a_service_answers_nothing(self, service: str, minutes: int) -> None:
        ends = self.now() + minutes * MINUTE
        self.world.breaks.out = (service, ends)
        self.uncertain(minutes * MINUTE + SOON_AGAIN)
        self.tick(minutes * MINUTE + SECOND)
        self.world.breaks.out = None

    @precondition(lambda self: self.begun and self.is_steady())
    @rule(minutes=st.sampled_from((1, 12, 40)), all=st.booleans())
    def an_account_is_switched_off_and_on(self, minutes: int, all: bool) -> None:
        """Nothing is told of it meanwhile; who had asked before is called about."""
        apps = [app for app in self.world.registered.apps if app.key == "main"]
        if all:
            apps = [replace(app, accounts=()) for app in apps]
        registered, self.world.registered = self.world.registered, Apps(tuple(apps))
        self.world.new_process()
        self.tick(minutes * MINUTE)
        self.world.registered = registered
        self.world.new_process()

    @rule()
    def a_token_is_refused_or_renewed(self) -> None:
        if not self.world.wire.refused:
            self.world.wire.refused = {a.token for app in self.world.registered.apps for a in app.accounts}
            return
        self.world.wire.refused = set()
        self.count += 1
        apps = [
            replace(app, accounts=tuple(replace(a, token=f"token-{app.key}-{self.count}") for a in app.accounts))
            for app in APPS.apps
        ]
        self.world.registered = Apps(tuple(apps))
        self.world.new_process()

    @rule()
    def automatic_replies_are_stopped_or_go_on(self) -> None:
        """Which is nothing about who is called when."""
        self.owed.policy = replace(self.owed.policy, stopped_altogether=not self.owed.policy.stopped_altogether)
        self.world.policy = self.owed.policy
        self.world.new_process()

    @rule()
    def the_playbook_changes(self) -> None:
        """Shorter waits and a closed day, or those of before; they apply to what is open, too."""
        now, policy = self.owed.policy, self.other_policy
        self.other_policy = replace(now, stopped_altogether=policy.stopped_altogether)
        self.owed.policy = replace(policy, stopped_altogether=now.stopped_altogether)
        self.world.deploy(self.owed.policy)
        self.owed.changed_at = self.now()
        self.uncertain(SOONER)
        self.tick(4 * MINUTE)

    @rule(data=st.data(), kind=st.sampled_from(("Bounce", "Reject", "DeliveryDelay")), late=st.booleans())
    def an_email_bounces(self, data: st.DataObject, kind: str, late: bool) -> None:
        """To the fallback, once; a bounce that comes again changes nothing, nor does the word that it had gone out."""
        mails = [m for m in self.world.mail_room.sent[-6:] if m.tags.get("to") == "team" and m.links]
        if not mails:
            return
        mail = data.draw(st.sampled_from(mails))
        for _ in range(2):
            self.world.bounced(mail, kind)
            if late:
                self.world.bounced(mail, "Send")
        if kind == "DeliveryDelay":
            self.tick(3 * MINUTE)
            return
        self.bounced.add(id(mail))
        self.excused.append((mail.at - 60 * MINUTE, self.now() + 3 * MINUTE))
        count = len(self.world.mail_room.sent)
        waits = [w for w in {self.where(p) for p in mail.links} if self.owed.open_in(w)]
        self.tick(3 * MINUTE)
        if waits and self.is_steady() and not self.bundled:
            again = [m for m in self.world.mail_room.sent[count:] if m.tags.get("to") == "fallback"]
            before = [m for m in self.world.mail_room.sent[:count] if m.tags.get("to") == "fallback"]
            assert again or before, f"nobody got what bounced at {mail.to}"

    @precondition(lambda self: self.begun and self.is_steady())
    @rule(
        data=st.data(),
        calls=st.integers(1, 20),
        what=st.sampled_from(("reply", "remove", "urgent", "edit", "hide")),
        minutes=st.sampled_from((0, 12)),
    )
    def something_happens_between_two_calls(self, data: st.DataObject, calls: int, what: str, minutes: int) -> None:
        """To what another worker is on, perhaps."""
        self.tick(30 * SECOND)
        a = self.some(data, lambda a: not (a.gone or a.where[3].startswith("8900")))
        if a is None or (a.private and what in ("remove", "edit", "hide")):
            return
        if a.private and what == "reply" and not minutes:  # in the moment of the question it is taken for a machine's
            return
        breaks = self.world.breaks

        def other() -> None:
            self.within = True
            self.uncertain(2 * MINUTE)
            now, account = self.now(), a.where[1]
            if what == "reply":
                self.replies_to(a)
            elif what == "remove":
                a.gone, a.ended_at = True, now
                self.deliver(self.body_of(a, verb="remove", entry_at=now), account)
            elif what == "urgent":
                under = None if a.private else a
                self.ask(a.where[3], (a.where[0], account), "urgent", under=under)
            elif what == "edit":
                self.edit(a, "refund")
            else:
                self.hide(a)
            self.within = False

        breaks.left, breaks.how, breaks.other = calls, "meanwhile", other
        if minutes:
            self.tick(minutes * MINUTE)
        else:
            self.ask(a.where[3], (a.where[0], a.where[1]), "common", under=None if a.private else a)
        breaks.left = 0
        self.tick(20 * SECOND)  # what met another worker's write has come again: a page shows all of it
