"""The user's own inputs: files and folders of arrays or images, a dict of arrays, a DataLoader or another iterable.

Files are read as the samples are asked for: memory does not depend on how many there are.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.proof.data_files import joined_arrays, only, stored_arrays
from graphmorph.proof.images import ImageRows, Images
from graphmorph.proof.inputs import Case, Feeds, InputSpec
from graphmorph.proof.sample_rows import ROWS_AT_ONCE, Arrays, as_fed, samples_of
from graphmorph.proof.stored_arrays import ArrayFile, Rows, StoredArray
from graphmorph.runtime.protocol import dtype_by_name


@dataclass(frozen=True)
class DataPart:
    """Rows start to stop of files or images, for one of several workers."""

    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Images
    start: int
    stop: int


#: A file or folder, or several in order; images; arrays by input; an iterable of feeds (arrays or tensors by input),
#: or, for a model with one input, of tensors or of sequences that begin with them, as a torch DataLoader gives.
UserData = (
    str
    | os.PathLike[str]
    | Sequence[str | os.PathLike[str]]
    | Images
    | DataPart
    | Mapping[str, np.ndarray]
    | Iterable[Mapping[str, Any]]
    | Iterable[Any]
)


def user_cases(data: UserData, specs: Sequence[InputSpec]) -> list[Case]:
    """One case for each sample, or for each run of up to 64 rows where the batch is free.

    Raises UsageError when the data cannot be read or does not fit the inputs.
    """
    cases = []
    for index, feeds in enumerate(user_feeds(data, specs)):
        shapes = {name: array.shape for name, array in feeds.items()}
        cases.append(Case(shapes, "given", index, style="given", given=feeds))
    if not cases:
        raise UsageError("--inputs: there is no sample in it")
    return cases


def user_feeds(data: UserData, specs: Sequence[InputSpec], rows: int = ROWS_AT_ONCE) -> Iterator[Feeds]:
    """Feeds of one sample, or of up to `rows` rows where the batch is free, in order; those of an iterable as they are.

    Raises UsageError when the data cannot be read or does not fit the inputs.
    """
    arrays = user_arrays(data, specs)
    if arrays is None:
        for one in data:  # type: ignore[union-attr]
            fitting = _fitting(_named(one, specs), specs, may_stack=False)
            yield {spec.name: as_fed(np.asarray(fitting[spec.name]), spec) for spec in specs}
        return
    try:
        yield from samples_of(arrays, specs, rows)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"--inputs: cannot be read: {' '.join(str(error).split())}") from error
    finally:
        for array in arrays.values():
            if isinstance(array, StoredArray):
                array.close()


def user_arrays(data: UserData, specs: Sequence[InputSpec]) -> Arrays | None:
    """Arrays by input, in memory or in files, that fit the inputs but for their type; None where data is an iterable.

    Raises UsageError when they cannot be read or do not fit the inputs.
    """
    given = _given(data, specs)
    return None if given is None else _fitting(given, specs, may_stack=True)


def are_arrays(data: object) -> bool:
    """Whether data are arrays or files of them, not an iterable of feeds."""
    return isinstance(data, str | os.PathLike | Mapping | Images | DataPart) or _are_paths(data)


def _given(data: UserData, specs: Sequence[InputSpec]) -> Mapping[str, Any] | None:
    if isinstance(data, DataPart):
        whole = _given(data.data, specs) or {}
        return {name: Rows(array, data.start, data.stop) for name, array in whole.items()}
    if isinstance(data, str | os.PathLike):
        return stored_arrays(data, specs)
    if isinstance(data, Images):
        spec = only(specs, "--inputs")
        return {spec.name: ImageRows(data, spec)}
    if _are_paths(data):
        return joined_arrays(data, specs)  # type: ignore[arg-type]
    return data if isinstance(data, Mapping) else None


def _are_paths(data: object) -> bool:
    return isinstance(data, Sequence) and len(data) > 0 and all(isinstance(one, str | os.PathLike) for one in data)


def _named(feeds: Any, specs: Sequence[InputSpec]) -> Mapping[str, Any]:
    """The feeds of one batch by input; the labels that a data set gives with it are left out."""
    if isinstance(feeds, Mapping):
        return feeds
    first = feeds[0] if isinstance(feeds, list | tuple) and len(feeds) > 0 else feeds
    if len(specs) == 1 and hasattr(first, "__array__") and len(first.shape) == (len(specs[0].shape) or first.ndim):
        return {specs[0].name: first}
    raise UsageError(
        "--inputs: give arrays by the names of the inputs, or for a model with one input batches of its rank, "
        f"not a {type(feeds).__name__}"
    )


def _fitting(data: Mapping[str, Any], specs: Sequence[InputSpec], *, may_stack: bool) -> Arrays:
    by_name = {spec.name: spec for spec in specs}
    missing = [name for name in by_name if name not in data]
    if missing:
        present = ", ".join(data) or "none"
        raise UsageError(f"--inputs: no array for input {', '.join(missing)} (there are: {present})")
    arrays = {}
    for name, spec in by_name.items():
        array = _array(data[name], name)
        if spec.shape and array.ndim not in (len(spec.shape), len(spec.shape) + may_stack):
            rank = len(spec.shape)
            raise UsageError(f"--inputs: {name} has shape {array.shape}, the input has rank {rank}")
        _require_type(array.dtype, spec)
        arrays[name] = array
    return arrays


def _array(value: Any, name: str) -> np.ndarray | StoredArray:
    if isinstance(value, StoredArray):
        return value.whole() if isinstance(value, ArrayFile) and not value.ndim else value
    tensor = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        return np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"--inputs: {name} is a {type(value).__name__} that is no array: {error}") from error


def _require_type(dtype: np.dtype[Any], spec: InputSpec) -> None:
    if spec.dtype == "str":
        return
    target = dtype_by_name(spec.dtype)
    to_bfloat16 = dtype.kind == "f" and spec.dtype == "bfloat16"
    to_unsigned = dtype.kind == "i" and target.kind == "u"
    if not (dtype == target or to_bfloat16 or to_unsigned or np.can_cast(dtype, target, "same_kind")):
        raise UsageError(f"--inputs: {spec.name} has dtype {dtype.name}, the input takes {spec.dtype}")
