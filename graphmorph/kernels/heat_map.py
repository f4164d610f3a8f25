"""Draws (k, k) matrices as heat maps, in the manner of ACNet's figure 6."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
PANEL_INCHES = 3.2
#: Cells of larger kernels have no room for a number.
LARGEST_NUMBERED = 7


def check_plot(path: str | os.PathLike[str]) -> None:
    """See that a plot can be written, before the work whose result it shows.

    Raises:
        UsageError: matplotlib is not installed, or the name has another ending than those of FORMATS.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(f"the plot {path} must end in {' or '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("plots need matplotlib: pip install 'graphmorph[report]'") from error


def draw_heat_maps(panels: Sequence[tuple[str, NDArray[np.float64]]], path: str | os.PathLike[str]) -> None:
    """Write titled matrices, (k, k) with entries from 0 to 1, side by side; the file's ending chooses the format.

    Raises:
        UsageError: see `check_plot`; or there is nothing to draw.
    """
    check_plot(path)
    if not panels:
        raise UsageError(f"there is no square kernel to draw in {path}")
    from matplotlib.figure import Figure

    figure: Figure = Figure(figsize=(PANEL_INCHES * len(panels), PANEL_INCHES), layout="constrained")
    for axes, (title, matrix) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, title, matrix)
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, title: str, matrix: NDArray[np.float64]) -> None:
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    if len(matrix) <= LARGEST_NUMBERED:
        for (row, column), value in np.ndenumerate(matrix):
            color = "white" if value > 0.6 else "black"
            axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=color)
