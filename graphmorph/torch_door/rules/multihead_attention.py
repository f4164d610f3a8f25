"""nn.MultiheadAttention (Vaswani et al. 2017, section 3.2.2): projections, heads, attention, and the output layer."""

from __future__ import annotations

import math

import onnx_graphsurgeon as gs
import torch
from torch import nn

from graphmorph.torch_door.attention_nodes import attended, masked, probabilities, scores
from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers_module
from graphmorph.torch_door.tensor_facts import Dimension
from graphmorph.torch_door.traced_numbers import require_floating

#: Permutations of (N, L, H, D), and of (L, N, H, D), to (N, H, L, D); keys go to (N, H, D, L).
_BATCH_FIRST = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3], "joined": [0, 2, 1, 3]}
_LENGTH_FIRST = {"query": [1, 2, 0, 3], "key": [1, 2, 3, 0], "value": [1, 2, 0, 3], "joined": [2, 0, 1, 3]}


@lowers_module(nn.MultiheadAttention)
def multihead_attention(
    site: SiteBuilder,
    module: nn.MultiheadAttention,
    query: gs.Tensor,
    key: gs.Tensor,
    value: gs.Tensor,
    key_padding_mask: gs.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: gs.Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[gs.Tensor, gs.Tensor | None]:
    """The output, and the weights if they are needed.

    is_causal only says that attn_mask, which torch asks for beside it, is the causal one: the mask is what counts. A
    query that may see no key gives zeros without weights and NaN with them, as torch's ordinary path does.
    """
    site.require(not (module.training and module.dropout > 0), "attention with dropout in training")
    site.require(module.bias_k is None and module.bias_v is None, "add_bias_kv")
    site.require(not module.add_zero_attn, "add_zero_attn")
    site.require(all(site.rank(x) == 3 for x in (query, key, value)), "attention without a batch dimension")
    require_floating(site, query, key, value)
    heads = _Heads(site, module, query)
    q, k, v = _projected(site, module, query, key, value)
    q = site.node("Mul", [q, site.scalar(math.sqrt(1.0 / module.head_dim), q)], shape=site.dims(q), dtype=heads.dtype)
    products = scores(site, heads.split(q, "query"), heads.split(k, "key"))
    if attn_mask is not None:
        products = masked(site, products, heads.mask(attn_mask), keeps=False)
    if key_padding_mask is not None:
        batch, length = site.dims(key_padding_mask)
        spread = (batch, 1, 1, length)
        mask_dtype = site.dtype(key_padding_mask)
        mask = site.node("Unsqueeze", [key_padding_mask, site.ints([1, 2])], shape=spread, dtype=mask_dtype)
        products = masked(site, products, mask, keeps=False)
    any_mask = attn_mask is not None or key_padding_mask is not None
    weights = probabilities(site, products, safe=any_mask and not need_weights)
    out = heads.joined(attended(site, weights, heads.split(v, "value")))
    out = _linear(site, out, site.parameter(module.out_proj.weight, transposed=True), _bias(site, module.out_proj.bias))
    if not need_weights:
        return out, None
    if not average_attn_weights:
        return out, weights
    batch, _, *lengths = site.dims(weights)
    inputs, attrs = [weights, site.ints([1])], {"keepdims": 0}
    return out, site.node("ReduceMean", inputs, attrs, shape=(batch, *lengths), dtype=heads.dtype)


class _Heads:
    """Takes heads apart and joins them, in either order of batch and sequence."""

    def __init__(self, site: SiteBuilder, module: nn.MultiheadAttention, query: gs.Tensor) -> None:
        self.site = site
        self.count, self.size = module.num_heads, module.head_dim
        self.width = module.embed_dim
        self.dtype = site.dtype(query)
        self.orders = _BATCH_FIRST if module.batch_first else _LENGTH_FIRST

    def split(self, tensor: gs.Tensor, role: str) -> gs.Variable:
        """(N, L, E) or (L, N, E) as heads."""
        sizes = (*self.site.dims(tensor)[:2], self.count, self.size)
        target = self.site.ints([0, 0, self.count, self.size])
        apart = self.site.node("Reshape", [tensor, target], shape=sizes, dtype=self.dtype)
        return self._permuted(apart, role)

    def joined(self, context: gs.Tensor) -> gs.Variable:
        """(N, H, L, D) as (N, L, E) or (L, N, E)."""
        ordered = self._permuted(context, "joined")
        sizes = (*self.site.dims(ordered)[:2], self.width)
        return self.site.node("Reshape", [ordered, self.site.ints([0, 0, self.width])], shape=sizes, dtype=self.dtype)

    def _permuted(self, tensor: gs.Tensor, role: str) -> gs.Variable:
        order = self.orders[role]
        given = self.site.dims(tensor)
        sizes: tuple[Dimension, ...] = tuple(given[axis] for axis in order)
        return self.site.node("Transpose", [tensor], {"perm": order}, shape=sizes, dtype=self.dtype)

    def mask(self, mask: gs.Tensor) -> gs.Tensor:
        """(L, S) as it is; (N H, L, S) as (N, H, L, S)."""
        if self.site.rank(mask) == 2:
            return mask
        _, queries, keys = self.site.sizes(mask)
        self.site.specialised("the mask is reshaped to the traced lengths")
        target = self.site.ints([-1, self.count, queries, keys])
        sizes = (None, self.count, queries, keys)
        return self.site.node("Reshape", [mask, target], shape=sizes, dtype=self.site.dtype(mask))


def _projected(
    site: SiteBuilder, module: nn.MultiheadAttention, query: gs.Tensor, key: gs.Tensor, value: gs.Tensor
) -> list[gs.Tensor]:
    """q, k and v. One packed weight (3E, E) serves all three; what attends to itself is multiplied by it whole."""
    width, dtype = module.embed_dim, site.dtype(query)
    thirds = site.ints([width] * 3)
    bias = _bias(site, module.in_proj_bias)
    packed_weight = module.in_proj_weight if module._qkv_same_embed_dim else None
    if packed_weight is not None and query is key and key is value:
        packed = _linear(site, query, site.parameter(packed_weight, transposed=True), bias)
        sizes = (*site.dims(query)[:2], width)
        return _split(site, packed, thirds, 2, sizes, dtype)
    if packed_weight is not None:
        whole = site.parameter(packed_weight, transposed=True)
        weights = _split(site, whole, thirds, 1, (width, width), dtype)
    else:
        parameters = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        weights = [site.parameter(parameter, transposed=True) for parameter in parameters]
    biases = [None] * 3 if bias is None else _split(site, bias, thirds, 0, (width,), dtype)
    return [
        _linear(site, given, weight, shift)
        for given, weight, shift in zip((query, key, value), weights, biases, strict=True)
    ]


def _split(
    site: SiteBuilder,
    tensor: gs.Tensor,
    thirds: gs.Constant,
    axis: int,
    sizes: tuple[Dimension, ...],
    dtype: torch.dtype,
) -> list[gs.Variable]:
    attrs = {"axis": axis}
    return site.nodes("Split", [tensor, thirds], attrs, outputs=3, shapes=[sizes] * 3, dtypes=[dtype] * 3)


def _bias(site: SiteBuilder, bias: torch.Tensor | None) -> gs.Constant | None:
    return None if bias is None else site.parameter(bias)


def _linear(site: SiteBuilder, input: gs.Tensor, weight: gs.Tensor, bias: gs.Tensor | None) -> gs.Variable:
    """input (..., in) times weight (in, out), plus bias."""
    require_floating(site, input, weight, bias)
    sizes, dtype = (*site.dims(input)[:-1], site.dims(weight)[-1]), site.dtype(input)
    product = site.node("MatMul", [input, weight], shape=sizes, dtype=dtype)
    return product if bias is None else site.node("Add", [product, bias], shape=sizes, dtype=dtype)
