"""The scores of a model, from its predictions: what `models.evaluate` and the card print."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from chalicelib.conversations.interaction import Rung
from models.calibration import calibration_error, clopper_pearson
from models.policy import OTHER, URGENT, kind
from models.predict import Columns, Prediction


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares are 0–1; None where the rows do not allow the score.

    `accuracy`: of rows in scope. `auroc`: confidence told rows in scope from rows out of it. `answered_at_98`, `_95`:
    in-scope rows that can be answered rightly (share of all in scope) while 98 % (95 %) of what is accepted is right,
    out of scope in the mix. `precision`, `coverage`: at the model's own threshold; coverage is the share of the
    questions that may be acknowledged which were, rightly. `precision_bound`: 95 % sure of at least this.
    `false_acknowledgements`: share of the rows out of scope. `calibration_error`: over all rows, and those in scope.
    """

    rows: int
    in_scope: int
    accuracy: float | None
    auroc: float | None
    answered_at_98: float
    answered_at_95: float
    threshold: float
    accepted: int
    precision: float | None
    precision_bound: float
    coverage: float | None
    false_acknowledgements: float | None
    calibration_error: float
    calibration_error_in_scope: float | None

    def as_json(self) -> dict[str, Any]:
        """The scores by name."""
        return asdict(self)


def score(found: Columns, threshold: float) -> Scores:
    """All scores of one model on one set of rows."""
    inside = ~found.outside
    accepted = int(found.accepted.sum())
    correct = int((found.accepted & found.right).sum())
    return Scores(
        rows=len(inside),
        in_scope=int(inside.sum()),
        accuracy=_share(found.right, inside),
        auroc=float(roc_auc_score(inside, found.confidence)) if 0 < inside.sum() < len(inside) else None,
        answered_at_98=answered_at(found, 0.98),
        answered_at_95=answered_at(found, 0.95),
        threshold=threshold,
        accepted=accepted,
        precision=correct / accepted if accepted else None,
        precision_bound=clopper_pearson(correct, accepted),
        coverage=_share(found.accepted & found.right, found.question),
        false_acknowledgements=_share(found.accepted, found.outside),
        calibration_error=calibration_error(found.confidence, found.right),
        calibration_error_in_scope=calibration_error(found.confidence[inside], found.right[inside])
        if inside.any()
        else None,
    )


def curve(found: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage (right answers, share of the questions) and precision, as the threshold falls from 1 to 0."""
    order = np.argsort(-found.confidence, kind="stable")
    right = found.right[order]
    hits = np.cumsum(right)
    return hits / max(1, int((~found.outside).sum())), hits / np.arange(1, len(right) + 1)


def answered_at(found: Columns, precision: float) -> float:
    """The largest coverage at which at least `precision` of the accepted answers is right; 0 if there is none."""
    coverage, precisions = curve(found)
    kept = coverage[precisions >= precision]
    return float(kept.max()) if len(kept) else 0.0


@dataclass(frozen=True, slots=True)
class IntentScores:
    """One intent: its rows, the shares of them that were right and that were rightly acknowledged (0–1).

    `precision` is that of the acknowledgements as this intent, None without any.
    """

    rows: int
    right: float
    acknowledged: float
    precision: float | None


def by_intent(predictions: Sequence[Prediction]) -> dict[str, IntentScores]:
    """The scores of every intent that some row truly has, in the order of their names."""
    of_truth: dict[str, list[Prediction]] = defaultdict(list)
    of_answer: dict[str, list[bool]] = defaultdict(list)
    for each in predictions:
        of_truth[each.row.intent].append(each)
        if each.accepted:
            of_answer[each.predicted].append(each.right)
    return {
        intent: IntentScores(
            rows=len(mine),
            right=sum(each.right for each in mine) / len(mine),
            acknowledged=sum(each.right and each.accepted for each in mine) / len(mine),
            precision=sum(of_answer[intent]) / len(of_answer[intent]) if of_answer[intent] else None,
        )
        for intent, mine in sorted(of_truth.items())
    }


@dataclass(frozen=True, slots=True)
class Ladder:
    """What model and guards would say to a set of messages; shares are 0–1, those of replies weighed to the mix.

    `right`: of the replies on each rung, those that would be right; `replies` how many there are. `helped`: of the
    common questions, those rightly acknowledged on any rung, `helped_own` with their intent's own reply. `strangers`:
    share of chat and of other industries' messages that is answered. `urgent_found`, `urgent_wrongly`: shares called
    urgent of the messages that are and of the others.
    """

    messages: int
    replies: dict[str, int]
    right: dict[str, float | None]
    all_right: float | None
    bound: float
    helped: float | None
    helped_own: float | None
    strangers: float | None
    urgent_found: float | None
    urgent_wrongly: float | None


def ladder(predictions: Sequence[Prediction], weights: NDArray[np.float64]) -> Ladder:
    """The ladder's scores; `weights` bring the rows to a realistic mix (models.decide.mixed)."""
    rung = np.array([each.rung or "" for each in predictions])
    helps = np.array([each.helps for each in predictions])
    kinds = np.array([kind(each.row.intent) for each in predictions])
    intents = np.array([each.row.intent for each in predictions])
    called = np.array([each.urgent for each in predictions])
    said = rung != ""
    total, good = weights[said].sum(), weights[said & helps].sum()
    effective = total**2 / max((weights[said] ** 2).sum(), 1e-12)
    return Ladder(
        messages=len(predictions),
        replies={name: int((rung == name).sum()) for name in Rung},
        right={name: _weighed(helps, rung == name, weights) for name in Rung},
        all_right=_weighed(helps, said, weights),
        bound=clopper_pearson(good / total * effective, effective) if total else 0.0,
        helped=_share(said & helps, kinds == "public"),
        helped_own=_share((rung == Rung.OWN) & helps, kinds == "public"),
        strangers=_share(said, intents == OTHER),
        urgent_found=_share(called, intents == URGENT),
        urgent_wrongly=_weighed(called, intents != URGENT, weights),
    )


def _weighed(flags: NDArray[np.bool_], among: NDArray[np.bool_], weights: NDArray[np.float64]) -> float | None:
    total = weights[among].sum()
    return float(weights[among & flags].sum() / total) if total else None


def _share(flags: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(flags[among].mean()) if among.any() else None
