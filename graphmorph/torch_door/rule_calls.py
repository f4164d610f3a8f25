"""Calls of lowering rules: which rule a call has, its arguments, and the structure of what it gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx
from torch.utils import _pytree as pytree

from graphmorph.torch_door.builder import SiteBuilder, Unsupported
from graphmorph.torch_door.calls import Call
from graphmorph.torch_door.hooks import has_hooks
from graphmorph.torch_door.rule_table import rule_for
from graphmorph.torch_door.trees import fakes_of, map_leaves, tensors_of
from graphmorph.torch_door.values import Number


def call_rule(call: Call, builder: SiteBuilder, argument: Callable[[fx.Node], Any]) -> Any:
    """What the rule of a call makes of it; `argument` gives what an argument node stands for.

    Raises:
        Unsupported: there is no rule, or it declines.
    """
    args: Any = fx.map_arg(call.args, argument)
    kwargs: Any = fx.map_arg(dict(call.kwargs), argument)
    if "out" in kwargs and kwargs["out"] is not None:
        raise Unsupported("out= is not understood")
    if call.module is not None:
        kind = type(call.module).__name__
        if has_hooks(call.module):
            raise Unsupported(f"{kind} has hooks, which may do anything")
        rule, args = rule_for("module", type(call.module)), (call.module, *args)
    elif call.op == "call_method":
        rule, kind = rule_for("method", call.target), f"Tensor.{call.target}"
    else:
        rule, kind = rule_for("function", call.target), getattr(call.target, "__name__", str(call.target))
    if rule is None:
        raise Unsupported(f"{kind} has no lowering rule")
    try:
        inspect.signature(rule).bind(builder, *args, **kwargs)
    except TypeError as error:
        raise Unsupported(f"{kind} was called in a way that is not understood: {error}") from error
    return rule(builder, *args, **kwargs)


def own_tensors(value: Any, builder: SiteBuilder) -> Any:
    """A rule that gives back what it was given gets an Identity: every call is a tensor of its own."""
    made = {t.name for node in builder.new for t in node.outputs}

    def alias(leaf: Any) -> Any:
        if not isinstance(leaf, gs.Tensor) or leaf.name in made:
            return leaf
        return builder.node("Identity", [leaf], shape=builder.dims(leaf), dtype=builder.dtype(leaf))

    return map_leaves(alias, value)


def matched(value: Any, fake: Any, result: Any) -> Any:
    """A rule's result in the structure of torch's; lists and tuples count as the same.

    Raises:
        Unsupported: it gave another number of tensors.
    """
    tensors, fakes = tensors_of(value), fakes_of(result)
    if len(tensors) != len(fakes):
        raise Unsupported(f"its rule gives {len(tensors)} tensors, torch {len(fakes)}")
    if not fakes_of(fake):
        return value
    queue = iter(tensors)
    return pytree.tree_map(lambda leaf: next(queue) if isinstance(leaf, torch.Tensor) else Number(leaf), fake)
