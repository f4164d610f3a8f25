"""Attention: F.scaled_dot_product_attention, in MatMul, Softmax and the arithmetic of masks."""

from __future__ import annotations

import math

import numpy as np
import onnx_graphsurgeon as gs
from torch.nn import functional as F

from graphmorph.torch_door.attention_nodes import attended, masked, probabilities, scores
from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers
from graphmorph.torch_door.traced_numbers import plain_number, require_floating, static_sizes


@lowers(F.scaled_dot_product_attention)
def scaled_dot_product_attention(
    site: SiteBuilder,
    query: gs.Tensor,
    key: gs.Tensor,
    value: gs.Tensor,
    attn_mask: gs.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> gs.Tensor:
    """softmax(scale Q Kᵀ + mask) V; the default scale is 1 / sqrt(D). The function drops out in any mode."""
    site.require(dropout_p == 0, f"attention with dropout of {dropout_p}")
    site.require(not (is_causal and attn_mask is not None), "attention with a mask and is_causal")
    require_floating(site, query, key, value)
    if enable_gqa:
        key, value = _repeated_heads(site, query, key), _repeated_heads(site, query, value)
    if scale is None:
        scale = 1 / math.sqrt(static_sizes(site, query, -1, "the sizes of the heads")[0])
        site.specialised("the scale of the attention follows from the traced size of its heads")
    products = scores(site, query, _transposed(site, key))
    products = site.node(
        "Mul",
        [products, site.scalar(plain_number(site, scale, "the scale"), query)],
        shape=site.dims(products),
        dtype=site.dtype(query),
    )
    if is_causal:
        products = masked(site, products, _causal_mask(site, products), keeps=True)
    elif attn_mask is not None:
        products = masked(site, products, attn_mask, keeps=True)
    weights = probabilities(site, products, safe=attn_mask is not None)
    return attended(site, weights, value)


def _transposed(site: SiteBuilder, key: gs.Tensor) -> gs.Variable:
    dims = site.dims(key)
    last = len(dims) - 1
    sizes = (*dims[:-2], dims[-1], dims[-2])
    return site.node(
        "Transpose", [key], {"perm": [*range(last - 1), last, last - 1]}, shape=sizes, dtype=site.dtype(key)
    )


def _causal_mask(site: SiteBuilder, products: gs.Tensor) -> gs.Constant:
    """(L, S): query i sees the keys up to i, counted from the first."""
    queries, keys = static_sizes(site, products, -2, "the lengths of a causal attention")
    site.specialised("the causal mask is that of the traced lengths")
    return site.constant(np.tril(np.ones((queries, keys), bool)))


def _repeated_heads(site: SiteBuilder, query: gs.Tensor, tensor: gs.Tensor) -> gs.Tensor:
    """Grouped query attention (Ainslie et al. 2023): each head of keys and values serves several of the queries."""
    wanted = static_sizes(site, query, -3, "the heads and lengths")[0]
    (given, *_) = static_sizes(site, tensor, -3, "the heads and lengths")
    if given == wanted:
        return tensor
    dims = site.dims(tensor)
    heads = site.constant(np.repeat(np.arange(given, dtype=np.int64), wanted // given))
    sizes = (*dims[:-3], wanted, *dims[-2:])
    return site.node("Gather", [tensor, heads], {"axis": len(dims) - 3}, shape=sizes, dtype=site.dtype(tensor))
