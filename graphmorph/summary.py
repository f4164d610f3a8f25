"""How large a model is: nodes by operator, parameters, bytes, multiply-adds."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import prod

import onnx_graphsurgeon as gs

from graphmorph.affine.candidates import WEIGHTED, branch_sums
from graphmorph.facts import Facts
from graphmorph.onnx_door.element_types import byte_count, onnx_type
from graphmorph.report import ModelSummary
from graphmorph.schema import violation

EMPTY = ModelSummary(nodes=0, operators={}, parameters=0, weight_bytes=0, macs=None, branch_adds=0)


def summarise(facts: Facts) -> ModelSummary:
    """Count a graph. Parameters are the elements of its distinct floating-point constants that some node reads."""
    constants: dict[str, gs.Constant] = {
        t.name: t for node in facts.graph.nodes for t in node.inputs if isinstance(t, gs.Constant)
    }
    return ModelSummary(
        nodes=len(facts.graph.nodes),
        operators=dict(Counter(node.op for node in facts.graph.nodes).most_common()),
        parameters=sum(prod(c.shape) for c in constants.values() if is_parameter(c)),
        weight_bytes=sum(byte_count(onnx_type(c.dtype), c.shape) or 0 for c in constants.values()),
        macs=multiply_adds(facts),
        branch_adds=len(branch_sums(facts)),
    )


def is_parameter(constant: gs.Constant) -> bool:
    """Whether a constant is made of floating-point numbers, rather than of shapes and indices."""
    return _is_float(constant.dtype)


@lru_cache(maxsize=64)
def _is_float(dtype: object) -> bool:
    """What a type is called is slow to say, and there are few of them."""
    return "float" in str(dtype)


def parameters_of(nodes: list[gs.Node]) -> int:
    """Elements of the distinct floating-point constants that the nodes read."""
    constants = {t.name: t for node in nodes for t in node.inputs if isinstance(t, gs.Constant)}
    return sum(prod(c.shape) for c in constants.values() if is_parameter(c))


def multiply_adds(facts: Facts) -> int | None:
    """Multiply-adds of convolutions and matrix products in one run; None where sizes are not known.

    Free dimensions of the graph's inputs count as 1.
    """
    free = {n for t in facts.graph.inputs for n in (facts.shape(t) or ()) if isinstance(n, str)}
    total = 0
    for node in facts.graph.nodes:
        if node.op not in WEIGHTED or not facts.is_standard(node):
            continue
        count = _node_multiply_adds(node, facts, free)
        if count is None:
            return None
        total += count
    return total


def _node_multiply_adds(node: gs.Node, facts: Facts, free: set[str]) -> int | None:
    if violation(node, facts.opset) is not None:
        return None
    data, weights, output = (_sizes(t, facts, free) for t in (node.inputs[0], node.inputs[1], node.outputs[0]))
    if data is None or weights is None or output is None:
        return None
    if node.op == "Conv":
        return prod(output) * prod(weights[1:])
    if node.op == "ConvTranspose":
        return prod(data) * prod(weights[1:])
    inner = data[0] if node.attrs.get("transA", 0) else data[-1]
    return prod(output) * inner


def _sizes(tensor: gs.Tensor, facts: Facts, free: set[str]) -> list[int] | None:
    shape = facts.shape(tensor)
    if shape is None or any(not isinstance(n, int) and n not in free for n in shape):
        return None
    return [n if isinstance(n, int) else 1 for n in shape]
