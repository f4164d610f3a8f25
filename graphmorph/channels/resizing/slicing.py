"""Slice: bounds along an axis that loses elements count what is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.resizing.masks import Mask
from graphmorph.channels.resizing.resized import Resized, resizer

#: Beyond the end of any axis.
_END = 2**31 - 1


@dataclass
class Bounds:
    """Starts, ends and steps, one of each an axis."""

    axes: list[int]
    starts: list[int]
    ends: list[int]
    steps: list[int]


@resizer("Slice")
def slice_axes(node: Resized) -> None:
    """Slice: starts, ends and axes are attributes before opset 10, then inputs, as steps are."""
    attributes = "starts" in node.node.attrs
    axes = _axes(node, attributes)
    if all(node.mask(0, axis) is None for axis in axes):
        return
    bounds = _bounds(node, axes, attributes)
    for place, axis in enumerate(axes):
        mask = node.mask(0, axis)
        if mask is not None and not _rewrite(bounds, place, mask):
            _pick(node, bounds, place, mask)
    if attributes:
        node.set_attribute("starts", bounds.starts)
        node.set_attribute("ends", bounds.ends)
        return
    node.set_integers(1, bounds.starts, "starts")
    node.set_integers(2, bounds.ends, "ends")
    if node.has(4):
        node.set_integers(4, bounds.steps, "steps")


def _axes(node: Resized, attributes: bool) -> list[int]:
    if attributes:
        axes = list(node.attribute("axes") or range(len(node.attribute("starts"))))
    else:
        known = node.integers(3) if node.has(3) else list(range(node.before(1)[0]))
        # Axes that are not known: then all of them may be sliced.
        axes = list(range(len(node.before(0)))) if known is None else known
    return [node.normal(int(axis)) for axis in axes]


def _bounds(node: Resized, axes: list[int], attributes: bool) -> Bounds:
    if attributes:
        starts, ends = (list(node.attribute(name)) for name in ("starts", "ends"))
        return Bounds(axes, starts, ends, [1] * len(axes))
    given = [node.integers(1), node.integers(2), node.integers(4) if node.has(4) else [1] * len(axes)]
    starts, ends, steps = given
    if starts is None or ends is None or steps is None or (node.has(3) and not node.is_constant(3)):
        raise node.refused("an axis loses elements, and the bounds that it is sliced at are not constant")
    return Bounds(axes, starts, ends, steps)


def _rewrite(bounds: Bounds, place: int, mask: Mask) -> bool:
    """New bounds of one axis; False where no bounds take what is kept."""
    step = bounds.steps[place]
    first, last, _ = slice(bounds.starts[place], _end(bounds, place, mask.size), step).indices(mask.size)
    if step == 1:
        bounds.starts[place] = int(mask[:first].sum())
        if bounds.ends[place] < mask.size:
            bounds.ends[place] = int(mask[:last].sum())
        return True
    taken = _taken(bounds, place, mask)
    strides = np.unique(np.diff(taken))
    if strides.size > 1:
        return False
    stride = int(strides[0]) if strides.size else step
    end = int(taken[-1]) + (1 if stride > 0 else -1)
    bounds.starts[place], bounds.steps[place] = int(taken[0]), stride
    bounds.ends[place] = -_END if end < 0 else end
    return True


def _end(bounds: Bounds, place: int, size: int) -> int | None:
    """An end as Python has it, which cannot say "before the first element"."""
    end = bounds.ends[place]
    return None if bounds.steps[place] < 0 and end < -size else end


def _taken(bounds: Bounds, place: int, mask: Mask) -> NDArray[np.int64]:
    """What is taken, by its places among the kept elements."""
    taken = np.arange(mask.size)[bounds.starts[place] : _end(bounds, place, mask.size) : bounds.steps[place]]
    kept: NDArray[np.int64] = (np.cumsum(mask) - 1)[taken[mask[taken]]]
    return kept


def _pick(node: Resized, bounds: Bounds, place: int, mask: Mask) -> None:
    """Every second element, some of which are gone: a Gather takes what is left."""
    editor, axis = node.editor, bounds.axes[place]
    indices = editor.values(f"{node.name}_taken_{axis}", _taken(bounds, place, mask))
    data = editor.edit.rereads.get((id(node.node), 0), (node.node, node.node.inputs[0]))[1]
    output = editor.tensor(node.node.inputs[0], f"{node.name}_picked_{axis}", _unsaid(node))
    editor.node(
        "Gather", f"{node.node.name or node.name}_picked", [data, indices], output, {"axis": axis}, ahead_of=node.node
    )
    editor.reread(node.node, 0, output)
    bounds.starts[place], bounds.ends[place], bounds.steps[place] = 0, _END, 1


def _unsaid(node: Resized) -> list[None]:
    return [None] * len(node.before(0))
