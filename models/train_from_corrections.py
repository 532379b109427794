"""Learn from what staff corrected, and replace the model unless it got really worse.

`python -m models.train_from_corrections --corrections FILE.jsonl --current MODEL --out MODEL`. Rows: {"text", "intent",
"corrected_from"?, "source": "staff", "lang"?}; the intent "no_reply" says that no automatic reply was right. A fifth of
them, chosen by their text, is held out, and a fifth of the shipped rows: old and new model answer both, and the new one
is refused when it is 95 % sure (paired bootstrap) that its precision fell. Corrections begin to help near 1,000.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from chalicelib.intents import IntentModel, ModelError
from chalicelib.textfile import told
from models import artifact
from models.policy import NO_REPLY, OTHER
from models.predict import Columns, columns, predict
from models.rows import UTTERANCES, Row, RowError, from_file, utterances
from models.scores import Scores, score
from models.training import Plan, train
from models.weights import Recipe, fit, folds

HELD_OUT: Final = 5  # one row in so many
USUAL_WEIGHT: Final = 3.0
WEIGHTS: Final = (1.0, 3.0, 8.0)  # tried when there are corrections enough to tell them apart
ENOUGH: Final = 200
FEW: Final = 1_000  # corrections below which little is to be expected
RESAMPLES: Final = 2_000
PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Change:
    """Old against new model on rows that neither has seen. `loss` is the end nearest to 0 of the 95 % confidence
    interval of how far the precision moved: below 0, it really fell."""

    old: Scores
    new: Scores
    loss: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The change on the shipped rows' held-out part and on staff's."""

    shipped: Change
    staff: Change

    @property
    def refusal(self) -> str | None:
        """Why the new model must not replace the old one; None when it may."""
        for rows, change in (("held-out", self.shipped), ("staff's", self.staff)):
            if change.loss < 0:
                moved = f"{_share(change.old.precision)} → {_share(change.new.precision)}"
                return f"precision at the threshold on {rows} rows falls: {moved}"
        return None


def learn(shipped: Sequence[Row], staff: Sequence[Row], current: IntentModel, plan: Plan) -> tuple[bytes, Comparison]:
    """The artifact trained on all rows, and how models of the same making compare on rows held out of both.

    The shipped rows' held-out part is answered by two models that learnt the rest, with and without staff's rows: the
    current model has seen it. Staff's held-out part is new to the current model, which answers it itself.
    """
    kept, held = next(iter(folds(shipped, HELD_OUT)))
    staff_kept, staff_held = next(iter(folds(staff, HELD_OUT)))
    known = [shipped[number] for number in kept]
    taught = [staff[number] for number in staff_kept]
    unseen, corrections = [shipped[number] for number in held], [staff[number] for number in staff_held]
    print("1 of 3: four fifths of the shipped rows, without yours", flush=True)
    before = IntentModel(train(known, plan).content)
    print("2 of 3: the same with four fifths of yours", flush=True)
    after = IntentModel(train([*known, *taught], plan).content)
    compared = Comparison(_change(before, after, unseen), _change(current, after, corrections))
    print("3 of 3: all rows, the model that is written unless it got worse", flush=True)
    return train([*shipped, *staff], plan).content, compared


def weighed(shipped: Sequence[Row], staff: Sequence[Row], weight: float | None, recipe: Recipe) -> list[Row]:
    """Staff's rows, each worth as many shipped ones as serves best: what recognises most of a held-out fifth."""
    if weight is None and len(staff) >= ENOUGH:
        kept, held = next(iter(folds(staff, HELD_OUT)))
        unseen = [staff[number] for number in held]
        right = {}
        for tried in WEIGHTS:
            rows = [*shipped, *(replace(staff[number], weight=tried) for number in kept)]
            learnt = fit(rows, replace(recipe, heads=False)).intents
            best = learnt.scores([row.text for row in unseen]).argmax(axis=1)
            right[tried] = sum(learnt.labels[n] == row.intent for n, row in zip(best, unseen, strict=True))
            print(f"own rows weigh {tried:g}: {right[tried]} of {len(unseen)} held-out ones right", flush=True)
        weight = max(WEIGHTS, key=lambda tried: (right[tried], -tried))
    return [replace(row, weight=weight or USUAL_WEIGHT) for row in staff]


def _change(old: IntentModel, new: IntentModel, rows: Sequence[Row]) -> Change:
    before, after = (columns(predict(model, rows), model.never) for model in (old, new))
    return Change(score(before, old.threshold), score(after, new.threshold), real_loss(before, after))


def real_loss(before: Columns, after: Columns) -> float:
    """The upper end of the 95 % confidence interval of the change in precision, where that is below 0, else 0.

    Paired bootstrap over the rows. A new model that accepts nothing where the old one was right is as bad as can be.
    """
    if not after.accepted.any():
        return -1.0 if (before.accepted & before.right).any() else 0.0
    if not before.accepted.any():
        return 0.0
    counts = np.random.default_rng(0).multinomial(
        len(before.right), np.full(len(before.right), 1 / len(before.right)), RESAMPLES
    )
    old, new = (counts @ (c.accepted & c.right) / np.maximum(1, counts @ c.accepted) for c in (before, after))
    return float(min(0.0, np.quantile(new - old, 0.975)))


def _share(value: float | None) -> str:
    return "none accepted" if value is None else f"{value:.1%}"


def _learnt(row: Row) -> Row:
    """The row as it is learnt: that no reply was right makes it a message that no intent answers."""
    return replace(row, intent=OTHER) if row.intent == NO_REPLY else row


def table(compared: Comparison) -> str:
    """Old against new for people."""
    lines = [f"{'held-out rows':16} {'':6} {'right':>8} {'precision':>14} {'acknowledged':>14}"]
    for name, change in (("shipped", compared.shipped), ("staff's", compared.staff)):
        for version, scores in (("old", change.old), ("new", change.new)):
            shares = f"{_share(scores.accuracy):>8} {_share(scores.precision):>14} {_share(scores.coverage):>14}"
            lines.append(f"{name:10} {scores.rows:>5} {version:6} {shares}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when the model was replaced; 1 when it was refused or a row cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train_from_corrections", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--corrections", type=Path, required=True, help="staff's rows (.jsonl)")
    parser.add_argument("--current", type=Path, required=True, help="the model in use")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write; may be the current one")
    parser.add_argument(
        "--weight",
        type=float,
        help=f"how many shipped rows one of staff's is worth (found, from {ENOUGH} rows on)",
    )
    parser.add_argument("--utterances", type=Path, default=UTTERANCES, help="the shipped rows")
    options = parser.parse_args(argv)
    try:
        current = IntentModel.load(options.current)
        shipped = utterances(options.utterances)
        staff = [_learnt(row) for row in from_file(options.corrections, source="staff")]
        intents = {row.intent for row in shipped}
        for row in staff:
            if row.intent not in intents:
                known = ", ".join(sorted({*intents, NO_REPLY}))
                raise RowError(f"{row.origin}: no intent {row.intent!r}; there are {known}")
        if len(staff) < FEW:
            print(f"{len(staff)} corrections: little will change, they begin to help near {FEW:,}", flush=True)
        staff = weighed(shipped, staff, options.weight, PLAN.recipe)
        content, compared = learn(shipped, staff, current, PLAN)
    except (RowError, ModelError, OSError) as error:
        print(f"train_from_corrections: {told(error)}", file=sys.stderr)
        return 1
    print(table(compared))
    if compared.refusal:
        print(f"train_from_corrections: not replaced: {compared.refusal}", file=sys.stderr)
        return 1
    artifact.write(content, options.out)
    print(f"{options.out}: {current.hash[:12]} → {IntentModel(content).hash[:12]}, {len(staff)} corrections learnt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
