"""Batch normalisation, constant scales and offsets, and pads go into the weights beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from graphmorph.affine.absorption import Absorption
from graphmorph.affine.candidates import foldables
from graphmorph.affine.fusion import Fusion, chains
from graphmorph.affine.region import Search
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site


@dataclass(frozen=True)
class FoldBatchnorm(Rewrite):
    """Fold chains of per-channel steps into Conv, ConvTranspose, Gemm or MatMul.

    1. BN of any version, Mul, Add, Sub, Div by constants (either operand order), before or behind the weights.
    2. Constant Pad into the convolution's own padding.
    3. ConvTranspose with groups: scaled by absolute output channel.
    4. Left alone: BN in training mode, outputs that others read, constants that vary along space, an offset under
       zero padding.
    """

    name: ClassVar[str] = "fold-batchnorm"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "fold batch normalisation, constant scales, offsets and pads into weights"

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        search = Search(facts, merge_branches=False)
        yield from chains(search, foldables(facts))

    def apply(self, site: Site, editor: Editor) -> None:
        data: Fusion | Absorption = site.data
        data.apply(editor)
