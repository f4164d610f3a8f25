"""MNIST as arrays, from the four files of its distribution (IDX format, gzipped or not).

IDX: two zero bytes, the element type (8: unsigned byte), the number of dimensions, their sizes as big-endian 32-bit
integers, then the elements in row-major order.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VARIABLE = "GRAPHMORPH_DATA"
DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "mnist"
#: Mean and standard deviation of the training pixels, as fractions of 255.
MEAN, DEVIATION = 0.1307, 0.3081
_UNSIGNED_BYTE = 8


class DataError(Exception):
    """The data set is missing or damaged; the message says which file, and where it may come from."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images (samples, 1, 28, 28), normalised, and labels (samples,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def folder() -> Path:
    """Where the files are: $GRAPHMORPH_DATA, or mnist inside it, or ../shared/data/mnist.

    Raises:
        DataError: no such folder.
    """
    given = os.environ.get(VARIABLE)
    candidates = [Path(given), Path(given) / "mnist"] if given else [DEFAULT]
    for candidate in candidates:
        if _found(candidate, "train-images-idx3-ubyte") is not None:
            return candidate
    looked = " and ".join(str(candidate) for candidate in candidates)
    raise DataError(
        f"no MNIST in {looked}: set {VARIABLE} to a folder with train-images-idx3-ubyte.gz, "
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"
    )


def training_part(source: Path) -> Part:
    """The 60,000 training images."""
    return _part(source, "train")


def test_part(source: Path) -> Part:
    """The 10,000 test images."""
    return _part(source, "t10k")


def _part(source: Path, name: str) -> Part:
    images = _read(source, f"{name}-images-idx3-ubyte", 3)
    labels = _read(source, f"{name}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise DataError(f"{source}: {len(images)} {name} images, but {len(labels)} labels")
    scaled = (images.astype(np.float32)[:, None] / 255 - MEAN) / DEVIATION
    return Part(scaled.astype(np.float32), labels.astype(np.int64))


def _found(source: Path, name: str) -> Path | None:
    return next((path for path in (source / f"{name}.gz", source / name) if path.is_file()), None)


def _read(source: Path, name: str, rank: int) -> NDArray[np.uint8]:
    path = _found(source, name)
    if path is None:
        raise DataError(f"{source}: {name}.gz is missing")
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        zeros, kind, dimensions = struct.unpack_from(">HBB", data)
        sizes = struct.unpack_from(f">{rank}I", data, 4)
    except (EOFError, OSError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: is damaged: {error}") from error
    if (zeros, kind, dimensions) != (0, _UNSIGNED_BYTE, rank):
        raise DataError(f"{path}: is no IDX file of unsigned bytes in {rank} dimensions")
    elements = np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * rank)
    if elements.size != np.prod(sizes):
        raise DataError(f"{path}: has {elements.size} bytes for {' x '.join(map(str, sizes))} elements")
    return elements.reshape(sizes)
