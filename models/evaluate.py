"""Score a model: `python -m models.evaluate --model MODEL --data FILE [--split test] [--background FILE]`.

Through the serving code, never through scikit-learn. --background takes messages without labels ({"text"}): any that is
acknowledged is counted as a false one.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalicelib.intents import DEFAULT_MODEL, IntentModel, ModelError
from chalicelib.textfile import told
from models.predict import Prediction, columns, predict, whole_path
from models.rows import Row, RowError, from_file, texts
from models.scores import by_intent, score


def evaluate(model: IntentModel, rows: Sequence[Row], background: Sequence[str] = ()) -> dict[str, Any]:
    """Every score by name; with `background`, also the shares of its messages that get their intent's own reply, and a
    reply on any rung, guards included."""
    predictions = predict(model, rows)
    report = score(columns(predictions, model.never), model.threshold).as_json()
    report["model"] = model.hash
    report["intents"] = {intent: asdict(figures) for intent, figures in by_intent(predictions).items()}
    if background:
        report["background_rows"] = len(background)
        readings = [model.read(text) for text in background]
        report["background_acknowledged"] = sum(reading.accepted for reading in readings) / len(background)
        rungs = [whole_path(reading, text)[0] for reading, text in zip(readings, background, strict=True)]
        report["background_answered_on_any_rung"] = sum(rung is not None for rung in rungs) / len(background)
    return report


def save(predictions: Sequence[Prediction], path: Path) -> None:
    """Write one JSON line a prediction: text, intent, predicted, confidence, accepted."""
    with path.open("w", encoding="utf-8") as file:
        for each in predictions:
            line = {
                "text": each.row.text,
                "intent": each.row.intent,
                "predicted": each.predicted,
                "confidence": each.confidence,
                "accepted": each.accepted,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def table(report: dict[str, Any]) -> str:
    """The report for people: the scores, then a line for each intent."""
    lines = [f"{name:28} {_figure(value)}" for name, value in report.items() if name != "intents"]
    lines.append(f"\n{'intent':28} {'rows':>6} {'right':>7} {'ackn.':>7} {'prec.':>7}")
    for intent, figures in report["intents"].items():
        shares = " ".join(f"{_figure(figures[name]):>7}" for name in ("right", "acknowledged", "precision"))
        lines.append(f"{intent[:28]:28} {figures['rows']:>6} {shares}")
    return "\n".join(lines)


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–" if value is None else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 when the model or a row cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--data", type=Path, required=True, help="labelled rows (.jsonl, .csv)")
    parser.add_argument("--split", help="only rows of this split")
    parser.add_argument("--background", type=Path, help="messages of which none should be acknowledged (.jsonl)")
    parser.add_argument("--predictions", type=Path, help="write one JSON line a row here")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(argv)
    try:
        model = IntentModel.load(options.model)
        rows = from_file(options.data, options.split)
        background = texts(options.background) if options.background else []
        if options.predictions:
            save(predict(model, rows), options.predictions)
    except (RowError, ModelError, OSError) as error:
        print(f"models.evaluate: {told(error)}", file=sys.stderr)
        return 1
    report = evaluate(model, rows, background)
    print(json.dumps(report, ensure_ascii=False, indent=1) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
