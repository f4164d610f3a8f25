"""What elementwise operators of any number of operands have in common: broadcasting of facts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from graphmorph.channels.values.fact import LIMIT, Fact, Float64, Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rounding import is_floating
from graphmorph.channels.values.telling import collapse, limited, settle, tell_apart
from graphmorph.channels.values.view import View

Bounds = tuple[Float64, Float64]
#: From the values of the operands, the value; None for one that is never known beforehand.
Value = Callable[..., Float64]
#: From facts about the operands and the element type, bounds.
Bound = Callable[[Sequence[Fact], int | None], Bounds]


def operands(view: View, indices: Sequence[int]) -> list[Fact]:
    """Facts about inputs, as broadcasting aligns them.

    Constants tell apart what the other operands do; all of their elements where these tell nothing apart.
    """
    constant = [view.is_constant(index) for index in indices]
    found = [
        view.of_constant(view.array(index)) if fixed else view.fact(index)
        for index, fixed in zip(indices, constant, strict=True)
    ]
    return aligned(view.numbering, found, constant)


def aligned(
    numbering: Numbering, facts: Sequence[Fact], constant: Sequence[bool], axes: Iterable[int] | None = None
) -> list[Fact]:
    """Facts lifted to one rank, all telling elements apart along the same ones of the axes (where they are not
    broadcast)."""
    rank = max(fact.rank for fact in facts)
    found = [fact.lifted(rank) for fact in facts]
    apart = {a for f, fixed in zip(found, constant, strict=True) if not fixed for a in range(rank) if f.told_apart(a)}
    if apart:
        others = [axis for axis in range(rank) if axis not in apart]
        found = [collapse(numbering, f, others) if fixed else f for f, fixed in zip(found, constant, strict=True)]
    found = _together_limited(numbering, [limited(numbering, fact) for fact in found])
    for axis in range(rank) if axes is None else axes:
        if any(fact.told_apart(axis) for fact in found):
            found = [tell_apart(numbering, fact, axis) for fact in found]
    return found


def _together_limited(numbering: Numbering, facts: Sequence[Fact]) -> list[Fact]:
    """Coarsened until what is told apart in one or the other is not too much: largest axis first, those last that tell
    elements apart in all of them."""
    found = list(facts)
    while prod(extents := np.max([fact.extents for fact in found], axis=0).tolist()) > LIMIT:
        common = [all(fact.told_apart(axis) for fact in found) for axis in range(len(extents))]
        axis = max(range(len(extents)), key=lambda a: (extents[a] > 1, not common[a], extents[a]))
        found = [collapse(numbering, fact, [axis]) for fact in found]
    return found


def elementwise(
    numbering: Numbering,
    outline: Outline,
    tag: Hashable,
    facts: Sequence[Fact],
    value: Value | None,
    bound: Bound | None,
    *,
    commutative: bool = False,
) -> Fact:
    """The result of an operator on aligned operands. Values and bounds are known of floating-point types only."""
    shapes = tuple((fact.slice_shape, fact.dtype) for fact in facts)
    numbers = np.broadcast_arrays(*[fact.number for fact in facts])
    if commutative and len(facts) == 2:
        if shapes[0] == shapes[1]:
            numbers = (np.minimum(*numbers), np.maximum(*numbers))
        elif shapes[0][0] > shapes[1][0]:
            shapes, numbers = shapes[::-1], numbers[::-1]
    number = numbering.combine((tag, shapes), *numbers)
    if not is_floating(outline.dtype) or not all(is_floating(fact.dtype) for fact in facts):
        return settle(numbering, outline, number)
    constant = value(*[fact.constant for fact in facts]) if value is not None else None
    low, high = bound(facts, outline.dtype) if bound is not None else (None, None)
    return settle(numbering, outline, number, constant, low, high)


def give_elementwise(
    view: View,
    indices: Sequence[int],
    value: Value | None,
    bound: Bound | None,
    *,
    dtype: int | None = None,
    commutative: bool = False,
) -> None:
    """The rule of an elementwise operator."""
    outline = view.output_outline()
    facts = operands(view, indices)
    if dtype is not None:
        outline = replace(outline, dtype=dtype)
    if max(fact.rank for fact in facts) != outline.rank:
        raise LookupError("the operands do not have the rank of the result")
    fact = elementwise(view.numbering, outline, view.operation, facts, value, bound, commutative=commutative)
    view.outputs[0] = fact
