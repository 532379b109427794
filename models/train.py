"""Train an intent model: `python -m models.train [--data FILE] [--split train] [--own FILE] --out MODEL`.

Without --data, the project's own utterances are the rows. The same rows give the same file, bit for bit.
"""

import argparse
import hashlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from scipy.special import softmax

from models import artifact
from models.artifact import Head
from models.calibration import temperature, threshold
from models.decide import Decisions, Promise, decide
from models.fit import Recipe, Weights, fit, fit_languages, out_of_fold, out_of_fold_languages
from models.policy import NEVER
from models.rows import VALIDATION, Row, RowError, from_file, utterances

UNSERVED = "und"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: recipe, promise, and the intents that are never acknowledged as questions."""

    recipe: Recipe = field(default_factory=Recipe)
    promise: Promise = field(default_factory=Promise)
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
    rows = sorted(rows, key=lambda row: (row.text, row.intent, row.group, row.language))
    weights = fit(rows, plan.recipe)
    if held_out:
        labels, scores = weights.labels, weights.scores([row.text for row in held_out])
    else:
        labels, scores = out_of_fold(rows, plan.recipe)
    decisions = decide(labels, scores, held_out or rows, plan.never, plan.promise)
    languages, language_threshold = _languages(rows, plan)
    header = {
        "threshold": decisions.threshold.value,
        "never": sorted(set(plan.never) & set(labels)),
        "close_bounds": decisions.close_bounds,
        "language_threshold": language_threshold,
        "trained_on": {"rows": len(rows), "sha256": fingerprint(rows)},
        "trained_with": f"scikit-learn {sklearn.__version__}",
    }
    return Trained(artifact.pack(Head(weights, decisions.factor), languages, header), decisions, header)


def fingerprint(rows: Sequence[Row]) -> str:
    """SHA-256 of the rows' labels and texts, hex, whatever their order: says which data a model was trained on."""
    lines = sorted(f"{row.language}\t{row.intent}\t{row.weight}\t{row.text}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _languages(rows: Sequence[Row], plan: Plan) -> tuple[Head | None, float]:
    """The language head, and the least probability at which a language is believed; (None, 0) without languages."""
    spoken = [row for row in rows if row.language]
    weights = fit_languages(spoken, plan.recipe)
    if weights is None:
        return None, 0.0
    scores = out_of_fold_languages(spoken, weights.labels, plan.recipe)
    truth = np.array([weights.labels.index(row.language) for row in spoken])
    factor = temperature(scores, truth)
    chances = softmax(scores * factor, axis=1)
    best = chances.argmax(axis=1)
    served = np.array([label != UNSERVED for label in weights.labels])[best]
    believed = threshold(chances.max(axis=1)[served], (best == truth)[served], plan.promise.language)
    return Head(weights, factor), max(0.5, believed.value)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="rows to learn (.jsonl, .csv) instead of models/utterances")
    parser.add_argument("--split", default="train", help="rows of this split, and those without one (default: train)")
    parser.add_argument("--own", type=Path, help="the retailer's own rows, learnt besides the others")
    parser.add_argument("--own-weight", type=float, default=3.0, help="how many shipped rows an own one is worth")
    parser.add_argument("--never", help="intents never acknowledged, with commas (default: models/policy.py)")
    parser.add_argument("--precision", type=float, default=Promise().precision, help="least precision at the threshold")
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
        plan = Plan(
            promise=Promise(precision=options.precision),
            never=frozenset(options.never.split(",")) if options.never is not None else NEVER,
        )
        trained = train([*rows, *own], plan, held_out)
    except (RowError, OSError) as error:
        print(f"models.train: {error}", file=sys.stderr)
        return 1
    artifact.write(trained.content, options.out)
    print(summary(trained, options.out))
    if own:
        from models.own import changes

        print(changes(rows, own, plan))
    return 0


def summary(trained: Trained, path: Path) -> str:
    """Two lines for people: what was written, and what its threshold promises."""
    chosen = trained.decisions.threshold
    return (
        f"{path}: {len(trained.content):,} bytes, SHA-256 {hashlib.sha256(trained.content).hexdigest()}\n"
        f"threshold {chosen.value:.3f}: precision {chosen.precision:.3f} (95 % sure of {chosen.lower_bound:.3f}), "
        f"{chosen.accepted:.1%} of the held-out rows accepted, calibration error {trained.decisions.calibration_error:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
