"""Weights that several nodes read: a layer's new weights must not part it from the others."""

from __future__ import annotations

from collections.abc import Sequence

from graphmorph.expansion.branch import Branch
from graphmorph.expansion.layer import Layer
from graphmorph.facts import Facts

Blocks = Sequence[tuple[Layer, tuple[Branch, ...]]]


def torn_apart(layers: Blocks, facts: Facts) -> dict[str, str]:
    """By layer name, why its square may not change: something reads the same weights and would keep the old ones."""
    becomes = {layer.output_name: branches for layer, branches in layers}
    return {layer.name: reason for layer, branches in layers if (reason := _reason(layer, branches, becomes, facts))}


def _reason(
    layer: Layer, branches: tuple[Branch, ...], becomes: dict[str, tuple[Branch, ...]], facts: Facts
) -> str | None:
    weight = str(layer.weight.name)
    if facts.is_pinned(weight):
        return f"its weights {weight} are read in a subgraph too, or an output"
    for reader in facts.readers[weight]:
        node = reader.node
        if reader.index == 1 and becomes.get(str(node.outputs[0].name)) == branches:
            continue
        return f"its weights {weight} are also those of {node.name or node.op}, which would not become the same block"
    return None
