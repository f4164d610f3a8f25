"""Gemm and MatMul with constant weights: kernels of one tap, over the last axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.form import Layout
from graphmorph.affine.kernel import Float64, Kernel
from graphmorph.affine.operators.rules import rule
from graphmorph.affine.operators.steps import Step, Wall, Window
from graphmorph.facts import Facts


def linear_kernel(out_channels: int, in_channels: int, matrix: Callable[[], Float64]) -> Kernel:
    """`matrix()` gives (out, in)."""
    return Kernel(out_channels, in_channels, 1, ((),), (), (), lambda: matrix().reshape(out_channels, in_channels, 1))


@rule("Gemm", 1, 6, 7, 9, 11, 13)
def gemm(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """alpha * A B + beta * C with constant B and C, A not transposed."""
    if len(node.inputs) < 2 or facts.constant(node.inputs[0]) or not facts.constant(node.inputs[1]):
        return Wall(f"Gemm has no constant second operand ({', '.join(facts.variable(t) for t in node.inputs[1:2])})")
    if node.attrs.get("transA", 0):
        return Wall("Gemm transposes its data (transA=1)")
    weight, transposed = node.inputs[1], bool(node.attrs.get("transB", 0))
    if len(weight.shape) != 2:
        return Wall(f"Gemm has weights of shape {tuple(weight.shape)}")
    rows, columns = (int(n) for n in weight.shape)
    out_channels, in_channels = (rows, columns) if transposed else (columns, rows)
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))
    bias = _gemm_bias(node, out_channels, beta, facts)
    if isinstance(bias, Wall):
        return bias
    kernel = linear_kernel(
        out_channels,
        in_channels,
        lambda: alpha * (facts.value(weight) if transposed else facts.value(weight).T),
    )
    return Window(node.inputs[0].name, kernel, bias, float(rows * columns), "first")


def _gemm_bias(node: gs.Node, channels: int, beta: float, facts: Facts) -> Float64 | Wall | None:
    if len(node.inputs) < 3 or not node.inputs[2].name:
        return None
    constant = node.inputs[2]
    if not facts.constant(constant):
        return Wall(f"the bias of Gemm is not constant ({facts.variable(constant)})")
    shape = tuple(int(n) for n in constant.shape)
    if shape not in ((), (1,), (1, 1), (channels,), (1, channels)):
        return Wall(f"the bias {constant.name} of Gemm has shape {shape}, not one number a channel")
    return np.broadcast_to(beta * facts.value(constant).reshape(-1), (channels,))


@rule("MatMul", 1, 9, 13)
def matmul(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """x B with a constant matrix B, x of two dimensions or more."""
    if len(node.inputs) != 2 or facts.constant(node.inputs[0]) or not facts.constant(node.inputs[1]):
        return Wall(f"MatMul has no constant second operand ({', '.join(facts.variable(t) for t in node.inputs[1:2])})")
    weight, data = node.inputs[1], facts.shape(node.inputs[0])
    if data is None or len(data) < 2 or len(weight.shape) != 2:
        return Wall(f"MatMul has weights of shape {tuple(weight.shape)} on data of shape {data}")
    in_channels, out_channels = (int(n) for n in weight.shape)
    kernel = linear_kernel(out_channels, in_channels, lambda: facts.value(weight).T)
    axis: Layout = "first" if len(data) == 2 else "last"
    return Window(node.inputs[0].name, kernel, None, float(in_channels * out_channels), axis)
