"""Rewrite the graph of a neural network and keep its function: `fuse`, and what it is made of.

Names are loaded when they are first used, so that `import graphmorph` costs nothing and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphmorph.activations.capture_sums import capture_sums
    from graphmorph.editor import Editor
    from graphmorph.errors import GraphmorphError
    from graphmorph.expanding import expand
    from graphmorph.fusing import fuse
    from graphmorph.graph import Graph
    from graphmorph.inspection import inspect_model
    from graphmorph.kernels.inspection import inspect_kernels
    from graphmorph.kernels.model_pruning import prune_positions
    from graphmorph.layer_insertion.insert import insert_layer
    from graphmorph.manager import PassManager
    from graphmorph.merging import merge_channels
    from graphmorph.module_export import export
    from graphmorph.onnx_door import load, save
    from graphmorph.proof import verify
    from graphmorph.proof.images import Images
    from graphmorph.pruning.listing import channel_groups
    from graphmorph.pruning.prune import prune
    from graphmorph.rewrite import Refusal, Rewrite, Site
    from graphmorph.steps.run import run_pipeline
    from graphmorph.torch_door import materialise, trace
    from graphmorph.widening import widen

__version__ = "0.1.0"

_HOMES = {
    "Editor": "graphmorph.editor",
    "Graph": "graphmorph.graph",
    "Images": "graphmorph.proof.images",
    "GraphmorphError": "graphmorph.errors",
    "PassManager": "graphmorph.manager",
    "Refusal": "graphmorph.rewrite",
    "Rewrite": "graphmorph.rewrite",
    "Site": "graphmorph.rewrite",
    "capture_sums": "graphmorph.activations.capture_sums",
    "channel_groups": "graphmorph.pruning.listing",
    "expand": "graphmorph.expanding",
    "export": "graphmorph.module_export",
    "fuse": "graphmorph.fusing",
    "insert_layer": "graphmorph.layer_insertion.insert",
    "inspect_kernels": "graphmorph.kernels.inspection",
    "inspect_model": "graphmorph.inspection",
    "load": "graphmorph.onnx_door",
    "materialise": "graphmorph.torch_door",
    "merge_channels": "graphmorph.merging",
    "prune": "graphmorph.pruning.prune",
    "prune_positions": "graphmorph.kernels.model_pruning",
    "run_pipeline": "graphmorph.steps.run",
    "save": "graphmorph.onnx_door",
    "trace": "graphmorph.torch_door",
    "verify": "graphmorph.proof",
    "widen": "graphmorph.widening",
}

__all__ = [
    "Editor",
    "Graph",
    "GraphmorphError",
    "Images",
    "PassManager",
    "Refusal",
    "Rewrite",
    "Site",
    "__version__",
    "capture_sums",
    "channel_groups",
    "expand",
    "export",
    "fuse",
    "insert_layer",
    "inspect_kernels",
    "inspect_model",
    "load",
    "materialise",
    "merge_channels",
    "prune",
    "prune_positions",
    "run_pipeline",
    "save",
    "trace",
    "verify",
    "widen",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)
