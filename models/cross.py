"""Nested cross-validation: a finished model, threshold and all, answers rows of whose groups it saw nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from chalicelib.intents import IntentModel
from models.fit import folds
from models.predict import Prediction, predict
from models.rows import Row
from models.train import Plan, train

INNER_FOLDS: Final = 5


def nested(rows: Sequence[Row], plan: Plan, count: int = 10) -> Iterator[list[Prediction]]:
    """The predictions of each outer fold, through the serving code; `count` outer folds, `INNER_FOLDS` inner ones."""
    inner = replace(plan, recipe=replace(plan.recipe, folds=INNER_FOLDS))
    for kept, held in folds(rows, count):
        model = IntentModel(train([rows[number] for number in kept], inner).content)
        yield predict(model, [rows[number] for number in held])
