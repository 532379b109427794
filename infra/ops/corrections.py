"""What staff taught: labelled rows out of the store, for `make train-from-corrections`.

    python -m infra.ops.corrections --out CORRECTIONS.jsonl [--answers ANSWERS.jsonl] [--stage prod]

CORRECTIONS has a row for each text whose intent a member of staff corrected; ANSWERS one for each question that a
person answered, with what was answered. Both hold customers' words: keep them as carefully as the table.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.aws.client import AwsError
from chalicelib.codec import from_time
from chalicelib.services import Services
from chalicelib.settings import SettingsError
from chalicelib.staff.desk import LABELS
from chalicelib.storage.store import Store
from infra.ops import access
from infra.ops.stage import OpsError, settings_of
from infra.stack.said import AWS


def corrections(store: Store) -> Iterator[dict[str, Any]]:
    """{"text", "intent", "corrected_from"?, "source": "staff", "lang"?, "model"?, "at"} for each corrected text."""
    yield from store.documents(LABELS)


def answers(store: Store) -> Iterator[dict[str, Any]]:
    """{"text", "intent", "answer", "at"} for each question that a person answered; `intent` is what the model read."""
    for c in store.conversations():
        for id, question in c.questions.items():
            if not question.answered_by or not question.answered_at:
                continue
            asked = store.interaction(c.product, c.account, id)
            answer = store.interaction(c.product, c.account, question.answered_by)
            if asked and answer and asked.text and answer.text:
                at = from_time(question.answered_at)
                yield {"text": asked.text, "intent": question.intent or "other", "answer": answer.text, "at": at}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.ops.corrections", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="where the corrected rows go")
    parser.add_argument("--answers", type=Path, help="where the answered questions go")
    parser.add_argument("--stage", default="prod")
    options = parser.parse_args(arguments)
    try:
        store = Services(settings_of(options.stage), lean_aws=access.operators_aws()).store
        written = _write(options.out, corrections(store))
        print(f"{options.out}: {written} corrected texts")
        if options.answers:
            print(f"{options.answers}: {_write(options.answers, answers(store))} answered questions")
    except (OpsError, SettingsError, AwsError, *AWS) as error:
        print(f"corrections: {access.told(options.stage, error)}", file=sys.stderr)
        return 1
    if not written:
        print("corrections: nobody has corrected anything yet; the e-mail's link does it", file=sys.stderr)
        return 1
    return 0


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return len(lines)


if __name__ == "__main__":
    sys.exit(main())
