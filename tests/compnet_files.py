"""Made-up MNIST files in the real format."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def write_idx(folder: Path, name: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    """One part: pixels (samples, 28, 28) and labels (samples,), of unsigned bytes."""
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
