"""External data: which file a tensor may name, and which bytes of it are the tensor's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door.element_types import byte_count, type_name
from graphmorph.onnx_door.storage import FileStorage

_KEYS = frozenset({"location", "offset", "length", "checksum"})
_KEPT_OPEN = 128  # some exporters write one file a tensor, and a process may open about a thousand
_DIGITS = 19  # of the largest 64-bit number


@dataclass
class ExternalFiles:
    """The data files beside one model, opened once each.

    A data file must lie inside the folder of the model's path, or of the file that this path links to: caches
    keep both the model and its data as links into one folder of blobs. Everything else is refused.
    """

    model: str
    folder: Path | None
    allowed: tuple[str, ...] = ()
    _open: dict[str, FileStorage] = field(default_factory=dict)

    @classmethod
    def beside(cls, path: Path) -> ExternalFiles:
        """The data files of the model at `path`."""
        logical = os.path.realpath(path.parent)
        real = os.path.dirname(os.path.realpath(path))
        return cls(model=str(path), folder=path.parent, allowed=tuple(dict.fromkeys((logical, real))))

    @property
    def total_bytes(self) -> int:
        """Bytes of all data files opened so far."""
        return sum(storage.size for storage in self._open.values())

    @property
    def storages(self) -> tuple[FileStorage, ...]:
        """The data files opened so far."""
        return tuple(self._open.values())

    def locate(self, tensor: onnx.TensorProto) -> tuple[FileStorage, int, int]:
        """The file, offset and length in bytes of an external tensor.

        Raises ModelFileError unless the location is a plain relative path inside the model's folder, and the
        range lies inside the file and has exactly the bytes that the tensor's type and dims take.
        """
        entries = self._entries(tensor)
        needed = byte_count(tensor.data_type, tensor.dims)
        if needed is None:
            raise self._error(tensor, f"element type {type_name(tensor.data_type)} cannot be external")
        offset = self._number(tensor, "offset", entries.get("offset", "0"))
        length = self._number(tensor, "length", entries.get("length", str(needed)))
        if length != needed:
            raise self._error(tensor, f"takes {needed} bytes by its type and dims, but its external length is {length}")
        storage = self._storage(tensor, entries.get("location", ""))
        if offset + length > storage.size:
            raise self._error(
                tensor,
                f"needs bytes {offset} to {offset + length} of {storage.path.name}, which has {storage.size}",
            )
        return storage, offset, length

    def _entries(self, tensor: onnx.TensorProto) -> dict[str, str]:
        entries: dict[str, str] = {}
        for entry in tensor.external_data:
            if entry.key not in _KEYS or entry.key in entries:
                raise self._error(tensor, f"external data has an unknown or repeated key {entry.key!r:.40}")
            entries[entry.key] = entry.value
        return entries

    def _number(self, tensor: onnx.TensorProto, key: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            raise self._error(tensor, f"external {key} {text!r:.40} is no number of bytes")
        return int(text)

    def _storage(self, tensor: onnx.TensorProto, location: str) -> FileStorage:
        if self.folder is None:
            raise self._error(tensor, "its data is in an external file; load the model by its path")
        if not isinstance(location, str):
            raise self._error(tensor, "external location is not UTF-8")
        parts = PurePosixPath(location).parts
        if not parts or "\0" in location or "\\" in location or ".." in parts:
            raise self._error(tensor, f"external location {location!r:.80} is no plain relative path")
        if PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive:
            raise self._error(tensor, f"external location {location!r:.80} is absolute")
        if location not in self._open:
            path = self.folder / location
            real = os.path.realpath(path)
            if not any(os.path.commonpath((real, folder)) == folder for folder in self.allowed):
                raise self._error(tensor, f"external location {location!r:.80} leads out of the model's folder")
            try:
                self._open[location] = FileStorage(Path(real), keep_open=len(self._open) < _KEPT_OPEN)
            except ModelFileError as error:
                raise self._error(tensor, f"external data {error}") from error
        return self._open[location]

    def _error(self, tensor: onnx.TensorProto, reason: str) -> ModelFileError:
        return ModelFileError(f"{self.model}: tensor {tensor.name!r:.80}: {reason}")
