"""Evaluate the shipped model and write its card: `python -m models.card [--model MODEL] [--also FILE.jsonl …]`.

Nested cross-validation over the project's utterances, the held-out messages, and with --also the official splits of
other data sets, on which a model of the same recipe is trained. Prints the table, writes CARD.md and the curves.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from chalicelib.intents import DEFAULT_MODEL, TEXT_CAP, IntentModel
from models.cross import INNER_FOLDS, nested
from models.decide import Promise
from models.draw import draw_coverage, draw_reliability
from models.fit import SHIPPED, Recipe
from models.predict import Columns, Prediction, columns, predict
from models.rows import VALIDATION, Row, from_file, utterances
from models.scores import IntentScores, Scores, by_intent, score
from models.train import Plan, train

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out.jsonl"
SWEEP = (0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95)


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


def sweep_table(found: Columns, answerable: Collection[bool]) -> str:
    """What other confidences than the threshold would have done, as a Markdown table."""
    lines = ["| least confidence | acknowledged | precision | questions acknowledged | out of scope acknowledged |"]
    lines.append("|---:|---:|---:|---:|---:|")
    for least in SWEEP:
        taken = (found.confidence >= least) & np.asarray(answerable)
        right = taken & found.right
        precision = right.sum() / taken.sum() if taken.any() else None
        shares = (precision, right.sum() / found.question.sum(), taken[found.outside].mean())
        lines.append(f"| {least} | {int(taken.sum())} | " + " | ".join(map(_figure, shares)) + " |")
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


def card(model: IntentModel, rows: Sequence[Row], predictions: Sequence[Prediction], scores: str, sweep: str) -> str:
    """The text of CARD.md."""
    languages = Counter(row.language for row in rows)
    counted = ", ".join(f"{count} {language}" for language, count in sorted(languages.items()))
    heard = sum(each.language == each.row.language for each in predictions if each.row.language != "und")
    misheard = sum(each.language not in (None, each.row.language) for each in predictions)
    served = len(rows) - languages["und"]
    bounds = ", ".join(f"{label} {bound:.3f}" for label, bound in sorted(model.bounds.items()))
    return f"""# The intent model's card

Written by `python -m models.card`; do not edit. Model `{model.hash}`.

## Data
{len(rows)} utterances written for this project ({counted}; und = not served), {len(model.classes)} intents; SHA-256
of the rows `{model.header["trained_on"]["sha256"]}`.
About half are hard on purpose: half-said, sarcastic, with the words of another intent, or other industries'
questions that use a shop's words; the others are ordinary questions in the words that most people use. Their writers
marked which are paraphrases of each other; ordinary questions of different groups still resemble each other, so that
nested figures are a little better than on shops that talk differently.

`held_out.jsonl` was written by the model's author before the utterances were read. No model learns it, but it was
looked at while recipe and promise were chosen, and it is easier than the utterances: its figures are optimistic. So, a
little, are the others: the recipe was chosen with the folds and the test splits in view.

## Decisions
Threshold {model.threshold:.3f} on the confidence: the least one at which, out of fold, the one-sided 95 %
Clopper–Pearson bound of the precision is at least {Plan().promise.precision:.1%}.
Bounds for closing without an answer ({Plan().promise.closing:.0%} right, with the same certainty):
{bounds or "none can keep it, so nothing is closed"}.
Never acknowledged as questions: {", ".join(sorted(model.never))}.

## Scores
Utterances: nested cross-validation, {SHIPPED.folds} outer and {INNER_FOLDS} inner folds, groups of paraphrases never
parted, threshold and calibration chosen inside. All through the serving code. *Answered at 98 %*: right answers as a
share of the rows in scope, at the largest coverage with that precision, out of scope in the mix.

{scores}

Of the rows in served languages {heard / served:.1%} are heard in their own language; {misheard / len(rows):.2%} of all
rows are taken for a wrong one.

![reliability](reliability.png) ![coverage and precision](coverage.png)

## Other thresholds (utterances, nested)
{sweep}

## Intents (utterances, nested)
{intent_table(by_intent(predictions), model.never)}

## Limits
- Not seen by anyone here: real messages. The precision on them may be lower or higher than any figure above.
- One intent a message: of two questions, the model answers at most one; the rest is people's.
- Languages: English, German, French, Spanish; of anything else, and of texts too short to tell, the language is None.
- No memory: a reply in mid-thread is read alone. Images, links and sarcasm are not understood.
- The first {TEXT_CAP:,} characters of a message are read.
"""


def _figure(value: float | int | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the card and prints its table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m models.card", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="data sets with the splits train and test")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    options = parser.parse_args(argv)
    model, rows = IntentModel.load(options.model), utterances()
    predictions = [each for fold in nested(rows, Plan(), SHIPPED.folds) for each in fold]
    named = {
        "utterances, nested": columns(predictions, model.never),
        "held-out messages": columns(predict(model, from_file(HELD_OUT)), model.never),
    }
    scores = {name: score(found, model.threshold) for name, found in named.items()}
    for path in options.also:
        answers, other = benchmark(path)
        named[path.stem] = columns(answers, other.never)
        scores[path.stem] = score(named[path.stem], other.threshold)
    readable = [each.predicted not in model.never and each.language is not None for each in predictions]
    sweep = sweep_table(named["utterances, nested"], readable)
    draw_reliability(named, options.out / "reliability.png")
    draw_coverage(named, options.out / "coverage.png")
    table = score_table(scores)
    (options.out / "CARD.md").write_text(card(model, rows, predictions, table, sweep), encoding="utf-8")
    print(f"{table}\n\n{sweep}\n\n{intent_table(by_intent(predictions), model.never)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
