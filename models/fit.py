"""Rows → weights: linear support vector machines over hashed n-grams, one for intents, one for languages."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.svm import LinearSVC

from models.matrix import matrix, seed_of
from models.noise import copies
from models.rows import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is not learnt: buckets (2**`bits`), regularisation, typo copies and their rate, folds.

    A bucket that fewer than `rare` rows touch says more about those rows than about their intent, and stays 0.
    """

    bits: int = 14
    regularisation: float = 0.5
    copies: int = 2
    typo_rate: float = 0.06
    rare: int = 1
    folds: int = 3


# The project's own utterances have typos of their own, more languages and so more n-grams than one data set.
SHIPPED: Final = Recipe(bits=15, copies=0, rare=3, folds=10)


@dataclass(frozen=True, slots=True)
class Weights:
    """A linear model: `coefficients` (buckets × labels) and `intercepts` (labels)."""

    labels: tuple[str, ...]
    coefficients: Floats
    intercepts: Floats

    def scores(self, texts: Sequence[str]) -> Floats:
        """Margins, texts × labels."""
        bits = int(np.log2(len(self.coefficients)))
        return np.asarray(matrix(texts, bits) @ self.coefficients + self.intercepts)


def fit(rows: Sequence[Row], recipe: Recipe) -> Weights:
    """Learn the intents of `rows`; the same rows give the same weights, in whatever order they come."""
    rows = sorted(rows, key=lambda row: (row.text, row.intent, row.weight))
    return _learn(rows, [row.intent for row in rows], [row.weight for row in rows], recipe)


def fit_languages(rows: Sequence[Row], recipe: Recipe) -> Weights | None:
    """Learn the languages of rows that name theirs, each language weighing the same; None for fewer than two."""
    rows = sorted(rows, key=lambda row: (row.text, row.language))
    counts = Counter(row.language for row in rows)
    if len(counts) < 2:
        return None
    weights = [len(rows) / len(counts) / counts[row.language] for row in rows]
    return _learn(rows, [row.language for row in rows], weights, recipe)


def _learn(rows: Sequence[Row], labels: list[str], weights: list[float], recipe: Recipe) -> Weights:
    texts = [row.text for row in rows]
    learnt = matrix(texts, recipe.bits)
    common = sparse.diags((learnt.getnnz(axis=0) >= min(recipe.rare, len(rows))).astype(float))
    noisy = [
        matrix(version, recipe.bits)
        for version in zip(*(copies(text, recipe.copies, recipe.typo_rate) for text in texts), strict=True)
    ]
    machine = LinearSVC(C=recipe.regularisation, tol=1e-2, random_state=0)
    machine.fit(
        sparse.vstack([learnt, *noisy]).tocsr() @ common,
        labels * (recipe.copies + 1),
        sample_weight=weights * (recipe.copies + 1),
    )
    coefficients, intercepts = machine.coef_.T, machine.intercept_
    if len(machine.classes_) == 2:  # scikit-learn keeps one column for two classes
        coefficients, intercepts = np.hstack([-coefficients, coefficients]), np.array([-intercepts[0], intercepts[0]])
    return Weights(tuple(str(label) for label in machine.classes_), coefficients, intercepts)


def folds(rows: Sequence[Row], count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Row numbers to train on and to hold out, `count` times; a group of paraphrases is never parted.

    Groups are dealt out intent by intent in the order of their hashes, so that every fold has some of each.
    """
    groups = sorted({row.group: row.intent for row in rows}.items(), key=lambda item: (item[1], seed_of(item[0])))
    fold_of = {group: number % count for number, (group, _) in enumerate(groups)}
    for fold in range(count):
        held = [number for number, row in enumerate(rows) if fold_of[row.group] == fold]
        kept = [number for number, row in enumerate(rows) if fold_of[row.group] != fold]
        yield kept, held


def out_of_fold(rows: Sequence[Row], recipe: Recipe) -> tuple[tuple[str, ...], Floats]:
    """The intents, and every row's margins from a model that saw none of its group."""
    labels = tuple(sorted({row.intent for row in rows}))
    return labels, _held_out_scores(rows, labels, recipe, fit)


def out_of_fold_languages(rows: Sequence[Row], labels: Sequence[str], recipe: Recipe) -> Floats:
    """Every row's margins for the languages `labels`, from a model that saw none of its group."""
    return _held_out_scores(rows, labels, recipe, fit_languages)


def _held_out_scores(
    rows: Sequence[Row], labels: Sequence[str], recipe: Recipe, learn: Callable[[Sequence[Row], Recipe], Weights | None]
) -> Floats:
    scores = np.full((len(rows), len(labels)), -1.0)  # what a machine says of a label that it never saw
    for kept, held in folds(rows, recipe.folds):
        weights = learn([rows[number] for number in kept], recipe) if held else None
        if weights:
            columns = [labels.index(label) for label in weights.labels]
            scores[np.ix_(held, columns)] = weights.scores([rows[number].text for number in held])
    return scores
