"""Some entries of a constant, taken a piece at a time where it is stored: no weight is held as a whole to slice it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.graph import constant_array
from graphmorph.journal import Slice
from graphmorph.onnx_door.element_types import is_packed
from graphmorph.onnx_door.storage import StoredValues

#: Bytes of a piece: few enough to stay in a cache of the processor until they are taken.
PIECE = 256 * 1024


def entries(constant: gs.Constant, slices: Sequence[Slice]) -> NDArray[Any]:
    """The values of a constant, sliced along some axes, each at most once; C-contiguous, in its own type."""
    values = constant._values
    if isinstance(values, StoredValues) and values.nbytes > PIECE and not is_packed(values.data_type):
        others = [one for one in slices if one.axis != 0]
        rows = next((one.places for one in slices if one.axis == 0), np.arange(values.shape[0]))
        if _ascend(rows, values.shape[0]):
            return _by_pieces(values, rows, others)
    return np.asarray(_taken(constant_array(constant), slices), order="C")


def _ascend(rows: NDArray[np.int64], count: int) -> bool:
    """Whether these are rows of `count` in their order, each once, so that reading goes forward."""
    return bool(rows.size and rows[0] >= 0 and rows[-1] < count and (np.diff(rows) > 0).all())


def _by_pieces(values: StoredValues, rows: NDArray[np.int64], others: Sequence[Slice]) -> NDArray[Any]:
    count, *sizes = values.shape
    stride = values.nbytes // count
    for one in others:
        sizes[one.axis - 1] = one.places.size
    found = np.empty((rows.size, *sizes), values.dtype)
    step = max(PIECE // stride, 1)
    ends = np.searchsorted(rows, np.arange(0, count + step, step)).tolist()
    for begin, end in pairwise(ends):
        if begin < end:
            first, last = int(rows[begin]), int(rows[end - 1])
            stored = values.storage.read(values.offset + first * stride, (last + 1 - first) * stride)
            piece = np.frombuffer(stored, values.dtype).reshape(-1, *values.shape[1:])
            found[begin:end] = _taken(piece.take(rows[begin:end] - first, axis=0), others)
    return found


def _taken(array: NDArray[Any], slices: Sequence[Slice]) -> NDArray[Any]:
    for one in slices:
        array = array.take(one.places, axis=one.axis)
    return array
