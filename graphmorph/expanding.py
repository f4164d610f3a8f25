"""`graphmorph.expand`: blocks of parallel branches for training, in a file, a graph, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from graphmorph import registry
from graphmorph.graph import Graph
from graphmorph.manager import Progress
from graphmorph.pipeline import FuseResult
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


EXPAND_PASS = "expand-branches"


@overload
def expand(
    model: nn.Module,
    output: ExampleInputs | None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    **options: Any,
) -> MorphedModule: ...


@overload
def expand(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def expand(  # type: ignore[misc]
    model: Any,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    block: str = "acb",
    layers: Iterable[str] = (),
    kernel_sizes: Iterable[int] = (),
    horizontal: bool = True,
    vertical: bool = True,
    normalise: str = "branch",
    shifted: bool = False,
    asymmetric_size: int = 0,
    branches: int = 3,
    init: str = "preserve",
    share: float = 0.5,
    seed: int = 0,
    keep: Iterable[str] = (),
    verify: bool = True,
    certify: bool = False,
    inputs: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 1,
    proof_seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    labels: Any = None,
    freeze_initializers: bool = False,
    in_place: bool = False,
    max_rewrites: int | None = None,
    progress: Progress | None = None,
) -> FuseResult | MorphedModule:
    """Replace square convolutions by blocks of parallel branches, for training; `fuse` takes them back.

    A torch module, in training mode or not, gives a torch module back, with `.report`; its second argument is
    example_inputs, as for `fuse`. "Preserve" means in evaluation mode: in training every branch is normalised by the
    statistics of its own batch.

    block to seed: the options of the pass expand-branches. proof_seed: of the random inputs of the proof. The rest is
    as in `fuse`. With init="preserve" the proof has to say equal; with init="fresh" the outputs are meant to change,
    and the proof in the report says by how much.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or name what is not there.
        TraceError: a torch module that cannot be traced.
        VerificationError: a torch module whose rewrite could not be proven.
    """
    chosen = {
        "block": block,
        "layers": tuple(layers),
        "kernel_sizes": tuple(kernel_sizes),
        "horizontal": horizontal,
        "vertical": vertical,
        "normalise": normalise,
        "shifted": shifted,
        "asymmetric_size": asymmetric_size,
        "branches": branches,
        "init": init,
        "share": share,
        "seed": seed,
    }
    passes = [registry.create(EXPAND_PASS, chosen)]
    return rewrite_model(
        model,
        output,
        passes,
        RewriteSettings(
            ProofOptions(
                inputs=inputs,
                shapes=shapes,
                samples=samples,
                seed=proof_seed,
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
