"""P1–P5 after every step of arbitrary stories: questions, replies, edits, deletions, echoes, greetings, closing, time
and processes that end anywhere. What is open is known from a plain model beside it."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.conversations import rules
from chalicelib.platforms.http import Answer, ConnectionRefused, NoAnswer
from chalicelib.storage.store import ConversationKey
from tests.world import NOW, PAGE, MemoryWorld, comment, delivery, message, playbook

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TELL_AFTER = timedelta(minutes=10)
TEXTS = ("Do you ship to Canada?", "hm, and what about the other one?", "I want my money back for this coat")
URGENT = "your lamp caught fire and burned my child, my lawyer will call you"


@dataclass
class Asked:
    """What the model knows of one question."""

    id: str
    customer: str
    private: bool
    at: datetime
    text: str
    since: datetime
    asked_at: datetime
    urgent: bool = False
    gone: bool = False
    hidden: bool = False
    closed: bool = False
    answered: bool = False

    @property
    def open(self) -> bool:
        return not (self.gone or self.hidden or self.closed or self.answered)


@dataclass
class Ends:
    """A table on which one call fails, once: the process ends there."""

    table: Any
    left: int = 0
    lost: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.table, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.left:
                self.left -= 1
                if not self.left:
                    self.lost.append(name)
                    raise ConnectionError(name)
            return method(*args, **kwargs)

        return call


class Story(RuleBasedStateMachine):
    """Two customers in one public thread each, one of them also in private."""

    def __init__(self) -> None:
        super().__init__()
        always = playbook().teams["pr"].hours
        teams = {name: replace(team, hours=always) for name, team in playbook().teams.items()}
        self.world = MemoryWorld(replace(playbook(), teams=teams))
        self.table = self.world.services.store.table = Ends(self.world.store.table)
        self.asked: dict[str, Asked] = {}
        self.count = 0
        self.ended, self.ends_after = False, 0

    @initialize()
    def begin(self) -> None:
        self.ask("5001", False, TEXTS[1])

    # --- what happens ---

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def _deliver(self, body: bytes, times: int = 1) -> None:
        for _ in range(times):
            assert self.world.post(body) == 200
        self.table.left, self.ends_after = self.ends_after, 0
        self.world.run(SECOND)
        if self.table.lost:
            self.ended = True
            self.world.run(2 * MINUTE)
            self.table.lost.clear()
        self.table.left = 0

    def _now(self) -> datetime:
        return self.world.services.now()

    def _first(self, customer: str) -> str | None:
        return next((a.id for a in self.asked.values() if a.customer == customer and not a.private), None)

    def _body(self, a: Asked, **more: Any) -> bytes:
        if a.private:
            return message(a.id, a.text, author=a.customer, at=a.at)
        first = self._first(a.customer)
        return delivery(
            comment(a.id, a.text, author=a.customer, at=a.at, parent=None if first == a.id else first, **more)
        )

    @rule(
        customer=st.sampled_from(("5001", "5002")),
        private=st.booleans(),
        text=st.sampled_from((*TEXTS, URGENT)),
        times=st.integers(1, 2),
    )
    def ask(self, customer: str, private: bool, text: str, times: int = 1) -> None:
        at, urgent = self._now(), text == URGENT
        a = Asked(self._id("q"), customer, private, at, text, at, at, urgent)
        self.asked[a.id] = a
        self._deliver(self._body(a), times)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), text=st.sampled_from((*TEXTS, URGENT)))
    def edit(self, data: st.DataObject, text: str) -> None:
        a = self._some(data, lambda a: not (a.private or a.gone))
        if a is None or a.hidden:
            return
        now = self._now()
        changed, was_open = text != a.text, a.open
        a.text = text
        if changed:
            a.asked_at, a.closed, a.answered = now, False, False
            if not was_open:
                a.since = now
            if text == URGENT and not a.urgent:
                a.urgent, a.since = True, now
        self._deliver(self._body(a, verb="edited", entry_at=now))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        a = self._some(data, lambda a: not a.private)
        if a:
            a.gone = True
            self._deliver(self._body(a, verb="remove", entry_at=self._now()))

    @rule(data=st.data())
    def hide_or_show(self, data: st.DataObject) -> None:
        a = self._some(data, lambda a: not (a.private or a.gone))
        if a:
            a.hidden = not a.hidden
            verb = "hide" if a.hidden else "unhide"
            if not a.hidden:
                a.since = self._now()
            self._deliver(self._body(a, verb=verb, entry_at=self._now()))

    @rule(data=st.data())
    def reply(self, data: st.DataObject) -> None:
        """A person answers, in private or under one of the customer's comments."""
        to = self._some(data, lambda a: not a.gone)
        if to is None:
            return
        self._tick(30 * SECOND)
        id, now = self._id("r"), self._now()
        if to.private:
            body = message(id, f"It is blue. {id}", author=to.customer, at=now, is_echo=True)
        else:
            body = delivery(comment(id, f"It is blue. {id}", author=PAGE, parent=to.id, at=now))
        for a in self.asked.values():
            if a.customer == to.customer and a.private == to.private and a.asked_at < now:
                a.answered = True
        self._deliver(body)

    @rule(data=st.data())
    def greet(self, data: st.DataObject) -> None:
        """A customer begins to write after a pause, and a machine greets."""
        self._tick(15 * MINUTE)
        at = self._now()
        a = Asked(self._id("q"), "5003", True, at, TEXTS[1], at, at)
        self.asked[a.id] = a
        self._deliver(self._body(a))
        self._deliver(message(self._id("g"), "Hi! We will be with you.", author="5003", at=at + SECOND, is_echo=True))

    @rule()
    def our_echo(self) -> None:
        """Our newest public reply comes back, under an id that nobody knows."""
        for url, data in reversed(self.world.platforms.posted):
            if url.endswith("/comments"):
                parent = url.split("/")[-2]
                echo = comment(self._id("e"), f"@ann {data['message']}", author=PAGE, parent=parent, at=self._now())
                self._deliver(delivery(echo))
                return

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """Staff say that what their page shows needs no answer, while something else is on the inbox."""
        shown = self._some(data, lambda a: a.open)
        if shown is None:
            return
        at = self._now()
        later = Asked(self._id("q"), shown.customer, shown.private, at, TEXTS[0], at, at)
        self.asked[later.id] = later
        self.world.post(self._body(later))
        for a in self.asked.values():
            if (a.customer, a.private) == (shown.customer, shown.private) and a is not later and a.open:
                a.closed = True
        thread = shown.customer if shown.private else str(self._first(shown.customer))
        key = ConversationKey("messenger" if shown.private else "facebook", PAGE, thread, shown.customer)
        policy = self.world.services.playbook
        self.world.store.update_conversation(key, lambda c: rules.close(c, policy, at), at)
        self.world.run(SECOND)

    @rule(how=st.sampled_from(("refused", "lost", "busy")))
    def platform_fails_next(self, how: str) -> None:
        def answer() -> Answer:
            if how == "refused":
                raise ConnectionRefused("refused")
            if how == "lost":
                raise NoAnswer("timed out")
            return Answer(400, {"error": {"code": 4, "message": "busy"}}, {})

        self.world.platforms.answers = [answer]

    @rule(calls=st.integers(1, 14))
    def process_ends_next(self, calls: int) -> None:
        self.ends_after = calls

    @rule(minutes=st.sampled_from((1, 9, 12, 40, 200)))
    def time_passes(self, minutes: int) -> None:
        self._tick(minutes * MINUTE)

    def _tick(self, time: timedelta) -> None:
        self.world.run(time, sweep=True)

    def _some(self, data: st.DataObject, wanted: Any) -> Asked | None:
        found = [a for a in self.asked.values() if wanted(a)]
        return data.draw(st.sampled_from(found)) if found else None

    # --- what has to be true ---

    @invariant()
    def p1_every_interaction_is_stored_once(self) -> None:
        assert set(self.asked) <= {i.id for i in self.world.interactions()}

    @invariant()
    def p2_what_is_open_is_open_and_nobody_waits_longer_than_promised(self) -> None:
        now, rows = self._now(), self.world.records("escalation")
        patience = (7 if self.ended else 2) * MINUTE
        questions = {i: (c, q) for c in self.world.conversations() for i, q in c.questions.items()}
        for a in self.asked.values():
            if a.id not in questions:
                assert not a.open
                continue
            c, q = questions[a.id]
            assert q.pending == a.open, (a, q)
            wait = (timedelta() if self._few_urgent(a) else 16 * MINUTE) if a.urgent else TELL_AFTER
            if a.open and now - a.since > wait + patience:
                told = [r for r in rows if r["conversation"].startswith(c.id_of(1)) and r["at"] >= stamp(a.since)]
                assert any(r["tier"] == 1 and (r["team"] == "pr") >= a.urgent for r in told), (a, rows)

    def _few_urgent(self, a: Asked) -> bool:
        """Whether the conversation did not call the press office too often to do so at once."""
        others = (o for o in self.asked.values() if o.urgent and (o.customer, o.private) == (a.customer, a.private))
        return sum(a.since - o.since < 16 * MINUTE for o in others) <= 3

    @invariant()
    def p3_and_p4_one_automatic_reply_at_most_and_none_to_the_brand(self) -> None:
        to = Counter(url.split("/")[-2] for url, _ in self.world.platforms.posted if url.endswith("/comments"))
        assert max(to.values(), default=0) <= 1
        assert set(to) <= set(self.asked)
        private = Counter(data["message"]["metadata"] for url, data in self.world.platforms.posted if "messages" in url)
        assert max(private.values(), default=0) <= 1

    @invariant()
    def p5_one_email_for_each_conversation_and_tier(self) -> None:
        calls = Counter((r["conversation"], r["tier"]) for r in self.world.records("escalation"))
        assert max(calls.values(), default=0) <= 1
        mails = Counter(
            (id, mail.tags["tier"])
            for mail in self.world.emails
            for id in [mail.tags["notice"]]
            if "notice" in mail.tags
        )
        assert max(mails.values(), default=0) <= 1

    @invariant()
    def conversations_stay_small(self) -> None:
        assert all(len(c.questions) <= 100 and len(c.ladders) <= 13 for c in self.world.conversations())


def stamp(at: datetime) -> str:
    return f"{at - SECOND:%Y-%m-%dT%H:%M:%S}"


Story.TestCase.settings = settings(
    max_examples=50, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStory = Story.TestCase

assert NOW.tzinfo
