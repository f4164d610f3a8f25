"""How each operator passes elements on: one short function an operator, registered when this package is loaded."""

from __future__ import annotations

from functools import cache
from importlib import import_module

_FAMILIES = (
    "constant_making",
    "convolution",
    "elementwise",
    "gathering",
    "joining",
    "matrix",
    "normalisation",
    "padding",
    "pooling",
    "quantisation",
    "recurrent",
    "reduction",
    "reordering",
    "reshape",
    "resize",
    "scattering",
    "searching",
    "space_depth",
)


@cache
def load() -> None:
    """Register the rules of every family."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
