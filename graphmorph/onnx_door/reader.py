"""Reads a model: scans it for payloads, parses the rest, checks it and builds the graph."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from graphmorph.errors import ModelFileError
from graphmorph.graph import Graph
from graphmorph.onnx_door.external_data import ExternalFiles
from graphmorph.onnx_door.importer import default_opset, import_model
from graphmorph.onnx_door.payloads import PayloadTable
from graphmorph.onnx_door.record import DoorRecord
from graphmorph.onnx_door.storage import FileStorage, MemoryStorage, SpillStorage
from graphmorph.onnx_door.structure import check_function, check_graph, unread_initializers
from graphmorph.onnx_door.tensors import TensorReader
from graphmorph.onnx_door.value_info import collect_facts
from graphmorph.onnx_door.wire import Inserted, Span, Walker, WireError

_CUT_ABOVE = 1024
_SKELETON_LIMIT = (1 << 31) - 1  # protobuf parses no more
SPILL_ABOVE = 256 * 1024 * 1024

Model = str | os.PathLike[str] | bytes | onnx.ModelProto


def load(source: Model, *, freeze_initializers: bool = False, max_bytes: int | None = None) -> Graph:
    """Read a model from a path, from bytes or from a ModelProto.

    Weights stay where they are and are read on demand. An initializer that the caller of the model may
    override (IR version 4 or later, and listed among the graph inputs) becomes a graph input whose value is
    in `graph.record.defaults`; with freeze_initializers it becomes a constant and is no input any more.
    max_bytes limits the size of the model with its external data.

    Raises ModelFileError, with one line that names the file and the place, for anything that is no sound
    model.
    """
    storage, name, path = _open(source)
    try:
        return _load(storage, name, path, freeze_initializers, max_bytes)
    except (WireError, DecodeError) as error:
        raise ModelFileError(f"{name}: is not an ONNX model, or is damaged: {error}") from error


def _open(source: Model) -> tuple[FileStorage | MemoryStorage, str, Path | None]:
    if isinstance(source, onnx.ModelProto):
        try:
            return MemoryStorage(source.SerializeToString()), "<model>", None
        except (ValueError, DecodeError) as error:
            raise ModelFileError(f"<model>: cannot be serialized, save it with external data first: {error}") from error
    if isinstance(source, bytes | bytearray | memoryview):
        return MemoryStorage(bytes(source)), "<bytes>", None
    path = Path(source)
    return FileStorage(path), str(path), path


def _load(
    storage: FileStorage | MemoryStorage, name: str, path: Path | None, freeze: bool, max_bytes: int | None
) -> Graph:
    if storage.size == 0:
        raise ModelFileError(f"{name}: is empty")
    _check_size(name, storage.size, max_bytes)
    table: PayloadTable[tuple[int, int]] = PayloadTable()
    skeleton = onnx.ModelProto.FromString(_cut(storage, table))
    storage.forget_window()
    if not skeleton.HasField("graph"):
        raise ModelFileError(f"{name}: is not an ONNX model: it has no graph")
    check_graph(name, skeleton.graph)
    for function in skeleton.functions:
        check_function(name, function)
    if freeze:
        _unlist_initializers(skeleton.graph)
    external = ExternalFiles(name, None) if path is None else ExternalFiles.beside(path)
    record = DoorRecord(
        model=name,
        path=path,
        skeleton=skeleton,
        tensors=TensorReader(name, storage, table, external),
        opset=default_opset(skeleton.opset_import),
        weight_bytes=storage.size,
        facts=collect_facts(skeleton.graph),
        unread=unread_initializers(skeleton.graph),
    )
    with _collector_paused():
        graph = import_model(record)
    record.weight_bytes += external.total_bytes
    _check_size(name, record.weight_bytes, max_bytes)
    if record.weight_bytes > SPILL_ABOVE:
        record.spill = SpillStorage()
    return graph


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Building a graph makes no garbage, but looking for some would take a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_size(name: str, size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise ModelFileError(f"{name}: has {size} bytes, more than the limit of {max_bytes}")


def _cut(storage: FileStorage | MemoryStorage, table: PayloadTable[tuple[int, int]]) -> bytes:
    """The serialized skeleton: the model with a token in place of each large payload."""

    def replace(start: int, length: int) -> Inserted[bytes] | None:
        if length <= _CUT_ABOVE:
            return None
        token = table.add((start, length))
        return Inserted(token, len(token))

    walker = Walker(storage, lambda start, end: end - start > _CUT_ABOVE, replace)
    pieces = walker.split(0, storage.size)
    if sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces) > _SKELETON_LIMIT:
        raise WireError("it has more than 2 GiB beside its weights")
    parts = (
        piece
        if isinstance(piece, bytes)
        else storage.read(piece.start, piece.length)
        if isinstance(piece, Span)
        else piece.content
        for piece in pieces
    )
    return b"".join(parts)


def _unlist_initializers(graph: onnx.GraphProto) -> None:
    names = {tensor.name for tensor in graph.initializer}
    names.update(sparse.values.name for sparse in graph.sparse_initializer)
    kept = [value for value in graph.input if value.name not in names]
    if len(kept) < len(graph.input):
        copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in kept]
        graph.ClearField("input")
        graph.input.extend(copies)
