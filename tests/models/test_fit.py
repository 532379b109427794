"""The fit test: what the shipped model, guards and playbook say to messages that no training has seen."""

import json
from dataclasses import replace
from functools import cache

import pytest

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.intents import IntentModel
from chalicelib.playbook.parts import INTENTS
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from models.chatter import chatter
from models.fit_check import BOUNDS, Report, check, main
from models.hurried import SPOILT, hurried
from models.rows import utterances
from models.said import FIT, LANGUAGES, SILENCE, Said, reader, rows, say

SHOP = load_playbook(DEFAULT_PLAYBOOK.read_text("utf-8"))
PUBLIC = [intent for intents in TOPICS.values() for intent in intents]
REPLIES = {*PUBLIC, *(f"topic:{topic}" for topic in TOPICS), "general", SILENCE, "*"}


@cache
def report() -> Report:
    return check(IntentModel.load(), SHOP)


def test_every_bound_holds() -> None:
    assert list(report().failures()) == []


def test_a_name_without_a_word_waits_for_a_person() -> None:
    """All that is left of a post on X which is a picture: its link is taken out, or it would be closed as spam."""
    model = IntentModel.load()
    assert not say({"text": "@ExampleShop", "right": ()}, reader(model, SHOP), SHOP, model.bounds).closed


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_public_intent_has_its_questions(language: str) -> None:
    """That many which no training row says word for word: where one does, write another beside it."""
    least = 40 if language == "en" else 15
    found = [s.row["intent"] for s in report().fit if s.row["language"] == language]
    assert {intent: found.count(intent) for intent in PUBLIC if found.count(intent) < least} == {}


def test_traps_urgent_and_parallel_messages_are_enough() -> None:
    assert len(rows("traps")) >= 200
    assert {row["language"] for row in rows("traps")} == set(LANGUAGES)
    assert all(len(rows(f"urgent_{language}")) == 60 for language in LANGUAGES)
    parallel = [(row["message"], row["language"]) for row in rows("parallel")]
    assert len(parallel) == len(set(parallel)) >= 44 * len(LANGUAGES)


def test_every_row_names_replies_that_there_are_and_stands_once_in_its_file() -> None:
    everything = [row for file in sorted(FIT.glob("*.jsonl")) for row in rows(file.stem)]
    for row in everything:
        assert set(row.get("right", ())) | set(row.get("useless", ())) | set(row.get("wrong", ())) <= REPLIES, row
        assert row.get("intent") in (None, *INTENTS)
    for file in FIT.glob("*.jsonl"):
        keys = [(row["text"], row["language"]) for row in rows(file.stem)]
        assert len(keys) == len(set(keys)), file.name


def test_what_a_training_row_says_word_for_word_is_not_counted() -> None:
    trained = {row.text.casefold().strip(" ?!.¿¡") for row in utterances()}
    counted = (*report().fit, *report().controls, *report().traps, *report().urgent)
    assert not [s.row["text"] for s in counted if s.row["text"].casefold().strip(" ?!.¿¡") in trained]
    assert len(report().fit) > 0.9 * sum(len(rows(f"fit_{language}")) for language in LANGUAGES)
    assert len(report().traps) >= 200


def test_first_contacts_and_their_traps_are_enough_and_no_training_row_says_them() -> None:
    contacts, traps = rows("contacts"), rows("contact_traps")
    found = [row["language"] for row in contacts]
    assert {language: found.count(language) >= (150 if language == "en" else 40) for language in LANGUAGES} == (
        dict.fromkeys(LANGUAGES, True)
    )
    assert len(traps) >= 120 and {row["language"] for row in traps} == set(LANGUAGES)
    assert {row["right"][0] for row in contacts if row["intent"] in ("other", "legal_safety", "praise")} == {SILENCE}
    assert len(report().contacts) == len(contacts)


def test_posts_that_are_nothing_to_a_shop_are_thousands_and_the_same_each_time() -> None:
    told = report().chatter
    assert len(told) == len({s.row["text"] for s in told}) >= 4_500
    assert {s.row["language"] for s in told} == set(LANGUAGES)
    assert [row["text"] for row in chatter()] == [s.row["text"] for s in told]


def test_posts_are_enough_in_every_language_and_most_of_them_want_something() -> None:
    posts = rows("posts")
    assert len(posts) >= 500 and {row["language"] for row in posts} == set(LANGUAGES)
    wanted = [row for row in posts if row["right"] != [SILENCE]]
    assert len(posts) / 2 < len(wanted) < 2 / 3 * len(posts)
    assert len(report().posts) > 0.95 * len(posts)


def test_a_question_is_spoilt_in_the_same_way_whatever_stands_beside_it() -> None:
    asked, stories = "When will you have the blue chair, please?", ["My nan is here."]
    told = {how: hurried(asked, "en", how, stories) for how in SPOILT}
    assert told == {how: hurried(asked, "en", how, stories) for how in list(SPOILT)[::-1]}
    assert told["no punctuation"] == "when will you have the blue chair please"
    assert told["capitals"] == asked.upper()
    assert told["slang"] == "When will u have the blue chair, pls?"
    assert told["story in front"] == f"My nan is here. {asked}"
    assert told["handle and tags"].startswith("@") and asked in told["handle and tags"]
    assert len(set(told.values())) == len(SPOILT) and asked not in told.values()


def test_a_reply_to_what_needs_none_or_a_wrong_one_to_a_first_contact_fails_the_check() -> None:
    chat = Said(
        {"text": "x", "language": "en", "intent": "other", "right": ["silence"]}, "general", Rung.GENERAL, False
    )
    quiet = replace(chat, reply=SILENCE, rung=None)
    good = Said({"text": "x", "language": "en", "intent": "refund", "right": ["refund"]}, "refund", Rung.OWN, False)
    empty = replace(report(), contacts=[quiet] * 100 + [good] * 100)
    assert not [f for f in empty.failures() if "first contacts" in f]
    answered = replace(empty, contacts=[quiet] * 97 + [chat] * 3 + [good] * 100)
    assert [f for f in answered.failures() if "need no answer" in f]
    assert [f for f in replace(empty, contacts=[good] * 9 + [chat]).failures() if "replies to first contacts" in f]


def test_a_message_that_wants_something_and_waits_for_nobody_fails_the_check() -> None:
    lost = Said({"text": "thanks, still waiting", "language": "en", "right": []}, SILENCE, None, False, closed=True)
    assert not [f for f in report().failures() if "wait for nobody" in f]
    for field in ("fit", "controls", "urgent"):
        assert [f for f in replace(report(), **{field: [lost]}).failures() if "wait for nobody" in f]  # type: ignore[arg-type]
    assert not [
        f
        for f in replace(report(), traps=[replace(lost, row={**lost.row, "kind": "praise"})]).failures()
        if "nobody" in f
    ]


def reads(intent: str, **more: object) -> Reading:
    reading = Reading(intent, 0.99, 0.9, "en", True, rungs=dict.fromkeys(Rung, 0.99), allowed=tuple(Rung), urgent=0.01)
    return replace(reading, **more)  # type: ignore[arg-type]


def test_a_verdict_is_what_the_row_says_of_the_reply() -> None:
    row = {"text": "x", "language": "en", "right": ["refund", "general"], "useless": ["return"]}
    told = {intent: say(row, lambda _, i=intent: reads(i), SHOP) for intent in ("refund", "return", "stock", "jobs")}  # type: ignore[misc]
    assert {intent: said.verdict for intent, said in told.items()} == {
        **{"refund": "right", "return": "useless", "stock": "wrong", "jobs": SILENCE}
    }
    topic = say(row, lambda _: reads("refund", guards=("long",)), SHOP)
    assert (topic.reply, topic.rung, topic.verdict) == ("topic:returns", Rung.TOPIC, "wrong")


def test_one_wrong_reply_too_many_fails_the_check() -> None:
    bad = [Said({"text": "x", "language": "en", "right": ["refund"]}, "stock", Rung.OWN, urgent=False)]
    good = [Said({"text": "x", "language": "en", "right": ["stock"]}, "stock", Rung.OWN, urgent=False)]
    empty = replace(report(), parallel=(), urgent=())
    allowed = int(BOUNDS.wrong * 500)
    fine, worse = good * (500 - allowed) + bad * allowed, good * (499 - allowed) + bad * (allowed + 1)
    assert not [f for f in replace(empty, fit=fine).failures() if "wrong" in f]
    assert [f for f in replace(empty, fit=worse).failures() if "wrong" in f]


def test_the_command_prints_the_tables_and_fails_with_a_playbook_that_answers_wrongly(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == bool(list(report().failures()))
    printed = capsys.readouterr().out
    assert "traps" in printed and "right of replies" in printed
    file = f"{tmp_path}/mute.yaml"
    with open(file, "w", encoding="utf-8") as out:
        text = DEFAULT_PLAYBOOK.read_text("utf-8")
        out.write(text.replace("    all: false", "    all: true"))
    assert main(["--playbook", file]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_rows_are_json_lines() -> None:
    for file in FIT.glob("*.jsonl"):
        for line in file.read_text("utf-8").splitlines():
            assert isinstance(json.loads(line)["text"], str)
