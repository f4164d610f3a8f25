"""Where the bytes of weights go when a model is written: into the model, or into one data file beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import onnx

from graphmorph.onnx_door.payloads import PayloadTable
from graphmorph.onnx_door.storage import CHUNK, Storage, StoredValues

INLINE_UP_TO = 1024
_PAGE = 4096
_ALIGNMENT = 64
_PAGE_ALIGNED_ABOVE = 1 << 20  # runtimes map such tensors straight from the file


class Payload(Protocol):
    """The raw bytes of one tensor."""

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""

    def chunks(self) -> Iterator[memoryview]:
        """The bytes in pieces of a few MiB."""


@dataclass(frozen=True)
class StoredBytes:
    """A range of a storage."""

    storage: Storage
    offset: int
    nbytes: int

    def chunks(self) -> Iterator[memoryview]:
        """The bytes in pieces of a few MiB."""
        for done in range(0, self.nbytes, CHUNK):
            yield self.storage.read(self.offset + done, min(CHUNK, self.nbytes - done))


class ArrayBytes:
    """The bytes of an array in memory; they are copied only if the array is not C-contiguous."""

    def __init__(self, array: np.ndarray) -> None:
        self._bytes = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.nbytes = self._bytes.nbytes

    def chunks(self) -> Iterator[memoryview]:
        """All bytes at once: they are in memory already."""
        yield self._bytes.data


@dataclass
class DataFile:
    """The external data file to be written: which payload comes at which offset."""

    location: str
    end: int = 0
    entries: list[tuple[int, Payload]] = field(default_factory=list)
    _shared: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def place(self, payload: Payload) -> int:
        """Reserve room for a payload and return its offset; weights that share their bytes keep doing so."""
        key = None
        if isinstance(payload, StoredBytes):
            key = (id(payload.storage), payload.offset, payload.nbytes)
            if key in self._shared:
                return self._shared[key]
        alignment = _PAGE if payload.nbytes >= _PAGE_ALIGNED_ABOVE else _ALIGNMENT
        offset = -(-self.end // alignment) * alignment
        self.entries.append((offset, payload))
        self.end = offset + payload.nbytes
        if key is not None:
            self._shared[key] = offset
        return offset


@dataclass
class Layout:
    """Puts payloads where they go: external ones into `data`, the others behind a token into the model."""

    data: DataFile | None = None
    table: PayloadTable[Payload] = field(default_factory=PayloadTable)

    def put(self, tensor: onnx.TensorProto, payload: Payload, external: bool) -> None:
        """Give `tensor` (which has no values) the bytes of `payload`; small ones are written out at once."""
        if self.data is not None and external:
            offset = self.data.place(payload)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (
                ("location", self.data.location),
                ("offset", offset),
                ("length", payload.nbytes),
            ):
                tensor.external_data.add(key=key, value=str(value))
        elif payload.nbytes > INLINE_UP_TO:
            tensor.raw_data = self.table.add(payload)
        else:
            tensor.raw_data = b"".join(payload.chunks())


def stored_bytes(values: StoredValues) -> StoredBytes:
    """The payload of lazily read values."""
    return StoredBytes(values.storage, values.offset, values.nbytes)
