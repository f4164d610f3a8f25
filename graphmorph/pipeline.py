"""Which passes a job runs, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphmorph import registry
from graphmorph.graph import Graph
from graphmorph.module_pipeline import is_module
from graphmorph.report import Report
from graphmorph.rewrite import Rewrite

#: Branches first, so that a BN on a branch is folded and merged in one step and its weights are rounded once.
FUSE_PIPELINE = ("fold-constants", "fuse-branches", "fold-batchnorm")
CLEAN_UP = "fold-constants"


@dataclass
class FuseResult:
    """The rewritten graph and the report; `exit_code` is 0 where the result is proven, or was not asked to be."""

    graph: Graph
    report: Report
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


def passes_for(
    only: Iterable[str] = (), skip: Iterable[str] = (), options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Rewrite]:
    """The fuse pipeline, or the passes named in `only` (installed ones outside the pipeline too), less `skip`.

    Raises:
        UsageError: a name that no installed pass has.
    """
    only, skip, options = tuple(only), tuple(skip), options or {}
    for name in (*only, *skip, *options):
        registry.load(name)
    chosen = [name for name in FUSE_PIPELINE if not only or name in only]
    chosen += [name for name in only if name not in chosen]
    return [registry.create(name, options.get(name)) for name in chosen if name not in skip]


def after_clean_up(model: object, rewrite: Rewrite) -> list[Rewrite]:
    """A pass that goes by constants, and what makes them numbers first; those of a traced module are."""
    return [rewrite] if is_module(model) else [registry.create(CLEAN_UP), rewrite]
