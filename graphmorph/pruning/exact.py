"""Pruning that changes nothing: the pass remove-channels, proven against the original itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.pipeline import FuseResult, after_clean_up
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.rewriting import rewrite_model

if TYPE_CHECKING:
    from graphmorph.torch_door.morphed_module import MorphedModule

REMOVAL = "remove-channels"


def refuse_amounts(*amounts: object) -> None:
    """What goes exactly is not a matter of how much.

    Raises:
        UsageError: an option that says how much, or data to choose by.
    """
    if any(one is not None for one in amounts):
        raise UsageError("exact removes all that changes nothing: it takes no ratio, target, max_error, plan or data")


def remove_exactly(model: Any, output: Any, settings: RewriteSettings) -> FuseResult | MorphedModule:
    """Run the pass. A module may be in training mode: no statistics are folded.

    Raises:
        VerificationError: a module without these channels could not be proven to be the same.
    """
    return rewrite_model(model, output, after_clean_up(model, registry.create(REMOVAL)), settings)
