"""What is left in a file: nodes, convolutions, batch normalisations, Adds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx

#: onnxruntime renames what it has optimized; the domain does not matter here.
CONVOLUTIONS = ("Conv", "ConvTranspose", "FusedConv")
#: Index of the tensor that onnxruntime's fused convolutions add to their result.
ADDED_INPUT = 3


@dataclass(frozen=True)
class Census:
    """Counts of one graph; `adds` includes those that a fused convolution does on the side."""

    nodes: int
    convolutions: int
    batchnorms: int
    adds: int


def census(path: Path) -> Census:
    """Count the nodes of a file, without its external data."""
    graph = onnx.load(path, load_external_data=False).graph
    operators = Counter(node.op_type for node in graph.node)
    inside = sum(
        node.op_type in CONVOLUTIONS and len(node.input) > ADDED_INPUT and bool(node.input[ADDED_INPUT])
        for node in graph.node
    )
    return Census(
        len(graph.node),
        sum(operators[name] for name in CONVOLUTIONS),
        operators["BatchNormalization"],
        operators["Add"] + operators["Sum"] + inside,
    )
