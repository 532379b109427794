"""What the retailer's own rows change, intent by intent, measured on those rows out of fold."""

from collections.abc import Sequence
from typing import Final

from chalicelib.intents import IntentModel
from models.predict import Prediction, predict
from models.rows import Row
from models.scores import by_intent
from models.training import Plan, train
from models.weights import folds

FOLDS: Final = 3


def before_and_after(
    shipped: Sequence[Row], own: Sequence[Row], plan: Plan, count: int = FOLDS
) -> tuple[list[Prediction], list[Prediction]]:
    """Predictions for the own rows: of a model without any of them, and of models that learnt the other folds' ones."""
    known = {row.text.casefold() for row in own}
    others = [row for row in shipped if row.text.casefold() not in known]
    before = predict(IntentModel(train(others, plan).content), own)
    after: list[Prediction] = []
    for kept, held in folds(own, count):
        if held:
            model = IntentModel(train([*others, *(own[number] for number in kept)], plan).content)
            after += predict(model, [own[number] for number in held])
    return before, after


def changes(before: Sequence[Prediction], after: Sequence[Prediction]) -> str:
    """A table for people: for each intent its own rows, share right and share acknowledged, before → after."""
    old, new = by_intent(before), by_intent(after)
    lines = [f"{'intent':24} {'own rows':>8}  {'right':>15}  {'acknowledged':>15}"]
    for intent in sorted(old):
        was, now = old[intent], new[intent]
        lines.append(
            f"{intent[:24]:24} {was.rows:>8}  {_arrow(was.right, now.right)}  "
            f"{_arrow(was.acknowledged, now.acknowledged)}"
        )
    return "\n".join(lines)


def _arrow(before: float, after: float) -> str:
    return f"{before:>6.1%} → {after:>6.1%}"
