"""Rows → a finished model: weights on all of them, decisions on rows that were held out. No command line."""

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import expit, softmax

from chalicelib.conversations.interaction import TOPICS, Rung
from chalicelib.intents import UNSERVED, IntentModel
from chalicelib.reading.guards import guards, most, urgent
from models import artifact
from models.artifact import Head
from models.calibration import Threshold, calibration_error, line, temperature, threshold
from models.decide import Judged, Promise, choose, closing_bounds, evidence_odds, mixed, urgency
from models.policy import MIX, NEEDLESS, NEVER, URGENT
from models.rows import Row, RowError
from models.weights import SHIPPED, Machines, Recipe, Weights, fit, fit_languages, folds, hasty

Floats = NDArray[np.float64]

# Of the project's own rows, which are hard on purpose: see models/CARD.md for what that is worth on other messages.
MANY: Final = 5_000  # rows from which on learning them takes more than moments
SHIPPED_PROMISE: Final = Promise(
    precision=0.95,
    topic=0.95,
    general=0.955,
    strangers=0.009,
    strangers_own=0.005,
    mix=MIX,
    closing=0.95,
    closing_floor=0.975,
    urgent=0.01,
)

# How much of the gate's log-odds each line takes. In the utterances, where nothing is strange, the gate adds little;
# with messages from elsewhere it halves the false acknowledgements. Source: models/CARD.md.
GATE: Final[Mapping[str, float]] = {"own": 1.0, "topic": 1.0, "general": 2.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: recipe, promise, the intents that are never acknowledged as questions, and the gate's weights."""

    recipe: Recipe = SHIPPED
    promise: Promise = SHIPPED_PROMISE
    never: Collection[str] = NEVER
    gate: Mapping[str, float] = field(default_factory=lambda: GATE)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided on held-out rows: thresholds by rung and language, the log-odds from which each language's
    messages are urgent, the bounds for closing, and the calibration error that is left."""

    thresholds: Mapping[Rung, Mapping[str, Threshold]]
    urgent_from: Mapping[str, float]
    close_bounds: Mapping[str, float]
    calibration_error: float

    @property
    def threshold(self) -> Threshold:
        """The own rung's, in the first language."""
        return next(iter(self.thresholds[Rung.OWN].values()))


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished artifact and the decisions in it."""

    content: bytes
    decisions: Decisions
    header: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Machines and the language columns, and the rows that they have not seen."""

    machines: Machines
    languages: Weights | None
    unseen: Sequence[Row]


def train(rows: Sequence[Row], plan: Plan, held_out: Sequence[Row] = ()) -> Trained:
    """Learn `rows`; decide on `held_out`, or when there are none on the rows themselves, out of fold.

    Raises: RowError when the rows have fewer than two intents.
    """
    if len({row.intent for row in rows}) < 2:
        raise RowError(f"{rows[0].origin if rows else 'no file:0'}: at least two intents are needed")
    rows, held_out = _sorted(rows), _sorted(held_out)
    _tell(rows, f"learning {len(rows):,} rows")
    whole = Learnt(fit(rows, plan.recipe), fit_languages(rows, plan.recipe), held_out)
    parts = [whole] if held_out else list(_parts(rows, plan.recipe))
    _tell(rows, "choosing confidences and thresholds")
    calibrated = calibrate(whole.machines.intents.labels, parts, plan)
    draft = calibrated.header(plan)
    judged = _judge(parts, calibrated, draft, plan)
    decisions = _decide(judged, plan, calibrated.gap)
    header = {
        **draft,
        "thresholds": {r: {c: t.value for c, t in by.items()} for r, by in decisions.thresholds.items()},
        "close_bounds": dict(decisions.close_bounds),
        "urgent_from": dict(decisions.urgent_from),
        "trained_on": {"rows": len(rows), "sha256": fingerprint(rows)},
        "trained_with": f"scikit-learn {sklearn.__version__}",
    }
    return Trained(calibrated.pack(whole, header), decisions, header)


def _tell(rows: Sequence[Row], said: str) -> None:
    """Progress, where it takes long."""
    if len(rows) >= MANY:
        print(f"  {said} …", file=sys.stderr, flush=True)


def _parts(rows: Sequence[Row], recipe: Recipe) -> list[Learnt]:
    learnt = []
    for number, (kept, held) in enumerate(folds(rows, recipe.folds), 1):
        _tell(rows, f"learning without part {number} of {recipe.folds}, to judge it")
        if held:
            known = [rows[number] for number in kept]
            unseen = hasty([rows[number] for number in held], recipe)
            learnt.append(Learnt(fit(known, recipe), fit_languages(known, recipe), unseen))
    return learnt


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Factors and lines that turn margins into logarithms and confidences; `gap` is the own line's error."""

    factor: float
    spoken: float
    gate: tuple[float, float]
    lines: Mapping[str, Sequence[float]]
    language_threshold: float
    gap: float

    def header(self, plan: Plan) -> dict[str, Any]:
        """The header's fields, with thresholds that nothing meets."""
        return {
            "lines": {name: list(values) for name, values in self.lines.items()},
            "thresholds": {Rung.OWN.value: {"": 2.0}},
            "topics": {topic: list(intents) for topic, intents in TOPICS.items()} if plan.recipe.heads else {},
            "needless": sorted(NEEDLESS),
            "never": sorted(plan.never),
            "urgent": URGENT,
            "urgent_from": {},
            "close_bounds": {},
            "language_threshold": self.language_threshold,
        }

    def pack(self, learnt: Learnt, header: dict[str, Any], compression: int = 9) -> bytes:
        """The artifact of one set of machines."""
        machines = learnt.machines
        languages = Head(learnt.languages, self.spoken) if learnt.languages else None
        heads = [Head(machines.gate, *self.gate)] if machines.gate else []
        heads += [Head(machines.urgent, 1.0)] if machines.urgent else []
        return artifact.pack(Head(machines.intents, self.factor), languages, header, heads, compression=compression)


def calibrate(labels: Sequence[str], parts: Sequence[Learnt], plan: Plan) -> Calibrated:
    """Calibration on what the parts have not seen."""
    rows = [row for part in parts for row in part.unseen]
    margins = np.vstack([_margins(part.machines.intents, labels, part.unseen) for part in parts])
    truth = np.array([labels.index(row.intent) if row.intent in labels else -1 for row in rows])
    factor = temperature(margins[truth >= 0], truth[truth >= 0])
    weights = mixed(rows, [row.language for row in rows], plan.promise, plan.never)
    weights *= np.array([row.language != UNSERVED for row in rows])
    needed = np.array([row.intent not in NEEDLESS for row in rows])
    gates = _column(parts, "gate")
    gate = line_of(gates, needed, weights) if gates.any() else (1.0, 0.0)
    odds = evidence_odds(labels, margins * factor, gate[0] * gates + gate[1] * bool(gates.any()), plan.gate)
    lines, gap = {}, 0.0
    topics = list(TOPICS.values())
    answers = {
        "own": odds["own"][1] == truth,
        "topic": np.array([row.intent in topics[each] for row, each in zip(rows, odds["topic"][1], strict=True)]),
        "general": needed,
    }
    for name, right in answers.items():
        slope, offset = line_of(odds[name][0], right, weights)
        lines[name] = (slope, slope * plan.gate[name], offset)
        if name == "own":
            gap = calibration_error(expit(slope * odds[name][0] + offset), right)
    lines["urgent"] = (0.5, 3.0, 0.0)
    spoken, language_threshold = _language(parts, plan.promise)
    return Calibrated(factor, spoken, gate, lines, language_threshold, gap)


def line_of(odds: Floats, right: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Slope and offset that make log-odds say how often the answer is right."""
    if right.all() or not right.any():
        return 1.0, 0.0
    return line(expit(odds), right, weights)


def _margins(learnt: Weights, labels: Sequence[str], rows: Sequence[Row]) -> Floats:
    scores = np.full((len(rows), len(labels)), -1.0)  # what a machine says of a label that it never saw
    scores[:, [labels.index(label) for label in learnt.labels]] = learnt.scores([row.text for row in rows])
    return scores


def _column(parts: Sequence[Learnt], head: str) -> Floats:
    columns = []
    for part in parts:
        weights: Weights | None = getattr(part.machines, head)
        texts = [row.text for row in part.unseen]
        columns.append(weights.scores(texts)[:, 0] if weights else np.zeros(len(texts)))
    return np.concatenate(columns)


def _language(parts: Sequence[Learnt], promise: Promise) -> tuple[float, float]:
    """The languages' factor, and the least probability at which one is believed."""
    scores, truth = [], []
    labels = parts[0].languages.labels if parts[0].languages else ()
    for part in parts:
        named = [row for row in part.unseen if row.language in labels]
        if part.languages and named:
            scores.append(_margins(part.languages, labels, named))
            truth += [labels.index(row.language) for row in named]
    if not scores:
        return 1.0, 0.0
    every, true = np.vstack(scores), np.array(truth)
    factor = temperature(every, true)
    chances = softmax(every * factor, axis=1)
    best, sure = chances.argmax(axis=1), chances.max(axis=1)
    served = np.array([label != UNSERVED for label in labels])[best]
    chosen = threshold(sure[served], (best == true)[served], promise.language).value
    return factor, max(promise.language_floor, chosen)


def _judge(parts: Sequence[Learnt], calibrated: Calibrated, draft: dict[str, Any], plan: Plan) -> Judged:
    rows, found = [], []
    labels: Sequence[str] = ()
    for part in parts:
        model = IntentModel(calibrated.pack(part, draft, compression=1))
        labels = labels or model.classes
        places = [labels.index(label) for label in model.classes]
        for row in part.unseen:
            each = model.evidence(row.text)
            rows.append(row)
            found.append(each._replace(best=places[each.best]))
    heard = [each.language or "" for each in found]
    pairs = zip(rows, found, strict=True)
    tripped = [guards(row.text, each.language) if plan.recipe.heads else () for row, each in pairs]
    return Judged(
        rows,
        found,
        labels,
        mixed(rows, heard, plan.promise, plan.never),
        [most(each) for each in tripped],
        np.array([urgent(each) for each in tripped]),
    )


def _decide(judged: Judged, plan: Plan, gap: float) -> Decisions:
    heard = sorted({each.language for each in judged.found if each.language}) or [""]
    bars = {code: urgency(judged, code, plan.promise.urgent) for code in heard} if plan.recipe.heads else {}
    if bars:
        bars[""] = max(bars.values())
    rungs = tuple(Rung) if plan.recipe.heads else (Rung.OWN,)
    thresholds = {rung: {code: choose(judged, rung, code, plan.promise, bars) for code in heard} for rung in rungs}
    return Decisions(thresholds, bars, closing_bounds(judged, plan.promise), gap)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Sums of floating-point numbers depend on their order; a model must not."""
    return sorted(rows, key=lambda row: (row.text, row.intent, row.group, row.language, row.weight))


def fingerprint(rows: Sequence[Row]) -> str:
    """SHA-256 of the rows' labels and texts, hex, whatever their order: says which data a model was trained on."""
    lines = sorted(f"{row.language}\t{row.intent}\t{row.weight}\t{row.text}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
