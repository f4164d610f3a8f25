"""Run a session on arrays of every element type, bfloat16 and float8 among them.

onnxruntime's Python layer knows numpy's own types only. For the others the raw bytes go in and out of
OrtValues.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from graphmorph.runtime.protocol import dtype_by_name

# onnxruntime's spelling: (ml_dtypes name, element type of ONNX, numpy type with the same number of bytes)
_FOREIGN: dict[str, tuple[str, int, type[np.generic]]] = {
    "tensor(bfloat16)": ("bfloat16", 16, np.uint16),
    "tensor(float8e4m3fn)": ("float8_e4m3fn", 17, np.uint8),
    "tensor(float8e4m3fnuz)": ("float8_e4m3fnuz", 18, np.uint8),
    "tensor(float8e5m2)": ("float8_e5m2", 19, np.uint8),
    "tensor(float8e5m2fnuz)": ("float8_e5m2fnuz", 20, np.uint8),
}
_CODES = {name: (code, carrier) for name, code, carrier in _FOREIGN.values()}


def run_session(
    session: Any, feeds: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Wanted (None: all) outputs of a session by name; items of sequences, maps are named `output[key]`."""
    outputs = [output for output in session.get_outputs() if wanted is None or output.name in wanted]
    names = [output.name for output in outputs]
    foreign = any(array.dtype.name in _CODES for array in feeds.values())
    if not foreign and not any(output.type in _FOREIGN for output in outputs):
        return _flatten(names, session.run(names, dict(feeds)))
    values = {name: _ort_value(array) for name, array in feeds.items()}
    return {name: _array(value) for name, value in zip(names, session.run_with_ort_values(names, values), strict=True)}


def shapes_of_outputs(
    session: Any, feeds: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Shapes of the wanted (None: all) outputs that are tensors. Only what they depend on is run, and inputs that are
    not fed are zeros.
    """
    names = [output.name for output in session.get_outputs() if wanted is None or output.name in wanted]
    options = ort.RunOptions()
    options.only_execute_path_to_fetches = True
    zeros = {value.name: _zeros(value) for value in session.get_inputs() if value.name not in feeds}
    if any(array.dtype.kind == "O" for array in feeds.values()):  # OrtValues cannot be made of strings
        arrays = session.run(names, {**feeds, **zeros}, options)
        return {name: list(array.shape) for name, array in zip(names, arrays, strict=True) if hasattr(array, "shape")}
    fed = {name: _ort_value(array) for name, array in {**feeds, **zeros}.items()}
    values = session.run_with_ort_values(names, fed, options)
    return {name: list(value.shape()) for name, value in zip(names, values, strict=True) if value.is_tensor()}


def time_session(
    session: Any, feeds: Mapping[str, np.ndarray], repeats: int, wanted: Sequence[str] | None = None
) -> list[float]:
    """Seconds of each of some runs, after one that warms up."""
    run_session(session, feeds, wanted)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run_session(session, feeds, wanted)
        seconds.append(time.perf_counter() - started)
    return seconds


def _zeros(value: Any) -> np.ndarray:
    known = {"tensor(float)": "float32", "tensor(double)": "float64", **{kind: of[0] for kind, of in _FOREIGN.items()}}
    return np.zeros(value.shape, dtype_by_name(known.get(value.type, value.type[len("tensor(") : -1])))


def _ort_value(array: np.ndarray) -> Any:
    if array.dtype.name not in _CODES:
        return ort.OrtValue.ortvalue_from_numpy(array)
    code, carrier = _CODES[array.dtype.name]
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.ascontiguousarray(array).view(carrier), code)


def _array(value: Any) -> np.ndarray:
    kind = value.data_type()
    if kind not in _FOREIGN:
        return np.asarray(value.numpy())
    name = _FOREIGN[kind][0]
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(raw, dtype=dtype_by_name(name)).reshape(value.shape())


def _flatten(names: Sequence[str], values: Sequence[Any]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, value in zip(names, values, strict=True):
        if isinstance(value, np.ndarray | np.generic):
            arrays[name] = np.asarray(value)
        elif isinstance(value, dict):
            arrays |= _flatten([f"{name}[{key}]" for key in value], list(value.values()))
        elif isinstance(value, list | tuple):
            arrays |= _flatten([f"{name}[{index}]" for index in range(len(value))], value)
        elif value is not None:  # an absent optional has no value to compare
            arrays[name] = np.asarray(value)
    return arrays
