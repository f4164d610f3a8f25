"""Attributes of nodes as keys, to tell whether two nodes compute the same function."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.graph import constant_array


def hashable(value: Any) -> Hashable:
    """A key of an attribute's value; of what cannot be compared, one that no other has."""
    if isinstance(value, list | tuple):
        return tuple(hashable(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, gs.Constant):
        return hashable(constant_array(value))
    return value if isinstance(value, str | int | float | bytes | None) else id(value)
