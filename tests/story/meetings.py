"""What meets in the story at the wrong moment: a lost answer and a repeated delivery, a messaging window and a weekend,
"stop" and a question."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from infra.local.stand_in import Fault
from tests.story.customers import ANN, BOB, PLACES
from tests.story.staff import Staff
from tests.story.telling import HOUR, MINUTE, SECOND
from tests.world import PAGE

FRIDAY, LAST_MINUTES = 4, timedelta(hours=17, minutes=22)  # the office closes at half past five
SOMEBODY_NEW = ""


class Meetings(Staff):
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
        self.quiet.add((*place, customer))
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
        change = self.quiet.add if action == "automatic_off" else self.quiet.discard
        change((product, account, customer))
        self.press(opened, action)
