"""What meets in the story at the wrong moment: a lost answer and a repeated delivery, a messaging window and a weekend,
"stop" and a question."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from chalicelib.storage.people import link
from infra.local.stand_in import Fault
from tests.story.customers import ANN, BOB, PLACES
from tests.story.machinery import Machinery
from tests.story.owed import Asked, Said, Where
from tests.story.telling import HOUR, MINUTE, SECOND
from tests.world import PAGE, message

FRIDAY, LAST_MINUTES = 4, timedelta(hours=17, minutes=22)  # the office closes at half past five
SOMEBODY_NEW = ""


class Meetings(Machinery):
    """Two or three things in one rule, which would rarely come together by chance."""

    @rule(place=st.sampled_from((("facebook", PAGE), ("messenger", PAGE))))
    def a_reply_is_lost_and_its_question_comes_again(self, place: tuple[str, str]) -> None:
        """It may stand there: it is not posted a second time."""
        self.world.wire.faults = [Fault.LOST]
        self.ask(self.name("8900"), place, "common", times=2)
        self.deliver(self.bodies[-1][1], PAGE, keep=False)

    @precondition(lambda self: self.begun and timedelta() < self.until_the_week_ends() < 30 * HOUR)
    @rule(kind=st.sampled_from(("refund", "refund", "odd")))
    def writes_as_the_week_ends(self, kind: str) -> None:
        """Whoever is away until Monday, when the platform takes no answer any more, is told at once."""
        self.tick(self.until_the_week_ends())
        self.ask(self.name("8900"), ("messenger", PAGE), kind)
        self.tick(21 * MINUTE)

    def until_the_week_ends(self) -> timedelta:
        now = self.now()
        friday = now.replace(hour=0, minute=0, second=0) + timedelta(days=(FRIDAY - now.weekday()) % 7)
        return friday + LAST_MINUTES - now

    @rule(customer=st.sampled_from((ANN, BOB, SOMEBODY_NEW, SOMEBODY_NEW)), place=st.sampled_from(PLACES))
    def says_stop(self, customer: str, place: tuple[str, str]) -> None:
        """And asks something all the same: people see both, and no machine answers."""
        customer = customer or self.name("8900")
        self.words[(*place, customer)] = self.now(), True
        self.ask(customer, place, "stop")
        self.tick(SECOND)
        self.ask(customer, place, "common")

    @rule(data=st.data(), action=st.sampled_from(("automatic_off", "automatic_on")))
    def is_said_to_a_person(self, data: st.DataObject, action: str) -> None:
        """The customer told staff whether they want automatic replies."""
        opened = self.opened(data)
        if not self.is_new(opened, action):
            return
        assert opened
        product, account, _, customer = opened.where
        self.words[product, account, customer] = self.now(), action == "automatic_off"
        self.press(opened, action)

    @rule(customer=st.sampled_from((ANN, BOB)))
    def is_known_as_one(self, customer: str) -> None:
        """The customer here and in messages, as staff said."""
        here, there = ("facebook", PAGE, customer), ("messenger", PAGE, customer)
        link(self.world.store, here, there, "Kim", self.now())
        self.linked.add(frozenset((here, there)))

    @rule(place=st.sampled_from(PLACES), customer=st.sampled_from((ANN, BOB)), wait=st.sampled_from((5, 40)))
    def is_answered_before_the_question_is_told(self, place: tuple[str, str], customer: str, wait: int) -> None:
        """The deliveries come in the wrong order."""
        self.tick(MINUTE)
        product, account = place
        if (account, customer) in self.forgotten:  # what is told of before they ask again is not kept
            return
        lag, id, asked = wait * SECOND, self.name("r"), f"q{self.count + 1}"
        thread = customer if product == "messenger" else asked
        where: Where = (product, account, thread, customer)
        self.owed.said[id] = Said(id, self.now(), asked, frozenset({where}))
        self.owed.settle(self.now())
        self.ids.add(id)
        now = self.now()
        told = Asked(asked, where, product == "messenger", now, "", None, False, now, now, now, now)
        self.say(id, f"It is green. {id}", told)
        assert self.ask(customer, place, "odd", lag=lag + SECOND).id == asked

    @rule(customer=st.sampled_from((ANN, BOB)))
    def machines_speak(self, customer: str) -> None:
        """More of it than is remembered of what was said; it answers nobody."""
        for _ in range(11):
            id = self.name("g")
            self.deliver(
                message(id, f"Have you seen our sale? {id}", author=customer, at=self.now(), is_echo=True, app_id=777),
                PAGE,
            )
