"""What a removal must answer for at every read: nothing, a constant for the next bias, or weights for a twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.constants import Slot, Use
from graphmorph.channels.elements import Ids, Read
from graphmorph.channels.exact_offsets import Offset, offset_of
from graphmorph.channels.values.values import Values
from graphmorph.graph import constant_array

Flags = NDArray[np.bool_]
Float64 = NDArray[np.float64]

#: Their constant operand has the weights of what they contract along one axis; to what the former make, a bias can be
#: added that stands for constants.
FOLDING = ("Conv", "Gemm", "MatMul")
MERGING = (*FOLDING, "ConvTranspose")


@dataclass(frozen=True, eq=False)
class ExactRead:
    """One read, element by element of the axis that it runs over.

    labels: the component of each element. nothing: it adds nothing to what the node gives. constants: what it is
    whatever the input, NaN where that is not known. offset: where the share of constants goes, or why a constant that
    adds something cannot be folded here. numbers: value numbers, or None where twins cannot stand in for each other.
    columns: its place along the axis of the weights.
    """

    read: Read
    node: gs.Node
    labels: Ids
    nothing: Flags
    constants: Float64
    numbers: NDArray[np.int64] | None
    columns: NDArray[np.int64]
    weights: Slot | None
    offset: Offset | str

    @property
    def held(self) -> str | None:
        """Why a constant that adds something has to stay; None where it need not."""
        return self.offset if isinstance(self.offset, str) else None

    @property
    def foldable(self) -> Flags:
        """Elements that the node can do without, its bias changed at most."""
        if self.held is not None:
            return self.nothing
        found: Flags = self.nothing | ~np.isnan(self.constants)
        return found


def exact_reads(analysis: Analysis, values: Values) -> Iterator[ExactRead]:
    """Every read of the graph. Weights are looked at one after the other."""
    by_node = {str(node.outputs[0].name): node for node in analysis.facts.order if node.outputs}
    for read in analysis.reads:
        node = by_node[read.node]
        axes = analysis.operand(node, read.index)
        ids = axes[read.axis] if axes is not None else None
        if ids is not None:
            yield _exact_read(analysis, values, read, node, ids)


def _exact_read(analysis: Analysis, values: Values, read: Read, node: gs.Node, ids: Ids) -> ExactRead:
    labels = analysis.components.label[ids]
    weights = analysis.slot_of.get(Use(read.node, read.other)) if read.other >= 0 else None
    columns = np.arange(ids.size)
    nothing = _is_zero(values, node, read, ids.size)
    if weights is not None:
        width = weights.shape[read.other_axis]
        columns = columns % width  # the groups of a convolution share the axis
        nothing |= _zero_columns(analysis, weights, read.other_axis)[columns]
        if width < ids.size:
            nothing |= _goes_with_its_group(analysis, weights, read, labels, columns)
    elif read.kind == "contraction" and read.other >= 0:
        nothing |= _is_zero(values, node, Read(read.node, read.op, read.kind, read.other, read.other_axis), ids.size)
    elif weights is None:
        nothing |= _zero_of_its_own(analysis, read, ids.size)
    known = values.along(node.inputs[read.index].name, read.axis)
    constants = np.full(ids.size, np.nan) if known is None else known.constant
    merges = weights is not None and _merges(node, read, weights)
    numbers = known.number if known is not None and merges else None
    offset = _offset(analysis, node, read, merges=merges)
    return ExactRead(read, node, labels, nothing, constants, numbers, columns, weights, offset)


def _is_zero(values: Values, node: gs.Node, read: Read, size: int) -> Flags:
    """Elements that are zero whatever the input, where a zero adds nothing."""
    if read.kind not in ("contraction", "sum"):
        return np.zeros(size, np.bool_)
    known = values.along(node.inputs[read.index].name, read.axis)
    found: Flags = np.zeros(size, np.bool_) if known is None else known.constant == 0.0
    return found


def _zero_columns(analysis: Analysis, weights: Slot, axis: int) -> Flags:
    array = constant_array(analysis.facts.tensors[weights.name])
    others = tuple(place for place in range(array.ndim) if place != axis)
    found: Flags = ~(array != 0).any(axis=others)
    return found


def _goes_with_its_group(
    analysis: Analysis, weights: Slot, read: Read, labels: Ids, columns: NDArray[np.int64]
) -> Flags:
    """Where whole groups of a convolution go, what they read goes with what they make."""
    inner = weights.axes[read.other_axis]
    if inner is None:
        return np.ones(labels.size, np.bool_)
    found: Flags = analysis.components.label[inner][columns] != labels
    return found


def _zero_of_its_own(analysis: Analysis, read: Read, size: int) -> Flags:
    """A constant operand (the recurrent weights of an LSTM) adds nothing where it is zero itself."""
    own = analysis.slot_of.get(Use(read.node, read.index))
    return np.zeros(size, np.bool_) if own is None else _zero_columns(analysis, own, read.axis)


def _merges(node: gs.Node, read: Read, weights: Slot) -> bool:
    """Whether the weights of one column can be added to those of another. Those that several layers share cannot."""
    plain = len(weights.shape) == 2 or node.op == "Conv" or int(node.attrs.get("group", 1)) == 1
    return node.op in MERGING and plain and read.index == 0 and len(weights.uses) == 1


def _is_padded(node: gs.Node) -> bool:
    """At a border that is padded with zeros a constant does not add what it adds inside."""
    padded = node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID", "")
    return node.op == "Conv" and (padded or any(node.attrs.get("pads") or ()))


def _offset(analysis: Analysis, node: gs.Node, read: Read, *, merges: bool) -> Offset | str:
    if read.kind == "normalisation":
        return f"{read.op} {read.node} takes statistics over it"
    if not merges or node.op not in FOLDING:
        return f"{read.op} {read.node} ({read.kind}) has no weights of its own that could take it in"
    if _is_padded(node):
        return f"{read.op} {read.node} pads it with zeros, and at the border a constant would be missed"
    return offset_of(analysis, node)
