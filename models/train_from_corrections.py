"""Learn from what staff corrected, and replace the model only if it got no worse.

`python -m models.train_from_corrections --corrections FILE.jsonl --current MODEL --out MODEL`. Rows: {"text", "intent",
"corrected_from"?, "source": "staff", "lang"?}. A fifth of them, chosen by their text, is held out, and a fifth of the
shipped rows: old and new model answer both, and the new one is refused when its precision at its threshold falls.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.intents import IntentModel, ModelError
from models import artifact
from models.fit import folds
from models.predict import columns, predict
from models.rows import UTTERANCES, Row, RowError, from_file, utterances
from models.scores import Scores, score
from models.train import Plan, train

HELD_OUT = 5  # one row in so many
PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores on rows that neither model has seen: the shipped rows' part and staff's part, old against new."""

    old: Scores
    new: Scores
    old_staff: Scores
    new_staff: Scores

    @property
    def refusal(self) -> str | None:
        """Why the new model must not replace the old one; None when it may."""
        for rows, old, new in (("held-out", self.old, self.new), ("staff's", self.old_staff, self.new_staff)):
            if old.precision is not None and (new.precision is None or new.precision < old.precision):
                change = f"{_share(old.precision)} → {_share(new.precision)}"
                return f"precision at the threshold on {rows} rows falls: {change}"
        return None


def learn(shipped: Sequence[Row], staff: Sequence[Row], current: IntentModel, plan: Plan) -> tuple[bytes, Comparison]:
    """The artifact trained on all rows, and how models of the same making compare on rows held out of both.

    The shipped rows' held-out part is answered by two models that learnt the rest, with and without staff's rows: the
    current model has seen it. Staff's held-out part is new to the current model, which answers it itself.
    """
    kept, held = next(iter(folds(shipped, HELD_OUT)))
    staff_kept, staff_held = next(iter(folds(staff, HELD_OUT)))
    known = [shipped[number] for number in kept]
    taught = [staff[number] for number in staff_kept]
    unseen, corrections = [shipped[number] for number in held], [staff[number] for number in staff_held]
    before = IntentModel(train(known, plan).content)
    after = IntentModel(train([*known, *taught], plan).content)
    compared = Comparison(
        old=_scores(before, unseen),
        new=_scores(after, unseen),
        old_staff=_scores(current, corrections),
        new_staff=_scores(after, corrections),
    )
    return train([*shipped, *staff], plan).content, compared


def _scores(model: IntentModel, rows: Sequence[Row]) -> Scores:
    return score(columns(predict(model, rows), model.never), model.threshold)


def _share(value: float | None) -> str:
    return "none accepted" if value is None else f"{value:.1%}"


def table(compared: Comparison) -> str:
    """Old against new for people."""
    lines = [f"{'held-out rows':16} {'':6} {'right':>8} {'precision':>14} {'acknowledged':>14}"]
    parts = {"shipped": (compared.old, compared.new), "staff's": (compared.old_staff, compared.new_staff)}
    for name, versions in parts.items():
        for version, scores in zip(("old", "new"), versions, strict=True):
            shares = f"{_share(scores.accuracy):>8} {_share(scores.precision):>14} {_share(scores.coverage):>14}"
            lines.append(f"{name:10} {scores.rows:>5} {version:6} {shares}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when the model was replaced; 1 when it was refused or a row cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train_from_corrections", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--corrections", type=Path, required=True, help="staff's rows (.jsonl)")
    parser.add_argument("--current", type=Path, required=True, help="the model in use")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write; may be the current one")
    parser.add_argument("--weight", type=float, default=3.0, help="how many shipped rows one of staff's is worth")
    parser.add_argument("--utterances", type=Path, default=UTTERANCES, help="the shipped rows")
    options = parser.parse_args(argv)
    try:
        current = IntentModel.load(options.current)
        shipped = utterances(options.utterances)
        staff = from_file(options.corrections, source="staff", weight=options.weight)
        intents = {row.intent for row in shipped}
        for row in staff:
            if row.intent not in intents:
                raise RowError(f"{row.origin}: no intent {row.intent!r}; there are {', '.join(sorted(intents))}")
        content, compared = learn(shipped, staff, current, PLAN)
    except (RowError, ModelError, OSError) as error:
        print(f"train_from_corrections: {error}", file=sys.stderr)
        return 1
    print(table(compared))
    if compared.refusal:
        print(f"train_from_corrections: not replaced: {compared.refusal}", file=sys.stderr)
        return 1
    artifact.write(content, options.out)
    print(f"{options.out}: {current.hash[:12]} → {IntentModel(content).hash[:12]}, {len(staff)} corrections learnt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
