"""How accuracy falls as weights are pruned at the corners, in the skeletons, or anywhere (ACNet figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import graphmorph
from benchmarks.mnist import Part
from graphmorph.kernels.positions import Where

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVALUATED_AT_ONCE = 500
#: Curves are measured on every such test image.
STRIDE = 4
CURVES: tuple[Where, ...] = ("corner", "skeleton", "global")
#: The corners of 3x3 kernels hold 44.4 % of the weights.
RATIOS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.44)


def logits_of(network: nn.Module, part: Part) -> np.ndarray:
    """Outputs (samples, 10) in evaluation mode."""
    network.eval()
    with torch.inference_mode():
        batches = torch.from_numpy(part.images).split(EVALUATED_AT_ONCE)
        return torch.cat([network(batch) for batch in batches]).numpy()


def accuracy(logits: np.ndarray, part: Part) -> float:
    """The share of images whose largest logit, of (samples, 10), is that of their label."""
    return float((logits.argmax(1) == part.labels).mean())


def pruning_curves(fused: nn.Module, test: Part, draws: int) -> dict[str, list[list[float]]]:
    """Accuracies by curve, a row for each of RATIOS with one number for each draw; empty without draws."""
    seen = Part(test.images[::STRIDE], test.labels[::STRIDE])

    def pruned(where: Where, ratio: float, draw: int) -> float:
        network = graphmorph.prune_positions(fused, where, ratio, seed=draw).model
        assert isinstance(network, nn.Module)
        return accuracy(logits_of(network, seen), seen)

    if not draws:
        return {}
    return {where: [[pruned(where, ratio, draw) for draw in range(draws)] for ratio in RATIOS] for where in CURVES}


def draw_curves(trials: Sequence[dict[str, Any]], titles: dict[str, str], path: Path) -> None:
    """Mean and standard deviation over all trials and draws: a panel for each network, as in figure 5."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0 * len(titles), 4.0), layout="constrained")
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        _panel(axes, [trial[name]["pruning"] for trial in trials], title)
    panels[0].set_ylabel("test accuracy, %")
    panels[0].legend()
    figure.savefig(path, dpi=150)


def _panel(axes: Axes, curves: Sequence[dict[str, list[list[float]]]], title: str) -> None:
    for where in CURVES:
        values = 100 * np.concatenate([np.asarray(one[where]) for one in curves], axis=1)
        mean, deviation = values.mean(axis=1), values.std(axis=1)
        ratios = 100 * np.asarray(RATIOS)
        (line,) = axes.plot(ratios, mean, marker="o", markersize=3, label=where)
        axes.fill_between(ratios, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2)
    axes.set_title(title)
    axes.set_xlabel("sparsity of every 3x3 layer, %")
    axes.grid(alpha=0.3)
