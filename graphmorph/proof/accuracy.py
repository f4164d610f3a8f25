"""How often a classifier is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphmorph.errors import UsageError


def share_right(outputs: Sequence[Mapping[str, np.ndarray]], labels: np.ndarray) -> float:
    """Share of rows, over all cases, whose largest element of the first output is the one of the label.

    labels: (rows,) class indices.

    Raises:
        UsageError: as many labels as rows are needed.
    """
    first = next(iter(outputs[0]))
    picked = np.concatenate([case[first].astype(np.float64).argmax(axis=-1).ravel() for case in outputs])
    if picked.shape != labels.shape:
        raise UsageError(f"{labels.size} labels were given for {picked.size} rows of output {first}")
    return float(np.mean(picked == labels))
