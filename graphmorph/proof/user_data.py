"""The user's own inputs: an .npz file, a folder of .npy files, a dict of arrays, or an iterable of feeds."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import Case, Feeds, InputSpec
from graphmorph.runtime.protocol import dtype_by_name

UserData = str | os.PathLike[str] | Mapping[str, np.ndarray] | Iterable[Mapping[str, np.ndarray]]

_ROWS_AT_ONCE = 64


def user_cases(data: UserData, specs: Sequence[InputSpec]) -> list[Case]:
    """One case for each sample, or for each run of up to 64 rows where the batch is free.

    Raises UsageError when the data cannot be read or does not fit the inputs.
    """
    cases = []
    for index, feeds in enumerate(_samples(data, specs)):
        shapes = {name: array.shape for name, array in feeds.items()}
        cases.append(Case(shapes, "given", index, style="given", given=feeds))
    if not cases:
        raise UsageError("--inputs: there is no sample in it")
    return cases


def read_arrays(path: str | os.PathLike[str], specs: Sequence[InputSpec]) -> Mapping[str, np.ndarray]:
    """Arrays by input name, from an .npz file or a folder of .npy files; pickled objects are refused.

    In a folder a file is named after its input (other characters than letters, digits, - and . may be written
    as _); for a model with one input, any names do, and each file is one sample.

    Raises UsageError when it cannot be read.
    """
    source = Path(path)
    try:
        if source.is_dir():
            return _read_folder(source, specs)
        with source.open("rb") as stream:  # numpy leaves the file open when it is no valid archive
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {_only(specs, source).name: loaded}
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"--inputs {source}: cannot be read: {' '.join(str(error).split())}") from error


def _read_folder(folder: Path, specs: Sequence[InputSpec]) -> Mapping[str, np.ndarray]:
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise UsageError(f"--inputs {folder}: there is no .npy file in it")
    by_stem = {file.stem: file for file in files}
    named = {spec.name: by_stem.get(spec.name, by_stem.get(_safe(spec.name))) for spec in specs}
    if any(named.values()):
        return {name: np.load(file, allow_pickle=False) for name, file in named.items() if file}
    name = _only(specs, folder).name
    arrays = [np.load(file, allow_pickle=False) for file in files]
    if len({array.shape for array in arrays}) > 1:
        raise UsageError(f"--inputs {folder}: the samples have different shapes")
    batches_of_one = arrays[0].ndim == len(specs[0].shape) and arrays[0].shape[:1] == (1,)
    return {name: np.concatenate(arrays) if batches_of_one else np.stack(arrays)}


def _only(specs: Sequence[InputSpec], source: Path) -> InputSpec:
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise UsageError(f"--inputs {source}: name the arrays after the model's inputs ({names})")
    return specs[0]


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _samples(data: UserData, specs: Sequence[InputSpec]) -> Iterator[Feeds]:
    if isinstance(data, str | os.PathLike):
        data = read_arrays(data, specs)
    if isinstance(data, Mapping):
        yield from _split(_fitting(data, specs, may_stack=True), specs)
        return
    for feeds in data:
        _require_names(feeds)
        yield _fitting(feeds, specs, may_stack=False)


def _require_names(feeds: object) -> None:
    if not isinstance(feeds, Mapping):
        raise UsageError(f"--inputs: give arrays by the names of the inputs, not a {type(feeds).__name__}")


def _fitting(data: Mapping[str, Any], specs: Sequence[InputSpec], *, may_stack: bool) -> Feeds:
    by_name = {spec.name: spec for spec in specs}
    missing = [name for name in by_name if name not in data]
    if missing:
        present = ", ".join(data) or "none"
        raise UsageError(f"--inputs: no array for input {', '.join(missing)} (there are: {present})")
    feeds = {}
    for name, spec in by_name.items():
        array = np.asarray(data[name])
        if spec.shape and array.ndim not in (len(spec.shape), len(spec.shape) + may_stack):
            rank = len(spec.shape)
            raise UsageError(f"--inputs: {name} has shape {array.shape}, the input has rank {rank}")
        feeds[name] = _cast(array, spec)
    return feeds


def _cast(array: np.ndarray, spec: InputSpec) -> np.ndarray:
    if spec.dtype == "str":
        return array.astype(object)
    target = dtype_by_name(spec.dtype)
    if array.dtype == target:
        return array
    to_bfloat16 = array.dtype.kind == "f" and spec.dtype == "bfloat16"
    to_unsigned = array.dtype.kind == "i" and target.kind == "u"
    if to_bfloat16 or to_unsigned or np.can_cast(array.dtype, target, "same_kind"):
        return array.astype(target)
    raise UsageError(f"--inputs: {spec.name} has dtype {array.dtype.name}, the input takes {spec.dtype}")


def _split(feeds: Feeds, specs: Sequence[InputSpec]) -> Iterator[Feeds]:
    """Samples out of stacked arrays: by a leading axis more than the rank, or by rows of the batch axis."""
    stacked = [spec.name for spec in specs if spec.shape and feeds[spec.name].ndim == len(spec.shape) + 1]
    lengths = {feeds[name].shape[0] for name in (stacked or feeds) if feeds[name].ndim}
    if stacked:
        if len(stacked) < len(feeds) or len(lengths) > 1:
            raise UsageError("--inputs: the arrays do not have the same number of samples")
        for index in range(lengths.pop()):
            yield {name: array[index] for name, array in feeds.items()}
        return
    rows = _rows_at_once(specs)
    if rows is None or len(lengths) != 1 or any(not array.ndim for array in feeds.values()):
        yield feeds
        return
    total = lengths.pop()
    if total % rows and not isinstance(specs[0].shape[0], str | None):
        raise UsageError(f"--inputs: {total} rows cannot be cut into batches of {rows}")
    for start in range(0, total, rows):
        yield {name: array[start : start + rows] for name, array in feeds.items()}


def _rows_at_once(specs: Sequence[InputSpec]) -> int | None:
    """How many rows a run takes: the fixed batch, 64 when it is free, None when inputs have no common one."""
    batches = {spec.shape[0] if spec.shape else -1 for spec in specs}
    if len(batches) != 1:
        return None
    batch = batches.pop()
    if isinstance(batch, int):
        return batch if batch > 0 else None
    return _ROWS_AT_ONCE
