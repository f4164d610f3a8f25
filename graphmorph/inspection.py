"""What is in a model, and what could be rewritten in it: the pipeline, run on a copy in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import onnx_graphsurgeon as gs

from graphmorph.graph import Graph
from graphmorph.manager import PassManager, Progress
from graphmorph.onnx_door import load
from graphmorph.pipeline import passes_for
from graphmorph.report import ModelSummary, RefusalReport, RewriteReport

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass(frozen=True)
class Port:
    """An input or output: element type by name, dimensions as number, symbol, or "?"."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Inspection:
    """A model's size, its ports, the rewrites that `fuse` would make, and the refusals with their reasons."""

    summary: ModelSummary
    inputs: list[Port]
    outputs: list[Port]
    opset: int
    ir_version: int
    rewrites: list[RewriteReport]
    refusals: list[RefusalReport]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "summary": self.summary.to_json(),
            "rewrites": [rewrite.to_json() for rewrite in self.rewrites],
        }


def inspect_model(
    model: Model,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    keep: Iterable[str] = (),
    freeze_initializers: bool = False,
    pass_options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Look at a model without changing it.

    Raises:
        ModelFileError: the model cannot be read.
    """
    graph = model.copy() if isinstance(model, Graph) else load(model, freeze_initializers=freeze_initializers)
    inputs, outputs = [port_of(t) for t in graph.inputs], [port_of(t) for t in graph.outputs]
    manager = PassManager(passes_for(only, skip, pass_options), keep=keep, progress=progress)
    result = manager.run(graph)
    return Inspection(
        result.before,
        inputs,
        outputs,
        int(graph.opset or 0),
        int(graph.ir_version or 0),
        [rewrite for one in result.passes for rewrite in one.rewrites],
        [refusal for one in result.passes for refusal in one.refusals],
        result.notes,
    )


def port_of(tensor: gs.Tensor) -> Port:
    """What a tensor at the border of a graph is declared as."""
    from graphmorph.onnx_door.element_types import onnx_type, type_name

    dtype = type_name(onnx_type(tensor.dtype)).lower() if tensor.dtype is not None else "?"
    shape = tuple("?" if n is None else n for n in tensor.shape) if tensor.shape is not None else ()
    return Port(tensor.name, dtype, shape)
