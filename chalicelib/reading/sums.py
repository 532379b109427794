"""Words → scores: every n-gram owns a row of small numbers, one for each column, and a text's score is their sum.

A row is one long integer with two bytes for each of its numbers, so that one addition adds all columns. Rows, pieces
of words and words are turned into such integers when they are first met, and kept. The standard library only.
"""

import struct
import zlib
from codecs import utf_16_be_encode as wide  # makes a lane of every character below 128; str.encode looks it up by name
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Final

from chalicelib.reading.features import PIECE_SEED, pieces, word_hash

LEVELS: Final = 15  # a weight is a whole number from -LEVELS to LEVELS
WORDS: Final = 3_000  # that are at hand, and as many from before
_LANE: Final = 2  # bytes a number occupies
ROOM: Final = (2 ** (8 * _LANE) - 1) // (2 * LEVELS)  # rows that can be added without a carry
FEW: Final = 200  # letters, of at most four bytes each and a space before each word: their rows can always be added
_TOO_LARGE: Final = 255  # no letter of ASCII's: decoding tells that there is one
_LIFT: Final = bytes(  # a signed byte → a number that is not negative
    lifted if (lifted := (value + LEVELS) % 256) <= 2 * LEVELS else _TOO_LARGE for value in range(256)
)
_integer: Final = int.from_bytes

Weighed = tuple[int, bytes, int]
"""What is kept of a word: its hash, its bytes behind a space (for the hash of a pair), and one long integer: its own
row, how many pieces it has, and the sum of their rows. Not named: it is made for every new word."""


class Words(dict[str, Weighed]):
    """Words come back. When it has `WORDS` it begins anew, and those from before are at hand until it has as many."""

    __slots__ = ("_before", "_weigh")

    def __init__(self, weigh: Callable[[str], Weighed]) -> None:
        super().__init__()
        self._weigh = weigh
        self._before: dict[str, Weighed] = {}

    def __missing__(self, word: str) -> Weighed:
        if len(self) >= WORDS:
            self._before = dict(self)
            self.clear()
        weighed = self[word] = self._before.get(word) or self._weigh(word)
        return weighed


class Sums:
    """Scores of texts by a matrix of signed bytes, 2**`bits` rows of a byte a column; a column's sum times its `scale`
    plus its `bias` is its score. Immutable but for what it keeps, safe to share between threads."""

    def __init__(self, matrix: bytes, bits: int, scale: Sequence[float], bias: Sequence[float]) -> None:
        """Raises ValueError for a weight beyond LEVELS."""
        self._scale, self._bias, self._mask = scale, bias, 2**bits - 1
        self._columns = len(bias)
        step = _LANE * self._columns
        try:
            self._matrix = matrix.translate(_LIFT).decode("ascii")  # as text, for `wide`
        except UnicodeDecodeError:
            raise ValueError(f"a weight is larger than {LEVELS}") from None
        self._rows = [0] * 2**bits  # 0: not asked for yet
        self._nothing = chr(LEVELS) * self._columns  # the row of a bucket that says nothing, as about half do
        self._of_nothing = _integer(wide(self._nothing)[0])  # one for all of them
        self._words = Words(self._weigh)
        self._behind = 8 * (step + _LANE)  # bits of a word's integer behind its own row
        self._size = 2 * step + _LANE
        self._unpack = struct.Struct(f">{2 * self._columns + 1}H").unpack

    def scores(self, found: Sequence[str]) -> list[float]:
        """The score of every column for a text's words. Source: models/matrix.py counts and scales the same n-grams."""
        if not found:
            return list(self._bias)
        every = list(map(self._words.__getitem__, found))
        crc, known, mask = zlib.crc32, self._rows, self._mask
        pairs = {crc(right[1], left[0]) for left, right in pairwise(every)}
        of_pairs = [known[at := pair & mask] or self.row(at) for pair in pairs]
        if len(set(found)) < len(found):
            every = list(dict(zip(found, every, strict=True)).values())
        rows, columns = len(every) + len(of_pairs), self._columns
        if len("".join(found)) <= FEW or self._fits(rows, every):
            packed = sum([word[2] for word in every]) + (sum(of_pairs) << self._behind)
            numbers: Sequence[int] = self._unpack(packed.to_bytes(self._size))
        else:
            numbers = self._many([(b"", row << self._behind) for row in of_pairs] + [word[1:] for word in every])
        small = numbers[columns]
        one, other = 1 / sqrt(rows), 1 / sqrt(small)
        offset = LEVELS * (one * rows + other * small)
        return [
            scale * (one * words + other * chars - offset) + bias
            for scale, words, chars, bias in zip(self._scale, numbers, numbers[columns + 1 :], self._bias, strict=False)
        ]

    @staticmethod
    def _fits(rows: int, every: Sequence[Weighed]) -> bool:
        """Whether so many rows, and all pieces of the words, can be added: at most two pieces begin at a byte."""
        return rows <= ROOM and sum([len(word[1]) for word in every]) <= ROOM // 2

    def _weigh(self, word: str) -> Weighed:
        padded = f" {word} ".encode()
        hash, small = word_hash(word), pieces(padded)
        known, mask, crc = self._rows, self._mask, zlib.crc32
        of_pieces = [known[at := crc(piece, PIECE_SEED) & mask] or self.row(at) for piece in small]
        at = hash & mask
        whole = (known[at] or self.row(at)) << 8 * _LANE | len(of_pieces)
        return hash, padded[:-1], (whole << self._behind - 8 * _LANE) + sum(of_pieces)

    def row(self, bucket: int) -> int:
        """A row that is asked for the first time. Big-endian: naming the other order costs as much as the reading."""
        start = bucket * (columns := self._columns)
        numbers = self._matrix[start : start + columns]
        row = self._rows[bucket] = _integer(wide(numbers)[0]) if numbers != self._nothing else self._of_nothing
        return row

    def _many(self, block: Sequence[tuple[bytes, int]]) -> Sequence[int]:
        """The sum of more rows than a lane has room for, number by number."""
        if len(block) <= ROOM and sum([len(behind) for behind, _ in block]) <= ROOM // 2:
            return self._unpack(sum([packed for _, packed in block]).to_bytes(self._size))
        half = len(block) // 2
        return [one + other for one, other in zip(self._many(block[:half]), self._many(block[half:]), strict=True)]
