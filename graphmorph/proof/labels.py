"""True classes of the inputs, from an array of the inputs' own file or from a file of their own."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError


def read_labels(labels: str | None, inputs: Path | None) -> NDArray[Any] | None:
    """Class indices, (samples,), or None when no labels were asked for.

    Raises:
        UsageError: no such array or file, or one that cannot be read.
    """
    if labels is None:
        return None
    if inputs is None:
        raise UsageError("--labels need the samples that they belong to: give them with --inputs")
    try:
        return _read(labels, inputs)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"--labels {labels}: cannot be read: {error}") from error


def is_array_name(labels: str, inputs: Path) -> bool:
    """Whether labels name an array of the inputs' own file, and are no file."""
    return inputs.suffix == ".npz" and not labels.endswith(".npy")


def _read(labels: str, inputs: Path) -> NDArray[Any]:
    if is_array_name(labels, inputs):
        with np.load(inputs, allow_pickle=False) as arrays:
            if labels not in arrays:
                raise UsageError(f"--labels {labels}: {inputs} has no such array, only {', '.join(arrays)}")
            found: NDArray[Any] = arrays[labels]
    else:
        found = np.load(labels, allow_pickle=False)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise UsageError(f"--labels {labels}: one whole number a sample is wanted, not {found.dtype} {found.shape}")
    return found
