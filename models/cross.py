"""Nested cross-validation: a finished model, threshold and all, answers rows of whose groups it saw nothing."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from chalicelib.intents import IntentModel
from models.predict import Prediction, predict
from models.rows import Row
from models.training import Plan, train
from models.weights import folds

OUTER_FOLDS: Final = 3
INNER_FOLDS: Final = 2  # few, so that all of it takes minutes on one core; more would flatter a little


def nested(rows: Sequence[Row], plan: Plan, count: int = OUTER_FOLDS) -> Iterator[list[Prediction]]:
    """The predictions of each outer fold, through the serving code; `count` outer folds, `INNER_FOLDS` inner ones."""
    inner = replace(plan, recipe=replace(plan.recipe, folds=INNER_FOLDS))
    for number, (kept, held) in enumerate(folds(rows, count), start=1):
        print(f"nested cross-validation, fold {number} of {count}", file=sys.stderr, flush=True)
        model = IntentModel(train([rows[number] for number in kept], inner).content)
        yield predict(model, [rows[number] for number in held])
