"""Where weights lie, a file, memory or a spill file, and constants that read them on demand."""

from __future__ import annotations

import math
import os
import stat
import tempfile
import weakref
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import onnx
from onnx_graphsurgeon.ir.tensor import LazyValues

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.element_types import is_packed, numpy_type

_WINDOW = 64 * 1024
CHUNK = 4 * 1024 * 1024


class Storage(Protocol):
    """Bytes that stay where they are until somebody reads a range of them."""

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes offset..offset+length, read afresh."""


class FileStorage:
    """A file that is kept open, so that it stays readable after it was replaced or unlinked.

    With keep_open=False it is opened for each read instead, and must then still be the file that it was.
    """

    def __init__(self, path: Path, keep_open: bool = True) -> None:
        """Open `path`; raises ModelFileError if it is missing, unreadable or no regular file."""
        self.path = path
        file = self._opened()
        status = os.fstat(file.fileno())
        self.size = status.st_size
        self.identity = (status.st_dev, status.st_ino)
        self._modified = status.st_mtime_ns
        self._window: tuple[bytes, int] = (b"", 0)
        self._file = file if keep_open else None
        if keep_open:
            weakref.finalize(self, file.close)
        else:
            file.close()

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes offset..offset+length; raises ModelFileError if the file has changed under way."""
        if self._file is not None:
            return self._read(self._file, offset, length)
        with self._opened() as file:
            status = os.fstat(file.fileno())
            now = (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns
            if now != (self.identity, self.size, self._modified):
                raise ModelFileError(f"{self.path}: was changed after the model was loaded")
            return self._read(file, offset, length)

    def window(self, position: int) -> tuple[bytes, int]:
        """Some bytes from `position` on, for the wire walk; the last window is kept."""
        data, base = self._window
        if not base <= position <= base + len(data) - min(32, self.size - position):
            data, base = bytes(self.read(position, min(_WINDOW, self.size - position))), position
            self._window = (data, base)
        return data, base

    def forget_window(self) -> None:
        """Drop the bytes kept by window()."""
        self._window = (b"", 0)

    def _opened(self) -> IO[bytes]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ModelFileError(f"{self.path}: cannot be read: {reason}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ModelFileError(f"{self.path}: is not a regular file")
        return open(descriptor, "rb", buffering=0)

    def _read(self, file: IO[bytes], offset: int, length: int) -> memoryview:
        buffer = np.empty(length, np.uint8).data
        done = 0
        while done < length:
            count = os.preadv(file.fileno(), [buffer[done : done + CHUNK]], offset + done)
            if count == 0:
                raise ModelFileError(f"{self.path}: became shorter while it was in use")
            done += count
        return buffer


class MemoryStorage:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        self.size = len(data)

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes offset..offset+length, without a copy."""
        return self._view[offset : offset + length]

    def window(self, position: int) -> tuple[memoryview, int]:
        """All bytes, for the wire walk."""
        return self._view, 0

    def forget_window(self) -> None:
        """Nothing is kept beside the bytes themselves."""


class SpillStorage:
    """An anonymous temporary file to which new weights of large models are appended."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="graphmorph-")  # noqa: SIM115 - closed by the finalizer
        weakref.finalize(self, self._file.close)
        self._end = 0

    def append(self, array: np.ndarray) -> int:
        """Append the bytes of a C-contiguous array; returns their offset."""
        offset = self._end
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            done += os.pwrite(self._file.fileno(), view[done : done + CHUNK], offset + done)
        self._end += len(view)
        return offset

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes offset..offset+length."""
        buffer = np.empty(length, np.uint8).data
        done = 0
        while done < length:
            done += os.preadv(self._file.fileno(), [buffer[done : done + CHUNK]], offset + done)
        return buffer


class StoredValues(LazyValues):
    """The values of a constant as a range of a storage; nothing is resident until load()."""

    def __init__(self, storage: Storage, offset: int, length: int, data_type: int, shape: list[int]) -> None:
        self.storage = storage
        self.offset = offset
        self.nbytes = length
        self.data_type = data_type
        self.shape = shape
        self.dtype = numpy_type(data_type)

    @property
    def tensor(self) -> onnx.TensorProto:
        """The values as an unnamed TensorProto, for graphsurgeon's own exporter; built at each access."""
        return onnx.TensorProto(
            dims=self.shape,
            data_type=self.data_type,
            raw_data=bytes(self.storage.read(self.offset, self.nbytes)),
        )

    def load(self) -> np.ndarray:
        """The values, read afresh, as a read-only array of the constant's shape."""
        if is_packed(self.data_type):
            array = onnx.numpy_helper.to_array(self.tensor)
        else:
            array = np.frombuffer(self.storage.read(self.offset, self.nbytes), dtype=self.dtype).reshape(self.shape)
        array.flags.writeable = False
        return array


class InlineValues(LazyValues):
    """The values of a small constant, kept as the TensorProto that was read."""

    def __init__(self, tensor: onnx.TensorProto) -> None:
        self.tensor = tensor
        self.shape = list(tensor.dims)
        self.dtype = numpy_type(tensor.data_type)
        self.nbytes = math.prod(self.shape) * (self.dtype.itemsize if self.dtype else 1)

    def load(self) -> np.ndarray:
        """The values, decoded afresh, as a read-only array."""
        array = np.asarray(onnx.numpy_helper.to_array(self.tensor)).view()
        array.flags.writeable = False
        return array
