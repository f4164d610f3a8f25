"""What a node says of sizes, by operator: rewritten when axes that it reads or gives gain or lose elements."""

from __future__ import annotations

from functools import cache
from importlib import import_module

_FAMILIES = (
    "expanding",
    "groups",
    "joining",
    "padding",
    "picking",
    "reshaping",
    "scaling",
    "slicing",
    "splitting",
    "squeezing",
    "writing",
)


@cache
def load() -> None:
    """Register the functions of every family."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
