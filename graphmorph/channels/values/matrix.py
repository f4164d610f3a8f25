"""Gemm and MatMul, with weights or between two tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphmorph.channels.values.contraction import Columns, contract
from graphmorph.channels.values.convolution import give_sums
from graphmorph.channels.values.elementwise import Bounds, aligned, elementwise
from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.registry import rule
from graphmorph.channels.values.rounding import MANY, outward, product
from graphmorph.channels.values.view import View

#: Roundings of a Softmax, besides those of its sum.
SOFTMAX = 16


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
    rank = view.fact(index).rank
    if rank < 2 or view.output_outline().rank != rank:
        raise LookupError("a vector is multiplied")
    axis = rank - 1 if index == 0 else rank - 2

    def weights() -> np.ndarray:
        matrix = view.array(other).reshape(view.array(other).shape[-2:])
        return (matrix.T if index == 0 else matrix)[:, :, np.newaxis]

    x = view.told_apart(view.collapsed(view.fact(index), but=(axis,)), axis)
    sums = contract(view.numbering, ("MatMul", index, x.slice_shape), Columns.along(x), weights)
    give_sums(view, sums, axis, None)


def _of_tensors(view: View) -> None:
    """Rows of the first by columns of the second, whatever is summed over: a row of zeros stays one. Where the first is
    the weights of an attention, which add up to one, the result is a mean."""
    first, second, outline = view.fact(0), view.fact(1), view.output_outline()
    rank = outline.rank
    if min(first.rank, second.rank) < 2 or max(first.rank, second.rank) != rank:
        raise LookupError("a vector is multiplied")
    terms = np.inf if first.rank - 1 in first.free else first.sizes[-1]
    least = 0.0 if np.isinf(terms) else terms
    first = view.collapsed(first, but=tuple(range(first.rank - 1)))
    second = view.collapsed(second, but=tuple(a for a in range(second.rank) if a != second.rank - 2))
    facts = aligned(view.numbering, [first, second], (False, False), axes=range(rank - 2))

    def bounds(operands: Sequence[Fact], dtype: int | None) -> Bounds:
        low, high = product((operands[0].low, operands[0].high), (operands[1].low, operands[1].high), dtype)
        low, high = np.where(low >= 0, least * low, terms * low), np.where(high <= 0, least * high, terms * high)
        return outward(low, high, terms, dtype)

    def mean(operands: Sequence[Fact], dtype: int | None) -> Bounds:
        return outward(operands[1].low, operands[1].high, 2 * min(terms, MANY) + SOFTMAX, dtype)

    is_mean = _adds_up_to_one(view)
    value = (lambda _, column: column) if is_mean else None
    view.outputs[0] = elementwise(view.numbering, outline, "MatMul", facts, value, mean if is_mean else bounds)


def _adds_up_to_one(view: View) -> bool:
    """Whether every row of the first operand comes out of a Softmax along it."""
    maker = view.facts.producer.get(view.node.inputs[0].name)
    if maker is None or maker.op != "Softmax" or not view.facts.is_standard(maker) or view.facts.opset < 13:
        return False
    return int(maker.attrs.get("axis", -1)) in (-1, view.fact(0).rank - 1)
