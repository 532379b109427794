"""The two curves of the card: does a confidence mean what it says, and what does precision cost in coverage."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.calibration import reliability
from models.predict import Columns
from models.scores import curve


def draw_reliability(sets: Mapping[str, Columns], path: Path) -> None:
    """Confidence against the share that was right, one line for each named set of predictions, as a PNG."""
    figure, axes = plt.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    for name, found in sets.items():
        bins = reliability(found.confidence, found.right)
        axes.plot([mean for mean, _, _ in bins], [share for _, share, _ in bins], marker="o", label=name)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1), title="Reliability")
    _save(figure, axes, path)


def draw_coverage(sets: Mapping[str, Columns], path: Path) -> None:
    """Precision against coverage (right answers, share of the rows in scope) as the threshold falls, as a PNG."""
    figure, axes = plt.subplots(figsize=(5, 5))
    for name, found in sets.items():
        coverage, precision = curve(found)
        axes.plot(coverage[20:], precision[20:], label=name)
    axes.set(xlabel="coverage", ylabel="precision", xlim=(0, 1), ylim=(0.5, 1.005), title="Coverage and precision")
    _save(figure, axes, path)


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
