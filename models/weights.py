"""Rows → weights: linear support vector machines over hashed n-grams, for intents, languages, gate and urgency."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.svm import LinearSVC

from models.matrix import matrix, seed_of
from models.noise import copies, surrounded
from models.policy import NEEDLESS, OTHER, URGENT
from models.rows import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is not learnt: buckets (2**`bits`), regularisation, typo copies and their rate, folds.

    A bucket that fewer than `rare` rows touch says more about those rows than about their intent, and stays 0.
    `surrounded` is the share of rows that are also learnt beside another row's sentence, with typos and hashtags.
    `tolerance` is how far from the optimum training stops. `heads` learns gate and urgency besides.
    """

    bits: int = 14
    regularisation: float = 0.5
    copies: int = 3
    typo_rate: float = 0.06
    rare: int = 1
    tolerance: float = 1e-2
    folds: int = 3
    surrounded: float = 0.0
    heads: bool = False
    head_regularisation: float = 0.3


# The project's own utterances have typos of their own, more languages and so more n-grams than one data set.
SHIPPED: Final = Recipe(
    bits=16,
    regularisation=0.3,
    copies=0,
    rare=10,
    folds=3,
    surrounded=0.5,
    heads=True,
    head_regularisation=0.1,
    tolerance=5e-2,
)


@dataclass(frozen=True, slots=True)
class Weights:
    """A linear model: `coefficients` (buckets × labels) and `intercepts` (labels)."""

    labels: tuple[str, ...]
    coefficients: Floats
    intercepts: Floats

    def scores(self, texts: Sequence[str]) -> Floats:
        """Margins, texts × labels."""
        return self.margins(matrix(texts, int(np.log2(len(self.coefficients)))))

    def margins(self, counted: sparse.csr_matrix) -> Floats:
        """Margins, rows × labels, of texts that are a matrix already."""
        return np.asarray(counted @ self.coefficients + self.intercepts)


@dataclass(frozen=True, slots=True)
class Machines:
    """All that is learnt of rows: the intents, and with `Recipe.heads` one column each for gate and urgency."""

    intents: Weights
    gate: Weights | None = None
    urgent: Weights | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Rows as machines learn them: the counted n-grams of the rows and of their copies, and whose copy each is."""

    counted: sparse.csr_matrix
    labels: NDArray[np.str_]
    weights: Floats
    tolerance: float

    def learn(self, labels: NDArray[np.str_], regularisation: float, balance: str | None = None) -> Weights:
        """One column for each of `labels`; two are one and its opposite."""
        machine = LinearSVC(C=regularisation, tol=self.tolerance, random_state=0, class_weight=balance)
        machine.fit(self.counted, labels, sample_weight=self.weights)
        coefficients, intercepts = machine.coef_.T, machine.intercept_
        if len(machine.classes_) == 2:  # scikit-learn keeps one column for two classes
            coefficients = np.hstack([-coefficients, coefficients])
            intercepts = np.array([-intercepts[0], intercepts[0]])
        return Weights(tuple(str(label) for label in machine.classes_), coefficients, intercepts)

    def head(self, name: str, wanted: NDArray[np.bool_], regularisation: float) -> Weights | None:
        """One column that tells `wanted` rows from the others, each half the weight; None where one kind is missing."""
        if wanted.all() or not wanted.any():
            return None
        found = self.learn(np.where(wanted, "yes", "no"), regularisation, "balanced")
        yes = found.labels.index("yes")
        return Weights((name,), found.coefficients[:, [yes]], found.intercepts[[yes]])


def fit(rows: Sequence[Row], recipe: Recipe) -> Machines:
    """Learn the intents of `rows`; the same rows give the same weights, in whatever order they come."""
    rows = sorted(rows, key=lambda row: (row.text, row.intent, row.weight))
    material = _material(rows, [row.intent for row in rows], [row.weight for row in rows], recipe)
    intents = material.learn(material.labels, recipe.regularisation)
    if not recipe.heads:
        return Machines(intents)
    needed = ~np.isin(material.labels, sorted(NEEDLESS))
    return Machines(
        intents,
        material.head("gate", needed, recipe.head_regularisation),
        material.head("urgent", material.labels == URGENT, recipe.head_regularisation),
    )


def fit_languages(rows: Sequence[Row], recipe: Recipe) -> Weights | None:
    """Learn the languages of rows that name theirs, each language weighing the same; None for fewer than two."""
    rows = sorted((row for row in rows if row.language), key=lambda row: (row.text, row.language))
    counts = Counter(row.language for row in rows)
    if len(counts) < 2:
        return None
    weights = [len(rows) / len(counts) / counts[row.language] for row in rows]
    plain = replace(recipe, surrounded=0.0)
    material = _material(rows, [row.language for row in rows], weights, plain)
    return material.learn(material.labels, recipe.regularisation)


def _material(rows: Sequence[Row], labels: list[str], weights: list[float], recipe: Recipe) -> Material:
    every = range(len(rows))
    versions: list[tuple[Sequence[int], Sequence[str]]] = [(every, [row.text for row in rows])]
    noisy = zip(*(copies(row.text, recipe.copies, recipe.typo_rate) for row in rows), strict=True)
    versions += [(every, version) for version in noisy]
    if chosen := _chosen(rows, recipe):
        versions.append((chosen, _surrounded(rows, chosen, recipe.typo_rate)))
    counted = [matrix(texts, recipe.bits) for _, texts in versions]
    common = (counted[0].getnnz(axis=0) >= min(recipe.rare, len(rows))).astype(float)
    whose = [number for numbers, _ in versions for number in numbers]
    return Material(
        sparse.vstack(counted).tocsr() @ sparse.diags(common),
        np.array(labels)[whose],
        np.array(weights)[whose],
        recipe.tolerance,
    )


def hasty(rows: Sequence[Row], recipe: Recipe) -> list[Row]:
    """The rows as they come, for decisions: those that training would learn in longer, hastier messages besides stand
    in such a one, between sentences of these rows."""
    chosen = _chosen(rows, recipe)
    noisy = dict(zip(chosen, _surrounded(rows, chosen, recipe.typo_rate, (OTHER, "praise")), strict=True))
    return [replace(row, text=noisy.get(number, row.text)) for number, row in enumerate(rows)]


def _chosen(rows: Sequence[Row], recipe: Recipe) -> list[int]:
    """The rows that are also learnt beside others."""
    share = 1_000 * recipe.surrounded
    return [number for number, row in enumerate(rows) if seed_of(row.text, "surrounded") % 1_000 < share]


def _surrounded(
    rows: Sequence[Row], chosen: Sequence[int], rate: float, beside: Collection[str] = (OTHER, "praise", "complaint")
) -> list[str]:
    """Copies of the chosen rows, half of them with sentences of rows `beside` in the same language, which ask for
    nothing of their own."""
    context: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.intent in beside:
            context[row.language].append(row.text)
    return [surrounded(rows[n].text, context[rows[n].language], rate, seed_of(rows[n].text, "beside")) for n in chosen]


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
