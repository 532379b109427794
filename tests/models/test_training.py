"""What a retailer's engineer relies on: same rows, same file; honest thresholds; errors with file and line."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from chalicelib.conversations.interaction import Rung
from chalicelib.intents import Evidence, IntentModel
from chalicelib.reading.features import NUMBER, normalise
from models import evaluate, train, train_from_corrections, training
from models.calibration import calibration_error, clopper_pearson, line, temperature, threshold
from models.decide import Judged, Promise, choose, mixed, urgency
from models.noise import typos
from models.policy import HARD, MIX, kind
from models.predict import Columns, columns, predict
from models.rows import Row, RowError, from_file, texts, utterances
from models.scores import score
from models.weights import Recipe, folds

WANTS = {
    "refund": ("when will I get my refund", "refund not received yet", "where is my money back", "still no refund"),
    "stock": (
        "is the lamp in stock",
        "when is it back in stock",
        "any restock of the boots",
        "sold out again, restock?",
    ),
    "store_info": (
        "what time do you close",
        "opening hours today",
        "are you open on sunday",
        "is there a shop in York",
    ),
    "other": ("lovely weather", "my train is late", "who won the match", "that film was dull"),
}
PLACES = ("please", "today", "in Leeds", "thanks", "asap", "for my mum", "??", "again", "hello", "now", "mate", "lol")


def written_rows() -> list[dict[str, str]]:
    """Small, separable, with the three splits."""
    splits = ("train", "train", "train", "valid", "valid", "test")
    return [
        {"text": f"{text} {place}", "intent": intent, "split": splits[number % 6]}
        for intent, wanted in WANTS.items()
        for text in wanted
        for number, place in enumerate(PLACES)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "rows.jsonl", written_rows())


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    out = data.with_name("small.model")
    assert train.main(["--data", str(data), "--precision", "0.8", "--out", str(out)]) == 0
    return out


def small_folder(folder: Path) -> Path:
    """A folder of utterances as the project ships them, in two languages."""
    for language, ending in (("en", ""), ("de", " bitte danke")):
        (folder / language).mkdir(parents=True)
        for intent, wanted in WANTS.items():
            groups = ("\n".join(f"{text} {place}{ending}" for place in PLACES) for text in wanted)
            (folder / language / f"{intent}.txt").write_text("# written for a test\n" + "\n\n".join(groups))
    return folder


def test_the_same_rows_give_the_same_file_in_whatever_order_they_come(data: Path, trained: Path) -> None:
    again, shuffled = data.with_name("again.model"), data.with_name("shuffled.jsonl")
    rows = written_rows()
    random.Random(1).shuffle(rows)
    write(shuffled, rows)
    assert train.main(["--data", str(shuffled), "--precision", "0.8", "--out", str(again)]) == 0
    assert again.read_bytes() == trained.read_bytes()


def test_the_command_line_scores_the_test_split_and_writes_predictions(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, noise = tmp_path / "predictions.jsonl", write(tmp_path / "noise.jsonl", [{"text": "the match was dull"}])
    arguments = ["--model", str(trained), "--data", str(data), "--split", "test", "--background", str(noise)]
    assert evaluate.main([*arguments, "--predictions", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    tested = [row for row in written_rows() if row["split"] == "test"]
    assert report["rows"] == len(tested)
    assert report["accuracy"] >= 0.9
    assert report["background_acknowledged"] == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [set(line) for line in lines] == [{"text", "intent", "predicted", "confidence", "accepted"}] * len(tested)
    assert [line["text"] for line in lines] == [row["text"] for row in tested]
    assert "other" not in {line["predicted"] for line in lines}
    model = IntentModel.load(trained)
    assert all(line["accepted"] == model.read(line["text"]).accepted for line in lines)
    assert any(line["accepted"] for line in lines)
    assert evaluate.main(arguments) == 0
    assert "store_info" in capsys.readouterr().out


def test_the_threshold_comes_from_the_validation_rows_and_never_from_the_test_rows(data: Path, trained: Path) -> None:
    spoilt = [{**row, "intent": "stock"} if row["split"] == "test" else row for row in written_rows()]
    other = data.with_name("spoilt.model")
    assert (
        train.main(
            ["--data", str(write(data.with_name("spoilt.jsonl"), spoilt)), "--precision", "0.8", "--out", str(other)]
        )
        == 0
    )
    assert other.read_bytes() == trained.read_bytes()


def test_learning_much_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, plan = (
        utterances(small_folder(tmp_path / "some")),
        training.Plan(Recipe(bits=10, copies=0, folds=3), Promise(0.8)),
    )
    training.train(rows, plan)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(training, "MANY", 10)
    training.train(rows, plan)
    assert "learning without part 3 of 3" in capsys.readouterr().err


def test_rows_without_splits_are_calibrated_out_of_fold(tmp_path: Path) -> None:
    rows = [{"text": row["text"], "intent": row["intent"]} for row in written_rows()]
    out = tmp_path / "m.model"
    assert train.main(["--data", str(write(tmp_path / "r.jsonl", rows)), "--precision", "0.8", "--out", str(out)]) == 0
    assert 0 < IntentModel.load(out).threshold <= 1


def test_own_rows_are_learnt_and_the_changes_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_folder(tmp_path / "utterances")
    monkeypatch.setattr(train, "utterances", lambda: utterances(folder))
    monkeypatch.setattr(train, "SHIPPED", Recipe(bits=10, copies=0, folds=3))
    own = tmp_path / "own.csv"
    own.write_text("text,intent\n" + "".join(f'"the gizmo, is it there {place}",stock\n' for place in PLACES))
    out = tmp_path / "own.model"
    assert train.main(["--own", str(own), "--precision", "0.5", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "→" in said and "stock" in said
    model = IntentModel.load(out)
    assert model.classify("the gizmo, is it there soon")[0] == "stock"
    assert set(model.languages) == {"de", "en"}


def test_groups_of_paraphrases_are_never_parted() -> None:
    rows = [Row(f"{group} {n}", "ab"[group % 2], str(group)) for group in range(40) for n in range(5)]
    held_out: list[int] = []
    for kept, held in folds(rows, 4):
        assert not {rows[n].group for n in kept} & {rows[n].group for n in held}
        assert {rows[n].intent for n in held} == {"a", "b"}
        held_out += held
    assert sorted(held_out) == list(range(len(rows)))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("r.jsonl", '{"text":"a","intent":"b"}\n{"text":"a"', "r.jsonl:2: not JSON"),
        ("r.jsonl", '{"text":"a","intent":"b"}\n\n{"text":" ","intent":"b"}', "r.jsonl:3: 'text'"),
        ("r.jsonl", '{"text":"a"}', "r.jsonl:1: 'intent'"),
        ("r.jsonl", '{"text":"a","intent":7}', "r.jsonl:1: 'intent'"),
        ("r.jsonl", "[1]", "r.jsonl:1: not a JSON object"),
        ("r.jsonl", "", "r.jsonl:1: no rows"),
        ("r.csv", "text,label\na,b\n", "r.csv:1: the header has no column intent"),
        ("r.csv", "text,intent\na,b\nc\n", "r.csv:3: 'intent'"),
        ("r.csv", "text,intent\na,b,c\n", "r.csv:2: more cells"),
        ("r.csv", 'text,intent\n"' + "a" * 30_000 + '",b\n', "r.csv:2: 'text' is longer"),
        ("r.txt", "a", "r.txt:1: rows are read from"),
    ],
)
def test_bad_rows_are_named_with_file_and_line(
    name: str, content: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    out = tmp_path / "never.model"
    assert train.main(["--data", str(path), "--out", str(out)]) == 1
    assert complaint in capsys.readouterr().err
    assert not out.exists()


def test_undecodable_files_and_a_missing_split_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"text":"a","intent":"b"}\n{"text":"\xff"}\n')
    with pytest.raises(RowError, match=r"r\.jsonl:2: not UTF-8"):
        from_file(path)
    with pytest.raises(RowError, match="no rows of split 'test'"):
        from_file(write(path, [{"text": "a", "intent": "b", "split": "train"}]), "test")
    with pytest.raises(RowError, match=r"r\.jsonl:1: 'text'"):
        texts(write(path, [{"message": "a"}]))


def test_the_project_s_utterances_can_be_read_and_cover_four_languages() -> None:
    rows = utterances()
    assert {"en", "de", "fr", "es", "und"} == {row.language for row in rows}
    assert {row.intent for row in rows if row.language == "und"} == {"other"}
    assert len({row.intent for row in rows}) == 30


def test_no_text_stands_under_two_intents_as_the_model_sees_it() -> None:
    places: dict[str, dict[str, str]] = {}
    for row in utterances():
        if (text := normalise(row.text).strip()) != NUMBER:  # any long number alone, of whatever it is
            places.setdefault(text, {})[row.intent] = f"{row.origin} {row.text}"
    assert [found for found in places.values() if len(found) > 1] == []


def test_a_threshold_keeps_its_promise_and_says_when_it_cannot() -> None:
    confidence = np.linspace(1, 0, 1_000)
    right = confidence > 0.4
    chosen = threshold(confidence, right, 0.95)
    assert chosen.lower_bound >= 0.95
    assert 0.3 < chosen.value < 0.4
    assert threshold(confidence, np.zeros(1_000, dtype=bool), 0.5).value > 1
    rarer = threshold(confidence, right, 0.95, np.where(right, 1.0, 5.0))
    assert rarer.value > chosen.value


def test_clopper_pearson_equals_published_values() -> None:
    assert clopper_pearson(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert clopper_pearson(0, 10) == 0
    assert clopper_pearson(90, 100) == pytest.approx(0.8363, abs=1e-4)


def test_temperature_and_line_undo_overconfidence() -> None:
    chance = np.random.default_rng(3)
    honest = chance.normal(size=(4_000, 3))
    truth = np.array([chance.choice(3, p=np.exp(row) / np.exp(row).sum()) for row in honest])
    assert temperature(honest * 5, truth) == pytest.approx(0.2, rel=0.15)
    really = chance.uniform(0.05, 0.95, 5_000)
    right = chance.random(5_000) < really
    odds = 3 * np.log(really / (1 - really)) + 1
    slope, offset = line(1 / (1 + np.exp(-odds)), right, np.ones(5_000))
    assert slope == pytest.approx(1 / 3, abs=0.05)
    assert offset == pytest.approx(-1 / 3, abs=0.1)
    assert calibration_error(really, right) < 0.03


def test_typos_depend_on_the_text_alone_and_keep_about_the_rate() -> None:
    text = "where is my parcel please " * 40
    assert typos(text, 0.04, 7) == typos(text, 0.04, 7) != text
    assert typos(text, 0.0, 7) == text
    changed = sum(typos(letter, 0.04, seed) != letter for seed, letter in enumerate("parcel" * 500))
    assert 60 <= changed <= 180


def test_scores_count_out_of_scope_answers_as_wrong(trained: Path) -> None:
    model = IntentModel.load(trained)
    rows = [Row("what time do you close please", "store_info", "1"), Row("what time do you close now", "oos", "2")]
    found = score(columns(predict(model, rows), model.never), model.threshold)
    assert (found.in_scope, found.accuracy) == (1, 1.0)
    assert found.precision == (0.5 if found.accepted == 2 else None)
    assert found.answered_at_98 in (0.0, 1.0)


def evidence(language: str, urgent: float = -5.0, general: float = 0.0) -> Evidence:
    rungs: dict[str, float] = {Rung.OWN: 0.0, Rung.TOPIC: 0.0, Rung.GENERAL: general}
    return Evidence(0, (1.0,), language, "", rungs, tuple(Rung), 0.5, urgent)


def judged(rows: list[Row], found: list[Evidence], most: Rung | None = Rung.OWN) -> Judged:
    weights = mixed(rows, [each.language or "" for each in found], Promise(mix=MIX), ())
    return Judged(rows, found, ("refund",), weights, [most] * len(rows), np.zeros(len(rows), dtype=bool))


def test_every_language_s_rows_are_weighed_to_the_same_mix() -> None:
    counts = {"refund": (300, 20), "complaint": (10, 30), "other": (90, 5)}
    rows = [
        Row("x", intent, "g", language=language)
        for intent, each in counts.items()
        for language, count in zip(("en", "de"), each, strict=True)
        for _ in range(count)
    ]
    weights = mixed(rows, [row.language for row in rows], Promise(mix=MIX), ())
    for language in ("en", "de"):
        whole = sum(w for w, row in zip(weights, rows, strict=True) if row.language == language)
        for intent in counts:
            part = sum(w for w, r in zip(weights, rows, strict=True) if (r.language, r.intent) == (language, intent))
            counted = {name: share * (HARD if name == "needless" else 1) for name, share in MIX.items()}
            assert part / whole == pytest.approx(counted[kind(intent)] / sum(counted.values()))


def test_a_threshold_is_its_language_s_own_and_strangers_raise_it() -> None:
    rows = [Row("x", "refund", "g") for _ in range(400)] + [Row("x", "other", "g") for _ in range(400)]
    sure = [0.9 + n / 4_000 for n in range(400)] + [0.5 + n / 1_000 for n in range(400)]
    found = [evidence("en", general=each) for each in sure]
    told = judged(rows + rows, found + [evidence("de", general=0.9) for _ in rows])
    chosen = choose(told, Rung.GENERAL, "en", Promise(general=0.8, mix=MIX), {})
    assert chosen.value < 0.9 and chosen.lower_bound >= 0.8
    strict = choose(told, Rung.GENERAL, "en", Promise(general=0.8, strangers=0.0, mix=MIX), {})
    assert strict.value >= 0.899
    assert choose(told, Rung.GENERAL, "de", Promise(general=0.9, mix=MIX), {}).value > 1
    silenced = judged(rows, found, None)
    assert choose(silenced, Rung.GENERAL, "en", Promise(general=0.8, mix=MIX), {}).value > 1


def test_at_most_the_promised_share_of_other_messages_is_called_urgent() -> None:
    rows = [Row("x", "refund", "g") for _ in range(1_000)] + [Row("x", "legal_safety", "g") for _ in range(100)]
    found = [evidence("en", urgent=n / 1_000) for n in range(1_000)] + [
        evidence("en", urgent=0.999) for _ in range(100)
    ]
    told = judged(rows, found)
    bar = urgency(told, "en", 0.01)
    called = told.urgent({"en": bar})
    assert 0 < called[:1_000].mean() <= 0.01
    assert called[1_000:].all()


class TestCorrections:
    """Learning from staff: better rows replace the model, worse ones are refused and the old file stays."""

    @pytest.fixture
    def shop(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = small_folder(tmp_path / "utterances")
        monkeypatch.setattr(
            train_from_corrections, "PLAN", training.Plan(Recipe(bits=10, copies=0, folds=3), Promise(0.8))
        )
        rows = utterances(folder)
        current = training.train(rows, train_from_corrections.PLAN).content
        (tmp_path / "current.model").write_bytes(current)
        return tmp_path

    def learn(self, shop: Path, rows: list[dict[str, str]]) -> int:
        file, current = write(shop / "corrections.jsonl", rows), str(shop / "current.model")
        return train_from_corrections.main(
            [
                "--corrections",
                str(file),
                "--current",
                current,
                "--out",
                current,
                "--utterances",
                str(shop / "utterances"),
            ]
        )

    def test_good_corrections_are_learnt(self, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = IntentModel.load(shop / "current.model")
        rows = [
            {"text": f"gizmo there {place}", "intent": "stock", "corrected_from": "other", "source": "staff"}
            for place in PLACES
        ]
        assert self.learn(shop, rows) == 0
        after = IntentModel.load(shop / "current.model")
        assert after.hash != before.hash
        assert after.classify("gizmo there soon")[0] == "stock"
        printed = capsys.readouterr().out
        assert "corrections learnt" in printed and "1 of 3: " in printed and "3 of 3: " in printed

    def test_corrections_that_lower_precision_are_refused(self, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = (shop / "current.model").read_bytes()
        wrong = {"refund": "stock", "stock": "store_info", "store_info": "refund"}
        rows = [
            {"text": f"{text} {place} {n}", "intent": wrong[intent], "source": "staff"}
            for intent in wrong
            for text in WANTS[intent]
            for place in PLACES
            for n in range(4)
        ]
        assert self.learn(shop, rows) == 1
        assert "not replaced: precision" in capsys.readouterr().err
        assert (shop / "current.model").read_bytes() == before

    def test_a_precision_that_moved_by_chance_is_no_loss_and_a_real_fall_is(self) -> None:
        def answers(wrong: int, accepted: int = 1_000) -> Columns:
            right = np.arange(1_000) >= wrong
            sure = np.arange(1_000) < accepted
            return Columns(np.ones(1_000), right, sure, np.zeros(1_000, dtype=bool), np.ones(1_000, dtype=bool))

        assert train_from_corrections.real_loss(answers(20), answers(20)) == 0
        assert train_from_corrections.real_loss(answers(20), answers(21)) == 0
        assert train_from_corrections.real_loss(answers(21), answers(20)) == 0
        assert train_from_corrections.real_loss(answers(20), answers(60)) < 0
        assert train_from_corrections.real_loss(answers(20), answers(20, accepted=0)) < 0

    def test_that_no_reply_was_right_is_learnt(self, shop: Path) -> None:
        rows = [{"text": f"gizmo back {place}", "intent": "no_reply", "source": "staff"} for place in PLACES]
        assert self.learn(shop, rows) == 0
        reading = IntentModel.load(shop / "current.model").read("gizmo back soon")
        assert (reading.intent, reading.accepted) == ("other", False)

    def test_few_corrections_are_said_to_change_little(self, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.learn(shop, [{"text": f"gizmo there {place}", "intent": "stock"} for place in PLACES])
        assert "12 corrections: little will change" in capsys.readouterr().out

    def test_an_intent_that_does_not_exist_is_named_with_its_line(
        self, shop: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.learn(shop, [{"text": "hi", "intent": "refnud", "source": "staff"}]) == 1
        assert "corrections.jsonl:1: no intent 'refnud'" in capsys.readouterr().err
