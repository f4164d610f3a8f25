"""Functions that torch.fx was told to keep whole (torch.fx.wrap), traced through where that can be done.

A library wraps a function that plain torch.fx cannot trace: window attention branches on sizes. Ours may; and a call
that is not understood is a wall for everything that it reads.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from torch import fx
from torch.fx import _symbolic_trace

from graphmorph.torch_door.rule_table import rule_for

#: What a function may raise when it meets a proxy where it expects a tensor or a number.
TRACING_ERRORS = (
    fx.proxy.TraceError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Through:
    """Calls wrapped functions on traced values. Made before tracing begins: tracing replaces them for a while."""

    def __init__(self) -> None:
        wrapped = [scope.get(name) for (_, name), scope in _symbolic_trace._wrapped_fns_to_patch.items()]
        self._wrapped = {id(one): one for one in wrapped if isinstance(one, FunctionType)}

    def traced(self, tracer: fx.Tracer, target: Any, args: Any, kwargs: Any) -> fx.Proxy | None:
        """What a call gives, traced node by node; None where it is one node: it has a rule, or cannot be traced."""
        if id(target) not in self._wrapped or rule_for("function", target) is not None:
            return None
        before, generator = len(tracer.graph.nodes), torch.get_rng_state()
        try:
            made = target(*args, **kwargs)
        except TRACING_ERRORS:
            made = None
        if isinstance(made, fx.Proxy) and torch.equal(generator, torch.get_rng_state()):
            return made
        torch.set_rng_state(generator)
        for node in reversed(list(tracer.graph.nodes)[before:]):
            tracer.graph.erase_node(node)
        return None

    def forget_marks(self, graph: fx.Graph) -> None:
        """torch.fx marks what a wrapped function gives as a call of one."""
        for node in graph.nodes:
            if id(node.target) not in self._wrapped:
                node.meta.pop("is_wrapped", None)
