"""What a model says of labelled rows: the predictions that every score is computed from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.conversations.interaction import TOPICS, Reading, Rung
from chalicelib.intents import URGENT_FROM, IntentModel
from chalicelib.reading.guards import guards, most, urgent
from models.policy import NEEDLESS, OUTSIDE, URGENT
from models.rows import Row


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row's truth and the model's answer.

    `predicted` is the best in-scope label, accepted or not; `confidence` its confidence (0–1). `rung` is that of the
    reply that model and guards together would allow, None for silence; `urgent` says that either calls people at once.
    `reading` is what the model says of the whole message.
    """

    row: Row
    predicted: str
    confidence: float
    reading: Reading
    rung: Rung | None
    urgent: bool

    @property
    def accepted(self) -> bool:
        """The model allows the intent's own reply."""
        return self.reading.accepted

    @property
    def right(self) -> bool:
        """The predicted label is the true one."""
        return self.predicted == self.row.intent

    @property
    def helps(self) -> bool:
        """A reply of that rung would be right: its intent, its topic, or any matter for this shop that can wait."""
        intent, reading = self.row.intent, self.reading
        if self.rung is Rung.OWN:
            return intent == reading.intent
        if self.rung is Rung.TOPIC:
            return intent in TOPICS.get(reading.topic, ())
        return self.rung is Rung.GENERAL and intent not in NEEDLESS and intent != URGENT


@dataclass(frozen=True, slots=True)
class Columns:
    """Predictions as arrays of equal length."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    question: NDArray[np.bool_]


def predict(model: IntentModel, rows: Sequence[Row]) -> list[Prediction]:
    """The serving code's answer to every row, guards included."""
    answers = []
    for row in rows:
        sure = {label: value for label, value in model.confidences(row.text).items() if label not in OUTSIDE}
        best = max(sure, key=sure.__getitem__)
        reading = model.read(row.text)
        rung, called = whole_path(reading, row.text)
        answers.append(Prediction(row, best, sure[best], reading, rung, called))
    return answers


def whole_path(reading: Reading, text: str) -> tuple[Rung | None, bool]:
    """The rung that model and guards leave for `text`, None for silence; and whether people are called at once."""
    tripped = guards(text, reading.language)
    called = urgent(tripped) or reading.urgent >= URGENT_FROM
    left = None if called or not reading.allowed else most(tripped, reading.allowed[0])
    return (left if left in reading.allowed else None), called


def columns(predictions: Sequence[Prediction], never: Collection[str]) -> Columns:
    """The predictions as arrays; `question` marks rows whose intent may be acknowledged."""
    return Columns(
        confidence=np.array([each.confidence for each in predictions]),
        right=np.array([each.right for each in predictions]),
        accepted=np.array([each.accepted for each in predictions]),
        outside=np.array([each.row.intent in OUTSIDE for each in predictions]),
        question=np.array([each.row.intent not in OUTSIDE and each.row.intent not in never for each in predictions]),
    )
