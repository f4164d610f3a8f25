"""Element types: torch's and numpy's (ml_dtypes for what numpy lacks)."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import torch


@cache
def _pairs() -> dict[torch.dtype, np.dtype[Any]]:
    pairs: dict[torch.dtype, Any] = {
        torch.float32: np.float32,
        torch.float64: np.float64,
        torch.float16: np.float16,
        torch.bfloat16: ml_dtypes.bfloat16,
        torch.uint8: np.uint8,
        torch.int8: np.int8,
        torch.int16: np.int16,
        torch.int32: np.int32,
        torch.int64: np.int64,
        torch.bool: np.bool_,
        torch.complex64: np.complex64,
        torch.complex128: np.complex128,
        torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn,
        torch.float8_e5m2: ml_dtypes.float8_e5m2,
    }
    return {theirs: np.dtype(ours) for theirs, ours in pairs.items()}


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any] | None:
    """numpy's name for an element type, or None where there is none (quantised types)."""
    return _pairs().get(dtype)


def torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    """torch's name for a numpy element type.

    Raises:
        KeyError: torch has none.
    """
    return {ours: theirs for theirs, ours in _pairs().items()}[np.dtype(dtype)]


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor: a view of its own memory where it lies on the CPU, a copy elsewhere."""
    plain = tensor.detach()
    if plain.device.type != "cpu":
        plain = plain.cpu()
    plain = plain.resolve_conj().resolve_neg()
    dtype: Any = numpy_dtype(plain.dtype)
    if plain.dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        carrier = torch.int16 if plain.dtype == torch.bfloat16 else torch.uint8
        return np.asarray(plain.view(carrier).numpy().view(dtype))
    return np.asarray(plain.numpy())


def tensor_of(array: np.ndarray) -> torch.Tensor:
    """A new tensor with the values of an array."""
    dtype = torch_dtype(array.dtype)
    owned = np.array(array, order="C")
    if dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        carrier = np.int16 if dtype == torch.bfloat16 else np.uint8
        return torch.from_numpy(owned.view(carrier)).view(dtype)
    return torch.from_numpy(owned)
