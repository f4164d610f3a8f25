"""Square convolutions become blocks of parallel branches, to be trained and fused back: ACNet, RepVGG, MobileOne."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar, get_args

import onnx_graphsurgeon as gs

from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.expansion import asymmetric, mobileone, repvgg
from graphmorph.expansion.branch import Branch
from graphmorph.expansion.expansion import Block, Expansion, Init, Method, Normalise
from graphmorph.expansion.layer import Layer, read_layer
from graphmorph.expansion.sharing import torn_apart
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.rewrite import Kind, Refusal, Rewrite, Site


@dataclass(frozen=True)
class ExpandBranches(Rewrite):
    """Replace every odd square convolution, and the BN behind it, by a block of branches that are summed.

    1. block=acb: k x k, 1 x k and k x 1, or one of the two (horizontal, vertical); on the bottom row and the right
       column (shifted); shorter ones beside large kernels (asymmetric_size).
    2. block=repvgg: k x k, 1 x 1, and where input and output are alike a normalised identity. block=mobileone: several
       k x k (branches) besides; that one takes 1 x 1 convolutions too.
    3. normalise=branch: a BN in each branch; sum: one after the sum; none: the BN that is there, after the sum. The
       identity is a BN, so it comes with normalise=branch only.
    4. init=preserve: the outputs at inference stay what they are, and no branch is small or a copy of another.
       init=fresh: new branches as torch initialises them beside the old layer, so that outputs change (the paper).
    5. Groups, strides, dilations, any padding. Layers that share weights get branches that share theirs.
    6. Left alone: kernels that are not square or have no centre, weights or BN that are not constant, shared weights
       that would not all be expanded. layers (globs on node names) and kernel_sizes choose.
    """

    name: ClassVar[str] = "expand-branches"
    kind: ClassVar[Kind] = "exact"
    summary: ClassVar[str] = "replace square convolutions by blocks of parallel branches, for training"
    grows: ClassVar[bool] = True

    block: Block = "acb"
    layers: tuple[str, ...] = ()
    kernel_sizes: tuple[int, ...] = ()
    horizontal: bool = True
    vertical: bool = True
    normalise: Normalise = "branch"
    shifted: bool = False
    asymmetric_size: int = 0
    branches: int = 3
    init: Init = "preserve"
    share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for option, choices in (("block", Block), ("normalise", Normalise), ("init", Init)):
            if getattr(self, option) not in get_args(choices):
                raise UsageError(f"{option} is {getattr(self, option)}; give one of {', '.join(get_args(choices))}")
        size, of_acb = self.asymmetric_size, (self.horizontal, self.vertical, self.shifted, self.asymmetric_size)
        if not (self.horizontal or self.vertical):
            raise UsageError("horizontal and vertical are both off: a block needs one of them")
        if size and (size < 3 or size % 2 == 0):
            raise UsageError(f"asymmetric_size is {size}; give an odd number from 3 on, or 0 for the kernel's own")
        if self.block != "acb" and of_acb != (True, True, False, 0):
            raise UsageError("horizontal, vertical, shifted and asymmetric_size belong to block=acb")
        if self.block != "mobileone" and self.branches != 3:
            raise UsageError("branches belongs to block=mobileone")
        if self.branches < 1 or not 0.0 <= self.share <= 1.0 or self.seed < 0:
            raise UsageError("branches must be at least 1, share from 0 to 1, and seed not negative")
        if self.init == "fresh":
            object.__setattr__(self, "kind", "approximate")

    def find(self, graph: Graph, facts: Facts) -> Iterator[Site | Refusal]:
        found: list[tuple[Layer, tuple[Branch, ...]]] = []
        for conv in self._chosen(facts):
            layer = read_layer(conv, facts, least=self._least, with_norm=self.normalise == "branch")
            blocks = self._branches(layer) if isinstance(layer, Layer) else layer
            if isinstance(layer, Layer) and not isinstance(blocks, str):
                found.append((layer, blocks))
            else:
                yield Refusal(conv.name or conv.outputs[0].name, conv.op, str(blocks))
        torn = torn_apart(found, facts) if self.init == "preserve" else {}
        method = Method(self.normalise, self.init, self.share, self.seed)
        for layer, branches in found:
            if layer.name in torn:
                yield Refusal(layer.name, layer.conv.op, torn[layer.name])
            else:
                yield Expansion(layer, branches, method).site(self.block)

    def apply(self, site: Site, editor: Editor) -> None:
        expansion: Expansion = site.data
        expansion.apply(editor)

    @property
    def _least(self) -> int:
        return 1 if self.block == "mobileone" else 3

    def _chosen(self, facts: Facts) -> Iterator[gs.Node]:
        convolutions = [node for node in facts.order if node.op == "Conv" and facts.is_standard(node) and node.outputs]
        names = {node.outputs[0].name: (str(node.name), str(node.outputs[0].name)) for node in convolutions}
        for glob in self.layers:
            if not any(fnmatchcase(name, glob) for both in names.values() for name in both):
                known = ", ".join(both[0] or both[1] for both in list(names.values())[:4])
                raise UsageError(f"no convolution is named like {glob} (there are {known or 'none'}, ...)")
        for node in convolutions:
            named = any(fnmatchcase(name, glob) for name in names[node.outputs[0].name] for glob in self.layers)
            sizes = tuple(node.inputs[1].shape or ())[2:] if len(node.inputs) > 1 else ()
            sized = any(sizes == (size,) * len(sizes) for size in self.kernel_sizes)
            if (named or not self.layers) and (sized or not self.kernel_sizes):
                yield node

    def _branches(self, layer: Layer) -> tuple[Branch, ...] | str:
        size = layer.geometry.size
        with_identity = self.normalise == "branch" and layer.geometry.has_identity
        if self.block == "acb":
            if self.asymmetric_size > size:
                return f"its kernel of {size}x{size} is smaller than asymmetric_size={self.asymmetric_size}"
            return asymmetric.branches(
                size,
                horizontal=self.horizontal,
                vertical=self.vertical,
                asymmetric_size=self.asymmetric_size,
                shifted=self.shifted,
            )
        if self.block == "repvgg":
            return repvgg.branches(size, with_identity=with_identity)
        made = mobileone.branches(size, count=self.branches, with_identity=with_identity)
        return made if len(made) > 1 else "a block of one branch would be the convolution itself"
