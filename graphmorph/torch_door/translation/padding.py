"""Pad: constant over any axes, reflected, repeated and wrapped over as many as torch does."""

from __future__ import annotations

from torch import fx
from torch.nn import functional

from graphmorph.torch_door.translation.operands import (
    axis_of,
    constant_ints,
    constant_number,
    optional_ints,
    rank_of,
    require,
    size_at,
)
from graphmorph.torch_door.translation.windows import torch_pads
from graphmorph.torch_door.translation_table import Translation, translates

_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@translates("Pad", 2, 11, 13, 18, 19, 21, 23, 24, 25)
def pad(t: Translation) -> fx.Node:
    """Pads and value are attributes in version 2, and inputs since; negative pads cut."""
    if t.version < 11:
        return _pad(t, [int(n) for n in t.attr("pads")], None, float(t.attr("value", 0.0)))
    axes = optional_ints(t, 3)
    return _pad(t, constant_ints(t, 1), axes, constant_number(t, 2) if t.has(2) else 0)


def _pad(t: Translation, pads: list[int], axes: list[int] | None, value: float) -> fx.Node:
    half = len(pads) // 2
    places = list(range(half)) if axes is None else [axis_of(t, axis) for axis in axes]
    rank = half if axes is None else rank_of(t)
    begins, ends = [0] * rank, [0] * rank
    for place, begin, end in zip(places, pads[:half], pads[half:], strict=True):
        begins[place], ends[place] = begin, end
    mode = t.attr("mode", "constant")
    if mode == "constant":
        first = next((axis for axis in range(rank) if begins[axis] or ends[axis]), rank)
        return t.call(functional.pad, t.value(0), torch_pads(begins[first:], ends[first:]), value=value)
    require(t, mode in _MODES, f"mode {mode!r} is not known")
    return _pad_by_content(t, mode, begins, ends)


def _pad_by_content(t: Translation, mode: str, begins: list[int], ends: list[int]) -> fx.Node:
    """torch pads the last axes of a tensor that has one or two more, each by at most its size (reflect: less)."""
    rank = len(begins)
    first = next((axis for axis in range(rank) if begins[axis] or ends[axis]), rank - 1)
    padded = max(rank - first, rank - 2, 1)
    require(
        t, rank - padded in (1, 2) and padded <= 3, f"it pads {rank - first} of {rank} axes by {mode}", "pad fewer axes"
    )
    require(t, min((*begins, *ends)) >= 0, f"it cuts, and pads by {mode}", "use Slice for the negative pads")
    if mode != "edge":
        for axis in range(first, rank):
            size, most = size_at(t, axis), max(begins[axis], ends[axis])
            fits = size is None or most < size + (mode == "wrap")
            require(t, fits, f"it pads axis {axis} of size {size} by {most}", f"{mode} by less than the size")
    last = rank - padded
    return t.call(functional.pad, t.value(0), torch_pads(begins[last:], ends[last:]), mode=_MODES[mode])
