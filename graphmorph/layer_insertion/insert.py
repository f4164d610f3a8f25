"""`graphmorph.insert_layer`: a new layer in a file, a graph, or a live module."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Unpack, overload

from graphmorph.collector import rare_collections
from graphmorph.destination import target_of
from graphmorph.graph import Graph
from graphmorph.layer_insertion.initialisation import Initialisation
from graphmorph.layer_insertion.job import Asked, InsertJob, InsertResult, require_sense
from graphmorph.layer_insertion.new_layer import Activation
from graphmorph.layer_insertion.settings import Algorithm, LayerSettings
from graphmorph.module_pipeline import is_module, module_settings, only_for_modules
from graphmorph.proof.user_data import UserData
from graphmorph.rewrite_options import RewriteOptions, settings_from

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

WRITE_MODULES = "a torch module is rewritten in memory; to write a file use graphmorph.export"


@overload
def insert_layer(model: nn.Module, output: ExampleInputs | None = None, **options: Any) -> MorphedModule: ...


@overload
def insert_layer(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> InsertResult: ...


def insert_layer(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    after: str,
    before: str | None = None,
    calibration: UserData | None = None,
    algorithm: Algorithm = "compnet-3",
    channels: int = 0,
    kernel: int | tuple[int, ...] = 3,
    activation: Activation = "relu",
    slope: float = 0.01,
    initialisation: Initialisation = "auto",
    survivors: int | None = None,
    explained: float | None = None,
    penalty: float = 0.1,
    alpha: float = 0.1,
    ridge: float = 1e-6,
    positions: int = 10,
    batch_norm: bool = False,
    seed: int = 0,
    max_error: float | None = None,
    latency: bool = True,
    **options: Unpack[RewriteOptions],
) -> InsertResult | MorphedModule:
    """Insert a layer into a trained network so that its function stays, and measure how well it does.

    The new layer (a convolution of stride 1 that keeps all positions, or a fully connected one) and its activation
    function go behind `after`, a node or tensor; the layer that reads it (`before`, where several do) gets new weights.

    algorithm: compnet-1, -2 and -3 start from `channels` random channels (0: twice as many as `after` has, or more
    where `explained` needs them), drop those that are superfluous, and fit the next layer by least squares on
    calibration data. survivors: how many stay; explained: as few as give this mean R² of the next layer's outputs;
    neither: those that the penalty λ leaves, with α for likeness (CompNet, equations 1, 3 and 6). netmorph takes the
    next layer apart into two, with a parametric activation that starts linear; net2deeper is the identity behind a
    relu, and proven to be.

    calibration: data that activations are captured on, as `inputs` of `graphmorph.verify`; for a torch module an
    iterable of its example inputs. kernel: one size for all axes, or one for each. slope: of leaky-relu. ridge: in
    units of the mean square column. positions: rows drawn from each sample; 0: all. batch_norm: a normalisation
    behind the layer, with the statistics of the data, that changes nothing at first. seed: of weights and positions.
    max_error: more change of the outputs, as a share of their norm, is a failure. latency: time both models. The rest
    is as in `widen`; the change is measured on `inputs`, or else on the first 1,024 samples of calibration data that
    are arrays or files.

    A torch module, in training mode or not, gives a deeper torch module back with `.report`; the original is untouched.
    `graphmorph.training.carry_optimizer` moves an optimizer along: parameters that stay keep their state.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other or do not fit the model, or data that cannot be read.
        RefusedError: no layer can go there, or none would keep the function; the message says why.
        TraceError: a torch module that cannot be traced.
        VerificationError: a torch module whose outputs changed by more than max_error.
    """
    running = settings_from(options)
    asked = Asked(
        after,
        LayerSettings(
            algorithm=algorithm,
            channels=channels,
            kernel=tuple(kernel) if isinstance(kernel, list | tuple) else (kernel,),
            activation=activation,
            slope=slope,
            initialisation=initialisation,
            survivors=survivors,
            explained=explained,
            penalty=penalty,
            alpha=alpha,
            ridge=ridge,
            positions=positions,
            batch_norm=batch_norm,
            seed=seed,
        ),
        before,
        calibration,
        max_error,
        latency,
    )
    require_sense(asked, running)
    if is_module(model):
        from graphmorph.layer_insertion.module_job import ModuleInsertJob

        return ModuleInsertJob(model, asked, module_settings(running, output, WRITE_MODULES)).run()
    only_for_modules(running)
    target = target_of(model, output, in_place=running.in_place)
    with rare_collections(), ExitStack() as stack:
        return InsertJob(model, target, asked, running, stack).run()
