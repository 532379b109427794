"""Serving figures side by side with scikit-learn's own pipeline, in one run: `python -m models.bench`."""

import argparse
import json
import pickle
import random
import statistics
import subprocess
import sys
import time
import timeit
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC

from chalicelib.intents import DEFAULT_MODEL, IntentModel
from models.rows import from_file, utterances

FOLDER = Path(__file__).parent
TEXTS = (FOLDER / "held_out.jsonl", *sorted((FOLDER / "fit").glob("fit_*.jsonl")))  # learnt by neither


def usual_pipeline() -> Pipeline:
    """What one would write with scikit-learn alone: tf-idf of the same n-grams and a linear SVM."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True)
    return make_pipeline(make_union(words, characters), LinearSVC(C=0.5, random_state=0))


def latencies(answer: Callable[[str], object], texts: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of processor time a message, median and 99th percentile, each text seen for the first time."""
    times = []
    for text in texts:
        start = time.process_time_ns()
        answer(text)
        times.append((time.process_time_ns() - start) / 1e6)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def load_time(code: str) -> float:
    """Milliseconds of wall time that `code` takes in a new interpreter, imports included, the best of three."""
    timed = f"import time; start = time.perf_counter()\n{code}\nprint((time.perf_counter() - start) * 1000)"
    return min(float(subprocess.check_output([sys.executable, "-c", timed], text=True)) for _ in range(3))


# Read by each checkout's own interpreter path: every line that comes asks for one pass of a newly loaded model.
_READER: Final = """
import json, statistics, sys, time
from chalicelib.intents import IntentModel
texts = json.loads(sys.stdin.readline())
for _ in sys.stdin:
    for module in [m for name, m in sys.modules.items() if name.startswith("chalicelib.")]:
        for kept in vars(module).values():
            getattr(kept, "cache_clear", lambda: None)()
    model, times = IntentModel.load(), []
    for text in texts:
        start = time.process_time_ns()
        model.read(text)
        times.append((time.process_time_ns() - start) / 1e6)
    print(statistics.median(times), flush=True)
"""


def against(checkouts: Sequence[Path], texts: Sequence[str], rounds: int = 15) -> list[list[float]]:
    """p50 in milliseconds of processor time of each checkout's own reader and model, by rounds in turn."""
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER], cwd=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for path in checkouts
    ]
    medians: list[list[float]] = [[] for _ in readers]
    for number in range(rounds + 1):
        for reader, found in zip(readers, medians, strict=True):
            assert reader.stdin and reader.stdout
            reader.stdin.write("pass\n" if number else f"{json.dumps(texts)}\n")
            reader.stdin.flush()
            if number:
                found.append(float(reader.stdout.readline()))
    for reader in readers:
        reader.communicate()
    return medians


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m models.bench", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument(
        "--against", type=Path, help="another checkout of this repository: its reader, in turn with ours"
    )
    options = parser.parse_args(argv)
    messages = [row.text for file in TEXTS for row in from_file(file)]
    texts = random.Random(0).sample(messages, len(messages))  # languages come mixed
    if options.against:
        here, there = map(min, against((FOLDER.parent, options.against), texts))
        print(f"a message, p50 ms: {here:.3f} here, {there:.3f} in {options.against}: {here / there:.2f} of it")
        return 0
    rows = utterances()
    pipeline = usual_pipeline().fit([row.text for row in rows], [row.intent for row in rows])
    pickled = Path(options.model).resolve().with_suffix(".bench")
    pickled.write_bytes(pickle.dumps(pipeline))
    try:
        ours_load = load_time(f"from chalicelib.intents import IntentModel; IntentModel.load({str(options.model)!r})")
        usual_load = load_time(f"import pickle; pickle.load(open({str(pickled)!r}, 'rb'))")
        usual_size = pickled.stat().st_size
    finally:
        pickled.unlink()
    tracemalloc.start()
    model = IntentModel.load(options.model)
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    ours = latencies(model.read, texts)
    usual = latencies(lambda text: pipeline.decision_function([text]), texts)
    print(f"{len(texts)} messages, first sight, one process\n{'':24} {'Earshot':>10} {'scikit-learn':>13} {'ratio':>8}")
    for name, mine, theirs in (
        ("artifact, KB", options.model.stat().st_size / 1e3, usual_size / 1e3),
        ("import and load, ms", ours_load, usual_load),
        ("a message, p50 ms", ours[0], usual[0]),
        ("a message, p99 ms", ours[1], usual[1]),
    ):
        print(f"{name:24} {mine:>10.3f} {theirs:>13.3f} {theirs / mine:>7.1f}×")
    load = min(timeit.repeat(lambda: IntentModel.load(options.model), number=1, repeat=7)) * 1000
    print(f"{'load alone, ms':24} {load:>10.3f}")
    print(f"{'memory while loading, MB':24} {memory:>10.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
