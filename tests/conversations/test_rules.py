"""The rules that stand behind the others: a second line that no whole story reaches, because the first one holds."""

from datetime import timedelta

import pytest

from chalicelib.conversations import rules
from chalicelib.conversations.conversation import Acknowledgement, Conversation, Notice, Outcome
from tests.test_orders import COMMON
from tests.world import NOW, MemoryWorld, comment, delivery, playbook

BLANK = Conversation("facebook", "1", "c1", "5001")


def claimed(state: Outcome, token: str = "first") -> Conversation:
    return rules.claim(BLANK, "c1", Acknowledgement(state, NOW, token))


@pytest.mark.parametrize("state", [Outcome.CLAIMED, Outcome.SENT, Outcome.REFUSED, Outcome.UNKNOWN])
def test_what_was_claimed_once_is_never_claimed_again(state: Outcome) -> None:
    before = claimed(state)
    assert rules.claim(before, "c1", Acknowledgement(Outcome.CLAIMED, NOW, "second")) == before


def test_only_a_definite_no_is_claimed_again() -> None:
    again = rules.claim(claimed(Outcome.PENDING), "c1", Acknowledgement(Outcome.CLAIMED, NOW, "second"))
    assert again.acknowledgements["c1"].token == "second"


@pytest.mark.parametrize("late", [Outcome.UNKNOWN, Outcome.REFUSED, Outcome.PENDING])
def test_what_is_known_to_be_sent_stays_sent(late: Outcome) -> None:
    sent = claimed(Outcome.SENT)
    assert rules.record(sent, "c1", "first", late, playbook(), NOW) == sent


def test_the_outcome_of_another_claim_changes_nothing() -> None:
    mine = claimed(Outcome.CLAIMED)
    assert rules.record(mine, "c1", "another", Outcome.SENT, playbook(), NOW) == mine


def test_a_notice_that_was_sent_stays_sent() -> None:
    sent = Conversation("facebook", "1", "c1", "5001", notices={"1.1": Notice(1, NOW, Outcome.SENT, id="mail-1")})
    assert rules.record_notice(sent, "1.1", Outcome.PENDING, again_at=NOW) == sent
    assert rules.claim_notice(sent, "1.1", "token", NOW) == sent


def test_every_tier_has_a_wake_up_of_its_own_without_the_safety_schedule() -> None:
    world = MemoryWorld()
    world.post(delivery(comment("c1", COMMON)))
    world.run(timedelta(hours=60), sweep=False)
    assert [row["tier"] for row in world.records("escalation")] == [1, 2, 3]
    assert len(world.emails) == 3
