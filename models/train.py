"""Train an intent model: `python -m models.train [--data FILE] [--split train] [--own FILE] --out MODEL`.

Without --data, the project's own utterances are the rows. The same rows give the same file, bit for bit.
"""

import argparse
import hashlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import softmax

from models import artifact
from models.artifact import Head
from models.calibration import temperature, threshold
from models.decide import Decisions, Promise, decide
from models.fit import SHIPPED, Recipe, fit, fit_languages, out_of_fold, out_of_fold_languages
from models.policy import NEVER
from models.rows import VALIDATION, Row, RowError, from_file, utterances

UNSERVED = "und"

# Of the project's own rows, which are hard on purpose: see models/CARD.md for what that is worth on other messages.
SHIPPED_PROMISE = Promise(precision=0.975)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: recipe, promise, and the intents that are never acknowledged as questions."""

    recipe: Recipe = SHIPPED
    promise: Promise = SHIPPED_PROMISE
    never: Collection[str] = NEVER


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished artifact and the decisions in it."""

    content: bytes
    decisions: Decisions
    header: dict[str, Any]


def train(rows: Sequence[Row], plan: Plan, held_out: Sequence[Row] = ()) -> Trained:
    """Learn `rows`; calibrate on `held_out`, or when there are none on the rows themselves, out of fold.

    Raises: RowError when the rows have fewer than two intents.
    """
    if len({row.intent for row in rows}) < 2:
        raise RowError(f"{rows[0].origin if rows else 'no file:0'}: at least two intents are needed")
    rows, held_out = _sorted(rows), _sorted(held_out)
    weights = fit(rows, plan.recipe)
    if held_out:
        labels, scores = weights.labels, weights.scores([row.text for row in held_out])
    else:
        labels, scores = out_of_fold(rows, plan.recipe)
    speech = hear(rows, plan)
    readable = None if held_out else speech.believed
    decisions = decide(labels, scores, held_out or rows, plan.never, plan.promise, readable)
    header = {
        "threshold": decisions.threshold.value,
        "never": sorted(set(plan.never) & set(labels)),
        "line": decisions.line,
        "close_bounds": decisions.close_bounds,
        "language_threshold": speech.threshold,
        "trained_on": {"rows": len(rows), "sha256": fingerprint(rows)},
        "trained_with": f"scikit-learn {sklearn.__version__}",
    }
    return Trained(artifact.pack(Head(weights, decisions.factor), speech.head, header), decisions, header)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Sums of floating-point numbers depend on their order; a model must not."""
    return sorted(rows, key=lambda row: (row.text, row.intent, row.group, row.language, row.weight))


def fingerprint(rows: Sequence[Row]) -> str:
    """SHA-256 of the rows' labels and texts, hex, whatever their order: says which data a model was trained on."""
    lines = sorted(f"{row.language}\t{row.intent}\t{row.weight}\t{row.text}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Speech:
    """The language head, the least probability at which a language is believed, and the rows that were, out of fold."""

    head: Head | None
    threshold: float
    believed: NDArray[np.bool_]


def hear(rows: Sequence[Row], plan: Plan) -> Speech:
    """Learn the languages of rows that name theirs; without any, there is no head and every row is readable."""
    spoken = [number for number, row in enumerate(rows) if row.language]
    believed = np.ones(len(rows), dtype=bool)
    named = [rows[number] for number in spoken]
    weights = fit_languages(named, plan.recipe)
    if weights is None:
        return Speech(None, 0.0, believed)
    scores = out_of_fold_languages(named, weights.labels, plan.recipe)
    truth = np.array([weights.labels.index(row.language) for row in named])
    factor = temperature(scores, truth)
    chances = softmax(scores * factor, axis=1)
    best, sure = chances.argmax(axis=1), chances.max(axis=1)
    served = np.array([label != UNSERVED for label in weights.labels])[best]
    least = max(
        plan.promise.language_floor, threshold(sure[served], (best == truth)[served], plan.promise.language).value
    )
    believed[spoken] = served & (sure >= least)
    return Speech(Head(weights, factor), least, believed)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="rows to learn (.jsonl, .csv) instead of models/utterances")
    parser.add_argument("--split", default="train", help="rows of this split, and those without one (default: train)")
    parser.add_argument("--own", type=Path, help="the retailer's own rows, learnt besides the others")
    parser.add_argument("--own-weight", type=float, default=3.0, help="how many shipped rows an own one is worth")
    parser.add_argument("--never", help="intents never acknowledged, with commas (default: models/policy.py)")
    parser.add_argument("--precision", type=float, help="least precision at the threshold (lower bound)")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 when a row cannot be used."""
    options = _arguments(argv)
    try:
        everything = from_file(options.data) if options.data else utterances()
        rows = [row for row in everything if row.split in (options.split, "")]
        held_out = [row for row in everything if row.split in VALIDATION and options.split not in VALIDATION]
        own = from_file(options.own, source="own", weight=options.own_weight) if options.own else []
        usual = Promise() if options.data else SHIPPED_PROMISE
        plan = Plan(
            recipe=Recipe() if options.data else SHIPPED,
            promise=replace(usual, precision=options.precision or usual.precision),
            never=frozenset(options.never.split(",")) if options.never is not None else NEVER,
        )
        trained = train([*rows, *own], plan, held_out)
    except (RowError, OSError) as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 1
    artifact.write(trained.content, options.out)
    print(summary(trained, options.out))
    if own:
        from models.own import before_and_after, changes  # it trains too: imported late, not in a circle

        print(changes(*before_and_after(rows, own, plan)))
    return 0


def summary(trained: Trained, path: Path) -> str:
    """Two lines for people: what was written, and what its threshold promises."""
    chosen = trained.decisions.threshold
    return (
        f"{path}: {len(trained.content):,} bytes, SHA-256 {hashlib.sha256(trained.content).hexdigest()}\n"
        f"threshold {chosen.value:.3f}: precision {chosen.precision:.3f} (95 % sure of {chosen.lower_bound:.3f}), "
        f"{chosen.accepted:.1%} of the held-out rows accepted, "
        f"calibration error {trained.decisions.calibration_error:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
