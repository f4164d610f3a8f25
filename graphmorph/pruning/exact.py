"""Pruning that changes nothing: the pass remove-channels, proven against the original itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.manager import Progress
from graphmorph.module_pipeline import is_module
from graphmorph.pipeline import FuseResult, rewrite_model
from graphmorph.proof import ProofOptions

if TYPE_CHECKING:
    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
    from graphmorph.torch_door.tracer import LeafModules

#: A traced module has its constants as numbers.
CLEAN_UP, REMOVAL = "fold-constants", "remove-channels"


def refuse_amounts(*amounts: object) -> None:
    """What goes exactly is not a matter of how much.

    Raises:
        UsageError: an option that says how much, or data to choose by.
    """
    if any(one is not None for one in amounts):
        raise UsageError("exact removes all that changes nothing: it takes no ratio, target, max_error, plan or data")


def remove_exactly(
    model: Any,
    output: Any,
    proof: ProofOptions,
    *,
    example_inputs: ExampleInputs | None,
    leaf_modules: LeafModules,
    keep: Iterable[str],
    verify: bool,
    freeze_initializers: bool,
    in_place: bool,
    progress: Progress | None,
) -> FuseResult | MorphedModule:
    """Run the pass. A module may be in training mode: no statistics are folded.

    Raises:
        VerificationError: a module without these channels could not be proven to be the same.
    """
    names = (REMOVAL,) if is_module(model) else (CLEAN_UP, REMOVAL)
    return rewrite_model(
        model,
        output,
        [registry.create(name) for name in names],
        proof,
        example_inputs=example_inputs,
        leaf_modules=leaf_modules,
        keep=keep,
        verify=verify,
        certify=False,
        freeze_initializers=freeze_initializers,
        in_place=in_place,
        max_rewrites=None,
        progress=progress,
    )
