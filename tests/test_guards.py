"""Guards: what the words of a message forbid, a row of the table and a language at a time."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.conversations.interaction import Rung
from chalicelib.reading.guards import GUARDS, TEXT_CAP, guards, most, urgent
from chalicelib.reading.phrases import ANY, LANGUAGES, found_in

# guard, language, a message that trips it, the same words where it must not
CASES = [
    tuple(line.split("\t")) for line in Path(__file__).with_name("guard_cases.tsv").read_text("utf-8").splitlines()[1:]
]


@pytest.mark.parametrize(("name", "language", "trips", "passes"), CASES)
def test_guard_trips_on_its_words_and_on_nothing_near(name: str, language: str, trips: str, passes: str) -> None:
    assert name in [guard.name.removesuffix("_asking") for guard in guards(trips, language)]
    assert name not in [guard.name.removesuffix("_asking") for guard in guards(passes, language)]


def test_every_guard_has_a_case_in_every_language_that_it_has_words_for() -> None:
    shapes = {"bare", "links", "quotation", "shouting", "long"}  # nothing in them is a word
    tried = {(name, language) for name, language, *_ in CASES}
    names = {name.removesuffix("_asking") for name in GUARDS} - shapes
    wanted = {(name, language) for name in names for language in LANGUAGES}
    assert wanted | {(name, "en") for name in shapes} <= tried


def test_urgent_guards_leave_silence_and_call_people() -> None:
    found = guards("Your kettle exploded and burnt my hand. Where is my refund?", "en")
    assert urgent(found) and most(found) is None
    assert [guard.name for guard in GUARDS.values() if guard.urgent] == [
        *("self_harm", "safety", "takeover", "fraud", "legal", "grief")
    ]


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        ("Where is my order?", Rung.OWN),
        ("Is it in stock? And can you ship it to Norway?", Rung.TOPIC),
        ("Where is my parcel, this is ridiculous", Rung.GENERAL),
        ("I don't want a refund, I want my lamp. When does it come?", Rung.GENERAL),  # negated, but it asks
        ("I don't want a refund, thank you", None),
    ],
)
def test_a_guard_lowers_the_ladder(text: str, rung: Rung | None) -> None:
    assert most(guards(text, "en")) == rung


def test_guards_never_raise_the_ladder() -> None:
    assert most(guards("Where is my order?", "en"), Rung.GENERAL) is Rung.GENERAL


def test_what_news_has_too_counts_where_a_customer_may_be_speaking() -> None:
    news = "Critics say that the bill gives the police powers that no judge can check"
    assert not urgent(guards(news, "en")) and not urgent(guards(news, None))
    for text in (f"@example {news}", f"My view: {news}", "Police informed", "lawyers"):
        assert urgent(guards(text, "en")), text


def test_the_shops_own_name_is_no_other_shop() -> None:
    text = "I bought it from Argos yesterday, can I return it?"
    assert "another_shop_instead_asking" in [guard.name for guard in guards(text, "en")]
    assert guards(text, "en", own=["Argos"]) == ()


def test_a_shop_that_ours_is_compared_with_is_not_the_shop_that_is_meant() -> None:
    for language, text in (
        ("en", "Unlike Amazon you want money for a return, why?"),
        ("de", "Anders als bei Zalando kostet die Rücksendung, warum?"),
        ("fr", "Impossible de payer par carte, contrairement à Fnac"),
        ("es", "A diferencia de Zara no puedo pagar con tarjeta"),
    ):
        assert [guard.name for guard in guards(text, language)] == ["another_shop"], text


def test_words_of_every_language_count_when_the_language_is_unknown() -> None:
    assert urgent(guards("Der Toaster hat Feuer gefangen", None))
    assert urgent(guards("The toaster caught fire", None))


def test_typographic_marks_accents_and_entities_make_no_difference() -> None:
    for text in ("I don’t want a refund", "I don&#39;t want a REFUND", "i dont want a refund"):
        assert [guard.name for guard in guards(text, "en")] == ["negated"]


@pytest.mark.parametrize("text", ["", " ", "\ud800", "@" * 5_000, "a" * 5_000, "?! " * 2_000, "die der " * 900])
def test_any_text_is_read_in_time(text: str) -> None:
    for language in (None, *LANGUAGES):  # a pattern that goes wild would not come back
        assert guards(text, language) == guards(text[:TEXT_CAP] + text[TEXT_CAP:][::-1], language)


@pytest.mark.parametrize("key", [ANY, *LANGUAGES])
def test_every_phrase_is_found_by_what_it_begins_with(key: str) -> None:
    """All phrases of a file compile, and looking them up by first letters finds what searching each of them would."""
    from chalicelib.reading.phrases import _compiled, _table

    table = _table(key)
    phrases = {*table.headless, *(phrase for some in table.by_head.values() for phrase in some)}
    for _, language, trips, passes in CASES:
        for text in (trips, passes) if language == key else ():
            plainly = {p.guard for p in phrases if _compiled(p.text).search(text.lower())}
            assert plainly == {guard for guard, _ in found_in(key, text.lower())}
    assert phrases


@pytest.mark.parametrize("key", [ANY, *LANGUAGES])
def test_no_phrase_asks_for_the_gap_in_front_of_a_word_that_may_be_missing(key: str) -> None:
    """ "a (b)?" and "a (b)? c" wait for two gaps, and miss "a" at the end and "a c"; "a( b)?" and "a (b )?c" do not."""
    from chalicelib.reading.phrases import _table

    table = _table(key)
    texts = {phrase.text for some in (*table.by_head.values(), table.headless) for phrase in some}
    wrong = re.compile(r"(?<!~) (\((?:[^()]|\([^()]*\))*\))\?(?= [^?]|$)")
    assert texts and [text for text in texts if wrong.search(text)] == []


@pytest.mark.parametrize(
    ("text", "only"),
    [
        *(("Love it ❤️", True), ("👍", True), ("ok thanks", True), ("Thanks for the quick reply!", True)),
        *(("I love you guys", True), ("thanks?", False), ("please", False), ("🙄", False), ("thanks 2", False)),
        *(("thanks @dana", False), ("Merci beaucoup", True), ("Grazie mille", False), ("", False), ("hello", False)),
        *(
            ("Thank you very much", True),
            ("thank you the reply helps with nothing", False),
            ("thanks so much 😡", False),
        ),
    ],
)
def test_only_what_is_thanks_to_the_last_word_is_nothing_but_thanks(text: str, only: bool) -> None:
    assert ("only_thanks" in [guard.name for guard in guards(text, None)]) is only


@pytest.mark.parametrize(
    ("text", "two"),
    [
        ("Is the red lamp in stock? When does my parcel come?", True),
        ("Where is my parcel now??", False),
        ("Where is my parcel now? Please? Hello?", False),
        ("Really? Where is my parcel now?", False),
    ],
)
def test_two_sentences_that_ask_are_two_questions_and_marks_alone_are_not(text: str, two: bool) -> None:
    assert ("two_questions" in [guard.name for guard in guards(text, "en")]) is two


WORDS = st.sampled_from(sorted({word for _, _, *texts in CASES for text in texts for word in text.split()}))


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS | st.text(max_size=8), max_size=30).map(" ".join), st.sampled_from((None, *LANGUAGES)))
def test_any_mixture_of_words_leaves_a_rung_or_silence(text: str, language: str | None) -> None:
    found = guards(text, language)
    assert len({guard.name for guard in found}) == len(found)
    assert most(found) in (None, *Rung)
    assert not urgent(found) or most(found) is None
    assert guards(text, language) == found


@pytest.mark.parametrize(
    "text, language, scene",
    [
        ("Shop: do you want it in two days or in five? Me: two. Shop: great, you get it in five anyway.", "en", True),
        ("@brand - express or slow?\nMe - slow\n@brand - here it is tomorrow. Thanks!", "en", True),
        ("Der Shop: Lieferung in zwei Tagen! Ich: wartet. Auch ich: wartet immer noch.", "de", True),
        ("Le vendeur : c'est en stock. Moi : j'arrive. Le vendeur : c'est vendu.", "fr", True),
        ("La tienda: llega mañana. Yo: ya no lo necesito.", "es", True),
        ("Ich - wie viele andere - warte auf mein Paket. Wann kommt es?", "de", False),
        ("My details: order 12345678. The problem: the zip broke. Can I return it?", "en", False),
        ("Please tell me: when does the sale start?", "en", False),
        ("For me: a medium. For him: a large. Do you have both in blue?", "en", False),
    ],
)
def test_a_scene_with_oneself_in_it_is_a_joke(text: str, language: str, scene: bool) -> None:
    assert ("joke" in {guard.name for guard in guards(text, language)}) is scene
