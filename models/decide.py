"""From held-out scores to decisions: temperature, the one threshold, and the bounds for closing a conversation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from models.calibration import Threshold, calibration_error, temperature, threshold
from models.policy import CLOSING
from models.rows import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Promise:
    """What the threshold must keep on rows that the model has not seen, with 95 % certainty.

    `precision`: least share of right acknowledgements. `out_of_scope`: least share of messages that are no question to
    be acknowledged; rows that are not are weighed up to it, since data sets have fewer than the world. `closing`: least
    share of right closings of an intent that needs no answer. `language`: least share of right languages.
    """

    precision: float = 0.97
    out_of_scope: float = 0.2
    closing: float = 0.97
    language: float = 0.98


@dataclass(frozen=True, slots=True)
class Decisions:
    """`factor` makes margins logarithms; `close_bounds` are least confidences, only of intents that can keep theirs."""

    factor: float
    threshold: Threshold
    close_bounds: dict[str, float]
    calibration_error: float


def decide(
    labels: Sequence[str], scores: Floats, rows: Sequence[Row], never: Collection[str], promise: Promise
) -> Decisions:
    """Decisions from the held-out `scores` (rows × `labels`) of labelled rows."""
    truth = np.array([labels.index(row.intent) if row.intent in labels else -1 for row in rows])
    known = truth >= 0
    factor = temperature(scores[known], truth[known])
    chances = softmax(scores * factor, axis=1)
    best = chances.argmax(axis=1)
    confidence, right = chances.max(axis=1), best == truth
    answerable = np.array([label not in never for label in labels])
    candidate = answerable[best]
    in_scope = np.array([row.intent not in never for row in rows])
    chosen = threshold(
        np.where(candidate, confidence, 0.0), right & candidate, promise.precision, _weights(in_scope, promise) * np.array([row.weight for row in rows])
    )
    bounds = {}
    for label in sorted(set(CLOSING) & set(labels)):
        mine = best == labels.index(label)
        bound = threshold(confidence[mine], right[mine], promise.closing) if mine.any() else None
        if bound and bound.value <= 1:
            bounds[label] = bound.value
    return Decisions(factor, chosen, bounds, calibration_error(confidence, right))


def _weights(in_scope: NDArray[np.bool_], promise: Promise) -> Floats:
    """1 for each row in scope; out of scope, what makes them at least `promise.out_of_scope` of the whole."""
    inside, outside = int(in_scope.sum()), int((~in_scope).sum())
    wanted = promise.out_of_scope / (1 - promise.out_of_scope) * inside
    return np.where(in_scope, 1.0, max(1.0, wanted / outside) if outside else 1.0)
