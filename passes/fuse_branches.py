"""Parallel branches, and convolutions in series, become one convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from graphmorph.affine.candidates import branch_sums, series
from graphmorph.affine.fusion import Fusion, fusions
from graphmorph.affine.region import Search
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site


@dataclass(frozen=True)
class FuseBranches(Rewrite):
    """Collapse branches that meet in a sum, with the BN, scales, pooling, pads and crops on the way.

    1. ACB (d x d, 1 x d, d x 1), RepVGG, MobileOne, large plus small kernels, dilated beside dense: one kernel.
    2. Convolutions in series (1x1 then k x k of Diverse Branch Block), where padding carries the bias or there is none.
    3. Parallel and low-rank linear layers (LoRA): one matrix.
    4. Left alone: branches whose strides or sizes differ, a branch that somebody else reads, an inner bias under zero
       padding, and whatever one kernel would make dearer in multiply-adds or nodes.
    """

    name: ClassVar[str] = "fuse-branches"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "collapse parallel and serial branches into one convolution or matrix"

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        search = Search(facts, merge_branches=True)
        yield from fusions(search, lambda plan: plan.merges, [*branch_sums(facts), *series(facts)])

    def apply(self, site: Site, editor: Editor) -> None:
        fusion: Fusion = site.data
        fusion.apply(editor)
