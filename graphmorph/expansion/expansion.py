"""One layer that is to become a block: the site of expand-branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np

from graphmorph.editor import Editor
from graphmorph.expansion import normalisation
from graphmorph.expansion.block import BlockWriter
from graphmorph.expansion.branch import Branch
from graphmorph.expansion.contents import EPSILON, Content, fresh, preserved
from graphmorph.expansion.layer import Layer
from graphmorph.expansion.normalisation import Norm
from graphmorph.facts import Facts
from graphmorph.rewrite import Site

Block = Literal["acb", "repvgg", "mobileone"]
Normalise = Literal["branch", "sum", "none"]
Init = Literal["preserve", "fresh"]


@dataclass(frozen=True)
class Method:
    """normalise: where batch normalisation goes (ACNet section 4.3). init: what the branches start from."""

    normalise: Normalise
    init: Init
    share: float
    seed: int


@dataclass(frozen=True, eq=False)
class Expansion:
    """A layer, and the branches that it becomes, the square first."""

    layer: Layer
    branches: tuple[Branch, ...]
    method: Method

    def site(self, block: Block) -> Site:
        nodes = [node for node in (self.layer.conv, self.layer.norm) if node is not None]
        before = ", ".join(node.op for node in nodes)
        claims = frozenset(t.name for node in nodes for t in node.outputs if t.name)
        return Site(self.layer.output.name, claims, f"{before} -> {block} block of {len(self.branches)} branches", self)

    def apply(self, editor: Editor) -> None:
        """Stage the block.

        Raises:
            RefusedError: new values leave the range of their type.
        """
        layer, facts = self.layer, editor.facts
        writer = BlockWriter(layer, self.branches, editor, training=facts.training)
        writer.write(self._contents(facts), self._norm_after(facts))

    def _contents(self, facts: Facts) -> list[Content]:
        # Seeded by the weights' name, so that neither other layers nor their order have a part in it.
        generator = np.random.default_rng([self.method.seed, crc32(str(self.layer.weight.name).encode())])
        normalised = self.method.normalise == "branch"
        if self.method.init == "fresh":
            return fresh(self.layer, self.branches, normalised=normalised, generator=generator)
        share = self.method.share
        return preserved(self.layer, self.branches, facts, normalised=normalised, share=share, generator=generator)

    def _norm_after(self, facts: Facts) -> Norm | None:
        """With normalise=sum, the normalisation of a layer that nothing normalises yet."""
        if self.method.normalise != "sum" or self.layer.is_normalised(facts):
            return None
        channels = self.layer.geometry.out_channels
        if self.method.init == "fresh":
            return normalisation.untrained(channels, EPSILON)
        return normalisation.adding(np.zeros(channels), EPSILON)
