"""A conversation stays small enough to be written, whatever people write into it and however long it goes on."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.codec import dump
from chalicelib.conversations import staff_rules
from chalicelib.conversations.conversation import Conversation, Outcome, PersonalAnswer
from tests.world import NOW, playbook

LARGEST = 400 * 1024  # bytes of an item of the table
POLICY = playbook()


@pytest.mark.parametrize("letter", ["a", "語"])
@pytest.mark.parametrize("length", [280, 8_000, 20_000])
def test_years_of_long_answers_fit_into_one_item(letter: str, length: int) -> None:
    c = Conversation("discourse", "forum", "t1", "c1")
    for n in range(150):
        at, id = NOW + timedelta(days=n), f"a{n}"
        text = f"{n} " + letter * length
        answer = PersonalAnswer(Outcome.CLAIMED, at, "Robin Example", "q1", text, token=id)
        c = staff_rules.claim_answer(c, id, answer)
        c = staff_rules.record_answer(c, id, Outcome.SENT, POLICY, at, token=id, reply_id=f"r{n}")
        assert c.answers[id].text == text
    assert len(json.dumps(dump(c), ensure_ascii=False).encode()) < LARGEST // 2
    assert "a149" in c.answers


def test_an_answer_of_which_nobody_knows_whether_it_is_out_keeps_all_its_words() -> None:
    c = Conversation("discourse", "forum", "t1", "c1")
    for n in range(30):
        answer = PersonalAnswer(Outcome.UNKNOWN, NOW + timedelta(days=n), "Robin", "q1", "x" * 9_000, token=f"a{n}")
        c = staff_rules.claim_answer(c, f"a{n}", replace(answer, state=Outcome.CLAIMED))
    assert all(len(a.text) == 9_000 for a in c.answers.values())
