"""Who reads the channels of a group: contractions, the activations that they read, and where the group is in these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.activations.rows import ChannelRows, PatchRows, RowMaker
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.elements import Read
from graphmorph.channels.groups import Group

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reader:
    """A node that contracts the channels along `axis` of an activation with constant weights.

    group: the convolution's groups. outputs: channels made.
    """

    node: gs.Node
    tensor: str
    axis: int
    channels: int
    weight: gs.Constant
    group: int = 1

    @property
    def name(self) -> str:
        """Of the first output: what a node is known by."""
        return str(self.node.outputs[0].name)

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """Sizes of the window; () for a matrix product."""
        return tuple(int(n) for n in self.weight.shape[2:]) if self.node.op == "Conv" else ()

    @property
    def taps(self) -> int:
        """Columns of a channel."""
        return int(np.prod(self.kernel, dtype=np.int64))

    def rows(self, part: int = 0) -> RowMaker:
        """How the activation becomes rows: what one output of group `part` reads is one of them."""
        if self.node.op != "Conv":
            return ChannelRows(self.axis)
        attrs, size = self.node.attrs, self.channels // self.group
        return PatchRows(
            self.kernel,
            tuple(attrs.get("strides") or ()),
            tuple(attrs.get("pads") or ()),
            tuple(attrs.get("dilations") or ()),
            (part * size, (part + 1) * size) if self.group > 1 else None,
        )

    def matrix(self, values: Array, part: int = 0) -> Array:
        """(outputs, columns) of the weights of group `part`, columns as in `rows`."""
        if self.node.op == "Conv":
            whole: Array = values.reshape(self.group, values.shape[0] // self.group, -1)
            return np.asarray(whole[part], np.float64)
        if self.node.op == "Gemm":
            return values if self.node.attrs.get("transB", 0) else values.T
        return values.T


def readers(analysis: Analysis) -> Iterator[tuple[Read, Reader]]:
    """Every contraction of an activation with constant weights that is understood: Conv, Gemm, MatMul of a matrix."""
    for read in analysis.reads:
        if read.kind != "contraction" or read.index != 0:
            continue
        node = analysis.facts.producer[read.node]
        if len(node.inputs) < 2 or not isinstance(node.inputs[1], gs.Constant) or not _is_plain(node):
            continue
        axes = analysis.axes[node.inputs[0].name]
        ids = axes[read.axis]
        if ids is not None:
            group = int(node.attrs.get("group", 1)) if node.op == "Conv" else 1
            yield read, Reader(node, node.inputs[0].name, read.axis, ids.size, node.inputs[1], group)


def _is_plain(node: gs.Node) -> bool:
    weight = node.inputs[1]
    if node.op == "Conv":
        return node.attrs.get("auto_pad", "NOTSET") in ("NOTSET", "VALID", "")
    if node.op == "Gemm":
        return not node.attrs.get("transA", 0) and node.attrs.get("alpha", 1.0) == 1.0 == node.attrs.get("beta", 1.0)
    return node.op == "MatMul" and len(weight.shape) == 2


@dataclass(frozen=True, eq=False)
class GroupReader:
    """positions: (units, places) of a group's units along the axis that is read."""

    reader: Reader
    positions: NDArray[np.int64]


def readers_by_group(analysis: Analysis) -> dict[str, list[GroupReader]]:
    """By name of the group, its readers in the order of the graph."""
    owner = np.full(analysis.components.walled.size, -1, np.int64)
    rank = np.zeros(analysis.components.walled.size, np.int64)
    for number, group in enumerate(analysis.groups):
        owner[group.units] = number
        rank[group.units] = np.arange(group.size)
    found: dict[str, list[GroupReader]] = {}
    for read, reader in readers(analysis):
        ids = analysis.axes[reader.tensor][read.axis]
        assert ids is not None
        labels = analysis.components.label[ids]
        for number in np.unique(owner[labels]).tolist():
            if number >= 0:
                group = analysis.groups[number]
                positions = _positions(np.flatnonzero(owner[labels] == number), rank[labels], group)
                if positions is not None:
                    found.setdefault(group.name, []).append(GroupReader(reader, positions))
    return found


def _positions(places: NDArray[np.int64], rank: NDArray[np.int64], group: Group) -> NDArray[np.int64] | None:
    """(units, places); None where units are not all read, or not equally often."""
    ranks = rank[places]
    counts = np.bincount(ranks, minlength=group.size)
    if (counts != counts[0]).any() or counts[0] == 0:
        return None
    return places[np.argsort(ranks, kind="stable")].reshape(group.size, -1)
