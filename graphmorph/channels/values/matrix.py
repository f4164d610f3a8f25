"""Gemm and MatMul, with weights or between two tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphmorph.channels.values.contraction import Columns, contract
from graphmorph.channels.values.convolution import give_sums
from graphmorph.channels.values.elementwise import Bounds, aligned, elementwise
from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.places import give_by_place
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward, product, times
from graphmorph.channels.values.softmax import are_shares, mean_bounds
from graphmorph.channels.values.view import View


@rule("Gemm")
def _gemm(view: View) -> None:
    """Operator Gemm with constant weights and bias."""
    if int(view.attribute("transA", 0)):
        raise LookupError("the first operand is transposed")
    alpha, beta = float(view.attribute("alpha", 1.0)), float(view.attribute("beta", 1.0))
    transposed = bool(view.attribute("transB", 0))

    def weights() -> np.ndarray:
        matrix = view.array(1) if transposed else view.array(1).T
        return (matrix if alpha == 1 else alpha * matrix.astype(np.float64))[:, :, np.newaxis]

    bias = None
    if view.has(2):
        given = beta * view.value(2)
        if given.ndim > 1 and given.shape[0] != 1:
            raise LookupError("the bias differs between rows")
        bias = np.broadcast_to(given.reshape(-1), view.outline(1).sizes[0 if transposed else 1])
    x = view.told_apart(view.collapsed(view.fact(0), but=(1,)), 1)
    sums = contract(view.numbering, ("Gemm", alpha, x.slice_shape), Columns.along(x), weights)
    give_sums(view, sums, 1, bias)


@rule("MatMul")
def _matmul(view: View) -> None:
    """Operator MatMul; weights, if constant, are one matrix."""
    if view.is_constant(1) and _is_matrix(view.outline(1).sizes):
        _weights(view, 0, 1)
    elif view.is_constant(0) and _is_matrix(view.outline(0).sizes):
        _weights(view, 1, 0)
    else:
        _of_tensors(view)


def _is_matrix(sizes: tuple[int, ...]) -> bool:
    return len(sizes) > 1 and all(n == 1 for n in sizes[:-2])


def _weights(view: View, index: int, other: int) -> None:
    x = view.fact(index)
    rank = x.rank
    if rank < 2 or view.output_outline().rank != rank:
        raise LookupError("a vector is multiplied")
    axis = rank - 1 if index == 0 else rank - 2

    def weights() -> np.ndarray:
        matrix = view.array(other).reshape(view.array(other).shape[-2:])
        return (matrix.T if index == 0 else matrix)[:, :, np.newaxis]

    if give_by_place(view, x, axis, weights, ("MatMul", index), view.node.inputs[other].name):
        return
    x = view.told_apart(view.collapsed(x, but=(axis,)), axis)
    sums = contract(view.numbering, ("MatMul", index, x.slice_shape), Columns.along(x), weights)
    give_sums(view, sums, axis, None)


def _of_tensors(view: View) -> None:
    """Rows of the first by columns of the second, whatever is summed over: a row of zeros stays one. Where the first is
    the weights of an attention, which add up to one, the result is a mean."""
    first, second, outline = view.fact(0), view.fact(1), view.output_outline()
    rank = outline.rank
    if min(first.rank, second.rank) < 2 or max(first.rank, second.rank) != rank:
        raise LookupError("a vector is multiplied")
    terms = np.inf if first.rank - 1 in first.free else float(first.sizes[-1])
    first = view.collapsed(first, but=tuple(range(first.rank - 1)))
    second = view.collapsed(second, but=tuple(a for a in range(second.rank) if a != second.rank - 2))
    facts = aligned(view.numbering, [first, second], (False, False), axes=range(rank - 2))
    is_mean = are_shares(view.facts, view.node.inputs[0], first.rank, -1)

    def bounds(told: Sequence[Fact], dtype: int | None) -> Bounds:
        return mean_bounds(told[1], terms, dtype) if is_mean else sum_bounds(told, terms, dtype)

    value = (lambda _, column: column) if is_mean else None
    view.outputs[0] = elementwise(view.numbering, outline, "MatMul", facts, value, bounds)


def sum_bounds(operands: Sequence[Fact], terms: float, dtype: int | None) -> Bounds:
    """Bounds of a sum of so many products; of some number of them, where that is infinite."""
    first, second = operands
    least = 0.0 if np.isinf(terms) else terms
    low, high = product((first.low, first.high), (second.low, second.high), dtype)
    low = np.where(low >= 0, times(np.asarray(least), low), times(np.asarray(terms), low))
    high = np.where(high <= 0, times(np.asarray(least), high), times(np.asarray(terms), high))
    return outward(low, high, min(terms, MANY), dtype)
