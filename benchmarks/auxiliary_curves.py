"""Accuracy over the number of remaining weights, in our own setting, for every variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.auxiliary_variants import TARGET, TARGET_WEIGHTS

#: Accuracies below are not shown, in percent.
LOWEST = 92.0


def draw_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Means over folds, with the standard deviation around them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == name]
        weights = [level["remaining"] for level in own[0]["levels"]]
        shares = 100 * np.array([[level["accuracy"] for level in row["levels"]] for row in own])
        mean, deviation = shares.mean(axis=0), shares.std(axis=0)
        (line,) = axes.plot(weights, mean, marker="o", markersize=3, label=name)
        axes.fill_between(weights, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.12)
    axes.axhline(100 * TARGET, color="grey", linewidth=0.8, linestyle=":")
    axes.axvline(TARGET_WEIGHTS, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(bottom=LOWEST)
    axes.set_xlabel("remaining weights")
    axes.set_ylabel("held-out accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
