"""Train an intent model: `python -m models.train [--data FILE] [--split train] [--own FILE] --out MODEL`.

Without --data, the project's own utterances are the rows. The same rows give the same file, bit for bit.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from chalicelib.conversations.interaction import Rung
from chalicelib.textfile import told
from models import artifact
from models.decide import Promise
from models.own import before_and_after, changes
from models.policy import NEVER
from models.rows import VALIDATION, Row, RowError, from_file, labelled, lines_of, utterances
from models.training import SHIPPED_PROMISE, Decisions, Plan, Trained, train
from models.weights import SHIPPED, Recipe


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="rows to learn (.jsonl, .csv) instead of models/utterances")
    parser.add_argument("--split", default="train", help="rows of this split, and those without one (default: train)")
    parser.add_argument("--own", type=Path, help="the retailer's own rows, learnt besides the others")
    parser.add_argument("--own-weight", type=float, default=3.0, help="how many shipped rows an own one is worth")
    parser.add_argument("--never", help="intents never acknowledged, with commas (default: models/policy.py)")
    parser.add_argument("--precision", type=float, help="least precision of an intent's own reply (lower bound)")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    options = parser.parse_args(argv)
    if not 0 < options.own_weight < inf:
        parser.error("argument --own-weight: write a number above 0, for example 3")
    if options.precision is not None and not 0 < options.precision < 1:
        parser.error("argument --precision: write a share between 0 and 1, for example 0.95")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 when a row cannot be used."""
    options = _arguments(argv)
    try:
        everything = from_file(options.data) if options.data else utterances()
        rows = [row for row in everything if row.split in (options.split, "")]
        held_out = [row for row in everything if row.split in VALIDATION and options.split not in VALIDATION]
        own = own_rows(options.own, options.own_weight) if options.own else []
        usual = Promise() if options.data else SHIPPED_PROMISE
        plan = Plan(
            recipe=Recipe() if options.data else SHIPPED,
            promise=replace(usual, precision=options.precision or usual.precision),
            never=frozenset(options.never.split(",")) if options.never is not None else NEVER,
        )
        trained = train([*rows, *own], plan, held_out)
    except (RowError, OSError) as error:
        print(f"models.train: {told(error)}", file=sys.stderr)
        return 1
    artifact.write(trained.content, options.out)
    print(summary(trained, options.out))
    if own:
        print(changes(*before_and_after(rows, own, plan)))
    return 0


def own_rows(path: Path, weight: float) -> list[Row]:
    """The retailer's labelled rows; says which ones wait for their label, and leaves them out. Raises: RowError."""
    rows, waiting = labelled(from_file(path, source="own", weight=weight))
    if waiting:
        print(f"{lines_of(waiting)}: skipped, the intent is still the report's proposal", file=sys.stderr)
    return rows


def summary(trained: Trained, path: Path) -> str:
    """Lines for people: what was written, and what each rung's thresholds promise."""
    written = f"{path}: {len(trained.content):,} bytes, SHA-256 {hashlib.sha256(trained.content).hexdigest()}"
    return f"{written}\n{rung_table(trained.decisions)}"


def rung_table(decisions: Decisions) -> str:
    """A line for each rung and language: threshold, and what it was worth on held-out rows."""
    lines = [f"{'rung':8} {'lang':5} {'threshold':>9} {'precision':>10} {'95 % sure of':>13} {'accepted':>9}"]
    for rung in Rung:
        for language, chosen in decisions.thresholds.get(rung, {}).items():
            lines.append(
                f"{rung:8} {language or '–':5} {chosen.value:>9.3f} {chosen.precision:>10.3f} "
                f"{chosen.lower_bound:>13.3f} {chosen.accepted:>9.1%}"
            )
    return "\n".join([*lines, f"calibration error {decisions.calibration_error:.3f}"])


if __name__ == "__main__":
    sys.exit(main())
