"""Operators whose outputs hold no elements: shapes, ranges, fills, random numbers."""

from __future__ import annotations

from graphmorph.channels.view import View, rule


@rule(
    *("Constant", "ConstantOfShape", "Range", "Shape", "Size", "RandomNormal", "RandomUniform"),
    *("RandomNormalLike", "RandomUniformLike"),
)
def makes(view: View) -> None:
    """What is read are sizes, which follow by themselves; the outputs are walls."""
    view.give()
