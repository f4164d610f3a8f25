"""Comparisons, logic, and choices by them."""

from __future__ import annotations

import operator
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import Operand, common_dtype, like_result, pair


def _compare(site: SiteBuilder, op: str, first: Operand, second: Operand) -> gs.Tensor:
    """Operands are compared in the type that torch promotes them to; ONNX orders no bool."""
    dtype = common_dtype(site, first, second)
    if dtype == torch.bool and op != "Equal":
        first, second = pair(site, first, second)
        dtype = torch.int32
    made = site.node(op, list(pair(site, first, second, dtype)), dtype=torch.bool)
    return site.cast(made, site.result_dtype)


def _register_comparison(op: str, name: str, alias: str) -> None:
    @numpy_names
    def rule(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
        if op == "NotEqual":
            equal = _compare_bool(site, input, other)
            return site.cast(site.node("Not", [equal], dtype=torch.bool), site.result_dtype)
        return _compare(site, op, input, other)

    rule.__name__, rule.__module__ = name, __name__
    functions = [getattr(torch, name), getattr(torch, alias), getattr(operator, name)] if alias else []
    functions = functions or [getattr(torch, name), getattr(operator, name)]
    methods = [f"{one}{suffix}" for one in (name, alias) if one for suffix in ("", "_")]
    lowers(*functions, methods=methods)(rule)


def _compare_bool(site: SiteBuilder, first: Operand, second: Operand) -> gs.Tensor:
    return site.node("Equal", list(pair(site, first, second)), dtype=torch.bool)


for _op, _name, _alias in (
    ("Equal", "eq", ""),
    ("NotEqual", "ne", "not_equal"),
    ("Less", "lt", "less"),
    ("LessOrEqual", "le", "less_equal"),
    ("Greater", "gt", "greater"),
    ("GreaterOrEqual", "ge", "greater_equal"),
):
    _register_comparison(_op, _name, _alias)


@lowers(torch.logical_not, methods=("logical_not", "logical_not_"))
@numpy_names
def logical_not(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Not-1 of what is not zero."""
    made = site.node("Not", [site.cast(input, torch.bool)], dtype=torch.bool)
    return site.cast(made, site.result_dtype)


def _logical(site: SiteBuilder, op: str, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    site.require(isinstance(input, gs.Tensor) and isinstance(other, gs.Tensor), "an operand is no tensor")
    operands = [site.cast(one, torch.bool) for one in (input, other)]
    return site.cast(site.node(op, operands, dtype=torch.bool), site.result_dtype)


@lowers(torch.logical_and, methods=("logical_and", "logical_and_"))
@numpy_names
def logical_and(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """And-7 of what is not zero."""
    return _logical(site, "And", input, other)


@lowers(torch.logical_or, methods=("logical_or", "logical_or_"))
@numpy_names
def logical_or(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """Or-7 of what is not zero."""
    return _logical(site, "Or", input, other)


@lowers(torch.logical_xor, methods=("logical_xor", "logical_xor_"))
@numpy_names
def logical_xor(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """Xor-7 of what is not zero."""
    return _logical(site, "Xor", input, other)


def _bitwise(site: SiteBuilder, op: str, input: Operand, other: Operand) -> gs.Tensor:
    dtype = common_dtype(site, input, other)
    made = site.node(op if dtype == torch.bool else f"Bitwise{op}", list(pair(site, input, other)), dtype=dtype)
    return site.cast(made, site.result_dtype)


@lowers(torch.bitwise_and, operator.and_, operator.iand, methods=("bitwise_and", "bitwise_and_"))
@numpy_names
def bitwise_and(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """And-7 for bool, BitwiseAnd-18 for integers."""
    return _bitwise(site, "And", input, other)


@lowers(torch.bitwise_or, operator.or_, operator.ior, methods=("bitwise_or", "bitwise_or_"))
@numpy_names
def bitwise_or(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """Or-7 for bool, BitwiseOr-18 for integers."""
    return _bitwise(site, "Or", input, other)


@lowers(torch.bitwise_xor, operator.xor, operator.ixor, methods=("bitwise_xor", "bitwise_xor_"))
@numpy_names
def bitwise_xor(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """Xor-7 for bool, BitwiseXor-18 for integers."""
    return _bitwise(site, "Xor", input, other)


@lowers(torch.bitwise_not, operator.invert, methods=("bitwise_not", "bitwise_not_"))
@numpy_names
def bitwise_not(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Not-1 for bool, BitwiseNot-18 for integers."""
    return site.node("Not" if site.dtype(input) == torch.bool else "BitwiseNot", [input])


@lowers(torch.isnan, methods=("isnan",))
@numpy_names
def isnan(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """IsNaN-20."""
    site.require(site.dtype(input).is_floating_point, f"isnan of {site.dtype(input)}")
    return site.node("IsNaN", [input])


@lowers(torch.isinf, methods=("isinf",))
@numpy_names
def isinf(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """IsInf-20."""
    site.require(site.dtype(input).is_floating_point, f"isinf of {site.dtype(input)}")
    return site.node("IsInf", [input])


@lowers(torch.where)
@numpy_names
def where(site: SiteBuilder, condition: gs.Tensor, input: Any = None, other: Any = None) -> gs.Tensor:
    """Where-16."""
    site.require(input is not None and other is not None, "where without values")
    site.require(site.dtype(condition) == torch.bool, f"a condition of type {site.dtype(condition)}")
    return site.node("Where", [condition, like_result(site, input), like_result(site, other)])


@lowers(methods=("where",))
@numpy_names
def where_method(site: SiteBuilder, input: gs.Tensor, condition: gs.Tensor, other: Any) -> gs.Tensor:
    """x.where(condition, other): x where the condition holds."""
    return where(site, condition, input, other)


@lowers(torch.masked_fill, methods=("masked_fill", "masked_fill_"))
@numpy_names
def masked_fill(site: SiteBuilder, input: gs.Tensor, mask: gs.Tensor, value: Operand) -> gs.Tensor:
    """`value` where the mask holds."""
    site.require(site.dtype(mask) == torch.bool, f"a mask of type {site.dtype(mask)}")
    filling = site.cast(value, site.dtype(input)) if isinstance(value, gs.Tensor) else site.scalar(value, input)
    return site.node("Where", [mask, filling, input])
