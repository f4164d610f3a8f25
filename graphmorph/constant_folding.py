"""Which tensors are constant, which nodes pass their input through, and which nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.candidates import SCALES, WEIGHTED
from graphmorph.affine.operators.elementwise import dropout
from graphmorph.affine.operators.steps import Wall
from graphmorph.facts import Dimension, Facts, Reader
from graphmorph.graph import constant_array
from graphmorph.schema import version_of, violation

#: Their constants are what quantisation is made of, or differ at every run.
NEVER_FOLDED = frozenset(
    {
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Multinomial",
        "Bernoulli",
    }
)

#: Values that grow to more than this many bytes, and to twice what they were made from, stay computed.
GROWTH = 1 << 20

#: Nodes on large constants are evaluated while what they read stays below this many bytes together.
EVALUATED_BYTES = 1 << 30


def foldable(node: gs.Node, facts: Facts) -> bool:
    """Whether a node may be evaluated ahead of time: ONNX's own, the same at every run, without subgraphs, and not one
    of several that one call of a traced module became: the call would have to be taken apart."""
    return (
        facts.is_standard(node)
        and node.op not in NEVER_FOLDED
        and bool(node.outputs)
        and node.outputs[0].name not in facts.kept
        and not any(node.subgraphs())
        and not facts.is_part(node)
        and violation(node, facts.opset) is None
    )


def constant_node_values(node: gs.Node) -> gs.Constant | np.ndarray | None:
    """What a Constant node holds, in whichever of its attributes; None for sparse and string values."""
    attrs = node.attrs
    if isinstance(attrs.get("value"), gs.Constant):
        return attrs["value"]
    for name, dtype in (
        ("value_int", np.int64),
        ("value_ints", np.int64),
        ("value_float", np.float32),
        ("value_floats", np.float32),
    ):
        if name in attrs:
            return np.asarray(attrs[name], dtype=dtype)
    return None


def passes_through(node: gs.Node, facts: Facts) -> bool:
    """Whether the first output is the first input: Identity, and Dropout at inference."""
    if not foldable(node, facts) or not node.inputs or not node.inputs[0].name:
        return False
    if facts.specialised(node) is not None:
        return False
    if node.op == "Identity":
        return True
    return node.op == "Dropout" and not isinstance(dropout(node, facts, version_of("Dropout", facts.opset)), Wall)


def dead_nodes(facts: Facts) -> list[gs.Node]:
    """ONNX's own nodes that reach no graph output and no subgraph, in one pass backwards."""
    needed: set[str] = set(facts.outputs) | facts.captured
    dead = []
    for node in reversed(facts.order):
        alive = any(t.name in needed for t in node.outputs) or not facts.is_standard(node) or not node.outputs
        if not alive and node.outputs[0].name not in facts.kept:
            dead.append(node)
            continue
        needed.update(t.name for t in node.inputs)
        for subgraph in node.subgraphs(recursive=True):
            needed.update(t.name for inner in subgraph.nodes for t in inner.inputs)
            needed.update(t.name for t in subgraph.outputs)
    return dead[::-1]


def known_dimensions(facts: Facts) -> Iterator[tuple[gs.Node, np.ndarray]]:
    """Gather and Slice of a Shape that pick dimensions which are static although others are not."""
    for node in facts.order:
        if node.op not in ("Gather", "Slice") or not foldable(node, facts) or facts.is_pinned(node.outputs[0].name):
            continue
        maker = facts.producer.get(node.inputs[0].name)
        if maker is None or maker.op != "Shape" or not facts.is_standard(maker):
            continue
        shape = facts.shape(maker.inputs[0])
        if shape is None or any(not facts.constant(t) for t in node.inputs[1:] if t.name) or facts.opset < 10:
            continue
        part = list(shape)[slice(maker.attrs.get("start", 0), maker.attrs.get("end", None))]
        picked = _picked(node, part, facts)
        if picked is not None and all(isinstance(n, int) for n in picked.reshape(-1)):
            yield node, picked.astype(np.int64)


def _picked(node: gs.Node, shape: list[Dimension], facts: Facts) -> np.ndarray | None:
    dimensions = np.array(shape, dtype=object)
    if node.op == "Gather":
        indices = np.array(facts.integers(node.inputs[1]), dtype=np.int64).reshape(node.inputs[1].shape)
        inside = np.all((indices >= -len(shape)) & (indices < len(shape)))
        return np.asarray(dimensions[indices], dtype=object) if inside else None
    if len(node.inputs) < 3 or any(len(facts.integers(t)) != 1 for t in node.inputs[1:] if t.name):
        return None
    start, stop = facts.integers(node.inputs[1])[0], facts.integers(node.inputs[2])[0]
    step = facts.integers(node.inputs[4])[0] if len(node.inputs) > 4 else 1
    return dimensions[slice(start, stop, step)] if step > 0 else None


def fills(facts: Facts) -> Iterator[tuple[gs.Node, np.ndarray]]:
    """ConstantOfShape with a constant shape: always where the result is small, and where it is a weight that a
    normalisation behind it is to be folded into (zoo files spell weights so)."""
    for node in facts.order:
        if node.op != "ConstantOfShape" or not foldable(node, facts) or not facts.constant(node.inputs[0]):
            continue
        output = node.outputs[0].name
        shape = facts.integers(node.inputs[0])
        value = node.attrs.get("value")
        if facts.is_pinned(output) or min(shape, default=0) < 0 or prod(shape) * 8 > EVALUATED_BYTES:
            continue
        if value is not None and prod(value.shape) != 1:
            continue
        if prod(shape) * 8 <= GROWTH or any(_is_folded_into(reader, facts) for reader in facts.readers[output]):
            fill = np.asarray(constant_array(value)).reshape(-1)[:1] if value is not None else np.zeros(1, np.float32)
            yield node, np.full(shape, fill[0], dtype=fill.dtype)


def _is_folded_into(reader: Reader, facts: Facts) -> bool:
    """Whether the reader is a weighted node, the tensor its weights, and a normalisation or scale reads its output."""
    if reader.index == 0 or reader.node.op not in WEIGHTED:
        return False
    behind = facts.readers[reader.node.outputs[0].name]
    return any(
        r.node.op == "BatchNormalization" or (r.node.op in SCALES and any(facts.constant(t) for t in r.node.inputs))
        for r in behind
    )


def worth_asking(facts: Facts) -> bool:
    """Whether any node could be constant: one that makes a value of none, or reads a shape."""
    return any(
        node.op in ("Shape", "Size", "Range", "EyeLike") or not _variable_inputs(node, facts)
        for node in facts.order
        if foldable(node, facts) and node.op not in ("Constant", "ConstantOfShape")
    )


def _variable_inputs(node: gs.Node, facts: Facts) -> bool:
    return any(t.name and not facts.constant(t) for t in node.inputs)


def accepted(values: dict[str, np.ndarray], facts: Facts) -> dict[str, np.ndarray]:
    """The oracle's constants that may be taken: not quantised, not random, not of a custom operator."""
    tainted: set[str] = set()
    for node in facts.order:
        makes_taint = not foldable(node, facts) and node.op != "Constant"
        inherits = node.op not in ("Shape", "Size") and any(t.name in tainted for t in node.inputs)
        if makes_taint or inherits:
            tainted.update(t.name for t in node.outputs)
    return {
        name: value
        for name, value in values.items()
        if name in facts.producer
        and name not in tainted
        and not facts.is_pinned(name)
        and facts.producer[name].op != "Constant"
    }


def on_large_constants(facts: Facts) -> tuple[list[gs.Node], list[gs.Tensor]]:
    """Nodes on constants alone, and those of their outputs that are read; none that would grow the model."""
    nodes: list[gs.Node] = []
    inside: set[str] = set()
    total = 0
    for node in facts.order:
        if not foldable(node, facts) or node.op == "Constant" or not node.inputs:
            continue
        if any(t.name and not facts.constant(t) and t.name not in inside for t in node.inputs):
            continue
        read = sum(_bytes(t, facts) for t in node.inputs)
        made = sum(_bytes(t, facts) for t in node.outputs)
        if made > max(2 * read, GROWTH) or total + read > EVALUATED_BYTES:
            continue
        total += read
        nodes.append(node)
        inside.update(t.name for t in node.outputs)
    frontier = [
        t
        for node in nodes
        for t in node.outputs
        if t.name
        and not facts.is_pinned(t.name)
        and any(r.node.outputs and r.node.outputs[0].name not in inside for r in facts.readers[t.name])
    ]
    return nodes, frontier


def _bytes(tensor: gs.Tensor, facts: Facts) -> int:
    """Size of a tensor; absurd where its shape is not known, so that it is not folded."""
    shape = facts.shape(tensor)
    if not tensor.name:
        return 0
    if shape is None or any(not isinstance(n, int) for n in shape):
        return EVALUATED_BYTES
    return 8 * prod(int(n) for n in shape if isinstance(n, int))
