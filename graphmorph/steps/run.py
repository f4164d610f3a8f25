"""`graphmorph.run_pipeline`: a pipeline of steps from a file, on an ONNX model or a live module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, overload

from graphmorph.destination import target_of
from graphmorph.errors import UsageError
from graphmorph.graph import Graph
from graphmorph.manager import Progress
from graphmorph.module_pipeline import is_module
from graphmorph.steps.file_run import PipelineResult, run_on_file
from graphmorph.steps.pipeline import PipelineSource, read_pipeline

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
    from graphmorph.torch_door.tracer import LeafModules

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@overload
def run_pipeline(
    model: nn.Module,
    pipeline: PipelineSource,
    output: None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    in_place: bool = False,
    progress: Progress | None = None,
    **shared: Any,
) -> MorphedModule: ...


@overload
def run_pipeline(
    model: Model,
    pipeline: PipelineSource,
    output: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    progress: Progress | None = None,
    **shared: Any,
) -> PipelineResult: ...


def run_pipeline(
    model: Any,
    pipeline: PipelineSource,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    in_place: bool = False,
    progress: Progress | None = None,
    **shared: Any,
) -> PipelineResult | MorphedModule:
    """Run steps (fuse, prune, merge, widen, expand, or any pass by its name), each on the result of the one before.

    Each step is proven as its own function proves it, against its own input; then the whole against the original
    model. Where all steps keep the function, so must the whole; else it is measured how far it is. Where a step fails,
    the pipeline ends, and nothing is written.

    pipeline: a TOML file with a [[step]] table for each step, the same as a mapping, or a list of steps. `run` names
    the step; the rest of a table are the options of its function (`graphmorph.prune`, ...) or of the pass, with dashes
    or underscores; paths are relative to the file. What holds for all steps stands at the top: verify, inputs, labels,
    shapes, samples, seed (of whatever is drawn), rtol, atol, providers, custom_ops, freeze_initializers. shared: the
    same as keywords, which go before those of the pipeline.

    A torch module takes example_inputs and leaf_modules as in `fuse`, and gives a torch module back, with `.report`.

    Raises:
        UsageError: a step or an option that does not exist, is missing, or is of another type; before anything runs.
        ModelFileError: the model cannot be read, or the output cannot be written.
        VerificationError: a torch module for which a step or the whole could not be proven.
        GraphmorphError: whatever a step raises, with the step's name in front.
    """
    chosen = read_pipeline(pipeline, shared)
    if is_module(model):
        from graphmorph.steps.module_run import run_on_module

        if output is not None:
            raise UsageError("a torch module is rewritten in memory: no output; to write a file use graphmorph.export")
        return run_on_module(
            model, chosen, example_inputs, leaf_modules=leaf_modules, in_place=in_place, progress=progress
        )
    if example_inputs is not None or leaf_modules:
        raise UsageError("example_inputs and leaf_modules are for torch modules; an ONNX file is proven on inputs=")
    return run_on_file(model, chosen, target_of(model, output, in_place=in_place), progress)
