"""`graphmorph.prune`: remove the least important channels of a file, a graph, or a live module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, overload

from graphmorph.channels.criteria import Criterion
from graphmorph.channels.criteria.criterion import Aggregation, CriterionName, Members
from graphmorph.collector import rare_collections
from graphmorph.destination import target_of
from graphmorph.graph import Graph
from graphmorph.manager import Progress
from graphmorph.module_pipeline import is_module, module_settings, only_for_modules
from graphmorph.pipeline import FuseResult
from graphmorph.proof import ProofOptions
from graphmorph.proof.user_data import UserData
from graphmorph.pruning.exact import refuse_amounts, remove_exactly
from graphmorph.pruning.job import PruneJob, PruneResult
from graphmorph.pruning.plan import RemovalPlan
from graphmorph.pruning.settings import settings_of
from graphmorph.rewrite_options import RewriteSettings

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
    from graphmorph.torch_door.tracer import LeafModules

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto
    Plan = RemovalPlan | str | os.PathLike[str] | Mapping[str, Any]

WRITE_MODULES = "a torch module is pruned in memory; to write a file use graphmorph.export"


@overload
def prune(
    model: nn.Module,
    output: ExampleInputs | None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    **options: Any,
) -> MorphedModule: ...


@overload
def prune(
    model: Model, output: str | os.PathLike[str] | None = None, *, exact: Literal[True], **options: Any
) -> FuseResult: ...


@overload
def prune(
    model: Model, output: str | os.PathLike[str] | None = None, *, exact: Literal[False] = False, **options: Any
) -> PruneResult: ...


def prune(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    ratio: float | None = None,
    target_macs: float | None = None,
    target_params: float | None = None,
    max_error: float | None = None,
    plan: Plan | None = None,
    exact: bool = False,
    scope: Literal["layer", "global"] = "layer",
    criterion: CriterionName | Criterion = "l2",
    members: Members = "producers",
    aggregation: Aggregation = "mean",
    criterion_seed: int = 0,
    round_to: int = 8,
    floor: int = 1,
    floor_fraction: float = 0.0,
    keep: Iterable[str] = (),
    calibration: UserData | None = None,
    repair: bool = False,
    latency: bool = True,
    verify: bool = True,
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
    progress: Progress | None = None,
) -> PruneResult | FuseResult | MorphedModule:
    """Remove the least important channels, with everything that is tied to them, and prove that nothing else changed.

    The proof: the smaller model equals the original in which the removed channels are masked, within rounding. Then it
    is measured how far it is from the original itself: on `inputs`, with their accuracy if `labels` are given, or on
    drawn ones. A file is written if the removal is proven.

    One of these says how much goes:
        ratio: the share of units that go, of each group, or of all with scope="global".
        target_macs, target_params: the share of multiply-adds or parameters that may be left.
        max_error: the largest ratio whose outputs change by no more than this share of their norm.
        plan: exactly what an earlier plan says (a RemovalPlan, its JSON, or its file), in this form of the model.
        exact: whatever changes nothing: what nobody reads, constants, and duplicates (the pass remove-channels). It is
            proven against the original itself, and what comes back is a FuseResult, or a module with the report of
            one and no plan. In training mode that is what does not count in the forward pass of this moment: a channel
            with outgoing weights of zero goes, though training might have brought it back.

    criterion, members, aggregation, criterion_seed: how units are scored (`graphmorph.channels.criteria`). round_to:
    channels that a group keeps are rounded up to a multiple of it. floor, floor_fraction: units that every group keeps.
    keep: globs of node names whose channels stay. calibration: data that activations are captured on, for criteria that
    ask for it and for repair. repair: fit the weights of the layers that lost inputs by least squares. latency: time
    both models. The rest is as in `fuse`.

    A torch module, in training mode or not, gives a smaller torch module back with `.report` and `.plan`; the original
    is untouched unless in_place is asked for. `graphmorph.training.carry_optimizer` moves an optimizer along.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other or do not fit the model, or a target that cannot be reached.
        RefusedError: channels that cannot be removed, with the node that says so.
        TraceError: a torch module that cannot be traced.
        VerificationError: a torch module whose removal could not be proven.
    """
    running = RewriteSettings(
        ProofOptions(inputs, shapes, samples, seed, rtol, atol, providers, False, custom_ops, labels),
        example_inputs=example_inputs,
        leaf_modules=leaf_modules,
        keep=keep,
        verify=verify,
        freeze_initializers=freeze_initializers,
        in_place=in_place,
        progress=progress,
    )
    if exact:
        refuse_amounts(ratio, target_macs, target_params, max_error, plan, calibration)
        return remove_exactly(model, output, running)
    chosen_by = (
        criterion
        if isinstance(criterion, Criterion)
        else Criterion(criterion, members=members, aggregation=aggregation, seed=criterion_seed)
    )
    settings = settings_of(
        ratio=ratio,
        target_macs=target_macs,
        target_params=target_params,
        max_error=max_error,
        plan=None if plan is None else plan if isinstance(plan, RemovalPlan) else RemovalPlan.read(plan),
        scope=scope,
        round_to=round_to,
        floor=floor,
        floor_fraction=floor_fraction,
        keep=(keep,) if isinstance(keep, str) else tuple(keep),
        criterion=chosen_by,
        calibration=calibration,
        repair=repair,
        latency=latency,
    )
    if is_module(model):
        from graphmorph.pruning.module_job import ModulePruneJob

        return ModulePruneJob(model, settings, module_settings(running, output, WRITE_MODULES)).run()
    only_for_modules(running)
    target = target_of(model, output, in_place=in_place)
    with rare_collections(), ExitStack() as stack:
        return PruneJob(model, target, settings, running, stack).run()
