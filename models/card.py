"""Evaluate the shipped model and write its card: `python -m models.card [--model MODEL] [--also FILE.jsonl …]`.

Nested cross-validation over the project's utterances, the held-out messages, the fit test and its traps, and with
--also the official splits of other data sets, on which a model of the recipe for those is trained. Prints the tables,
writes CARD.md and the curves.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from chalicelib.conversations.interaction import Rung
from chalicelib.intents import DEFAULT_MODEL, IntentModel
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.reading.features import TEXT_CAP
from models.cross import INNER_FOLDS, OUTER_FOLDS, nested
from models.decide import Promise, mixed
from models.draw import draw_coverage, draw_reliability
from models.fit_check import check
from models.policy import HARD, MIX, NEVER
from models.predict import Prediction, columns, predict
from models.rows import VALIDATION, Row, from_file, utterances
from models.scores import IntentScores, Ladder, Scores, by_intent, ladder, score
from models.training import SHIPPED_PROMISE, Plan, train
from models.weights import Recipe

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out.jsonl"
CARD_TEXT = FOLDER / "card_text.md"


def benchmark(path: Path) -> tuple[list[Prediction], IntentModel]:
    """A model of the recipe for data sets, trained and calibrated on the file's splits, and its answers to `test`."""
    rows = from_file(path)
    plan = Plan(recipe=Recipe(), promise=Promise())
    held_out = [row for row in rows if row.split in VALIDATION]
    model = IntentModel(train([row for row in rows if row.split == "train"], plan, held_out).content)
    return predict(model, [row for row in rows if row.split == "test"]), model


def score_table(named: Mapping[str, Scores]) -> str:
    """A Markdown table, one line for each set of rows."""
    lines = [
        "| rows | n | in scope | accuracy | OOS AUROC | answered at 98 % | at 95 % | accepted | precision"
        " | 95 % sure of | questions acknowledged | out of scope acknowledged | ECE |",
        "|---|" + "---:|" * 12,
    ]
    for name, found in named.items():
        figures = (
            found.accuracy,
            found.auroc,
            found.answered_at_98,
            found.answered_at_95,
            found.accepted,
            found.precision,
            found.precision_bound,
            found.coverage,
            found.false_acknowledgements,
            found.calibration_error,
        )
        lines.append(f"| {name} | {found.rows} | {found.in_scope} | " + " | ".join(map(_figure, figures)) + " |")
    return "\n".join(lines)


def ladders(predictions: Sequence[Prediction]) -> dict[str, Ladder]:
    """The ladder's scores by the language that the model hears, and of all that it hears one in."""
    heard = [each for each in predictions if each.reading.language]
    spoken = [each.reading.language or "" for each in heard]
    weights = mixed([each.row for each in heard], spoken, SHIPPED_PROMISE, NEVER)
    found = {"all": ladder(heard, weights)}
    for language in sorted(set(spoken)):
        mine = [number for number, code in enumerate(spoken) if code == language]
        found[language] = ladder([heard[number] for number in mine], weights[mine])
    return found


def ladder_table(found: Mapping[str, Ladder]) -> str:
    """A Markdown table, one line a language."""
    lines = [
        "| language | messages | own: replies, right | topic | general | all right | 95 % sure of | questions helped"
        " | with their own reply | strangers answered | urgent found | others called urgent |",
        "|---|" + "---:|" * 11,
    ]
    for name, each in found.items():
        rungs = " | ".join(f"{each.replies[rung]}, {_figure(each.right[rung])}" for rung in Rung)
        figures = (each.all_right, each.bound, each.helped, each.helped_own, each.strangers)
        urgent = " | ".join(map(_figure, (*figures, each.urgent_found, each.urgent_wrongly)))
        lines.append(f"| {name} | {each.messages} | {rungs} | {urgent} |")
    return "\n".join(lines)


def threshold_table(model: IntentModel) -> str:
    """The thresholds, a line a rung, a column a language."""
    languages = sorted({code for by in model.thresholds.values() for code in by})
    lines = [f"| rung | promise | {' | '.join(languages)} |", "|---|---:|" + "---:|" * len(languages)]
    for rung in Rung:
        chosen = model.thresholds.get(rung, {})
        values = " | ".join(_figure(chosen.get(code)) for code in languages)
        lines.append(f"| {rung} | {SHIPPED_PROMISE.of(rung):.3f} | {values} |")
    return "\n".join(lines)


def intent_table(intents: Mapping[str, IntentScores], never: Collection[str]) -> str:
    """A Markdown table, one line an intent; those never acknowledged are marked."""
    lines = ["| intent | rows | right | acknowledged | precision |", "|---|---:|---:|---:|---:|"]
    for intent, found in intents.items():
        name = f"{intent} (never)" if intent in never else intent
        lines.append(
            f"| {name} | {found.rows} | {found.right:.2f} | {found.acknowledged:.2f} | {_figure(found.precision)} |"
        )
    return "\n".join(lines)


def card(model: IntentModel, rows: Sequence[Row], predictions: Sequence[Prediction], scores: str, fit: str) -> str:
    """The text of CARD.md: card_text.md with its figures."""
    languages = Counter(row.language for row in rows)
    counted = ", ".join(f"{count} {language}" for language, count in sorted(languages.items()))
    heard = sum(each.reading.language == each.row.language for each in predictions if each.row.language != "und")
    misheard = sum(each.reading.language not in (None, each.row.language) for each in predictions)
    bounds = ", ".join(f"{label} {bound:.3f}" for label, bound in sorted(model.bounds.items()))
    return CARD_TEXT.read_text("utf-8").format(
        hash=model.hash,
        rows=len(rows),
        rows_hash=model.header["trained_on"]["sha256"],
        counted=counted,
        classes=len(model.classes),
        mix=", ".join(f"{share:.0%} {name}" for name, share in MIX.items()),
        hard=HARD,
        promise=SHIPPED_PROMISE,
        thresholds=threshold_table(model),
        bounds=bounds or "none can keep it, so nothing is closed",
        never=", ".join(sorted(model.never)),
        outer_folds=OUTER_FOLDS,
        inner_folds=INNER_FOLDS,
        ladders=ladder_table(ladders(predictions)),
        heard=heard / (len(rows) - languages["und"]),
        misheard=misheard / len(rows),
        fit=fit,
        scores=scores,
        intents=intent_table(by_intent(predictions), model.never),
        text_cap=TEXT_CAP,
    )


def _figure(value: float | int | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the card and prints its table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m models.card", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="data sets with the splits train and test")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    options = parser.parse_args(argv)
    for path in options.also:  # learning takes minutes
        if not path.is_file():
            parser.error(f"argument --also: {path} is no file; name a data set (.jsonl, .csv)")
    model, rows = IntentModel.load(options.model), utterances()
    predictions = [each for fold in nested(rows, Plan()) for each in fold]
    named = {
        "utterances, nested": columns(predictions, model.never),
        "held-out messages": columns(predict(model, from_file(HELD_OUT)), model.never),
    }
    scores = {name: score(found, model.threshold) for name, found in named.items()}
    for path in options.also:
        answers, other = benchmark(path)
        named[path.stem] = columns(answers, other.never)
        scores[path.stem] = score(named[path.stem], other.threshold)
    draw_reliability(named, options.out / "reliability.png")
    draw_coverage(named, options.out / "coverage.png")
    playbook = load_playbook(DEFAULT_PLAYBOOK.read_text("utf-8"), DEFAULT_PLAYBOOK.name)
    fit = "\n".join(check(model, playbook).lines())
    table = score_table(scores)
    (options.out / "CARD.md").write_text(card(model, rows, predictions, table, fit), encoding="utf-8")
    print(f"{ladder_table(ladders(predictions))}\n\n{table}\n\n{fit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
