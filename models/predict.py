"""What a model says of labelled rows: the predictions that every score is computed from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.intents import IntentModel
from models.policy import OUTSIDE
from models.rows import Row


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row's truth and the model's answer.

    `predicted` is the best in-scope label, accepted or not; `confidence` its confidence (0–1).
    """

    row: Row
    predicted: str
    confidence: float
    accepted: bool
    language: str | None

    @property
    def right(self) -> bool:
        """The predicted label is the true one."""
        return self.predicted == self.row.intent


@dataclass(frozen=True, slots=True)
class Columns:
    """Predictions as arrays of equal length."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    question: NDArray[np.bool_]


def predict(model: IntentModel, rows: Sequence[Row]) -> list[Prediction]:
    """The serving code's answer to every row."""
    answers = []
    for row in rows:
        sure = {label: value for label, value in model.confidences(row.text).items() if label not in OUTSIDE}
        best = max(sure, key=sure.__getitem__)
        reading = model.read(row.text)
        answers.append(Prediction(row, best, sure[best], reading.accepted, reading.language))
    return answers


def columns(predictions: Sequence[Prediction], never: Collection[str]) -> Columns:
    """The predictions as arrays; `question` marks rows whose intent may be acknowledged."""
    return Columns(
        confidence=np.array([each.confidence for each in predictions]),
        right=np.array([each.right for each in predictions]),
        accepted=np.array([each.accepted for each in predictions]),
        outside=np.array([each.row.intent in OUTSIDE for each in predictions]),
        question=np.array([each.row.intent not in OUTSIDE and each.row.intent not in never for each in predictions]),
    )
