"""What customers, the brand's people on the platform, and the platforms themselves do in the story."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from infra.local.stand_in import Fault
from tests.story.owed import Asked, Said, Where
from tests.story.telling import APP_OF, HOUR, MINUTE, OTHER, SECOND, TEXTS, Telling
from tests.world import PAGE, comment, delivery, message

ANN, BOB = "88005001", "88005002"
PLACES = (("facebook", PAGE), ("facebook", OTHER), ("messenger", PAGE))
KINDS = ("common", "odd", "odd", "refund", "urgent")
NO_TIME, LATE = timedelta(), 3 * HOUR


class Customers(Telling):
    """Questions, edits, deletions, replies, echoes, greetings, whatever comes late or twice."""

    # --- questions ---

    def ask(
        self,
        customer: str,
        place: tuple[str, str],
        kind: str,
        *,
        under: Asked | None = None,
        lag: timedelta = NO_TIME,
        times: int = 1,
        process: bool = True,
    ) -> Asked:
        """A question, perhaps under another public one; told of `lag` late and `times` times."""
        product, account = place
        id, now = self.name("q"), self.now()
        at, private = now - lag, product == "messenger"
        thread = customer if private else under.where[2] if under else id
        text = f"{TEXTS[kind]} @{id}v1" if kind == "stop" else f"{TEXTS[kind]} ({id}v1)"
        intent = self.reads(text)
        where: Where = (product, account, thread, customer)
        a = Asked(id, where, private, at, text, intent, False, at, at, now, now, late=lag > 10 * MINUTE)
        a.urgent = self.owed.policy.is_urgent(intent)
        forgotten = self.forgotten.get((account, customer))
        if forgotten is None or at > forgotten:
            self.owed.asked[id] = a
            self.ids.add(id)
            a.answered = any(s.answers(a) for s in self.owed.said.values())
        if process:
            self.deliver(self.body_of(a), account, times=times)
        else:
            self.bodies.append((account, self.body_of(a)))
            self.world.deliver(self.body_of(a), "main" if account == PAGE else "other")
        return a

    @rule(
        customer=st.sampled_from((ANN, BOB)),
        place=st.sampled_from(PLACES),
        kind=st.sampled_from(KINDS),
        times=st.integers(1, 2),
        lag=st.sampled_from((NO_TIME, NO_TIME, NO_TIME, 5 * SECOND, LATE)),
    )
    def asks(self, customer: str, place: tuple[str, str], kind: str, times: int, lag: timedelta) -> None:
        self.ask(customer, place, kind, times=times, lag=lag)
        if lag == LATE:  # it is due by when it was asked
            self.tick(4 * MINUTE)

    @rule(data=st.data(), customer=st.sampled_from((ANN, BOB)), kind=st.sampled_from(KINDS))
    def asks_below_another(self, data: st.DataObject, customer: str, kind: str) -> None:
        """In the thread of an own question, or of somebody else's."""
        under = self.some(data, lambda a: not a.private and not a.gone)
        if under:
            self.ask(customer, (under.where[0], under.where[1]), kind, under=under)

    @rule(count=st.integers(3, 6), kind=st.sampled_from(("common", "odd")))
    def storm(self, count: int, kind: str) -> None:
        """Many ask under one post."""
        for _ in range(count):
            self.ask(self.name("8900"), ("facebook", PAGE), kind)
        self.tick(12 * MINUTE)

    @rule()
    def is_answered_while_a_group_is_put_together(self) -> None:
        """Whoever has their answer by then stands in no e-mail."""
        asked = [self.ask(self.name("8900"), ("facebook", PAGE), "odd") for _ in range(4)]
        wait = (self.owed.policy.tell_after // MINUTE) * MINUTE + 12 * SECOND
        self.tick(wait)
        if asked[0].open and self.is_steady():
            self.replies_to(asked[0])
            self.tick(2 * MINUTE)

    # --- changes ---

    def edit(self, a: Asked, kind: str, lag: timedelta = NO_TIME) -> None:
        now = self.now()
        at = now - lag
        if at <= max(a.text_at, a.mended_at or a.text_at):
            return
        a.version += 1
        text = f"{TEXTS[kind]} ({a.mark})"
        self.owed.edited(a, text, self.reads(text), at, now)
        self.deliver(self.body_of(a, verb="edited", entry_at=at), a.where[1])

    @rule(data=st.data(), kind=st.sampled_from(KINDS), lag=st.sampled_from((NO_TIME, NO_TIME, 5 * MINUTE)))
    def edits(self, data: st.DataObject, kind: str, lag: timedelta) -> None:
        self.tick(SECOND)
        a = self.some(data, lambda a: not (a.private or a.gone))
        if a:
            self.edit(a, kind, lag)

    @rule(data=st.data(), wait=st.booleans())
    def edits_to_something_urgent(self, data: st.DataObject, wait: bool) -> None:
        self.tick(SECOND)
        a = self.some(data, lambda a: a.open and not a.private and not a.urgent)
        if a:
            self.edit(a, "urgent")
            self.tick(4 * MINUTE if wait else SECOND)

    @rule(data=st.data())
    def mends_the_punctuation(self, data: st.DataObject) -> None:
        """Nothing is asked anew."""
        self.tick(SECOND)
        a = self.some(data, lambda a: not (a.private or a.gone))
        if a:
            a.text, a.mended_at = a.text + "!", self.now()
            self.deliver(self.body_of(a, verb="edited", entry_at=self.now()), a.where[1])

    @rule(data=st.data())
    def removes(self, data: st.DataObject) -> None:
        self.tick(SECOND)
        a = self.some(data, lambda a: not a.private)
        if a:
            a.gone, a.ended_at = True, self.now()
            self.deliver(self.body_of(a, verb="remove", entry_at=self.now()), a.where[1])

    @rule(data=st.data())
    def is_hidden_or_shown(self, data: st.DataObject) -> None:
        self.tick(SECOND)
        a = self.some(data, lambda a: not (a.private or a.gone))
        if a:
            self.hide(a)

    def hide(self, a: Asked) -> None:
        """Or show it again."""
        a.hidden, now = not a.hidden, self.now()
        if a.open:
            self.owed.opened(a, now, now)
        self.deliver(self.body_of(a, verb="hide" if a.hidden else "unhide", entry_at=now), a.where[1])

    @precondition(lambda self: self.begun and self.bodies)
    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        """A platform repeats an old delivery."""
        account, body = data.draw(st.sampled_from(self.bodies[-12:]))
        self.deliver(body, account, keep=False)

    # --- the brand on the platform ---

    def say(self, id: str, text: str, to: Asked, *, parent: str = "", **more: Any) -> None:
        product, account, _, customer = to.where
        if product == "messenger":
            self.deliver(message(id, text, author=customer, at=self.now(), is_echo=True, **more), account)
        else:
            post = f"{account}_77"
            told = comment(id, text, author=account, parent=parent or to.id, at=self.now(), post=post, **more)
            self.deliver(delivery(told, page=account), account)

    @rule(data=st.data())
    def a_person_replies(self, data: st.DataObject) -> None:
        """In private, or under one of the customer's comments."""
        self.tick(30 * SECOND)
        to = self.some(data, lambda a: not a.gone)
        if to is None or not self.is_steady():
            return
        self.replies_to(to)

    def replies_to(self, to: Asked) -> None:
        id, now = self.name("r"), self.now()
        self.owed.said[id] = Said(id, now, to.id, frozenset({to.where}))
        self.owed.settle(now)
        self.ids.add(id)
        self.say(id, f"It is blue. {id}", to)

    @rule(data=st.data())
    def a_person_replies_to_nobody(self, data: st.DataObject) -> None:
        """A comment under the post answers nobody who has asked there."""
        to = self.some(data, lambda a: not (a.gone or a.private))
        if to:
            self.tick(30 * SECOND)
            id = self.name("r")
            self.ids.add(id)
            self.say(id, f"We are closed on Monday. {id}", to, parent=f"{to.where[1]}_77")

    @rule(data=st.data())
    def a_reply_is_taken_back(self, data: st.DataObject) -> None:
        self.tick(SECOND)
        found = [s for s in self.owed.said.values() if s.parent in self.owed.asked and s.id[0] == "r"]
        if not found or not self.is_steady():
            return
        said = data.draw(st.sampled_from(found))
        to = self.owed.asked[said.parent]
        del self.owed.said[said.id]
        self.owed.settle(self.now())
        self.say(said.id, "", to, **({"is_deleted": True} if to.private else {"verb": "remove"}))

    @rule(kind=st.sampled_from(("odd", "common")))
    def a_machine_greets(self, kind: str) -> None:
        """A customer begins to write after a pause, and the platform's inbox greets."""
        self.tick(15 * MINUTE)
        a = self.ask("88005003", ("messenger", PAGE), kind)
        greeting = message(
            self.name("g"), "Hi! We will be with you.", author="88005003", at=a.at + SECOND, is_echo=True
        )
        self.deliver(greeting, PAGE)

    @rule(data=st.data())
    def our_words_come_back(self, data: st.DataObject) -> None:
        """The platform tells of a reply that we posted ourselves, an automatic one or a person's from the desk."""
        stand_in = self.world.wire.stand_in
        posted = list(zip(stand_in.posted, self.posted_at, strict=False))[-6:]
        if not posted:
            return
        p, at = data.draw(st.sampled_from(posted))
        if p.product == "messenger":
            self.came_back(p.text)
            echo = message(p.id, p.text, author=p.target, at=at, is_echo=True, metadata=p.token, app_id=424242)
            self.deliver(echo, PAGE)
            return
        asked = self.owed.asked.get(p.target)
        if asked:
            self.came_back(p.text)
            account = asked.where[1]
            told = comment(p.id, f"@ann {p.text}", author=account, parent=p.target, at=at, post=f"{account}_77")
            self.deliver(delivery(told, page=account), account)

    def came_back(self, text: str) -> None:
        """Where nobody knew whether a person's answer was posted, it is known now."""
        for said in self.owed.said.values():
            if said.marks and text.endswith(said.id):
                said.known = True
        self.owed.settle(self.now())

    # --- what fails, and time ---

    @rule(how=st.sampled_from((Fault.RATE, Fault.LOST, Fault.BROKEN)))
    def the_platform_fails_next(self, how: Fault) -> None:
        self.world.wire.faults = [how]

    @rule(how=st.sampled_from(("throttled", "lost", "silent")))
    def an_email_fails_next(self, how: str) -> None:
        if not self.world.mail_room.next:
            self.world.mail_room.next = [how]

    @rule(
        calls=st.integers(1, 14),
        how=st.sampled_from(("crash", "dies", "lost")),
        data=st.data(),
        minutes=st.sampled_from((0, 2, 11, 31)),
    )
    def a_process_ends(self, calls: int, how: str, data: st.DataObject, minutes: int) -> None:
        """At one of the calls to come: while something is delivered again, or while time passes."""
        self.world.breaks.left, self.world.breaks.how = calls, how
        if minutes:
            self.tick(minutes * MINUTE)
        elif self.bodies:
            account, body = data.draw(st.sampled_from(self.bodies[-12:]))
            self.deliver(body, account, keep=False)
        self.world.breaks.left = 0

    @rule(calls=st.integers(1, 20), data=st.data(), minutes=st.sampled_from((0, 12)))
    def two_work_at_once(self, calls: int, data: st.DataObject, minutes: int) -> None:
        """What is delivered again is worked on whole between two calls of another worker."""
        if len(self.bodies) < 2 or not self.is_steady():
            return
        account, body = data.draw(st.sampled_from(self.bodies[-12:]))
        breaks = self.world.breaks

        def other() -> None:
            self.world.deliver(body, APP_OF[account])
            self.world.run()

        breaks.left, breaks.how, breaks.other = calls, "meanwhile", other
        if minutes:
            self.tick(minutes * MINUTE)
        else:
            other_account, again = data.draw(st.sampled_from(self.bodies[-12:]))
            self.deliver(again, other_account, keep=False)
        breaks.left = 0

    @precondition(lambda self: self.begun and not self.unwritable)
    @rule(kind=st.sampled_from(("odd", "urgent")))
    def one_conversation_cannot_be_written(self, kind: str) -> None:
        """It fails whatever is tried; the others are called all the same."""
        a = self.ask("88005004", ("messenger", PAGE), kind)
        self.unwritable.add(a.where)
        self.bodies.pop()
        self.world.refuse(*a.where[:3])
        for _ in range(3):
            self.ask(self.name("8900"), ("facebook", PAGE), "common")
        self.tick(14 * MINUTE)
        self.world.aws.refused.clear()

    @rule(minutes=st.sampled_from((1, 5, 12, 12, 40, 40, 95, 200)))
    def time_passes(self, minutes: int) -> None:
        self.tick(minutes * MINUTE)

    @rule(hours=st.sampled_from((14, 26)))
    def a_night_passes(self, hours: int) -> None:
        self.tick(hours * HOUR)
