"""What the model did not know, clustered: proposals for new intents, as rows that `make train OWN=` takes.

The file holds customers' own words and stays on this machine; addresses, numbers and account names in them are masked,
and each word that fewer than USED_BY customers have used: names are such words.
The names of the clusters, which the report shows, are words that several customers used.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.reports.questions import Asked, Cluster, common_words
from models.rows import PROPOSED

SMALLEST = 5  # messages, of as many customers
ALIKE = 0.85  # distance (1 − cosine) up to which two messages belong together
USED_BY = 3  # customers, of all that asked, before a word of theirs stays
MOST = 3000  # messages, the newest: clustering compares each with each
_MASKS = (
    (re.compile(r"https?://\S+|www\.\S+"), "LINK"),
    (re.compile(r"[^\s,;<>()]+@[^\s,;<>()]+\.\w+"), "EMAIL"),
    (re.compile(r"(?<!\w)@\w+"), "NAME"),
    (re.compile(r"\+?\d[\d\s./-]{3,}\d|\b\w*\d\w*\d\w*\d\w*\b"), "NUMBER"),
)
_NAMES = frozenset(name for _, name in _MASKS)
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A cluster with its messages, masked."""

    name: str
    rows: tuple[Asked, ...]

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.name, len(self.rows))


def proposals(unknown: Sequence[Asked], smallest: int = SMALLEST, everything: Sequence[Asked] = ()) -> list[Proposal]:
    """The clusters of at least `smallest` messages of as many customers, the largest first. `everything` that was asked
    tells which words are common."""
    # start-up time: scikit-learn takes seconds, and many reports have nothing unknown
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = words_of_many(everything or unknown)
    rows = [
        Asked(a.intent, a.language, a.customer, of_many(masked(a.text), common), a.confidence) for a in unknown[-MOST:]
    ]
    if len(rows) < max(2, smallest):
        return []
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    try:
        matrix = features.fit_transform([r.text for r in rows]).toarray()
    except ValueError:  # no word is used twice: nothing is alike
        return []
    said = [n for n, row in enumerate(matrix) if row.any()]
    if len(said) < max(2, smallest):
        return []
    grouped = AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="average", distance_threshold=ALIKE)
    labels = grouped.fit_predict(matrix[said])
    groups: dict[int, list[Asked]] = {}
    for n, label in zip(said, labels, strict=True):
        groups.setdefault(int(label), []).append(rows[n])
    large = [g for g in groups.values() if len({r.customer for r in g}) >= smallest]
    found = [Proposal(_name(g, smallest), tuple(g)) for g in large]
    return sorted((p for p in found if p.name), key=lambda p: (-len(p.rows), p.name))


def masked(text: str) -> str:
    """`text` without addresses, numbers and account names."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return " ".join(text.split())


def words_of_many(asked: Iterable[Asked]) -> set[str]:
    """The words that at least USED_BY customers have used."""
    used: dict[str, set[str]] = defaultdict(set)
    for a in asked:
        for word in _WORD.findall(masked(a.text)):
            if len(by := used[word.casefold()]) < USED_BY:
                by.add(a.customer)
    return {word for word, by in used.items() if len(by) >= USED_BY}


def of_many(text: str, common: Collection[str]) -> str:
    """`text` with “…” in place of each word that is not `common` nor a mask."""
    kept = _WORD.sub(lambda w: w[0] if w[0].casefold() in common or w[0] in _NAMES else "…", text)
    return re.sub(r"…(\s+…)+", "…", kept)


def _name(rows: Sequence[Asked], written_by: int) -> str:
    """The phrase that most of the customers used; "" where no three of them said the same."""
    same = [Asked("", "", r.customer, r.text) for r in rows]
    found = common_words(same, max(3, min(written_by, len(rows) // 2))).get("", [])
    return ", ".join(found[:2])


def write(proposed: Sequence[Proposal], path: Path) -> int:
    """Writes the rows with the label to be checked, `proposed_…`, one JSON object a line; how many."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for p in proposed:
            label = PROPOSED + re.sub(r"\W+", "_", p.name).strip("_")[:40]
            for r in p.rows:
                row = {"text": r.text, "intent": label, "lang": r.language, "source": "proposal"}
                out.write(json.dumps({k: v for k, v in row.items() if v}, ensure_ascii=False) + "\n")
                count += 1
    return count
