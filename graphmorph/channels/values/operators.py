"""The rules of all operators. One module for a family; importing them fills the registry."""

from __future__ import annotations

import importlib
from functools import cache

_FAMILIES = (
    "binary",
    "convolution",
    "einsum",
    "joining",
    "layout",
    "matrix",
    "normalisation",
    "padding",
    "passing",
    "pooling",
    "reduction",
    "reshaping",
    "resizing",
    "scattering",
    "slicing",
    "softmax",
    "unary",
)


@cache
def load() -> None:
    """Register the rules of every family."""
    for family in _FAMILIES:
        importlib.import_module(f"graphmorph.channels.values.{family}")
