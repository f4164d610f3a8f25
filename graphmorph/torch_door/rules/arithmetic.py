"""Sums, products, quotients and powers of tensors and numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.division import floored, truncated
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import Operand, binary, broadcast_dims, common_dtype, pair


@lowers(torch.add, operator.add, operator.iadd, methods=("add", "add_"))
@numpy_names
def add(site: SiteBuilder, input: Operand, other: Operand, *, alpha: float = 1) -> gs.Tensor:
    """input + alpha other."""
    return _combined(site, "Add", input, other, alpha)


@lowers(torch.sub, torch.subtract, operator.sub, operator.isub, methods=("sub", "sub_", "subtract", "subtract_"))
@numpy_names
def sub(site: SiteBuilder, input: Operand, other: Operand, *, alpha: float = 1) -> gs.Tensor:
    """input - alpha other."""
    return _combined(site, "Sub", input, other, alpha)


@lowers(torch.rsub)
@numpy_names
def rsub(site: SiteBuilder, input: Operand, other: Operand, *, alpha: float = 1) -> gs.Tensor:
    """other - alpha input."""
    return _combined(site, "Sub", other, input, alpha)


def _combined(site: SiteBuilder, op: str, first: Operand, second: Operand, alpha: float) -> gs.Tensor:
    dtype = common_dtype(site, first, second)
    if dtype == torch.bool:
        site.require(op == "Add" and alpha == 1, f"{op} of two bool tensors")
        return site.node("Or", list(pair(site, first, second)))
    if alpha == 1:
        return binary(site, op, first, second)
    left, right = pair(site, first, second)
    shape = site.dims(right)
    right = site.node("Mul", [right, site.scalar(alpha, right)], shape=shape, dtype=dtype)
    return site.cast(site.node(op, [left, right], dtype=dtype), site.result_dtype)


@lowers(torch.mul, torch.multiply, operator.mul, operator.imul, methods=("mul", "mul_", "multiply", "multiply_"))
@numpy_names
def mul(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """Mul-14, And-7 for bool tensors."""
    return binary(site, "And" if common_dtype(site, input, other) == torch.bool else "Mul", input, other)


@lowers(
    torch.div,
    torch.divide,
    torch.true_divide,
    operator.truediv,
    operator.itruediv,
    methods=("div", "div_", "divide", "divide_", "true_divide", "true_divide_"),
)
@numpy_names
def div(site: SiteBuilder, input: Operand, other: Operand, *, rounding_mode: str | None = None) -> gs.Tensor:
    """A quotient: real, or rounded towards zero ("trunc") or down ("floor")."""
    if rounding_mode == "floor":
        return floored(site, input, other)
    if rounding_mode == "trunc":
        return truncated(site, input, other)
    site.require(rounding_mode is None, f"rounding_mode {rounding_mode!r}")
    dtype = common_dtype(site, input, other)
    return binary(site, "Div", input, other, dtype if dtype.is_floating_point else site.result_dtype)


@lowers(torch.floor_divide, operator.floordiv, operator.ifloordiv, methods=("floor_divide", "floor_divide_"))
@numpy_names
def floor_divide(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """The quotient rounded down."""
    return floored(site, input, other)


@lowers(torch.pow, operator.pow, operator.ipow, methods=("pow", "pow_"))
def power(site: SiteBuilder, input: Operand, exponent: Operand) -> gs.Tensor:
    """Pow-15 for floating point; integers to the power of two or three as products.

    torch takes the square root for 0.5, which differs from Pow at -inf and -0.
    """
    dtype = common_dtype(site, input, exponent)
    if not dtype.is_floating_point:
        return _integer_power(site, input, exponent, dtype)
    if isinstance(input, gs.Tensor) and not isinstance(exponent, gs.Tensor) and abs(exponent) == 0.5:
        root = site.node("Sqrt", [site.cast(input, dtype)], dtype=dtype)
        made = root if exponent > 0 else site.node("Reciprocal", [root], dtype=dtype)
        return site.cast(made, site.result_dtype)
    return binary(site, "Pow", input, exponent)


def _integer_power(site: SiteBuilder, base: Operand, exponent: Operand, dtype: torch.dtype) -> gs.Tensor:
    known = isinstance(base, gs.Tensor) and not isinstance(exponent, gs.Tensor) and exponent in (1, 2, 3)
    site.require(known and dtype != torch.bool, "a power of integers")
    factor = site.cast(base, dtype)
    made = factor
    for _ in range(int(exponent) - 1):
        made = site.node("Mul", [made, factor], dtype=dtype)
    return site.cast(made, site.result_dtype)


@lowers(torch.addcmul, methods=("addcmul", "addcmul_"))
@numpy_names
def addcmul(
    site: SiteBuilder, input: gs.Tensor, tensor1: gs.Tensor, tensor2: gs.Tensor, *, value: float = 1
) -> gs.Tensor:
    """input + value tensor1 tensor2."""
    return _added(site, "Mul", input, tensor1, tensor2, value)


@lowers(torch.addcdiv, methods=("addcdiv", "addcdiv_"))
@numpy_names
def addcdiv(
    site: SiteBuilder, input: gs.Tensor, tensor1: gs.Tensor, tensor2: gs.Tensor, *, value: float = 1
) -> gs.Tensor:
    """input + value tensor1 / tensor2."""
    return _added(site, "Div", input, tensor1, tensor2, value)


def _added(
    site: SiteBuilder, op: str, start: gs.Tensor, first: gs.Tensor, second: gs.Tensor, value: float
) -> gs.Tensor:
    dtypes = {site.dtype(tensor) for tensor in (start, first, second)}
    site.require(len(dtypes) == 1 and next(iter(dtypes)).is_floating_point, f"operands of types {dtypes}")
    if value != 1:
        scale = site.scalar(value, first)
        first = site.node("Mul", [first, scale], shape=site.dims(first), dtype=site.dtype(first))
    product = site.node(op, [first, second], shape=broadcast_dims(site, first, second), dtype=site.dtype(first))
    return site.node("Add", [start, product])


@lowers(torch.lerp, methods=("lerp", "lerp_"))
@numpy_names
def lerp(site: SiteBuilder, input: gs.Tensor, end: gs.Tensor, weight: Operand) -> gs.Tensor:
    """input + weight (end - input), from the nearer of the two ends as torch does."""
    site.require(not isinstance(weight, gs.Tensor), "the weight of lerp is a tensor")
    step = site.node("Sub", [end, input])
    near, part = (input, weight) if abs(weight) < 0.5 else (end, weight - 1)
    return site.node("Add", [near, site.node("Mul", [step, site.scalar(part, step)])])


@lowers(torch.clamp, torch.clip, torch.clamp_, torch.clip_, methods=("clamp", "clamp_", "clip", "clip_"))
@numpy_names
def clamp(site: SiteBuilder, input: gs.Tensor, min: Any = None, max: Any = None) -> gs.Tensor:
    """Clip-13 for numbers; the larger, then the smaller, for tensors."""
    dtype = site.dtype(input)
    for bound in (min, max):
        if bound is not None:
            dtype = torch.promote_types(dtype, common_dtype(site, input, bound))
    site.require(dtype != torch.bool, "bounds of a bool tensor")
    made = site.cast(input, dtype)
    if not isinstance(min, gs.Tensor) and not isinstance(max, gs.Tensor):
        # Without a bound Clip would stop at the largest finite number.
        open_ends = (-math.inf, math.inf) if dtype.is_floating_point else (None, None)
        ends = [end if bound is None else bound for bound, end in zip((min, max), open_ends, strict=True)]
        bounds = [None if end is None else site.scalar(end, made) for end in ends]
        return site.cast(site.node("Clip", [made, *bounds], dtype=dtype), site.result_dtype)
    for op, bound in (("Max", min), ("Min", max)):
        if bound is not None:
            both = pair(site, made, bound, dtype)
            made = site.node(op, list(both), shape=broadcast_dims(site, *both), dtype=dtype)
    return site.cast(made, site.result_dtype)


@lowers(torch.clamp_min, torch.clamp_min_, methods=("clamp_min", "clamp_min_"))
def clamp_min(site: SiteBuilder, input: gs.Tensor, min: Operand) -> gs.Tensor:
    """The larger of x and a bound."""
    return clamp(site, input, min, None)


@lowers(torch.clamp_max, torch.clamp_max_, methods=("clamp_max", "clamp_max_"))
def clamp_max(site: SiteBuilder, input: gs.Tensor, max: Operand) -> gs.Tensor:
    """The smaller of x and a bound."""
    return clamp(site, input, None, max)
