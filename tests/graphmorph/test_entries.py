"""Entries of stored constants are those of the array, however they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.entries import PIECE, entries
from graphmorph.journal import Slice
from graphmorph.onnx_door.storage import FileStorage, MemoryStorage, Storage, StoredValues

#: Rows of 3 KB, of which a piece holds some, and rows that are larger than a piece.
MANY_ROWS, LARGE_ROWS = (400, 96, 4, 2), (5, 1024, 9, 11)


class Counted:
    """A storage that knows how much of it was read."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.lengths = storage, list[int]()

    def read(self, offset: int, length: int) -> memoryview:
        self.lengths.append(length)
        return self.storage.read(offset, length)


def values_of(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def stored(array: np.ndarray) -> tuple[gs.Constant, Counted]:
    """A constant that lies behind 12 other bytes."""
    storage = Counted(MemoryStorage(bytes(12) + array.tobytes()))
    values = StoredValues(storage, 12, array.nbytes, onnx.TensorProto.FLOAT, list(array.shape))
    return gs.Constant("weight", values), storage


def assert_taken(array: np.ndarray, slices: list[Slice]) -> None:
    wanted = array
    for one in slices:
        wanted = wanted.take(one.taken, axis=one.axis)
    found = entries(stored(array)[0], slices)
    assert found.dtype == array.dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, wanted)


@given(data=st.data(), shape=st.sampled_from([MANY_ROWS, LARGE_ROWS, (6, 5)]), ordered=st.booleans())
def test_entries_are_those_of_the_array(data: st.DataObject, shape: tuple[int, ...], ordered: bool) -> None:
    slices = []
    for axis in data.draw(st.sets(st.sampled_from([0, 1]))):
        taken = data.draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=40, unique=ordered))
        slices.append(Slice(axis, tuple(sorted(taken) if ordered else taken)))
    assert_taken(values_of(shape), slices)


def test_the_last_row_of_a_piece_that_is_not_full() -> None:
    assert_taken(values_of(MANY_ROWS), [Slice(0, (0, 84, 85, 86, 398, 399)), Slice(1, (95,))])


def test_no_more_than_a_piece_is_read_at_a_time() -> None:
    constant, storage = stored(values_of(MANY_ROWS))
    entries(constant, [Slice(0, tuple(range(0, 400, 2))), Slice(1, (1, 2))])
    assert len(storage.lengths) > 1
    assert max(storage.lengths) <= PIECE


def test_large_rows_that_go_are_not_read() -> None:
    constant, storage = stored(values_of(LARGE_ROWS))
    entries(constant, [Slice(0, (1, 4))])
    assert sum(storage.lengths) == 2 * 1024 * 9 * 11 * 4


def test_a_file(tmp_path: Path) -> None:
    array = values_of(MANY_ROWS)
    path = tmp_path / "weights"
    path.write_bytes(array.tobytes())
    values = StoredValues(FileStorage(path), 0, array.nbytes, onnx.TensorProto.FLOAT, list(array.shape))
    found = entries(gs.Constant("weight", values), [Slice(0, (3, 5)), Slice(1, (7,))])
    np.testing.assert_array_equal(found, array[[3, 5]][:, [7]])


@pytest.mark.parametrize("row", [400, -401])
def test_what_is_not_there_is_not_read(row: int) -> None:
    with pytest.raises(IndexError):
        entries(stored(values_of(MANY_ROWS))[0], [Slice(0, (row,))])
