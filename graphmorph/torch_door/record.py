"""What a traced graph remembers of its module, shared by the graph and its copies and never changed.

A site is one fx node and the ONNX nodes that it became. Sites are found by the names of their nodes: graphsurgeon's
copies keep names, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx, nn

from graphmorph.oracle import OPAQUE_DOMAIN
from graphmorph.torch_door.parameters import ParameterValues
from graphmorph.torch_door.values import Number

#: The domain of what is not ONNX: opaque nodes.
DOMAIN = OPAQUE_DOMAIN

#: The names of opaque operators: a call that is not understood, and an access to a tensor that the module writes into.
OPAQUE = "Opaque"


@dataclass(frozen=True)
class NodeSnapshot:
    """An ONNX node as it was lowered; inputs and outputs by name."""

    name: str
    op: str
    domain: str
    attrs: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """One fx node that gives tensors.

    order: its place in the program. arguments: what its argument nodes stood for at that moment. result: what it gave.
    rebinds: tensors that are new versions of old ones it wrote into, as (new, old): the fx value is the old one's.
    written: names of the tensors it wrote into.
    """

    order: int
    fx_node: fx.Node
    nodes: tuple[NodeSnapshot, ...]
    arguments: Mapping[fx.Node, Any]
    result: Any
    rebinds: tuple[tuple[str, str], ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class NumberSite:
    """One fx node without tensors: shape arithmetic, or an assertion (`effect`), which is emitted though unread.

    traced: what it was on the example. fixed: it follows from ranks alone, so its value stays what it was.
    """

    order: int
    fx_node: fx.Node
    arguments: Mapping[fx.Node, Any]
    traced: Number
    effect: bool = False
    fixed: bool = False


@dataclass(eq=False)
class TraceRecord:
    """The traced program and how it became a graph.

    specialised: tensors whose lowering holds for the traced sizes only, with the reason. shape_read: tensors whose
    shape the program reads. sizes_read: by the name of an opaque node, for inputs of which it reads sizes alone, the
    axes. side_outputs: outputs of the graph that the program does not return: they hold writes. output_names: what the
    graph's outputs were called. values_given: the tensors that each fx node gave. batch: the size of the example's
    batch. sizes: of every tensor on the example, by name; doubled_sizes: with twice the batch, of those where it is
    known. batch_input: the input whose first size is the batch.
    """

    root: nn.Module
    fx_graph: fx.Graph
    training: bool
    sites: list[Site] = field(default_factory=list)
    site_of: dict[str, Site] = field(default_factory=dict)
    numbers: dict[fx.Node, NumberSite] = field(default_factory=dict)
    placeholders: list[fx.Node] = field(default_factory=list)
    placeholder_values: dict[fx.Node, Any] = field(default_factory=dict)
    parameters: dict[str, ParameterValues] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    literals: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    output_node: fx.Node | None = None
    output_arguments: Mapping[fx.Node, Any] = field(default_factory=dict)
    output_names: list[str] = field(default_factory=list)
    values_given: dict[fx.Node, tuple[str, ...]] = field(default_factory=dict)
    side_outputs: list[str] = field(default_factory=list)
    specialised: dict[str, str] = field(default_factory=dict)
    shape_read: set[str] = field(default_factory=set)
    opaque: dict[str, str] = field(default_factory=dict)
    sizes_read: dict[str, Mapping[int, frozenset[int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    batch: int | None = None
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    doubled_sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batch_input: gs.Variable | None = None
