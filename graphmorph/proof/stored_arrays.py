"""Arrays that stay in their files: rows are read when they are asked for, whatever the number of them."""

from __future__ import annotations

import math
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np


class StoredArray(ABC):
    """An array of which slices along the leading axis can be taken, as arrays.

    Attributes:
        shape, dtype: as of an array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError("rows of stored arrays are read in order, every one of them")
        return self.read(start, max(stop, start))

    @abstractmethod
    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start to stop, both within the array."""

    def close(self) -> None:
        """Give back the files that are open; a later read opens them again."""
        return


class ArrayFile(StoredArray):
    """An array in a .npy file, or in a member of an .npz file; pickled objects are refused.

    Not memory-mapped: pages of a mapped file that were read count as resident until the kernel wants them back. An
    array in Fortran order, whose rows lie scattered, is read whole.

    Args:
        sample: the file is one row.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], member: str | None = None, *, sample: bool = False) -> None:
        self._path, self._member = os.fspath(path), member
        self._opened: ExitStack | None = None
        self._stream: IO[bytes]
        self._whole: np.ndarray | None = None
        try:
            stream = self._open()
            shape, self._fortran, self.dtype = _header(stream)
            self._first = stream.tell()
        finally:
            self.close()
        if self.dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded: they are pickled")
        if self._size() - self._first < math.prod(shape) * self.dtype.itemsize:
            raise ValueError(f"the file is too short for an array {shape} of {self.dtype}")
        self.shape = (1, *shape) if sample else shape

    def read(self, start: int, stop: int) -> np.ndarray:
        if self._fortran:
            return self.whole()[start:stop].copy()
        stream = self._open()
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        stream.seek(self._first + start * row)
        raw = bytearray((stop - start) * row)
        view, filled = memoryview(raw), 0
        while filled < len(raw):
            count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
            if not count:
                raise ValueError(f"{self._path} ends within its array")
            filled += count
        return np.frombuffer(raw, self.dtype).reshape(stop - start, *self.shape[1:])

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def whole(self) -> np.ndarray:
        """The array, which is held from now on."""
        if self._whole is None:
            stream = self._open()
            stream.seek(0)
            self._whole = np.lib.format.read_array(stream, allow_pickle=False).reshape(self.shape)
        return self._whole

    def _open(self) -> IO[bytes]:
        if self._opened is None:
            with ExitStack() as stack:
                if self._member is None:
                    self._stream = stack.enter_context(open(self._path, "rb"))
                else:
                    archive = stack.enter_context(zipfile.ZipFile(self._path))
                    self._stream = stack.enter_context(archive.open(self._member))
                self._opened = stack.pop_all()
        return self._stream

    def _size(self) -> int:
        if self._member is None:
            return os.path.getsize(self._path)
        with zipfile.ZipFile(self._path) as archive:
            return archive.getinfo(self._member).file_size


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type (numpy.lib.format, versions 1 and 2; 3 is for named fields only)."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"version {version} of the .npy format is not known")


class JoinedArrays(StoredArray):
    """Arrays one after another; of their files, one is open at a time.

    Raises:
        ValueError: their rows have different shapes.
    """

    def __init__(self, parts: Sequence[StoredArray]) -> None:
        if len({part.shape[1:] for part in parts}) > 1:
            raise ValueError("the samples have different shapes")
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])
        self.dtype = np.result_type(*{part.dtype for part in parts})

    def read(self, start: int, stop: int) -> np.ndarray:
        taken = np.empty((stop - start, *self.shape[1:]), self.dtype)
        at = start
        while at < stop:
            index = int(np.searchsorted(self._ends, at, side="right"))
            part, end = self._parts[index], int(self._ends[index])
            last = min(stop, end)
            taken[at - start : last - start] = part.read(at - end + len(part), last - end + len(part))
            if last == end:
                part.close()
            at = last
        return taken

    def close(self) -> None:
        for part in self._parts:
            part.close()


class Rows(StoredArray):
    """Rows start to stop of a stored array, as far as it has them."""

    def __init__(self, whole: StoredArray, start: int, stop: int) -> None:
        self._whole, self._start = whole, start
        count = max(min(stop, whole.shape[0]) - start, 0)
        self.shape, self.dtype = (count, *whole.shape[1:]), whole.dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._whole.read(self._start + start, self._start + stop)

    def close(self) -> None:
        self._whole.close()


def members(path: Path) -> dict[str, str]:
    """Members of an .npz file by the name of their array; none for a .npy file.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
