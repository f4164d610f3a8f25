"""Rows read from files, against the arrays that were written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.errors import UsageError
from graphmorph.proof.data_files import stored_arrays
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.stored_arrays import ArrayFile, JoinedArrays, Rows, StoredArray
from graphmorph.proof.user_data import DataPart, user_feeds

FREE = (InputSpec("x", "float32", ("N", 3)),)
CUTS = [(0, 7), (2, 5), (1, 1), (5, 7), (0, 2)]


def written(folder: Path, kind: str, array: np.ndarray) -> ArrayFile:
    path = folder / f"{kind}.npz"
    if kind == "npy":
        np.save(path.with_suffix(".npy"), array)
        return ArrayFile(path.with_suffix(".npy"))
    (np.savez if kind == "npz" else np.savez_compressed)(path, x=array)
    return ArrayFile(path, "x.npy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "U3", ">f8"])
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_rows_forwards_and_back(tmp_path: Path, kind: str, dtype: str, order: str) -> None:
    array = np.arange(42).reshape(7, 3, 2).astype(dtype, order=order)  # type: ignore[call-overload]
    stored = written(tmp_path, kind, array)
    assert (stored.shape, stored.dtype, stored.ndim, len(stored)) == (array.shape, array.dtype, 3, 7)
    for start, stop in CUTS:
        np.testing.assert_array_equal(stored[start:stop], array[start:stop])
    stored.close()
    np.testing.assert_array_equal(stored[:], array)
    stored.close()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.data())
def test_joined_rows_are_those_of_the_concatenation(sizes: list[int], data: st.DataObject) -> None:
    class Held(StoredArray):
        def __init__(self, array: np.ndarray) -> None:
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def read(self, start: int, stop: int) -> np.ndarray:
            return self.array[start:stop]

    arrays = [np.full((size, 2), index) + np.arange(size)[:, None] * 10 for index, size in enumerate(sizes)]
    whole, joined = np.concatenate(arrays), JoinedArrays([Held(array) for array in arrays])
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    np.testing.assert_array_equal(joined[start:stop], whole[start:stop])
    part = Rows(joined, start, stop)
    assert part.shape == whole[start:stop].shape
    np.testing.assert_array_equal(part[1:], whole[start:stop][1:])


def test_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        JoinedArrays([_zeros(2, 3), _zeros(2, 4)])
    with pytest.raises(IndexError, match="in order"):
        _ = JoinedArrays([_zeros(2, 3)])[::2]


def _zeros(*shape: int) -> StoredArray:
    class Zeros(StoredArray):
        def read(self, start: int, stop: int) -> np.ndarray:
            return np.zeros((stop - start, *shape[1:]))

    made = Zeros()
    made.shape, made.dtype = shape, np.dtype(float)
    return made


def test_files_one_after_another(tmp_path: Path) -> None:
    array = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.savez(tmp_path / "a.npz", x=array[:4])
    np.save(tmp_path / "b.npy", array[4:])
    sources = [tmp_path / "a.npz", str(tmp_path / "b.npy")]
    batches = [feeds["x"] for feeds in user_feeds(sources, FREE, 3)]
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(batches), array)
    (part,) = user_feeds(DataPart(sources, 3, 6), FREE)
    np.testing.assert_array_equal(part["x"], array[3:6])
    np.savez(tmp_path / "c.npz", y=array)
    with pytest.raises(UsageError, match=r"c\.npz: no rows for input x"):
        next(user_feeds([tmp_path / "a.npz", tmp_path / "c.npz"], FREE))


def test_samples_and_scalars(tmp_path: Path) -> None:
    for index in range(3):
        np.save(tmp_path / f"{index}.npy", np.full(3, index, np.float64))
    (feeds,) = user_feeds(tmp_path, FREE)
    assert feeds["x"].dtype == np.float32
    assert feeds["x"].tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    np.savez(tmp_path / "both.npz", x=np.ones((2, 3)), s=np.float32(4))
    (feeds,) = user_feeds(tmp_path / "both.npz", (*FREE, InputSpec("s", "float32", ())))
    assert feeds["s"] == 4
    assert feeds["x"].shape == (2, 3)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_is_never_held(tmp_path: Path, save: Callable[..., None]) -> None:
    """20 MB in batches of 0.2: at most a few of them at a time."""
    save(tmp_path / "large.npz", x=np.zeros((1_700_000, 3), np.float32))
    tracemalloc.start()
    try:
        rows = sum(len(feeds["x"]) for feeds in user_feeds(tmp_path / "large.npz", FREE, 17_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 1_700_000
    assert peak < 2_000_000


def test_damage_is_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((10, 3), np.float32))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-1])
    with pytest.raises(UsageError, match="too short for an array"):
        stored_arrays(tmp_path / "a.npy", FREE)
    np.savez_compressed(tmp_path / "b.npz", x=np.random.default_rng(0).standard_normal((1000, 3)))
    archive = bytearray((tmp_path / "b.npz").read_bytes())
    archive[len(archive) // 2] ^= 0xFF
    (tmp_path / "b.npz").write_bytes(archive)
    with pytest.raises(UsageError, match="cannot be read"):
        list(user_feeds(tmp_path / "b.npz", FREE))
