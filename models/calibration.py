"""Scores → probabilities that mean what they say, and the least probability that may answer in public."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import beta

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least confidence that keeps a promise, and what it was worth on the rows it was chosen on (shares, 0–1).

    `lower_bound` is the one-sided Clopper–Pearson bound of `precision`; `value` is above 1 when
    nothing keeps the promise.
    """

    value: float
    precision: float
    lower_bound: float
    accepted: float


def temperature(scores: Floats, truth: NDArray[np.int64]) -> float:
    """The factor for `scores` (rows × classes) that makes the softmax likeliest, `truth` being column numbers."""
    rows = np.arange(len(truth))

    def loss(log_factor: float) -> float:
        return float(-log_softmax(scores * np.exp(log_factor), axis=1)[rows, truth].mean())

    found = minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded", options={"xatol": 1e-6}).x
    return _steady(float(np.exp(found)))


def line(chances: Floats, right: Flags, weights: Floats) -> tuple[float, float]:
    """Slope and offset in log-odds that make `chances` say how often the answer is `right`. Source: Platt 1999."""
    odds = np.log(np.maximum(chances, 1e-12) / np.maximum(1 - chances, 1e-12))

    def loss(pair: Floats) -> float:
        return float((weights * (np.logaddexp(0, pair[0] * odds + pair[1]) - right * (pair[0] * odds + pair[1]))).sum())

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead", options={"xatol": 1e-6}).x
    return _steady(float(slope)), _steady(float(offset))


def _steady(value: float) -> float:
    """Four digits of what a search found: the last ones depend on where in memory an array happens to lie, because
    numpy adds up in another order there, and a model must be the same bit for bit."""
    return float(f"{value:.4g}")


def clopper_pearson(right: float, total: float, confidence: float = 0.95) -> float:
    """One-sided lower bound of a share seen as `right` of `total`. Source: Clopper & Pearson 1934.

    Counts may be fractions: weighted rows have an effective number.
    """
    return float(beta.ppf(1 - confidence, right, total - right + 1)) if right > 0 else 0.0


def threshold(confidence: Floats, right: Flags, target: float, weights: Floats | None = None) -> Threshold:
    """The least confidence at which the precision's lower bound (95 %) is still at least `target`.

    `weights` count rows more than once, for instance to bring an out-of-scope share up to what the world has; the bound
    then uses the effective number of rows, (Σw)²/Σw². Rows that must not be accepted at all have `right` False.
    """
    weights = np.ones(len(confidence)) if weights is None else weights
    confidence = np.round(confidence, 12)  # see _steady
    order = np.argsort(-confidence, kind="stable")
    sure, good, weight = confidence[order], right[order], weights[order]
    total, squares, hits = np.cumsum(weight), np.cumsum(weight**2), np.cumsum(weight * good)
    last = np.append(sure[1:] < sure[:-1], True)  # equal confidences are accepted together
    effective = total**2 / squares
    share = hits / total
    bounds = np.where(hits > 0, beta.ppf(0.05, np.maximum(share * effective, 1e-9), (1 - share) * effective + 1), 0.0)
    kept = np.flatnonzero(last & (bounds >= target))
    if not len(kept):
        return Threshold(value=1.01, precision=0.0, lower_bound=0.0, accepted=0.0)
    index = int(kept[-1])
    lower = float(sure[index + 1]) if index + 1 < len(sure) else 0.0
    return Threshold(
        value=(float(sure[index]) + lower) / 2,
        precision=float(share[index]),
        lower_bound=float(bounds[index]),
        accepted=float(total[index] / total[-1]),
    )


def calibration_error(confidence: Floats, right: Flags, bins: int = 15) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, over `bins` equally wide bins.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """
    return sum(abs(mean - share) * count for mean, share, count in reliability(confidence, right, bins)) / len(right)


def reliability(confidence: Floats, right: Flags, bins: int = 15) -> list[tuple[float, float, int]]:
    """For each bin that has rows: mean confidence, share that was right, rows."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[place == number].mean()), float(right[place == number].mean()), int((place == number).sum()))
        for number in range(bins)
        if (place == number).any()
    ]
