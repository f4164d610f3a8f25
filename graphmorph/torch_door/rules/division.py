"""Rounded division and its remainders, with torch's signs."""

from __future__ import annotations

import math
import operator

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import Operand, common_dtype, pair


def floored(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """The quotient rounded down.

    Integers: ONNX Div-14 rounds towards zero; where the remainder and the divisor differ in sign, one less.
    Floating point: torch corrects the floor of a rounded quotient; only a quotient that is not rounded needs none.
    """
    dtype = common_dtype(site, input, other)
    left, right = pair(site, input, other)
    if dtype.is_floating_point:
        exact = not isinstance(other, gs.Tensor) and other != 0 and abs(math.frexp(other)[0]) == 0.5
        site.require(exact, "floor division of floating point by what is no power of two")
        quotient = site.node("Div", [left, right], dtype=dtype)
        return site.cast(site.node("Floor", [quotient], dtype=dtype), site.result_dtype)
    site.require(dtype != torch.bool, "floor division of bool tensors")
    quotient = site.node("Div", [left, right], dtype=dtype)
    if dtype.is_signed:
        product = site.node("Mul", [quotient, right], dtype=dtype)
        opposed = _opposed(site, site.node("Sub", [left, product], dtype=dtype), right)
        quotient = site.node("Sub", [quotient, site.cast(opposed, dtype)], dtype=dtype)
    return site.cast(quotient, site.result_dtype)


def truncated(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """The quotient rounded towards zero."""
    dtype = common_dtype(site, input, other)
    site.require(dtype != torch.bool, "division of bool tensors")
    quotient = site.node("Div", list(pair(site, input, other)), dtype=dtype)
    if dtype.is_floating_point:
        quotient = towards_zero(site, quotient)
    return site.cast(quotient, site.result_dtype)


def towards_zero(site: SiteBuilder, value: gs.Tensor) -> gs.Tensor:
    """sign(x) floor(|x|), for floating point."""
    dtype = site.dtype(value)
    size = site.node("Floor", [site.node("Abs", [value], dtype=dtype)], dtype=dtype)
    return site.node("Mul", [site.node("Sign", [value], dtype=dtype), size], dtype=dtype)


def _opposed(site: SiteBuilder, remainder: gs.Tensor, divisor: gs.Tensor) -> gs.Tensor:
    """Where a remainder is not zero and its sign is not that of the divisor."""
    dtype = site.dtype(remainder)
    signs = [site.node("Sign", [value], shape=site.dims(value), dtype=dtype) for value in (remainder, divisor)]
    product = site.node("Mul", list(signs), dtype=dtype)
    return site.node("Less", [product, site.scalar(0, product)], dtype=torch.bool)


@lowers(torch.remainder, operator.mod, operator.imod, methods=("remainder", "remainder_"))
@numpy_names
def remainder(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """The remainder with the divisor's sign: Mod-13 for integers.

    For floating point Mod has the dividend's sign (fmod), and the divisor is added where the signs differ.
    """
    dtype = common_dtype(site, input, other)
    site.require(dtype != torch.bool, "remainder of bool tensors")
    left, right = pair(site, input, other)
    if not dtype.is_floating_point:
        return site.cast(site.node("Mod", [left, right], {"fmod": 0}, dtype=dtype), site.result_dtype)
    rest = site.node("Mod", [left, right], {"fmod": 1}, dtype=dtype)
    raised = site.node("Add", [rest, right], dtype=dtype)
    made = site.node("Where", [_opposed(site, rest, right), raised, rest], dtype=dtype)
    return site.cast(made, site.result_dtype)


@lowers(torch.fmod, methods=("fmod", "fmod_"))
@numpy_names
def fmod(site: SiteBuilder, input: Operand, other: Operand) -> gs.Tensor:
    """The remainder with the dividend's sign."""
    dtype = common_dtype(site, input, other)
    site.require(dtype != torch.bool, "remainder of bool tensors")
    left, right = pair(site, input, other)
    if dtype.is_floating_point:
        return site.cast(site.node("Mod", [left, right], {"fmod": 1}, dtype=dtype), site.result_dtype)
    product = site.node("Mul", [site.node("Div", [left, right], dtype=dtype), right], dtype=dtype)
    return site.cast(site.node("Sub", [left, product], dtype=dtype), site.result_dtype)


@lowers(torch.trunc, torch.fix, torch.trunc_, torch.fix_, methods=("trunc", "trunc_", "fix", "fix_"))
@numpy_names
def trunc(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Rounded towards zero."""
    return towards_zero(site, input) if site.dtype(input).is_floating_point else input


@lowers(torch.frac, torch.frac_, methods=("frac", "frac_"))
@numpy_names
def frac(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """x - trunc(x)."""
    site.require(site.dtype(input).is_floating_point, f"frac of {site.dtype(input)}")
    return site.node("Sub", [input, towards_zero(site, input)])
