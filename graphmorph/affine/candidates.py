"""Nodes that a reader of the graph would expect to be fused: each ends in the report, rewritten or with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_graphsurgeon as gs

from graphmorph.affine.operators import supported
from graphmorph.facts import Facts, subgraphs

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
SCALES = frozenset({"Mul", "Add", "Sub", "Div"})
SERIAL = WEIGHTED - {"ConvTranspose"}
SUMS = frozenset({"Add", "Sub", "Sum"})

#: Sources and nodes remembered for one tensor; a chain of sums without an activation would collect them all.
MEMORY = 24


@dataclass(frozen=True)
class Candidate:
    """`along`: outputs of the nodes between the candidate and where its branches part. `shared`: that one of these is
    read elsewhere. `surroundings`: the reason to give where no condition failed."""

    name: str
    op: str
    output: str
    along: tuple[str, ...]
    surroundings: str
    shared: str | None = None


def branch_sums(facts: Facts) -> list[Candidate]:
    """Sums in which two operands come from one tensor by convolutions, scales, pooling, pads and crops."""
    passes_through = frozenset(supported())
    origins: dict[str, frozenset[str]] = {}
    paths: dict[str, tuple[str, ...]] = {}
    found = []
    for node in facts.order:
        if not node.outputs or not node.outputs[0].name:
            continue
        name = node.outputs[0].name
        data = [t.name for t in node.inputs if not facts.constant(t) and t.name]
        if node.op not in passes_through or not data or (node.op in ("Mul", "Div") and len(data) > 1):
            continue
        if node.op not in SUMS:
            data = data[:1]
        sources = [origins.get(d, frozenset((d,))) for d in data]
        if node.op in SUMS and len(data) > 1 and _meet(sources) and _weighted_between(node, data, facts):
            along = tuple(dict.fromkeys(p for d in data if d in paths for p in (d, *paths[d])))
            found.append(_joined(node, name, along, facts))
        merged = frozenset().union(*sources)
        origins[name] = merged if len(merged) <= MEMORY else frozenset((name,))
        paths[name] = tuple(dict.fromkeys(p for d in data if d in paths for p in (d, *paths[d])))[:MEMORY]
    return found


def _meet(sources: list[frozenset[str]]) -> bool:
    return sum(len(s) for s in sources) > len(frozenset().union(*sources))


def _weighted_between(node: gs.Node, data: list[str], facts: Facts) -> bool:
    """At least two operands are made by affine nodes: a residual connection is no branch block."""
    ops = [facts.producer[d].op for d in data if d in facts.producer]
    return (
        sum(op in WEIGHTED or op in ("BatchNormalization", "AveragePool") or op in SUMS or op in SCALES for op in ops)
        > 1
    )


def series(facts: Facts) -> list[Candidate]:
    """Convolutions and matrix products whose data comes from another one by per-channel steps alone."""
    found = []
    for node in facts.order:
        if node.op in SERIAL and len(node.inputs) > 1 and node.outputs:
            along = _back_to_weights(node.inputs[0].name, facts)
            if along:
                name = node.outputs[0].name
                found.append(_joined(node, name, along, facts))
    return found


def _back_to_weights(name: str, facts: Facts) -> tuple[str, ...]:
    """Tensors from `name` back to the output of a weighted node, nearest first; empty where there is none."""
    along: list[str] = []
    while (maker := facts.producer.get(name)) is not None and len(along) < MEMORY:
        along.append(name)
        if maker.op in SERIAL:
            return tuple(along)
        data = [t.name for t in maker.inputs if t.name and not facts.constant(t)]
        if maker.op not in ("BatchNormalization", "Pad", *SCALES) or len(data) != 1:
            return ()
        name = data[0]
    return ()


def _joined(node: gs.Node, name: str, along: tuple[str, ...], facts: Facts) -> Candidate:
    read = (n for n in along if n in facts.producer and (len(facts.readers[n]) > 1 or facts.is_pinned(n)))
    shared = next((_shared(n, facts) for n in read), None)
    surroundings = "its branches have no common source that they reach by affine nodes alone"
    return Candidate(node.name or name, node.op, name, along, surroundings, shared)


def _shared(name: str, facts: Facts) -> str:
    if name in facts.outputs:
        return f"{name} is a graph output"
    if name in facts.captured:
        return f"{name} is read inside a subgraph"
    readers = ", ".join(reader.node.name or reader.node.op for reader in facts.readers[name][:4])
    return f"{name} is also read elsewhere (by {readers})"


def foldables(facts: Facts) -> list[Candidate]:
    """Batch normalisations, constant scales and offsets behind a weighted node, and pads before one."""
    found: list[Candidate] = []
    for node in facts.order:
        for body in subgraphs(node):
            found.extend(_inside(node, body))
        if not node.outputs:
            continue
        data = next((t for t in node.inputs if t.name and not _meant_constant(t, facts)), None)
        if data is None:
            continue
        name = node.outputs[0].name
        if node.op == "BatchNormalization" or (node.op in SCALES and _behind_weights(node, data, facts)):
            along = _weights_beside(name, data, facts)
            found.append(Candidate(node.name or name, node.op, name, along, _neighbours(node, data, facts)))
        elif node.op == "Pad" and any(r.node.op == "Conv" for r in facts.readers[name]):
            found.append(Candidate(node.name or name, node.op, name, _reading(name, facts), _shared(name, facts)))
    return found


def _inside(node: gs.Node, body: gs.Graph) -> Iterator[Candidate]:
    """Batch normalisations in a body of If, Loop or Scan."""
    for inner in body.nodes:
        if inner.op == "BatchNormalization" and inner.outputs:
            name = inner.outputs[0].name
            reason = f"it is in a body of {node.op} {node.name}".rstrip() + "; bodies are not rewritten"
            yield Candidate(inner.name or name, inner.op, name, (), reason)


def _weights_beside(name: str, data: gs.Tensor, facts: Facts) -> tuple[str, ...]:
    """Outputs of the weighted nodes that a step would go into: the one before it, else those behind it."""
    producer = facts.producer.get(data.name)
    if producer is None or producer.op not in WEIGHTED:
        return _reading(name, facts)
    alone = len(facts.readers[data.name]) == 1 and not facts.is_pinned(data.name)
    return (data.name,) if alone and producer.op in SERIAL else ()


def _reading(name: str, facts: Facts) -> tuple[str, ...]:
    return tuple(r.node.outputs[0].name for r in facts.readers[name] if r.node.op in SERIAL and r.node.outputs)


def _behind_weights(node: gs.Node, data: gs.Tensor, facts: Facts) -> bool:
    producer = facts.producer.get(data.name)
    fixed = any(_meant_constant(t, facts) for t in node.inputs)
    if producer is None or producer.op not in WEIGHTED or not fixed or _gated(data.name, facts):
        return False
    return not (producer.op == "MatMul" and node.op == "Add")


def _meant_constant(tensor: gs.Tensor, facts: Facts) -> bool:
    return facts.constant(tensor) or tensor.name in facts.overridable


def _gated(name: str, facts: Facts) -> bool:
    """Whether another tensor multiplies it: then the constants beside it belong to an activation, x * gate(x)."""
    return any(
        reader.node.op == "Mul" and not any(_meant_constant(t, facts) for t in reader.node.inputs)
        for reader in facts.readers[name]
    )


def _neighbours(node: gs.Node, data: gs.Tensor, facts: Facts) -> str:
    producer = facts.producer.get(data.name)
    if producer is None:
        return f"its input {data.name} is a graph input, with no weights to fold it into"
    if len(facts.readers[data.name]) > 1 or facts.is_pinned(data.name):
        return f"its input: {_shared(data.name, facts)}"
    made = f"its input {data.name} is made by {producer.op} {producer.name}".rstrip()
    if producer.op in WEIGHTED:
        variable = [facts.variable(t) for t in producer.inputs[1:] if t.name and not facts.constant(t)]
        if variable:
            return f"{made}, whose weights are not constant ({variable[0]})"
    if producer.op == "DequantizeLinear":
        return f"{made}: quantised data is left alone (fuse first, then quantise)"
    readers = [reader.node.op for reader in facts.readers[node.outputs[0].name]]
    if facts.is_pinned(node.outputs[0].name):
        readers.append("the graph's caller" if node.outputs[0].name in facts.outputs else "a subgraph")
    read_by = ", ".join(sorted(set(readers))) or "nobody"
    return f"{made}, and its output is read by {read_by}: no weights beside it to fold it into"
