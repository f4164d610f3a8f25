"""Sizes at which two affine regions are compared: every stride phase and border, and no larger than that.

A region of convolutions treats positions alike except near its borders, and its output size depends on the
input size only through the stride. So sizes at which the two borders are apart, one for each remainder modulo
the stride, stand for all larger ones; the smallest size that works is tried beside them. Indices that are
baked into the graph (ScatterND, a Slice that ends at a fixed position) allow one size only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.evaluator import in_order
from graphmorph.errors import GraphmorphError
from graphmorph.graph import constant_array

_FAR = 2**31 - 2  # Slice bounds from here on mean "to the end"
_LARGE_SPAN = 8
_SMALL = 4096  # no region of interest needs larger inputs to be defined
_WINDOWED = ("Conv", "ConvTranspose", "AveragePool")


@dataclass(frozen=True)
class SourceSpec:
    """A tensor that an affine region starts from, (batch, channels, *sizes) or, channels last, (batch,
    *sizes, channels).

    `sizes` has one entry, None where dynamic, for every axis that is neither batch nor channels: rank - 2 of
    them.
    """

    channels: int
    rank: int
    channel_axis: Literal["first", "last"] = "first"
    sizes: tuple[int | None, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.sizes) != max(self.rank - 2, 0):
            raise ValueError(f"a source of rank {self.rank} has {max(self.rank - 2, 0)} sizes, not {self.sizes}")

    def shape(self, batch: int, sizes: Sequence[int]) -> tuple[int, ...]:
        if self.rank < 2:
            return (self.channels,) * self.rank
        return (batch, self.channels, *sizes) if self.channel_axis == "first" else (batch, *sizes, self.channels)


class NoProbeSizeError(GraphmorphError):
    """No size can be chosen at which the region is defined; the message says why."""


@dataclass(frozen=True)
class _Step:
    """What one node does to one spatial dimension of n elements: n -> floor((n - lost) / stride) + 1, or a
    window of it.
    """

    lost: int = 1
    stride: int = 1
    reach: int = 0
    upsampling: int = 1
    same: bool = False
    collapse: bool = False
    bounds: slice | None = None

    def size(self, n: int) -> int:
        if self.collapse:
            return 1
        if self.bounds is not None:
            return len(range(*self.bounds.indices(n)))
        if self.same:
            return -(-n * self.upsampling // self.stride)
        if self.upsampling > 1:
            return self.upsampling * (n - 1) + 2 - self.lost
        return (n - self.lost) // self.stride + 1


Sizes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Line:
    """The region seen along one spatial dimension: what each of its nodes, in order, does to the size."""

    steps: Sequence[tuple[gs.Node, _Step]]

    def flow(self, fed: Mapping[str, int]) -> dict[str, int] | None:
        """Size of every tensor that the fed sources reach, or None where sums disagree or a tensor is
        empty.
        """
        sizes = dict(fed)
        for node, step in self.steps:
            here = {sizes[tensor.name] for tensor in node.inputs if tensor.name in sizes}
            if len(here) > 1:
                return None
            for n in here:
                after = step.size(n)
                if after < 1:
                    return None
                sizes[node.outputs[0].name] = after
        return sizes

    def reach(self, source: str) -> tuple[int, int]:
        """(span, stride): how far apart the source positions behind one output lie, and the greatest
        stride.
        """
        known = {source: (0, 1)}
        for node, step in self.steps:
            inputs = [known[tensor.name] for tensor in node.inputs if tensor.name in known]
            if inputs:
                span, stride = max(pair[0] for pair in inputs), max(pair[1] for pair in inputs)
                known[node.outputs[0].name] = (span + stride * step.reach, stride * step.stride)
        return max(pair[0] for pair in known.values()), max(pair[1] for pair in known.values())


def probe_sizes(nodes: Sequence[gs.Node], sources: Mapping[str, SourceSpec], opset: int) -> list[Sizes]:
    """Sizes of every source, by name, for each comparison to make. Raises NoProbeSizeError."""
    order = in_order(nodes, set(sources))
    rank = max((spec.rank for spec in sources.values()), default=0)
    static = all(size is not None for spec in sources.values() for size in spec.sizes)
    full: Sizes = {name: tuple(size or 0 for size in spec.sizes) for name, spec in sources.items()}
    if static and any(_is_baked(node, opset, rank) for node in order):
        return [full]
    if any(node.op == "ScatterND" for node in order):
        raise NoProbeSizeError("ScatterND indices hold for one size only, but a source has dynamic sizes")
    first = 2 if all(spec.channel_axis == "first" for spec in sources.values()) else 1
    lines = [
        _Line([(node, _step(node, first + axis, axis, opset, rank)) for node in order])
        for axis in range(max(rank - 2, 0))
    ]
    mixed = any(node.op == "Transpose" for node in order)
    per_axis = [
        _along(
            line,
            lines if mixed else [line],
            {n: s.sizes[axis] for n, s in sources.items() if axis < len(s.sizes)},
        )
        for axis, line in enumerate(lines)
    ]
    if not all(per_axis):
        if static:
            return [full]
        raise NoProbeSizeError("found no sizes of the sources at which all tensors of the region fit together")
    rounds = max((len(choices) for choices in per_axis), default=1)
    # Axes are a step apart from each other, so that shapes are not square and a confusion of axes shows.
    picks = [[choices[(r + axis) % len(choices)] for axis, choices in enumerate(per_axis)] for r in range(rounds)]
    return [{name: tuple(pick[name] for pick in row if name in pick) for name in sources} for row in picks]


def _along(line: _Line, reached: Sequence[_Line], static: Mapping[str, int | None]) -> list[dict[str, int]]:
    """Sizes along one axis at which all sources fit together: every phase of the stride, and the smallest.

    `static` is the size of each source along it, None where dynamic; `reached` are the axes whose spans
    count.
    """
    reaches = {name: max(other.reach(name) for other in reached) for name in static}
    leader = max(static, key=lambda name: reaches[name][1])
    found: list[dict[str, int]] = []
    for size in _lengths(static[leader], *reaches[leader]):
        chosen: dict[str, int] | None = {leader: size}
        for name in static:
            if chosen is not None and name != leader:
                chosen = _join(line, chosen, name, static[name], reaches[name])
        if chosen is not None and line.flow(chosen) is not None:
            found.append(chosen)
    if len(static) == 1 and static[leader] is None:
        smallest = next(({leader: n} for n in range(1, _SMALL) if line.flow({leader: n}) is not None), None)
        if smallest is not None and smallest not in found:
            found.append(smallest)
    return found


def _base(span: int, stride: int) -> int:
    """The least size at which there are outputs of the left border, of the right border, and of neither.

    Twice the span, and less for large kernels, whose two borders are half of the span wide each.
    """
    return span + min(span, _LARGE_SPAN) + stride + 1


def _lengths(size: int | None, span: int, stride: int) -> Iterator[int]:
    base = _base(span, stride)
    if size is None:
        yield from range(base, base + stride + 1)
    else:
        yield size if size < base + stride else base + (size - base) % stride


def _join(
    line: _Line, chosen: Mapping[str, int], name: str, size: int | None, reach: tuple[int, int]
) -> dict[str, int] | None:
    """`chosen` extended by a size of the source `name` at which it fits in with them, in the phase of its
    static size.
    """
    span, stride = reach
    base, guess = _base(span, stride), max(chosen.values())
    for n in sorted(range(1, 2 * guess + 4 * base), key=lambda n: (n < base, abs(n - guess))):
        in_phase = size is None or n == size or (n >= base and size >= base and (n - size) % stride == 0)
        if in_phase and line.flow({**chosen, name: n}) is not None:
            return {**chosen, name: n}
    return None


def _is_baked(node: gs.Node, opset: int, rank: int) -> bool:
    return node.op == "ScatterND" or (
        node.op == "Slice" and any(0 < end < _FAR for _, _, end, _ in _slices(node, opset, rank))
    )


def _step(node: gs.Node, tensor_axis: int, axis: int, opset: int, rank: int) -> _Step:
    if node.op in _WINDOWED:
        return _window_step(node, axis)
    if node.op == "GlobalAveragePool":
        return _Step(collapse=True)
    if node.op == "Pad":
        begin, end = _pad_widths(node, tensor_axis, opset, rank)
        return _Step(lost=1 - begin - end, reach=max(-begin, 0) + max(-end, 0))
    if node.op == "Slice":
        for sliced, start, stop, stride in _slices(node, opset, rank):
            if sliced == tensor_axis:
                edges = sum(abs(bound) for bound in (start, stop) if abs(bound) < _FAR)
                return _Step(bounds=slice(start, None if stop >= _FAR else stop, stride), stride=stride, reach=edges)
    return _Step()


def _window_step(node: gs.Node, axis: int) -> _Step:
    attrs: Mapping[str, Any] = node.attrs
    kernel = attrs["kernel_shape"] if node.op == "AveragePool" else node.inputs[1].shape[2:]
    rank = len(kernel)
    if axis >= rank:
        return _Step()
    stride = int(attrs.get("strides", [1] * rank)[axis])
    extent = int(attrs.get("dilations", [1] * rank)[axis]) * (int(kernel[axis]) - 1) + 1
    pads = attrs.get("pads", [0] * 2 * rank)
    auto_pad = attrs.get("auto_pad", "NOTSET")
    both = int(pads[axis]) + int(pads[rank + axis]) if auto_pad == "NOTSET" else 0
    same = auto_pad.startswith("SAME")
    if node.op == "ConvTranspose":
        grown = int(attrs.get("output_padding", [0] * rank)[axis])
        lost = both - grown - extent + 2
        return _Step(lost=lost, reach=extent, upsampling=stride, same=same)
    return _Step(lost=extent - both, stride=stride, reach=extent - 1, same=same)


def _pad_widths(node: gs.Node, axis: int, opset: int, rank: int) -> tuple[int, int]:
    if opset < 11:
        widths = list(node.attrs.get("pads", node.attrs.get("paddings", [])))
        axes = list(range(len(widths) // 2))
    else:
        widths = _integers(node, 1)
        axes = [axis % rank for axis in _integers(node, 3)] or list(range(len(widths) // 2))
    if axis not in axes:
        return 0, 0
    return int(widths[axes.index(axis)]), int(widths[len(axes) + axes.index(axis)])


def _slices(node: gs.Node, opset: int, rank: int) -> list[tuple[int, int, int, int]]:
    """(axis, start, end, step) of each axis that a Slice with constant bounds restricts."""
    if opset < 10:
        starts, ends = list(node.attrs["starts"]), list(node.attrs["ends"])
        axes, steps = list(node.attrs.get("axes", range(len(starts)))), [1] * len(starts)
    else:
        starts, ends = _integers(node, 1), _integers(node, 2)
        axes = _integers(node, 3) or list(range(len(starts)))
        steps = _integers(node, 4) or [1] * len(starts)
    return list(zip([axis % rank for axis in axes], starts, ends, steps, strict=True))


def _integers(node: gs.Node, place: int) -> list[int]:
    """Values of a constant integer input, none when it is left out."""
    tensor = node.inputs[place] if place < len(node.inputs) else None
    if not isinstance(tensor, gs.Constant):
        return []
    return [int(value) for value in np.asarray(constant_array(tensor)).ravel()]
