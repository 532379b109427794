"""Texts → the sparse matrix that scikit-learn trains on, from the very features that serving uses."""

import math
import zlib
from collections.abc import Iterable

import numpy as np
from scipy import sparse

from chalicelib.reading.features import features


def matrix(texts: Iterable[str], bits: int) -> sparse.csr_matrix:
    """One row a text, 2**`bits` columns: counts of its n-grams, each block (words, characters) over √(n-grams)."""
    mask = 2**bits - 1
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    ends = [0]
    for text in texts:
        found = features(text)
        for block in (found.words, found.chars):
            if block:
                columns.append(np.asarray(block, dtype=np.int64) & mask)
                values.append(np.full(len(block), 1 / math.sqrt(len(block))))
        ends.append(ends[-1] + len(found.words) + len(found.chars))
    built = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns), np.asarray(ends)), shape=(len(ends) - 1, 2**bits)
    )
    built.sum_duplicates()
    return built


def seed_of(*parts: str) -> int:
    """A seed that depends on the text alone: the same row gets the same noise in whatever order it comes."""
    return zlib.crc32("\x1f".join(parts).encode("utf-8", "replace"))
