"""Learning curves of CompNet's experiments (figure 2): test accuracy by epoch, from the moment of insertion on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compnet_variants import VARIANTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Curves are shown from the best down to so many times the distance of the median: those from scratch begin far below.
SHOWN = 4.0
#: Colours come again after so many; the curves are dashed then.
_COLOURS, _STYLES = 10, ("-", "--")


def draw_curves(trials: Sequence[Mapping[str, Any]], path: Path, target: float | None = None) -> None:
    """Means over seeds, with the standard deviation around them; a panel for each experiment."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["experiment"] for row in trials))
    figure = Figure(figsize=(max(8.0, 6.0 * len(names)), 5.5), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, [row for row in trials if row["experiment"] == name], target)
        axes.set_title(name)
    panels[0].set_ylabel("test accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def curve(rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (epochs + 1,) over seeds, in percent."""
    values = 100 * np.array([[row["accuracy_at_insertion"], *row["accuracies"]] for row in rows])
    return values.mean(axis=0), values.std(axis=0)


def shown(values: np.ndarray) -> tuple[float, float]:
    """The range of accuracies (any shape), in percent, that is worth showing."""
    best = float(values.max())
    below = max(best - float(np.median(values)), 0.1)
    return max(best - SHOWN * below, 0.0), min(best + 0.2 * below, 100.0)


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], target: float | None) -> None:
    from matplotlib.ticker import MaxNLocator

    means = []
    for number, variant in enumerate(dict.fromkeys(row["variant"] for row in rows)):
        mean, deviation = curve([row for row in rows if row["variant"] == variant])
        means.append(mean)
        style = _STYLES[number >= _COLOURS]
        epochs = np.arange(len(mean))
        (line,) = axes.plot(epochs, mean, style, marker="o", markersize=3, label=VARIANTS[variant].title)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.12)
    if target is not None:
        axes.axhline(100 * target, color="grey", linewidth=0.8, linestyle=":")
    axes.set_ylim(*shown(np.array(means)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epochs after insertion")
    axes.grid(alpha=0.3)
