"""Functions of one tensor, element by element."""

from __future__ import annotations

import math
import operator

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.numpy_names import numpy_names
from graphmorph.torch_door.rules.promotion import like_result

#: Functions whose ONNX operator has the same name; integers become floating point first.
_SAME_NAME = (
    *("Sqrt", "Exp", "Log", "Erf", "Reciprocal", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"),
    *("Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
)

#: Functions that keep integers as they are.
_ROUNDING = ("Floor", "Ceil")


def _register(op: str, aliases: tuple[str, ...] = ()) -> None:
    @numpy_names
    def rule(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
        if op in _ROUNDING and not site.dtype(input).is_floating_point:
            return input
        return site.node(op, [like_result(site, input)])

    rule.__name__, rule.__module__ = op.lower(), __name__
    names = [op.lower(), *aliases]
    functions = [getattr(torch, name) for name in names] + [getattr(torch, f"{name}_", None) for name in names]
    methods = [f"{name}{suffix}" for name in names for suffix in ("", "_")]
    lowers(*(function for function in functions if function is not None), methods=methods)(rule)


for _op in (*_SAME_NAME, *_ROUNDING):
    _register(_op)


@lowers(
    torch.neg,
    torch.negative,
    torch.neg_,
    torch.negative_,
    operator.neg,
    methods=("neg", "neg_", "negative", "negative_"),
)
@numpy_names
def neg(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Neg-13, which has no unsigned types."""
    site.require(site.dtype(input).is_signed, f"the negative of {site.dtype(input)}")
    return site.node("Neg", [input])


@lowers(torch.abs, torch.absolute, torch.abs_, operator.abs, methods=("abs", "abs_", "absolute", "absolute_"))
@numpy_names
def absolute(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Abs-13."""
    site.require(site.dtype(input) != torch.bool, "the absolute value of a bool tensor")
    return site.node("Abs", [input])


@lowers(torch.sign, methods=("sign", "sign_"))
@numpy_names
def sign(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Sign-13."""
    site.require(site.dtype(input) != torch.bool, "the sign of a bool tensor")
    return site.node("Sign", [input])


@lowers(torch.positive, operator.pos, methods=("positive",))
@numpy_names
def positive(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """x itself."""
    return input


@lowers(torch.rsqrt, torch.rsqrt_, methods=("rsqrt", "rsqrt_"))
@numpy_names
def rsqrt(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """1 / sqrt(x)."""
    return site.node("Reciprocal", [site.node("Sqrt", [like_result(site, input)])])


@lowers(torch.square, torch.square_, methods=("square", "square_"))
@numpy_names
def square(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """x x."""
    x = like_result(site, input)
    return site.node("Mul", [x, x])


@lowers(torch.exp2, torch.exp2_, methods=("exp2", "exp2_"))
@numpy_names
def exp2(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """Pow-15 of 2."""
    x = like_result(site, input)
    return site.node("Pow", [site.scalar(2, x), x])


@lowers(torch.log2, torch.log2_, methods=("log2", "log2_"))
@numpy_names
def log2(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """log(x) / log(2)."""
    return _logarithm(site, input, 2.0)


@lowers(torch.log10, torch.log10_, methods=("log10", "log10_"))
@numpy_names
def log10(site: SiteBuilder, input: gs.Tensor) -> gs.Tensor:
    """log(x) / log(10)."""
    return _logarithm(site, input, 10.0)


def _logarithm(site: SiteBuilder, input: gs.Tensor, base: float) -> gs.Tensor:
    natural = site.node("Log", [like_result(site, input)])
    return site.node("Div", [natural, site.scalar(math.log(base), natural)])


@lowers(torch.round, torch.round_, methods=("round", "round_"))
@numpy_names
def rounded(site: SiteBuilder, input: gs.Tensor, *, decimals: int = 0) -> gs.Tensor:
    """Round-11: halves to even, as torch does."""
    site.require(decimals == 0, f"round to {decimals} decimals")
    return site.node("Round", [input]) if site.dtype(input).is_floating_point else input
