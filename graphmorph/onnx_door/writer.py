"""Writes a graph: first into a temporary folder beside the target, then by renaming."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

import onnx
import onnx_graphsurgeon as gs

from graphmorph.errors import ModelFileError, UsageError
from graphmorph.graph import Graph
from graphmorph.onnx_door.layout import DataFile, Layout
from graphmorph.onnx_door.model_writer import Written, write_model
from graphmorph.onnx_door.record import DoorRecord

_EXTERNAL_ABOVE = 1_900_000_000  # protobuf stops at 2 GiB
_PROTOBUF_LIMIT = (1 << 31) - 1


@dataclass
class StagedModel:
    """A model written beside its target, waiting to be put in place or thrown away."""

    path: Path
    files: list[Path]
    _folder: Path
    _open: bool = field(default=True)

    def commit(self) -> list[Path]:
        """Rename the files to their places, the data before the model; returns the paths."""
        for final in sorted(self.files, key=lambda file: file.name == self.path.name):
            os.replace(self._folder / final.name, final)
        self._open = False
        shutil.rmtree(self._folder)
        return list(self.files)

    def discard(self) -> None:
        """Remove what was staged, unless it was committed."""
        if self._open:
            self._open = False
            shutil.rmtree(self._folder)

    def __enter__(self) -> StagedModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def save(graph: gs.Graph, path: str | os.PathLike[str], *, external_data: bool | None = None) -> list[Path]:
    """Write a graph to `path`; returns the files written. See stage() for external_data and errors."""
    with stage(graph, path, external_data=external_data) as staged:
        return staged.commit()


def stage(graph: gs.Graph, path: str | os.PathLike[str], *, external_data: bool | None = None) -> StagedModel:
    """Write a graph into a new folder beside `path`, weights copied in pieces and never held.

    external_data: whether weights go to `<name>.data`; None keeps them as they were, and moves them out where
    the model would not fit in one file. Raises UsageError if external_data=False asks for the impossible,
    ModelFileError if the target cannot be written or is the data file of another model.
    """
    target = Path(path)
    record = graph.record if isinstance(graph, Graph) else None
    external = external_data if external_data is not None else record is not None and record.external
    written = write_model(graph, Layout(DataFile(f"{target.name}.data") if external else None))
    if not external and written.length > _EXTERNAL_ABOVE:
        if external_data is False and written.length > _PROTOBUF_LIMIT:
            raise UsageError(f"{target}: {written.length} bytes do not fit in one file; use external_data=True")
        if external_data is None:
            written = write_model(graph, Layout(DataFile(f"{target.name}.data")))
    data = written.layout.data
    data_path = None if data is None or not data.entries else target.with_name(data.location)
    _check_target(target, data_path, record)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".graphmorph-", dir=target.parent))
    except OSError as error:
        raise ModelFileError(f"{target}: cannot be written: {error.strerror}") from error
    staged = StagedModel(folder / target.name, [target], folder)
    try:
        if data is not None and data_path is not None:
            staged.files.append(data_path)
            _write_data(folder / data.location, data)
        with _create(staged.path) as file:
            for chunk in written.chunks():
                file.write(chunk)
        if target.exists():
            staged.path.chmod(stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        staged.discard()
        raise ModelFileError(f"{target}: cannot be written: {error.strerror}") from error
    except BaseException:
        staged.discard()
        raise
    return staged


def to_model(graph: gs.Graph) -> onnx.ModelProto:
    """The graph as a ModelProto with all weights inline; raises UsageError above 2 GiB."""
    model = onnx.ModelProto()
    model.ParseFromString(_inline_bytes(write_model(graph, Layout())))
    return model


def model_bytes(graph: gs.Graph, *, weights_as_inputs_above: int | None = 1024, keep_value_info: bool = True) -> bytes:
    """A serialized model in which larger constants of the outermost graph (in bytes) are typed inputs
    instead.

    For shape inference and constant folding; with None all weights stay. The IR version is raised to 4 where
    it is lower, so that the constants that stay need not be listed as inputs. Raises UsageError above 2 GiB.
    """
    return _inline_bytes(
        write_model(
            graph,
            Layout(),
            inputs_above=weights_as_inputs_above,
            keep_value_info=keep_value_info,
            at_least_ir=4,
        )
    )


def _inline_bytes(written: Written) -> bytes:
    if written.length > _PROTOBUF_LIMIT:
        raise UsageError(f"{written.length} bytes do not fit in one model; save it with external data instead")
    return b"".join(written.chunks())


def _check_target(target: Path, data: Path | None, record: DoorRecord | None) -> None:
    if target.is_dir():
        raise ModelFileError(f"{target}: is a folder")
    if record is None or data is None or not data.exists():
        return
    status = data.stat()
    in_place = record.path is not None and target.exists() and record.path.exists() and target.samefile(record.path)
    if not in_place and (status.st_dev, status.st_ino) in {s.identity for s in record.tensors.external.storages}:
        raise ModelFileError(f"{data}: is the data of {record.model}; choose another name for the output")


def _create(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb")


def _write_data(path: Path, data: DataFile) -> None:
    with _create(path) as file:
        for offset, payload in data.entries:
            file.seek(offset)
            for chunk in payload.chunks():
                file.write(chunk)
        file.truncate(data.end)
