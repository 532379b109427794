"""From held-out rows to decisions: lines that make scores mean what they say, and a threshold for each promise."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from chalicelib.conversations.interaction import TOPICS, Rung
from chalicelib.intents import SILENT_FROM, Evidence, log_odds
from models.calibration import Threshold, clopper_pearson, threshold
from models.policy import ASKS_NOTHING, CLOSING, HARD, NEEDLESS, URGENT, kind
from models.rows import Row

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CERTAIN = 12.0  # log-odds beyond which nothing is surer


@dataclass(frozen=True, slots=True)
class Promise:
    """What the thresholds must keep on rows that the model has not seen.

    `precision`, `topic`, `general`: least share of right replies on each rung, with 95 % certainty. `strangers`: the
    largest share of a language's messages to other industries, and of its chat, that is answered on any rung, and
    `strangers_own` the largest that gets an intent's own reply.
    `out_of_scope`: least share of messages that are no question, where there is no `mix`: rows that are not are weighed
    up to it. `mix`: what first contacts are, by kind; each language's rows are weighed to it. `closing`: least share,
    among the conversations closed as praise, thanks or spam, of those that asked for nothing, with the same certainty,
    and `closing_floor` the least confidence in any case.
    `urgent`: largest share of a language's other messages that is called urgent. `language`: least share of right
    languages, and `language_floor` the least probability in any case: short texts are in many of them.
    """

    precision: float = 0.97
    topic: float = 0.97
    general: float = 0.97
    strangers: float = 1.0
    strangers_own: float = 1.0
    out_of_scope: float = 0.2
    mix: Mapping[str, float] | None = None
    closing: float = 0.97
    closing_floor: float = 0.6
    urgent: float = 0.01
    language: float = 0.98
    language_floor: float = 0.7

    def of(self, rung: Rung) -> float:
        """The promise of one rung."""
        return {Rung.OWN: self.precision, Rung.TOPIC: self.topic, Rung.GENERAL: self.general}[rung]


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out rows beside what the model says of them, and each row's weight in the mix; `most` is the highest rung
    that the guards leave, `called` says which rows they call urgent."""

    rows: Sequence[Row]
    found: Sequence[Evidence]
    labels: Sequence[str]
    weights: Floats
    most: Sequence[Rung | None]
    called: Flags

    def heard(self, language: str) -> NDArray[np.int64]:
        """Row numbers that the model hears in `language`; "" is for models that know none."""
        return np.flatnonzero([(each.language or "") == language for each in self.found])

    def right(self, rung: Rung) -> Flags:
        """Whether a reply of that rung would be right: its intent, its topic, any matter for this shop that is not
        urgent (those go to people, unanswered)."""
        pairs = zip(self.rows, self.found, strict=True)
        if rung is Rung.OWN:
            return np.array([row.intent == self.labels[each.best] for row, each in pairs])
        if rung is Rung.TOPIC:
            return np.array([row.intent in TOPICS.get(each.topic, ()) for row, each in pairs])
        return np.array([row.intent not in NEEDLESS and row.intent != URGENT for row in self.rows])

    def confidence(self, rung: Rung, urgent_from: Mapping[str, float]) -> Floats:
        """How sure a reply of that rung or a higher one would be; 0 where the rung is closed or the row urgent."""
        silent = self.called | self._above(urgent_from, log_odds(SILENT_FROM))
        ladder = list(Rung)
        sure = [
            each.rungs[rung] if rung in each.reach and most and ladder.index(most) <= ladder.index(rung) else 0.0
            for each, most in zip(self.found, self.most, strict=True)
        ]
        return np.where(silent, 0.0, sure)

    def urgent(self, urgent_from: Mapping[str, float]) -> Flags:
        """Whether words or model call the row urgent."""
        return self.called | self._above(urgent_from, 0.0)

    def _above(self, urgent_from: Mapping[str, float], least: float) -> Flags:
        return np.array([each.urgent - urgent_from.get(each.language or "", 0.0) >= least for each in self.found])


def evidence_odds(
    labels: Sequence[str], logs: Floats, gate: Floats, weights: Mapping[str, float]
) -> dict[str, tuple[Floats, NDArray[np.int64]]]:
    """For each line, the log-odds that serving computes before it, and the label or topic that they speak for.

    `logs` are calibrated scores (rows × labels), `gate` the gate's log-odds, of which every line takes its own weight.
    """
    logs = logs - logsumexp(logs, axis=1, keepdims=True)
    chances = np.exp(logs)
    best = chances.argmax(axis=1)
    sign = np.where(np.isin(labels, sorted(NEEDLESS)), -1.0, 1.0)
    inside = np.flatnonzero([label not in ("other", "oos") for label in labels])
    surest = inside[chances[:, inside].argmax(axis=1)]
    every = np.arange(len(chances))
    members = np.array([[label in intents for label in labels] for intents in TOPICS.values()], dtype=float)
    sums = chances @ members.T
    topic = np.where(members[:, best].any(axis=0), members[:, best].argmax(axis=0), sums.argmax(axis=1))
    needless = chances[:, sign < 0].sum(axis=1)
    return {
        "own": (_odds(chances[every, surest]) + weights["own"] * sign[surest] * gate, surest),
        "topic": (_odds(sums[every, topic]) + weights["topic"] * gate, topic),
        "general": (-_odds(needless) + weights["general"] * gate, best),
    }


def _odds(chances: Floats) -> Floats:
    return np.log(np.maximum(chances, 1e-12) / np.maximum(1 - chances, 1e-12))


def mixed(rows: Sequence[Row], languages: Sequence[str], promise: Promise, never: Collection[str]) -> Floats:
    """Each row's weight, so that every language has the kinds of messages that the promise's mix says.

    Without a mix, rows that are never acknowledged are weighed up to the least share of those.
    """
    own = np.array([row.weight for row in rows])
    if promise.mix is None:
        inside = np.array([row.intent not in never for row in rows])
        wanted = promise.out_of_scope / (1 - promise.out_of_scope) * inside.sum()
        outside = int((~inside).sum())
        return own * np.where(inside, 1.0, max(1.0, wanted / outside) if outside else 1.0)
    kinds, spoken = np.array([kind(row.intent) for row in rows]), np.array(languages)
    weights = np.zeros(len(rows))
    for language in set(languages):
        for name, share in promise.mix.items():
            mine = (kinds == name) & (spoken == language)
            weights[mine] = share * (spoken == language).sum() / max(1, mine.sum())
            weights[mine] *= HARD if name == "needless" else 1.0
    return own * weights


def choose(judged: Judged, rung: Rung, language: str, promise: Promise, urgent_from: Mapping[str, float]) -> Threshold:
    """The least confidence on `rung` that keeps its promise among the rows heard in `language`."""
    mine = judged.heard(language)
    if not len(mine):
        return Threshold(value=1.01, precision=0.0, lower_bound=0.0, accepted=0.0)
    sure = judged.confidence(rung, urgent_from)[mine]
    right = judged.right(rung)[mine] & (sure > 0)
    chosen = threshold(sure, right, promise.of(rung), judged.weights[mine])
    strangers = np.array([judged.rows[number].intent == "other" for number in mine])
    share = min(promise.strangers, promise.strangers_own) if rung is Rung.OWN else promise.strangers
    if share >= 1 or not strangers.any() or chosen.value > 1:
        return chosen
    least = float(np.quantile(sure[strangers], 1 - share, method="higher"))
    if least < chosen.value:
        return chosen
    return at_least(least + 1e-9, sure, right, judged.weights[mine])


def at_least(value: float, sure: Floats, right: Flags, weights: Floats) -> Threshold:
    """What a threshold that was chosen for another reason is worth on these rows."""
    taken = sure >= value
    if not taken.any():
        return Threshold(value=1.01, precision=0.0, lower_bound=0.0, accepted=0.0)
    total, good = weights[taken].sum(), weights[taken & right].sum()
    effective = total**2 / (weights[taken] ** 2).sum()
    share = float(good / total)
    return Threshold(
        float(f"{value:.12g}"), share, clopper_pearson(share * effective, effective), float(total / weights.sum())
    )


def urgency(judged: Judged, language: str, share: float) -> float:
    """The least log-odds at which the model calls at most `share` of the rows heard in `language` urgent that are not,
    besides those that words call."""
    wanted = [row.intent != URGENT for row in judged.rows]
    mine = np.array([number for number in judged.heard(language) if wanted[number]], dtype=int)
    odds = np.array([-CERTAIN if judged.called[number] else judged.found[number].urgent for number in mine])
    order = np.argsort(-odds, kind="stable")
    weights = judged.weights[mine][order]
    if not weights.sum():
        return CERTAIN
    within = np.flatnonzero(np.cumsum(weights) / weights.sum() <= share)
    return float(f"{odds[order][within[-1]] if len(within) else CERTAIN:.6g}") + 1e-6


def closing_bounds(judged: Judged, promise: Promise) -> dict[str, float]:
    """For each intent that needs no answer, the least confidence at which a conversation over it may be closed."""
    harmless = np.array([row.intent in ASKS_NOTHING for row in judged.rows])
    sure = np.array([each.rungs[Rung.OWN] for each in judged.found])
    bounds = {}
    for label in sorted(set(CLOSING) & set(judged.labels)):
        mine = np.array([judged.labels[each.best] == label for each in judged.found])
        bound = threshold(sure[mine], harmless[mine], promise.closing) if mine.any() else None
        if bound and bound.value <= 1:
            bounds[label] = max(bound.value, promise.closing_floor)
    return bounds
