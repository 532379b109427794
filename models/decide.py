"""From held-out scores to decisions: temperature, the one threshold, and the bounds for closing a conversation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from chalicelib.intents import straighten
from models.calibration import Threshold, calibration_error, line, temperature, threshold
from models.policy import ASKS_NOTHING, CLOSING, OUTSIDE
from models.rows import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Promise:
    """What the threshold must keep on rows that the model has not seen, with 95 % certainty.

    `precision`: least share of right acknowledgements. `out_of_scope`: least share of messages that are no question to
    be acknowledged; rows that are not are weighed up to it, since data sets have fewer than the world. `closing`: least
    share, among the conversations closed as praise, thanks or spam, of those that asked for nothing. `language`: least
    share of right languages, and `language_floor` the least probability in any case: short texts are in many of them.
    """

    precision: float = 0.97
    out_of_scope: float = 0.2
    closing: float = 0.97
    language: float = 0.98
    language_floor: float = 0.7


@dataclass(frozen=True, slots=True)
class Decisions:
    """`factor` makes margins logarithms, `line` (slope, offset) makes their softmax a confidence;
    `close_bounds` are least confidences, only of intents that can keep theirs."""

    factor: float
    line: tuple[float, float]
    threshold: Threshold
    close_bounds: dict[str, float]
    calibration_error: float


def decide(
    labels: Sequence[str],
    scores: Floats,
    rows: Sequence[Row],
    never: Collection[str],
    promise: Promise,
    readable: NDArray[np.bool_] | None = None,
) -> Decisions:
    """Decisions from the held-out `scores` (rows × `labels`) of labelled rows.

    Rows that are not `readable` are in no language that is served: they are never acknowledged, whatever their scores.
    """
    truth = np.array([labels.index(row.intent) if row.intent in labels else -1 for row in rows])
    known = truth >= 0
    factor = temperature(scores[known], truth[known])
    chances = softmax(scores * factor, axis=1)
    answerable = np.array([label not in never for label in labels])
    in_scope = np.array([row.intent not in never for row in rows])
    weights = _weights(in_scope, promise) * np.array([row.weight for row in rows])
    slope, offset, gap = _line(labels, chances, truth, weights)
    straight = np.vectorize(straighten, otypes=[float])(chances.max(axis=1), slope, offset)
    best = chances.argmax(axis=1)
    right, candidate = best == truth, answerable[best] & (True if readable is None else readable)
    chosen = threshold(np.where(candidate, straight, 0.0), right & candidate, promise.precision, weights)
    bounds, harmless = {}, np.array([row.intent in ASKS_NOTHING for row in rows])
    for label in sorted(set(CLOSING) & set(labels)):
        mine = best == labels.index(label)
        bound = threshold(straight[mine], harmless[mine], promise.closing) if mine.any() else None
        if bound and bound.value <= 1:
            bounds[label] = bound.value
    return Decisions(factor, (slope, offset), chosen, bounds, gap)


def _line(
    labels: Sequence[str], chances: Floats, truth: NDArray[np.int64], weights: Floats
) -> tuple[float, float, float]:
    """Make the confidence of the best label in scope, which is what an acknowledgement rests on, mean what it says.

    Slope, offset, and the calibration error that is left.
    """
    inside = np.flatnonzero([label not in OUTSIDE for label in labels])
    best = inside[chances[:, inside].argmax(axis=1)]
    chance, right = chances[np.arange(len(best)), best], best == truth
    slope, offset = line(chance, right, weights)
    straight = np.vectorize(straighten, otypes=[float])(chance, slope, offset)
    return slope, offset, calibration_error(straight, right)


def _weights(in_scope: NDArray[np.bool_], promise: Promise) -> Floats:
    """1 for each row in scope; out of scope, what makes them at least `promise.out_of_scope` of the whole."""
    inside, outside = int(in_scope.sum()), int((~in_scope).sum())
    wanted = promise.out_of_scope / (1 - promise.out_of_scope) * inside
    return np.where(in_scope, 1.0, max(1.0, wanted / outside) if outside else 1.0)
