"""What callers of the intent model rely on: the same numbers as scikit-learn, an answer for any text, a pinned file."""

import hashlib
import json
import math
import random
import subprocess
import sys
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from chalicelib.conversations.interaction import Rung
from chalicelib.intents import (
    A_KIND,
    ALONE,
    DEFAULT_MODEL,
    MAGIC,
    URGENT_FROM,
    IntentModel,
    ModelError,
    log_odds,
    probability,
    softmax,
)
from chalicelib.reading.features import LONG, NUMBER, TEXT_CAP, features, normalise, words
from chalicelib.reading.sums import LEVELS, ROOM, Sums
from models.artifact import Head, pack
from models.matrix import matrix
from models.noise import typos
from models.rows import utterances
from models.weights import Weights

MODEL = IntentModel.load()
SIZE_LIMIT = 450_000
MEMORY_LIMIT = 10 * 2**20


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return MODEL


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Utterances of every language, as written and with typos."""
    written = [row.text for row in utterances()][::8]
    return written + [typos(text, 0.08, seed) for seed, text in enumerate(written)]


def tampered(content: bytes, **fields: object) -> bytes:
    start = len(MAGIC) + 4
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header = json.dumps({**json.loads(content[start:end]), **fields}).encode()
    return MAGIC + len(header).to_bytes(4, "little") + header + content[end:]


def test_serving_equals_scikit_learn_on_two_thousand_texts(texts: list[str]) -> None:
    labels = ("cancel", "other", "refund", "return", "stock")
    chance = np.random.default_rng(0)
    coefficients = chance.normal(size=(2**12, len(labels)))
    gate = chance.normal(size=(2**12, 1))
    content = pack(
        Head(Weights(labels, coefficients, chance.normal(size=len(labels))), 1.0),
        None,
        {
            "thresholds": {"own": {"": 0.5}},
            "never": ["other"],
            "needless": ["other"],
            "lines": {},
            "topics": {},
            "urgent": "",
            "urgent_from": {},
            "close_bounds": {},
            "language_threshold": 0.0,
        },
        heads=[Head(Weights(("gate",), gate, np.array([0.25])), 1.0)],
    )
    served = IntentModel(content)
    every = np.hstack([coefficients, gate])
    step = np.abs(every).max(axis=0) / LEVELS
    reference = LinearSVC()
    reference.classes_ = np.array([*labels, "gate"])
    reference.coef_ = (np.rint(every / step) * step).T
    reference.intercept_ = np.array(served.header["bias"])
    assert len(texts) >= 2_000
    expected = reference.decision_function(matrix(texts, 12))
    found = np.array([served.scores(text) for text in texts])
    assert np.abs(found - expected).max() <= 1e-9
    assert [served.classify(text)[0] for text in texts] == [
        labels[n] for n in expected[:, : len(labels)].argmax(axis=1)
    ]


def test_shipped_model_gives_the_answers_written_in_its_header(model: IntentModel) -> None:
    for text, intent, confidence in model.header["probes"]:
        found, sureness = model.classify(text)
        assert found == intent
        assert math.isclose(sureness, confidence, abs_tol=1e-9)


def test_reading_agrees_with_classify_and_language(model: IntentModel, texts: list[str]) -> None:
    for text in texts[:200]:
        reading = model.read(text)
        assert model.classify(text) == (reading.intent, reading.confidence)
        assert model.language(text) == reading.language
        assert model.hash.startswith(reading.model)


def test_common_questions_are_understood(model: IntentModel) -> None:
    expected = {
        "where is my order": "order_status",
        "what time do you close today": "store_info",
        "do you ship to Canada?": "international_shipping",
        "how do I return these shoes": "return",
        "my discount code is not working": "discount_code",
        "Wann bekomme ich mein Geld zurück?": "refund",
        "thanks, all sorted": "closing",
        "I want to speak to a human": "human_please",
    }
    assert {text: model.classify(text)[0] for text in expected} == expected


def test_language_is_told_and_unserved_or_unclear_ones_are_none(model: IntentModel) -> None:
    assert model.language("where is my parcel, it should have come on Monday") == "en"
    assert model.language("Wo bleibt denn mein Paket? Sollte gestern kommen") == "de"
    assert model.language("où est passée ma commande s'il vous plaît") == "fr"
    assert model.language("¿dónde está mi pedido? lo espero desde el lunes") == "es"
    for unclear in ("gdzie jest moja paczka", "dove è il mio ordine", "где мой заказ", "", "🙂", "?", "??", "ok", "no"):
        assert model.language(unclear) is None, unclear


def test_the_general_reply_asks_for_a_kind_of_matter_that_stands_out(model: IntentModel) -> None:
    spread = "It fell to the second of them to say what everybody else in the room had been thinking for years."
    clear = "My parcel was due on Monday and has not come, where is it?"
    topics = {intent for intents in model.header["topics"].values() for intent in intents}
    for text in [*(row.text for row in utterances()[::50]), spread, clear]:
        found = model.evidence(text)
        if model.classes[found.best] in topics and len(text) < LONG:
            assert log_odds(found.rungs[Rung.GENERAL]) <= log_odds(found.rungs[Rung.TOPIC]) + A_KIND + 1e-6
    assert Rung.GENERAL in model.read(clear).allowed
    assert model.read(spread).allowed == ()


def test_no_rung_is_allowed_below_its_threshold_without_language_or_for_what_is_urgent(
    model: IntentModel, texts: list[str]
) -> None:
    readings = [model.read(text) for text in texts]
    assert {rung for reading in readings for rung in reading.allowed} == set(Rung)
    for reading in readings:
        if reading.allowed:
            best = reading.allowed[0]
            assert reading.rungs[best] >= model.thresholds[best][reading.language or ""]
            assert reading.language in {"en", "de", "fr", "es"}
            assert reading.urgent < URGENT_FROM
            assert reading.allowed == tuple(Rung)[-len(reading.allowed) :], "who may say more may also say less"
        if reading.accepted:
            assert reading.intent not in model.never
            assert reading.confidence == reading.rungs[Rung.OWN] >= model.threshold
    assert {"complaint", "human_please", "legal_safety", "other", "spam"} <= model.never


PAIRS = (
    ("where is my order?", "Hello, where is my order?", "Hi there! Where is my order? Thanks in advance, Tom Field"),
    (
        "can I return these boots",
        "Good morning team, can I return these boots please",
        "can I return these boots @shop",
    ),
    (
        "where is my order?",
        "where is my order? tom@example.com",
        "where is my order? #4471-22098",
        "Hey, where is my order?",
    ),
    ("wo bleibt mein Paket?", "Guten Tag, wo bleibt mein Paket?", "Wo bleibt mein Paket? DE-1234567 Viele Grüße, Max"),
    ("wann kommt meine Bestellung?", "Hallo zusammen, wann kommt meine Bestellung? max@example.com"),
    (
        "où en est ma commande ?",
        "Bonjour, où en est ma commande ?",
        "où en est ma commande ? jean@example.com",
        "Bonsoir madame, où en est ma commande ? Merci d'avance, cordialement",
    ),
    (
        "¿dónde está mi pedido?",
        "Hola buenas tardes, ¿dónde está mi pedido?",
        "¿dónde está mi pedido? 12345678 Un saludo, Ana",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
def test_greeting_politeness_names_addresses_and_numbers_cost_no_confidence(
    model: IntentModel, pair: tuple[str, ...]
) -> None:
    plain = model.read(pair[0])
    for dressed in map(model.read, pair[1:]):
        assert dressed.intent == plain.intent
        assert dressed.confidence >= plain.confidence - 0.02


@pytest.mark.parametrize(
    "text",
    ["hello", "thanks", "please", "bonjour", "4471-22098", "a@example.com", "hi 4471-22098", "Gracias", "Vielen Dank"],
)
def test_what_is_nothing_but_a_greeting_thanks_or_a_number_is_still_read(text: str) -> None:
    assert words(text)


def test_a_sentence_says_less_than_a_message_that_people_are_needed_at_once(model: IntentModel) -> None:
    alone, asked = "Somebody else has taken over my account.", "The colour of the chair in the window is lovely."
    both = f"{asked} {alone} {asked}"
    assert len(both) >= LONG
    assert model.evidence(alone).urgent - ALONE <= model.evidence(both).urgent < model.evidence(alone).urgent


def test_a_long_message_speaks_by_its_surest_sentence_but_not_on_the_own_rung(model: IntentModel) -> None:
    asked = "Where is my order?"
    around = "I was at my sister's for the weekend and the weather there was lovely, we even swam in the lake."
    short, long = model.evidence(asked), model.evidence(f"{around} {asked} {around}")
    assert long.rungs[Rung.GENERAL] >= short.rungs[Rung.GENERAL] - 1e-9
    assert long.rungs[Rung.OWN] < short.rungs[Rung.OWN]


def test_two_matters_in_one_message_leave_the_general_rung(model: IntentModel) -> None:
    one, other = "Where is my order?", "Do these boots run small, which size should I take?"
    assert model.evidence(one).reach == tuple(Rung)
    assert model.evidence(f"{one} {other}").reach == (Rung.GENERAL,)
    assert Rung.TOPIC in model.evidence(f"{one} How long does delivery to Leeds take?").reach


@pytest.mark.parametrize(
    "text",
    [
        *("Thanks for nothing", "That didn't help at all, thanks", "Danke für nichts", "Das hat nicht geholfen, danke"),
        *("Merci pour rien", "Ça n'a rien changé, merci", "Gracias por nada", "No me ha servido de nada, gracias"),
    ],
)
def test_a_complaint_that_ends_in_thanks_stays_open(model: IntentModel, text: str) -> None:
    reading = model.read(text)
    assert reading.confidence < model.bounds.get(reading.intent, 1.1)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(st.characters(), max_size=300), st.binary(max_size=300)))
def test_any_text_or_bytes_get_an_answer(text: str | bytes) -> None:
    reading = MODEL.read(text)
    assert reading.intent in MODEL.classes
    assert 0 <= reading.confidence <= 1
    assert 0 <= reading.margin <= 1


def counted_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The buckets whose rows are fetched from now on, and none of them is kept."""
    rows: list[int] = []

    def row(self: Sums, bucket: int) -> int:
        rows.append(bucket)
        return 0

    monkeypatch.setattr(Sums, "row", row)
    return rows


def test_what_lies_beyond_the_cap_is_not_read_and_hostile_texts_cost_no_more_than_long_ones(
    model: IntentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "where is my order " * 1_000
    assert features(long) == features(long[:TEXT_CAP])
    rows = counted_rows(monkeypatch)
    fresh = IntentModel.load()
    for hostile in ("\ufdfa" * 10**6, "@" * 10**6, "a" * 10**6, "http://" * 10**5, "1" * 10**6, b"\xff" * 10**6):
        rows.clear()
        fresh.read(hostile)
        assert len(rows) <= 12 * TEXT_CAP
    noise = random.Random(1)
    rows.clear()
    fresh.read("".join(chr(noise.randrange(97, 123)) if noise.random() < 0.8 else " " for _ in range(5_000)))
    assert len(rows) <= 12 * TEXT_CAP


def test_a_word_that_comes_back_is_not_added_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted_rows(monkeypatch)
    model = IntentModel.load()
    model.read("where is my parcel")
    rows.clear()
    model.read("my parcel, where is it")
    assert len(rows) <= 10  # the one new word, its pieces, and the new pairs


def test_more_rows_than_a_lane_has_room_for_add_up_all_the_same(model: IntentModel) -> None:
    chance = random.Random(3)
    text = " ".join("".join(chr(chance.randrange(97, 123)) for _ in range(9)) for _ in range(190))
    found = features(text)
    assert len(found.chars) > ROOM
    bits = model.header["bits"]
    columns = zlib.decompress(DEFAULT_MODEL.read_bytes()[-_packed(DEFAULT_MODEL.read_bytes()) :])
    weights = np.frombuffer(columns, dtype=np.int8).reshape(2**bits, -1)
    expected = matrix([text], bits) @ (weights * np.array(model.header["scale"])) + np.array(model.header["bias"])
    assert np.abs(np.array(model.scores(text)) - expected[0]).max() <= 1e-9


def _packed(content: bytes) -> int:
    """How many bytes the matrix takes at the end of an artifact."""
    start = len(MAGIC) + 4
    return len(content) - start - int.from_bytes(content[len(MAGIC) : start], "little")


def test_normalisation_drops_what_says_nothing_and_keeps_what_does() -> None:
    assert normalise("@Shop CAFÉ sooooo late!!! see https://x.example/a?b 123456 😡").split() == [
        *("cafe", "soo", "late!", "see", "url", NUMBER, "😡")
    ]
    assert normalise("don't &amp; won’t") == "dont & wont"


@pytest.mark.parametrize(
    "text, found",
    [
        ("sooooo goooood", ["soo", "good"]),
        ("aaa", ["aa"]),
        ("well, all good", ["well", "all", "good"]),
        ("no!! why???", ["no", "!", "why", "?"]),
        ("$$ deal", ["$", "deal"]),
        ("né né 😡😡😡", ["ne", "ne", "😡"]),
        ("schööööön", ["schoon"]),
        ("¿¿dónde está??", ["donde", "esta", "?"]),
        ("¡¡¡noooo!!!", ["noo", "!"]),
        ("straßßße ££ 20", ["straßße", "£", "00"]),
    ],
)
def test_repeats_are_squeezed_wherever_they_stand(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("¿Cuánto cuesta? 20€", ["cuanto", "cuesta", "?", "00", "€"]),
        ("Größe 38_b «neu»", ["große", "00_b", "neu"]),
        ("£5 für größere Füße", ["£", "0", "fur", "großere", "fuße"]),
        ("l’été à l´eau d`or", ["lete", "a", "l", "eau", "dor"]),
        ("Ærø \xa0 œuvre…", ["ærø", "œuvre"]),
        (f"straße {'ß' * 45}", ["straße", "ßß"]),
        ("bestellung " + "xy" * 25, ["bestellung", "xy" * 20, "xy" * 5]),
        ("größe " + "xy" * 25, ["große", "xy" * 20, "xy" * 5]),
        ("große 😀", ["große", "😀"]),
        ("." * 100, []),
        ("—" * 100 + "…", []),
        ("«" + " " * 100, []),
        ("hello   \n\n  where is it   thanks", ["where", "is", "it", "thanks"]),
        ("where is it?" + " " * 1900 + "thanks", ["where", "is", "it", "?"]),
    ],
)
def test_words_are_the_same_whatever_letters_stand_beside_them(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_nothing_is_left_to_squeeze_in_any_text(texts: list[str]) -> None:
    for text in texts:
        found = words(text)
        assert not any(a == b and a in "!?$" for a, b in pairwise(found)), text
        assert not any(
            a == b == c for word in found if word.isalpha() for a, b, c in zip(word, word[1:], word[2:], strict=False)
        ), text


def test_a_pinned_hash_is_verified(tmp_path: Path) -> None:
    content = DEFAULT_MODEL.read_bytes()
    pinned = hashlib.sha256(content).hexdigest()
    assert IntentModel.load(DEFAULT_MODEL, sha256=pinned).hash == pinned
    other = tmp_path / "other.model"
    other.write_bytes(tampered(content, threshold=0.1))
    with pytest.raises(ModelError, match="SHA-256"):
        IntentModel.load(other, sha256=pinned)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\x80\x04pickle",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + b"?" + content[-1:],
        lambda content: tampered(content, bits=60),
        lambda content: tampered(content, bits="13"),
        lambda content: tampered(content, classes=["a"]),
        lambda content: tampered(content, scale=[]),
        lambda content: MAGIC + b"\x05\0\0\0" + b"[1,2]",
        lambda content: MAGIC + b"\x02\0\0\0" + b"{}",
    ],
)
def test_a_damaged_file_is_refused(damage: object, tmp_path: Path) -> None:
    assert callable(damage)
    path = tmp_path / "damaged.model"
    path.write_bytes(damage(DEFAULT_MODEL.read_bytes()))
    with pytest.raises(ModelError, match=r"damaged\.model"):
        IntentModel.load(path)


@pytest.mark.parametrize("weight", [LEVELS + 1, 100, 127, 128, 256 - LEVELS - 1])
def test_a_weight_that_is_too_large_is_refused(weight: int) -> None:
    content = DEFAULT_MODEL.read_bytes()
    head, packed = content[: -_packed(content)], content[-_packed(content) :]
    weights = bytearray(zlib.decompress(packed))
    weights[1_000] = weight
    with pytest.raises(ModelError, match=f"larger than {LEVELS}"):
        IntentModel(head + zlib.compress(weights, 1))


def test_the_artifact_is_small_light_to_load_and_holds_no_training_text(texts: list[str]) -> None:
    content = DEFAULT_MODEL.read_bytes()
    assert len(content) <= SIZE_LIMIT
    assert not any(text.encode() in content for text in texts if len(text) > 25)
    tracemalloc.start()
    model = IntentModel(content)
    for text in texts:
        model.read(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= MEMORY_LIMIT


def test_serving_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; from chalicelib.intents import IntentModel; IntentModel.load().read('where is my order');"
        "print([name for name in ('numpy', 'scipy', 'sklearn', 'models') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("offset", [0.0, 400.0, -400.0, 1e6, -1e6])
def test_softmax_stands_scores_of_any_size(offset: float) -> None:
    scores = [offset + score for score in (0.3, -2.0, 7.0)]
    assert softmax(scores, max(scores)) == pytest.approx([0.00123, 0.00012, 0.99865], abs=1e-5)
    assert softmax([1e6, 0.0, -1e6], 1e6) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("odds, chance", [(0.0, 0.5), (2.0, 0.8807971), (1e6, 1.0), (-1e6, 0.0), (-math.inf, 0.0)])
def test_any_odds_are_a_probability(odds: float, chance: float) -> None:
    assert probability(odds) == pytest.approx(chance)
