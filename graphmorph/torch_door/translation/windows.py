"""The attributes that convolutions and pools share: kernel, strides, pads and dilations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx
from torch.nn import functional

from graphmorph.torch_door.translation.operands import require
from graphmorph.torch_door.translation_table import Translation


@dataclass(frozen=True)
class Window:
    """How a window moves; every tuple has one entry for each spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many spatial axes there are."""
        return len(self.kernel)

    @property
    def symmetric(self) -> bool:
        """Whether every axis is padded alike on both sides."""
        return self.begins == self.ends

    @property
    def extents(self) -> tuple[int, ...]:
        """How many elements a window reaches over, gaps included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def read_window(t: Translation, kernel: Sequence[int]) -> Window:
    """The window of a node with these kernel sizes; raises MaterialiseError where its pads follow from sizes."""
    rank, auto_pad = len(kernel), t.attr("auto_pad", "NOTSET")
    require(t, 1 <= rank <= 3, f"it has {rank} spatial axes", "torch has windows over 1 to 3 axes")
    require(
        t,
        auto_pad in ("NOTSET", "VALID", ""),
        f"auto_pad is {auto_pad}, whose pads depend on the input's size",
        "replace it by explicit pads",
    )
    pads = [0] * (2 * rank) if auto_pad == "VALID" else [int(p) for p in t.attr("pads") or [0] * (2 * rank)]
    strides = [int(s) for s in t.attr("strides") or [1] * rank]
    dilations = [int(d) for d in t.attr("dilations") or [1] * rank]
    lengths = (len(strides), len(dilations), len(pads))
    require(t, lengths == (rank, rank, 2 * rank), f"its attributes are not those of {rank} spatial axes")
    return Window(tuple(kernel), tuple(strides), tuple(pads[:rank]), tuple(pads[rank:]), tuple(dilations))


def torch_pads(begins: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Pads as functional.pad takes them: begin and end of each axis, the last axis first."""
    return [pad for pair in reversed(list(zip(begins, ends, strict=True))) for pad in pair]


def padded(t: Translation, window: Window, value: float = 0.0) -> fx.Node:
    """The input of a node with the window's pads around its spatial axes."""
    return t.call(functional.pad, t.value(0), torch_pads(window.begins, window.ends), value=value)
