"""Products of matrices, batches of them, and vectors: MatMul-13, Gemm-13; contractions of any axes: Einsum-12."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder, Unsupported
from graphmorph.torch_door.einsum_equation import explicit_equation, from_sublists
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.rules.float_attributes import in_float32
from graphmorph.torch_door.traced_numbers import plain_number

_INTEGERS = (torch.int32, torch.int64)


def _require_product(site: SiteBuilder, *tensors: gs.Tensor) -> None:
    """MatMul, Gemm and Einsum of onnxruntime and ONNX: one type, a floating one, int32 or int64."""
    site.require(all(isinstance(tensor, gs.Tensor) for tensor in tensors), "an operand is not a tensor")
    dtypes = {site.dtype(tensor) for tensor in tensors}
    site.require(len(dtypes) == 1, f"a product of element types {sorted(map(str, dtypes))}")
    dtype = dtypes.pop()
    site.require(dtype.is_floating_point or dtype in _INTEGERS, f"a product of {dtype}")


@lowers(operator.matmul, torch.matmul, torch.linalg.matmul, methods=("matmul", "__matmul__"))
def matmul(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """MatMul-13, which is numpy's and torch's, vectors included."""
    _require_product(site, input, other)
    return site.node("MatMul", [input, other])


@lowers(methods=("__rmatmul__",))
def reflected_matmul(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """other @ input."""
    return matmul(site, other, input)


@lowers(torch.mm, torch.bmm, methods=("mm", "bmm"))
def mm(site: SiteBuilder, input: gs.Tensor, mat2: gs.Tensor) -> gs.Tensor:
    """Products of matrices or of batches of them; torch has checked the ranks."""
    return matmul(site, input, mat2)


@lowers(torch.mv, methods=("mv",))
def mv(site: SiteBuilder, input: gs.Tensor, vec: gs.Tensor) -> gs.Tensor:
    """A matrix times a vector."""
    return matmul(site, input, vec)


@lowers(torch.dot, methods=("dot",))
def dot(site: SiteBuilder, input: gs.Tensor, tensor: gs.Tensor) -> gs.Tensor:
    """The product of two vectors."""
    return matmul(site, input, tensor)


@lowers(torch.vdot, torch.inner, methods=("vdot", "inner"))
def inner(site: SiteBuilder, input: gs.Tensor, other: gs.Tensor) -> gs.Tensor:
    """The sum over the last axis of both; of real vectors for vdot."""
    ranks = (site.rank(input), site.rank(other))
    site.require(min(ranks) > 0, "an inner product with a scalar")
    letters = [chr(ord("a") + place) for place in range(sum(ranks) - 2)]
    first, second = "".join(letters[: ranks[0] - 1]), "".join(letters[ranks[0] - 1 :])
    return _einsum(site, [f"{first}z", f"{second}z"], first + second, [input, other])


@lowers(torch.outer, torch.ger, methods=("outer", "ger"))
def outer(site: SiteBuilder, input: gs.Tensor, vec2: gs.Tensor) -> gs.Tensor:
    """Every element of one vector times every element of the other."""
    return _einsum(site, ["a", "b"], "ab", [input, vec2])


@lowers(torch.addmm, methods=("addmm", "addmm_"))
def addmm(
    site: SiteBuilder, input: gs.Tensor, mat1: gs.Tensor, mat2: gs.Tensor, *, beta: float = 1, alpha: float = 1
) -> gs.Tensor:
    """beta input + alpha mat1 mat2: Gemm-13 in floating types."""
    _require_product(site, input, mat1, mat2)
    beta, alpha = plain_number(site, beta, "beta"), plain_number(site, alpha, "alpha")
    if not site.dtype(input).is_floating_point:
        return _accumulated(site, input, matmul(site, mat1, mat2), beta, alpha)
    weights = {"alpha": in_float32(site, input, alpha), "beta": in_float32(site, input, beta)}
    inputs = [mat1, mat2] if beta == 0 else [mat1, mat2, input]
    return site.node("Gemm", inputs, weights | {"transA": 0, "transB": 0})


@lowers(torch.baddbmm, methods=("baddbmm", "baddbmm_"))
def baddbmm(
    site: SiteBuilder, input: gs.Tensor, batch1: gs.Tensor, batch2: gs.Tensor, *, beta: float = 1, alpha: float = 1
) -> gs.Tensor:
    """beta input + alpha batch1 batch2."""
    return _accumulated(site, input, matmul(site, batch1, batch2), beta, alpha)


@lowers(torch.addbmm, methods=("addbmm", "addbmm_"))
def addbmm(
    site: SiteBuilder, input: gs.Tensor, batch1: gs.Tensor, batch2: gs.Tensor, *, beta: float = 1, alpha: float = 1
) -> gs.Tensor:
    """beta input + alpha times the sum of the products of a batch."""
    return _accumulated(site, input, _einsum(site, ["bij", "bjk"], "ik", [batch1, batch2]), beta, alpha)


@lowers(torch.addmv, methods=("addmv", "addmv_"))
def addmv(
    site: SiteBuilder, input: gs.Tensor, mat: gs.Tensor, vec: gs.Tensor, *, beta: float = 1, alpha: float = 1
) -> gs.Tensor:
    """beta input + alpha mat vec."""
    return _accumulated(site, input, matmul(site, mat, vec), beta, alpha)


def _accumulated(site: SiteBuilder, input: gs.Tensor, product: gs.Tensor, beta: float, alpha: float) -> gs.Tensor:
    """With beta 0 torch does not read the input, not even its NaN."""
    _require_product(site, input, product)
    beta, alpha = plain_number(site, beta, "beta"), plain_number(site, alpha, "alpha")
    if alpha != 1:
        product = site.node("Mul", [product, site.scalar(alpha, input)])
    if beta == 0:
        return product
    if beta != 1:
        factor = site.scalar(beta, input)
        input = site.node("Mul", [input, factor], shape=site.dims(input), dtype=site.dtype(input))
    return site.node("Add", [input, product])


@lowers(torch.einsum)
def einsum(site: SiteBuilder, *args: Any) -> gs.Tensor:
    """Einsum-12, in letters or sublists; ellipses are spelt out, so that operands may differ in rank."""
    equation, operands = (args[0], list(args[1:])) if isinstance(args[0], str) else from_sublists(args)
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    site.require(all(isinstance(operand, gs.Tensor) for operand in operands), "an operand of einsum is not a tensor")
    try:
        terms, output = explicit_equation(equation, [site.rank(operand) for operand in operands])
    except ValueError as error:
        raise Unsupported(str(error)) from error
    return _einsum(site, terms, output, operands)


@lowers(torch.tensordot)
def tensordot(site: SiteBuilder, a: gs.Tensor, b: gs.Tensor, dims: Any = 2, out: None = None) -> gs.Tensor:
    """The sum over pairs of axes of two tensors."""
    if isinstance(dims, int):
        first, second = list(range(site.rank(a) - dims, site.rank(a))), list(range(dims))
    else:
        site.require(isinstance(dims, list | tuple) and len(dims) == 2, f"tensordot over {dims!r}")
        first, second = ([one] if isinstance(one, int) else list(one) for one in dims)
    pairs = {site.axis(b, j): site.axis(a, i) for i, j in zip(first, second, strict=True)}
    left = [chr(ord("a") + axis) for axis in range(site.rank(a))]
    right = [left[pairs[axis]] if axis in pairs else chr(ord("A") + axis) for axis in range(site.rank(b))]
    output = [letter for letter in left if letter not in right] + [letter for letter in right if letter not in left]
    return _einsum(site, ["".join(left), "".join(right)], "".join(output), [a, b])


def _einsum(site: SiteBuilder, terms: Sequence[str], output: str, operands: Sequence[gs.Tensor]) -> gs.Tensor:
    """torch stretches a size of 1 against another size of the same letter; ONNX does not say."""
    _require_product(site, *operands)
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, size in zip(term, site.sizes(operand), strict=True):
            site.require(sizes.setdefault(letter, size) == size, f"index {letter} has sizes {sizes[letter]} and {size}")
    return site.node("Einsum", list(operands), {"equation": f"{','.join(terms)}->{output}"})
