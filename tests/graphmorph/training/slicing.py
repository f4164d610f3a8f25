"""Smaller modules: elements removed as passes do it, and single constants sliced by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn

from graphmorph.channels.analysis import analyse
from graphmorph.channels.removal import remove
from graphmorph.channels.traced_sizes import traced_sizes
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal, Slice
from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.morphed_module import MorphedModule


@dataclass(frozen=True)
class Cut:
    """Inputs of a node that are taken along an axis at some entries."""

    node: str
    inputs: Sequence[int]
    axis: int
    kept: Sequence[int]


@dataclass(frozen=True)
class Gone:
    """Entries of a constant along an axis; what is tied to them goes with them."""

    constant: str
    axis: int
    entries: Sequence[int]


def removed(module: nn.Module, example: torch.Tensor, gone: Iterable[Gone]) -> MorphedModule:
    """The module without some elements; what has none of them is shared with the original."""
    graph, journal = trace(module, example), Journal()
    facts = Facts(graph)
    analysis = analyse(facts, traced_sizes(facts))
    slots = {slot.name: slot for slot in analysis.slots}
    units = []
    for one in gone:
        ids = slots[one.constant].axes[one.axis]
        assert ids is not None
        units.append(analysis.components.label[ids[list(one.entries)]])
    editor = Editor(graph, facts, journal)
    editor.begin("test", facts.order[0].outputs[0].name)
    remove(analysis, analysis.kept_without(np.unique(np.concatenate(units))), editor)
    editor.commit()
    editor.flush()
    return materialise(graph, journal)


def sliced(module: nn.Module, example: torch.Tensor, cuts: Iterable[Cut], *, takes_over: bool = True) -> MorphedModule:
    """The module after some cuts, made one after the other; what is not cut is shared with the original."""
    graph, journal = trace(module, example), Journal()
    for cut in cuts:
        cut_once(graph, journal, cut, takes_over=takes_over)
    return materialise(graph, journal)


def cut_once(graph: Graph, journal: Journal, cut: Cut, *, takes_over: bool = True) -> None:
    """One cut, as an edit of its own."""
    editor = Editor(graph, Facts(graph), journal)
    node = next(node for node in graph.nodes if node.name == cut.node)
    editor.begin("test", node.outputs[0].name)
    for index in cut.inputs:
        constant = node.inputs[index]
        assert isinstance(constant, gs.Constant)
        slices = (Slice(cut.axis, tuple(cut.kept)),)
        editor.reread(node, index, editor.sliced(constant, slices, takes_over=takes_over))
    editor.commit()
    editor.flush()
