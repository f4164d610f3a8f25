"""Einsum of two tensors: products that are summed over the axes that the result does not have."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from graphmorph.channels.values.elementwise import Bounds, aligned, elementwise
from graphmorph.channels.values.fact import Fact, Outline
from graphmorph.channels.values.matrix import sum_bounds
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.softmax import are_shares, mean_bounds
from graphmorph.channels.values.view import View


@rule("Einsum")
def _einsum(view: View) -> None:
    """Elements are told apart along the axes of the result. Where shares of a Softmax are what is summed, it is a mean.

    Raises:
        LookupError: an equation with other than two operands, an ellipsis, diagonals or broadcasting.
    """
    first, second, result = _labels(view)
    facts = [view.fact(0), view.fact(1)]
    size: dict[str, set[tuple[int, bool]]] = {}
    for labels, fact in zip((first, second), facts, strict=True):
        for axis, label in enumerate(labels):
            size.setdefault(label, set()).add((fact.sizes[axis], axis in fact.free))
    if any(len(found) > 1 for found in size.values()):
        raise LookupError("an axis is broadcast")
    summed = [label for label in size if label not in result]
    free = any(next(iter(size[label]))[1] for label in summed)
    terms = np.inf if free else float(prod(next(iter(size[label]))[0] for label in summed))
    placed = [_placed(view, fact, labels, result) for labels, fact in zip((first, second), facts, strict=True)]
    operands = aligned(view.numbering, placed, (False, False))
    shares = _shares(view, (first, second), summed)

    def bounds(told: Sequence[Fact], dtype: int | None) -> Bounds:
        return sum_bounds(told, terms, dtype) if shares is None else mean_bounds(told[1 - shares], terms, dtype)

    value = None if shares is None else lambda *constants: constants[1 - shares]
    tag = (view.operation, terms)
    view.outputs[0] = elementwise(view.numbering, view.output_outline(), tag, operands, value, bounds)


def _labels(view: View) -> tuple[str, str, str]:
    equation = str(view.attribute("equation", "")).replace(" ", "")
    left, arrow, result = equation.partition("->")
    operands = left.split(",")
    if not arrow or len(operands) != 2 or not all(part.isalpha() for part in operands):
        raise LookupError("an equation of another kind")
    ranks = view.fact(0).rank, view.fact(1).rank
    repeats = any(len(set(part)) != len(part) for part in (*operands, result))
    if repeats or tuple(map(len, operands)) != ranks or not set(result) <= set(left):
        raise LookupError("an equation of another kind")
    return operands[0], operands[1], result


def _placed(view: View, fact: Fact, labels: str, result: str) -> Fact:
    """With the axes of the result: of size 1 where the operand has none, without those that are summed over."""
    fact = view.collapsed(fact, but=tuple(axis for axis, label in enumerate(labels) if label in result))
    order = [labels.index(label) for label in result if label in labels]
    rest = [axis for axis in range(fact.rank) if axis not in order]
    sizes = tuple(fact.sizes[labels.index(label)] if label in labels else 1 for label in result)
    free = frozenset(a for a, label in enumerate(result) if label in labels and labels.index(label) in fact.free)
    extents = tuple(fact.extents[labels.index(label)] if label in labels else 1 for label in result)
    number = view.combine(("Einsum", labels, result, fact.slice_shape), fact.number)
    return fact.numbered(number).mapped(
        Outline(sizes, free, fact.dtype), lambda array: np.transpose(array, [*order, *rest]).reshape(extents)
    )


def _shares(view: View, operands: tuple[str, str], summed: list[str]) -> int | None:
    """Which operand has elements of at least 0 that add up to 1 along all that is summed over."""
    for index, labels in enumerate(operands):
        if len(summed) == 1 and all(summed[0] in one for one in operands):
            axis = labels.index(summed[0])
            if are_shares(view.facts, view.node.inputs[index], len(labels), axis):
                return index
    return None
