"""Samples out of arrays, in memory or in files: which rows a run of the model takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import Feeds, InputSpec
from graphmorph.proof.stored_arrays import StoredArray
from graphmorph.runtime.protocol import dtype_by_name

#: Arrays, in memory or in files, by input.
Arrays = Mapping[str, np.ndarray | StoredArray]

#: Rows of one run, where the batch is free and nobody asks for another number.
ROWS_AT_ONCE = 64


def samples_of(arrays: Arrays, specs: Sequence[InputSpec], free: int) -> Iterator[Feeds]:
    """Feeds, in order: one for each place of a leading axis more than the rank, or for each run of rows.

    Raises UsageError when the rows cannot be cut into the inputs' batches.
    """

    def taken(start: int, stop: int | None) -> Feeds:
        return {spec.name: as_fed(_rows(arrays[spec.name], start, stop), spec) for spec in specs}

    if stacked := stacked_inputs(arrays, specs):
        for index in range(arrays[stacked[0]].shape[0]):
            yield {name: array[0] for name, array in taken(index, index + 1).items()}
        return
    rows, total = rows_at_once(specs, free), row_count(arrays)
    if rows is None or total is None:
        yield taken(0, None)
        return
    if total % rows and isinstance(specs[0].shape[0], int):
        raise UsageError(f"--inputs: {total} rows cannot be cut into batches of {rows}")
    for start in range(0, total, rows):
        yield taken(start, start + rows)


def rows_at_once(specs: Sequence[InputSpec], free: int = ROWS_AT_ONCE) -> int | None:
    """How many rows a run takes: the fixed batch, `free` when it is free, None when inputs have no common one."""
    batches = {spec.shape[0] if spec.shape else -1 for spec in specs}
    if len(batches) != 1:
        return None
    batch = batches.pop()
    if isinstance(batch, int):
        return batch if batch > 0 else None
    return free


def stacked_inputs(arrays: Arrays, specs: Sequence[InputSpec]) -> list[str]:
    """Inputs whose array has one axis more than they: the samples.

    Raises UsageError when only some have, or not equally many samples.
    """
    stacked = [spec.name for spec in specs if spec.shape and arrays[spec.name].ndim == len(spec.shape) + 1]
    if stacked and (len(stacked) < len(arrays) or len({arrays[name].shape[0] for name in stacked}) > 1):
        raise UsageError("--inputs: the arrays do not have the same number of samples")
    return stacked


def row_count(arrays: Arrays) -> int | None:
    """The size that the leading axes of all have; None where they differ or are missing."""
    lengths = {array.shape[0] if array.ndim else None for array in arrays.values()}
    return lengths.pop() if len(lengths) == 1 else None


def _rows(array: np.ndarray | StoredArray, start: int, stop: int | None) -> np.ndarray:
    return array[start:stop] if isinstance(array, StoredArray) or array.ndim else array


def as_fed(array: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The array in the input's type, which it can be cast to."""
    return array.astype(object if spec.dtype == "str" else dtype_by_name(spec.dtype), copy=False)
