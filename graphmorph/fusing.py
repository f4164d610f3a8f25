"""`graphmorph.fuse`: the deploy form of a file, a graph, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from graphmorph.graph import Graph
from graphmorph.manager import Progress
from graphmorph.module_pipeline import is_module, refuse_training
from graphmorph.pipeline import FuseResult, passes_for
from graphmorph.proof import ProofOptions
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.rewriting import rewrite_model

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
    from graphmorph.torch_door.tracer import LeafModules

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@overload
def fuse(
    model: nn.Module,
    output: ExampleInputs | None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    **options: Any,
) -> MorphedModule: ...


@overload
def fuse(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def fuse(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    keep: Iterable[str] = (),
    verify: bool = True,
    certify: bool = False,
    inputs: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 1,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    labels: Any = None,
    freeze_initializers: bool = False,
    in_place: bool = False,
    max_rewrites: int | None = None,
    pass_options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> FuseResult | MorphedModule:
    """Bring a model into its deploy form, prove that it computes the same, and write it.

    A torch module gives its deploy form back as a torch module, whose `.report` tells what was done; the original is
    untouched unless in_place is asked for. It must be in evaluation mode. Its second argument is example_inputs, as for
    `trace`; without them the usual sizes are tried. leaf_modules are kept whole.

    model: a file, a Graph, or a ModelProto; it is not changed. output: where to write; None writes nothing (the graph
    of the result has the edits). in_place: write to the model's own file. keep: globs of node names to leave alone.
    certify: also certify every rewrite of an affine region for all inputs. The other options are those of `verify`.

    Nothing is written where the proof fails, unless rolling back single rewrites makes it pass; the exit code says so.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or name what is not there.
        TraceError: a torch module that cannot be traced.
        RefusedError: a torch module in training mode.
        VerificationError: a torch module whose rewrite could not be proven.
    """
    passes = passes_for(only, skip, pass_options)
    if is_module(model):
        refuse_training(model)
    return rewrite_model(
        model,
        output,
        passes,
        RewriteSettings(
            ProofOptions(
                inputs=inputs,
                shapes=shapes,
                samples=samples,
                seed=seed,
                rtol=rtol,
                atol=atol,
                providers=providers,
                custom_ops=custom_ops,
                labels=labels,
            ),
            example_inputs=example_inputs,
            leaf_modules=leaf_modules,
            keep=keep,
            verify=verify,
            certify=certify,
            freeze_initializers=freeze_initializers,
            in_place=in_place,
            max_rewrites=max_rewrites,
            progress=progress,
        ),
    )
