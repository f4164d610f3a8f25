"""Pad, Slice, and the Transpose and ScatterND by which exporters write a constant border (Diverse Branch Block)."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.kernel import shift
from graphmorph.affine.operators.rules import rule
from graphmorph.affine.operators.steps import Border, Permute, Scatter, Step, Wall, Window
from graphmorph.facts import Dimension, Facts
from graphmorph.graph import constant_array

#: Slice ends from here on mean "to the end"; exporters write the largest int32 or int64.
TO_THE_END = 2**31 - 1


def _spatial(node: gs.Node, facts: Facts) -> tuple[Dimension, ...] | Wall:
    shape = facts.shape(node.inputs[0])
    if shape is None or len(shape) < 3:
        return Wall(f"the spatial dimensions of {node.inputs[0].name}, which {node.op} reads, are not known")
    return shape


def _operand(node: gs.Node, index: int, facts: Facts) -> list[int] | Wall | None:
    if index >= len(node.inputs) or not node.inputs[index].name:
        return None
    if not facts.constant(node.inputs[index]):
        return Wall(f"{node.op} has bounds that are computed ({node.inputs[index].name})")
    return facts.integers(node.inputs[index])


def _pad_amounts(node: gs.Node, facts: Facts, version: int, rank: int) -> list[int] | Wall:
    """Amounts at the begin of every axis, then at the end of every axis."""
    if version < 11:
        pads = [int(p) for p in node.attrs.get("pads", node.attrs.get("paddings", []))]
        axes = list(range(rank))
    else:
        found, chosen = _operand(node, 1, facts), _operand(node, 3, facts)
        if isinstance(found, Wall) or isinstance(chosen, Wall):
            return found if isinstance(found, Wall) else Wall("the axes of Pad are computed")
        pads, axes = found or [], list(range(rank)) if chosen is None else [axis % rank for axis in chosen]
    if len(pads) != 2 * len(axes) or len(set(axes)) != len(axes):
        return Wall(f"Pad has {len(pads)} amounts for {len(axes)} axes")
    amounts = [0] * 2 * rank
    for place, axis in enumerate(axes):
        amounts[axis], amounts[rank + axis] = pads[place], pads[len(axes) + place]
    return amounts


@rule("Pad", 1, 2, 11, 13, 18, 19, 21, 23, 24, 25)
def pad(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Constant padding of the spatial axes; negative amounts crop."""
    shape = _spatial(node, facts)
    if isinstance(shape, Wall):
        return shape
    mode = str(node.attrs.get("mode", "constant"))
    if mode != "constant":
        return Wall(f"Pad has mode {mode}")
    amounts = _pad_amounts(node, facts, version, len(shape))
    if isinstance(amounts, Wall):
        return amounts
    rank = len(shape)
    begin, end = amounts[:rank], amounts[rank:]
    if any((*begin[:2], *end[:2])):
        return Wall("Pad pads the batch or the channels")
    value = float(node.attrs.get("value", 0.0))
    if version >= 11 and len(node.inputs) > 2 and node.inputs[2].name:
        if not facts.constant(node.inputs[2]):
            return Wall("the value of Pad is not constant")
        value = float(facts.value(node.inputs[2]).reshape(-1)[0])
    if any(isinstance(n, int) and b + n + e < 1 for b, n, e in zip(begin, shape, end, strict=True)):
        return Wall("Pad crops its input to nothing")
    return Border(node.inputs[0].name, tuple(begin[2:]), tuple(end[2:]), value)


@rule("Slice", 1, 10, 11, 13)
def crop(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Crops (and positive steps) along spatial axes, bounds constant."""
    shape = _spatial(node, facts)
    if isinstance(shape, Wall):
        return shape
    bounds = _slice_bounds(node, facts, version, len(shape))
    if isinstance(bounds, Wall):
        return bounds
    if not isinstance(shape[1], int):
        return Wall(f"the channels of {node.inputs[0].name}, which Slice reads, are not known")
    begin, end, step = [0] * len(shape), [0] * len(shape), [1] * len(shape)
    for axis, (start, stop, stride) in bounds.items():
        cropped = _crop(start, stop, stride, shape[axis])
        if isinstance(cropped, Wall):
            return cropped
        begin[axis], end[axis], step[axis] = -cropped[0], -cropped[1], stride
    if any((*begin[:2], *end[:2])) or step[:2] != [1, 1]:
        return Wall("Slice cuts the batch or the channels")
    kernel = shift(shape[1], begin[2:], end[2:], step[2:])
    return Window(node.inputs[0].name, kernel, None, 0.0, "first", merges_only=True)


def _slice_bounds(node: gs.Node, facts: Facts, version: int, rank: int) -> dict[int, tuple[int, int, int]] | Wall:
    """(start, stop, step) by axis."""
    if version < 10:
        starts, ends = list(node.attrs.get("starts", [])), list(node.attrs.get("ends", []))
        axes, steps = list(node.attrs.get("axes", range(len(starts)))), [1] * len(starts)
    else:
        read = [_operand(node, index, facts) for index in range(1, 5)]
        walls = [found for found in read if isinstance(found, Wall)]
        if walls:
            return walls[0]
        starts, ends = (list(found or []) for found in read[:2])  # type: ignore[arg-type]
        axes = list(range(len(starts))) if read[2] is None else list(read[2])  # type: ignore[arg-type]
        steps = [1] * len(starts) if read[3] is None else list(read[3])  # type: ignore[arg-type]
    if not len(starts) == len(ends) == len(axes) == len(steps) or any(not -rank <= a < rank for a in axes):
        return Wall("Slice has starts, ends, axes and steps of different lengths, or an axis that is not there")
    return {a % rank: (s, e, t) for a, s, e, t in zip(axes, starts, ends, steps, strict=True)}


def _crop(start: int, stop: int, step: int, size: Dimension) -> tuple[int, int] | Wall:
    """Elements cut off at the begin and at the end of an axis."""
    if step < 1:
        return Wall(f"Slice has step {step}")
    if isinstance(size, int):
        first, last, _ = slice(start, stop, 1).indices(size)
        if last <= first:
            return Wall("Slice crops its input to nothing")
        return first, size - last
    if start < 0 or 0 <= stop < TO_THE_END:
        return Wall(f"Slice from {start} to {stop} depends on a dynamic size")
    return start, 0 if stop >= TO_THE_END else -stop


@rule("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Affine only between a padding and the scatters that fill its border; anywhere else a region ends."""
    shape = _spatial(node, facts)
    if isinstance(shape, Wall):
        return shape
    order = tuple(int(axis) for axis in node.attrs.get("perm", reversed(range(len(shape)))))
    if sorted(order) != list(range(len(shape))):
        return Wall(f"Transpose has perm {list(order)} for {len(shape)} axes")
    return Permute(node.inputs[0].name, order)


@rule("ScatterND", 11, 13, 16, 18)
def scatter(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Constants, repeated along axes of any size or not, written over the border of a padded tensor."""
    if str(node.attrs.get("reduction", "none")) != "none" or len(node.inputs) != 3:
        return Wall("ScatterND accumulates")
    updates = repeated_constant(node.inputs[2], facts)
    if updates is None or not facts.constant(node.inputs[1]):
        return Wall("ScatterND writes values, or at places, that are not constant")
    return Scatter(node.inputs[0].name, np.asarray(constant_array(node.inputs[1])), updates)


def repeated_constant(tensor: gs.Tensor, facts: Facts) -> np.ndarray | None:
    """A constant, or one behind Expand and Transpose; axes that Expand repeats to a size not known here have size 1."""
    if facts.constant(tensor):
        return np.asarray(constant_array(tensor))
    maker = facts.producer.get(tensor.name)
    if maker is None or not facts.is_standard(maker) or maker.op not in ("Expand", "Transpose"):
        return None
    values, shape = repeated_constant(maker.inputs[0], facts), facts.shape(tensor)
    if values is None or shape is None or len(shape) < values.ndim:
        return None
    if maker.op == "Transpose":
        return values.transpose([int(a) for a in maker.attrs.get("perm", reversed(range(values.ndim)))])
    return values.reshape(*(1,) * (len(shape) - values.ndim), *values.shape)
