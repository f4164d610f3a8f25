"""One removal: the smaller graph, and beside it the original in which the same channels are masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from graphmorph import registry
from graphmorph.channels.masking import masked
from graphmorph.channels.walls import walls
from graphmorph.errors import RefusedError
from graphmorph.graph import Graph
from graphmorph.manager import PassManager, RunResult
from graphmorph.pruning.choice import Chosen
from graphmorph.pruning.repair import Fit, fits
from graphmorph.pruning.sums import Capturing
from graphmorph.runtime import Runtime

REMOVE = "remove-channels"

_WALLS_SHOWN = 3

#: Times a phase by its name.
Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, eq=False)
class Removal:
    """What was chosen, the masked original that is the oracle, the run that made the graph smaller, and weights that
    were fitted for it."""

    chosen: Chosen
    oracle: Graph | None
    run: RunResult
    fits: Sequence[Fit] = ()


def removal_of(
    chosen: Chosen,
    graph: Graph,
    phase: Phase,
    runtime: Runtime,
    capturing: Capturing | None = None,
    *,
    proven: bool = True,
) -> Removal:
    """Remove what was chosen from the graph that was analysed; edits it.

    capturing: fit the layers that lose inputs to what is captured of the original. proven: make the oracle as well.

    Raises:
        RefusedError: a node states a size in a way that cannot be rewritten, or the oracle cannot be made.
    """
    with phase("masking"):
        oracle = masked(chosen.analysis, chosen.kept) if proven else None
    with phase("repair"):
        fitted = fits(chosen, capturing) if capturing is not None else []
    with phase("removal and summary"):
        run = PassManager([registry.create(REMOVE, {"chosen": chosen})], runtime=runtime).run(graph)
    if chosen.units.size and not run.journal.modified:
        failed = [refusal.reason for one in run.passes for refusal in one.refusals if "keeps its" not in refusal.reason]
        raise RefusedError(f"the channels cannot be removed: {'; '.join(failed)}")
    return Removal(chosen, oracle, run, fitted)


def nothing_to_remove(chosen: Chosen) -> str | None:
    """Why nothing went, in a line; None where something did."""
    if chosen.units.size:
        return None
    if chosen.analysis.groups:
        limits = chosen.selection.groups if chosen.selection is not None else ()
        asked = "the plan says nothing" if chosen.selection is None else f"the ratio is {chosen.selection.ratio:g}"
        why = next((one.limit for one in limits if one.limit), asked)
        return f"nothing was removed: {why}"
    found = walls(chosen.analysis)
    reasons = [f"{wall.node}: {wall}" for wall in found] or list(map(str, chosen.analysis.declined.values()))
    named = "; ".join(reasons[:_WALLS_SHOWN]) or "no layer has channels"
    return f"nothing can be removed from this model: {named}"
