"""Products of matrices: nn.Linear where one operand is constant and torch says it exactly, functions elsewhere."""

from __future__ import annotations

import operator

import onnx_graphsurgeon as gs
import torch
from torch import fx, nn

from graphmorph.torch_door.translation.operands import Value, as_tensor, require, untranslatable, values_of
from graphmorph.torch_door.translation_table import Translation, translates


@translates("Gemm", 7, 9, 11, 13)
def gemm(t: Translation) -> fx.Node:
    """alpha A' B' + beta C: a Linear where A is as it is, both factors are 1, B constant and C a constant vector."""
    alpha, beta = float(t.attr("alpha", 1.0)), float(t.attr("beta", 1.0))
    if _is_linear(t, alpha, beta):
        rows_out = bool(t.attr("transB", 0))
        return t.layer(lambda: _linear(t, rows_out, t.parameter(2) if t.has(2) else None), t.value(0))
    a = _transposed(t, t.value(0), bool(t.attr("transA", 0)))
    b = _transposed(t, t.value(1), bool(t.attr("transB", 0)))
    if t.has(2):
        c = t.value(2)
        if not isinstance(c, fx.Node):
            c = as_tensor(t, c, next(value for value in (a, b) if isinstance(value, fx.Node)))
        return t.call(torch.addmm, c, a, b, beta=_number(beta), alpha=_number(alpha))
    product = t.call(torch.mm, a, b)
    return product if alpha == 1.0 else t.call(operator.mul, product, _number(alpha))


def _number(value: float) -> float | int:
    """A factor that integers can be multiplied by, where it is one."""
    return int(value) if value == int(value) else value


def _is_linear(t: Translation, alpha: float, beta: float) -> bool:
    if t.attr("transA", 0) or alpha != 1.0 or not t.is_constant(1):
        return False
    if not t.has(2):
        return True
    columns = (t.dims(1) or ())[0 if t.attr("transB", 0) else 1]
    return beta == 1.0 and t.is_constant(2) and t.dims(2) == (columns,)


def _transposed(t: Translation, value: Value, wanted: bool) -> Value:
    return t.call(torch.t, value) if wanted else value


@translates("MatMul", 1, 9, 13)
def matmul(t: Translation) -> fx.Node:
    """The product with numpy's rules; with a constant matrix on the right a Linear, which takes a bias added next."""
    if not t.is_constant(1) or len(t.dims(1) or ()) != 2:
        return t.call(torch.matmul, *values_of(t))
    behind = t.following("Add")
    columns = (t.dims(1) or ())[1]
    if behind is None or not any(isinstance(c, gs.Constant) and tuple(c.shape) == (columns,) for c in behind.inputs):
        return t.layer(lambda: _linear(t, False, None))
    constant = t.take_following()
    return t.layer(lambda: _linear(t, False, t.parameter_of(constant)))


def _linear(t: Translation, rows_out: bool, bias: nn.Parameter | None) -> nn.Module:
    """nn.Linear whose weight (out, in) is the constant right operand, or its transpose."""
    weight = t.parameter(1, transpose=not rows_out)
    out, into = weight.shape
    old = t.replaced(nn.Linear)
    if old is not None:
        return t.clone(old, tensors={"weight": weight, "bias": bias}, in_features=into, out_features=out)
    module = nn.Linear(into, out, bias=bias is not None, device="meta")
    module.weight = weight
    if bias is not None:
        module.bias = bias
    return module


@translates("Einsum", 12, 28)
def einsum(t: Translation) -> fx.Node:
    """Sums of products by an equation, whose notation is torch's."""
    equation = str(t.attr("equation"))
    values = values_of(t)
    for value in values:
        require(t, isinstance(value, fx.Node), "one of its operands is a scalar constant", "multiply by it instead")
    if "->" not in equation and any(letter.isupper() for letter in equation):
        raise untranslatable(t, f"the equation {equation!r} leaves the order of its result open", "write it with ->")
    return t.call(torch.einsum, equation, *values)
