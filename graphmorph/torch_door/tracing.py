"""`trace`: from a live module to the graph that passes see."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from graphmorph.errors import TraceWarning
from graphmorph.graph import Graph
from graphmorph.torch_door.examples import ExampleInputs
from graphmorph.torch_door.lowering import Lowering
from graphmorph.torch_door.program import shaped_program
from graphmorph.torch_door.tracer import LeafModules
from graphmorph.torch_door.wrapped_functions import Through


def trace(
    module: nn.Module,
    example_inputs: ExampleInputs,
    *,
    leaf_modules: LeafModules = (),
    concrete_args: Mapping[str, Any] | None = None,
    through_wrapped: bool = False,
) -> Graph:
    """Trace a module into a graph in ONNX vocabulary (opset 20), in the mode (train or eval) that it is in.

    Weights are read from the module's own parameters on demand: nothing is copied, and the graph follows an optimiser.
    The module is not changed. `materialise` makes a module of the graph again.

    example_inputs: a tensor, a tuple of positional arguments, or a dict of keyword arguments; only their shapes and
    types matter. Sizes that follow the first dimension of the first tensor are called "batch". Arguments of forward
    that are not given keep their defaults. leaf_modules: types, modules, or globs of paths that are kept whole.
    concrete_args: values for arguments that tracing must know, as for torch.fx.symbolic_trace. through_wrapped: trace
    functions that were given to torch.fx.wrap as well, where they can be: for passes that have to look into them.

    Raises:
        TraceError: the module cannot be traced; the message names the line and what to do.
        UsageError: the example inputs do not fit.
    """
    program = shaped_program(
        module, example_inputs, leaf_modules, concrete_args or {}, Through() if through_wrapped else None
    )
    graph = Lowering(module, program).lower()
    for path in program.traced.branches_on_training:
        warnings.warn(
            f"{path or type(module).__name__} branches on self.training: the traced module keeps the branch of "
            f"{'training' if module.training else 'evaluation'} mode. Trace in the mode that you will use, or keep it "
            "whole with leaf_modules",
            TraceWarning,
            stacklevel=2,
        )
    if program.traced.other_gradients:
        warnings.warn(
            f"{type(module).__name__} switches gradients on or off (torch.no_grad ...) at "
            f"{program.traced.other_gradients[0]}: the traced module computes the same, but its gradients follow the "
            "mode that it is called in. Call .detach() on the results instead, or keep it whole with leaf_modules",
            TraceWarning,
            stacklevel=2,
        )
    return graph
