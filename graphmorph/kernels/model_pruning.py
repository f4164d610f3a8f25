"""Prune a whole model by the positions inside its kernels (ACNet figure 5): to see which of them it needs."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.kernels.positions import Where
from graphmorph.kernels.pruning import PrunedKernel, prune_kernel
from graphmorph.module_pipeline import is_module
from graphmorph.onnx_door import load, save
from graphmorph.rewrite import Refusal
from graphmorph.square_kernels import SquareKernel, square_kernels

if TYPE_CHECKING:
    import onnx
    from torch import nn

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass(frozen=True)
class PrunedLayer:
    """A layer, `zeroed` of whose `size` weights were set to zero."""

    layer: str
    zeroed: int
    size: int


@dataclass(frozen=True, eq=False)
class PruneResult:
    """The pruned copy (a Graph, or a module where one was given), what was pruned in it, and what was not and why."""

    model: Graph | nn.Module
    layers: list[PrunedLayer]
    skipped: list[Refusal]
    files: list[str]

    @property
    def sparsity(self) -> float:
        """The share of zeroed weights among all weights of the pruned layers."""
        size = sum(layer.size for layer in self.layers)
        return sum(layer.zeroed for layer in self.layers) / size if size else 0.0


def prune_positions(
    model: Model | nn.Module,
    where: Where,
    sparsity: float,
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    *,
    freeze_initializers: bool = False,
) -> PruneResult:
    """Zero a share of every square kernel's weights, chosen at random among those at some positions.

    model: a file, a Graph, a ModelProto or a torch module, taken as it is (fuse it first to prune fused kernels); it is
    not changed. where: "corner", "skeleton", "border", "top-left" or "global" (`graphmorph.kernels.positions` says
    which positions these are). sparsity: of all the weights of a layer; every k x k convolution, k odd and above 1,
    gets this one. seed: with the same one, a lower ratio removes some of what a higher one does. output: the file to
    write; None writes nothing.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: a ratio above what the positions hold, or options that contradict each other.
    """
    draw = _Draw(where, sparsity, seed)
    if is_module(model):
        if output is not None or freeze_initializers:
            raise UsageError("a pruned torch module is returned, not written: export it to get a file")
        return PruneResult(_prune_module(cast("nn.Module", model), draw), draw.layers, draw.skipped, [])
    if output is not None and isinstance(model, str | os.PathLike) and Path(output).resolve() == Path(model).resolve():
        raise UsageError(f"the output {output} is the model itself")
    graph = (
        model.copy()
        if isinstance(model, Graph)
        else load(cast("Model", model), freeze_initializers=freeze_initializers)
    )
    _prune_graph(graph, draw)
    files = [str(path) for path in save(graph, output)] if output is not None else []
    return PruneResult(graph, draw.layers, draw.skipped, files)


@dataclass
class _Draw:
    """Prunes one kernel after the other, and keeps the count."""

    where: Where
    sparsity: float
    seed: int
    layers: list[PrunedLayer] = field(default_factory=list)
    skipped: list[Refusal] = field(default_factory=list)

    def __call__(self, kernel: SquareKernel) -> PrunedKernel:
        generator = np.random.default_rng([self.seed, len(self.layers)])
        pruned = prune_kernel(kernel.load(), self.where, self.sparsity, generator)
        self.layers.append(PrunedLayer(kernel.layer, pruned.zeroed, pruned.kernel.size))
        return pruned


def _prune_graph(graph: Graph, draw: _Draw) -> None:
    facts = Facts(graph)
    editor = Editor(graph, facts, Journal())
    for kernel in list(square_kernels(facts)):
        if isinstance(kernel, Refusal):
            draw.skipped.append(kernel)
        else:
            _replace(kernel, draw(kernel), facts, editor)
    editor.flush()


def _replace(kernel: SquareKernel, pruned: PrunedKernel, facts: Facts, editor: Editor) -> None:
    """Let every Conv that reads the kernel read the pruned one, which takes its name where nobody else reads it."""
    readers = facts.readers[kernel.weight]
    layers = [r.node for r in readers if r.index == 1 and r.node.op == "Conv" and facts.is_standard(r.node)]
    if len(layers) == len(readers) and not facts.is_pinned(kernel.weight):
        editor.names.release(kernel.weight)
    weight: gs.Constant | None = None
    for node in layers:
        editor.begin("prune-positions", node.outputs[0].name)
        if weight is None:
            weight = editor.values(kernel.weight, pruned.kernel, made_from=(kernel.weight,))
        output = editor.root_stand_in(node.outputs[0])
        editor.node("Conv", node.name, [node.inputs[0], weight, *node.inputs[2:]], output, node.attrs, in_place_of=node)
        editor.remove([node])
        editor.commit()


def _prune_module(module: nn.Module, draw: _Draw) -> nn.Module:
    from graphmorph.torch_door.kernels import module_kernels, store_kernel

    copied = copy.deepcopy(module)
    for kernel in module_kernels(copied):
        if isinstance(kernel, Refusal):
            draw.skipped.append(kernel)
        else:
            store_kernel(copied, kernel, draw(kernel).kernel)
    return copied
