"""Whether a call, lowered once more, gives the nodes that a graph has now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.graph import constant_array
from graphmorph.torch_door.parameters import ParameterValues
from graphmorph.torch_door.record import Site, TraceRecord
from graphmorph.torch_door.relowering import Lowered, StandIns
from graphmorph.torch_door.resized_values import ResizedValues, Sizes, UnknownValueError
from graphmorph.torch_door.tensor_facts import TensorTypes
from graphmorph.torch_door.trees import tensors_of


class Comparison:
    """Compares lowered nodes with the current ones of a site, in their order.

    stand_ins: what stood for the module's own tensors while it was lowered again.
    """

    def __init__(
        self, site: Site, nodes: Sequence[gs.Node], values: ResizedValues, lowered: Lowered, stand_ins: StandIns
    ) -> None:
        self.site, self.nodes, self.values, self.lowered = site, nodes, values, lowered
        self.record: TraceRecord = values.record
        self.sources = {id(fake): source for source, fake in stand_ins.items()}
        self.inner: dict[str, str] = {}

    def agrees(self) -> bool:
        """Whether all nodes are the same, and what the call gives has the sizes that it has in the graph."""
        if len(self.lowered.nodes) != len(self.nodes):
            return False
        snapshots = self.site.nodes
        for node, now, snapshot in zip(self.lowered.nodes, self.nodes, snapshots, strict=True):
            if not self._same_node(node, now, snapshot.inputs):
                return False
            self.inner |= {t.name: other.name for t, other in zip(node.outputs, now.outputs, strict=True)}
        wanted = [t.name for t in tensors_of(self.site.result)] if self.site.result is not None else None
        given = [self.inner.get(tensor.name) for tensor in self.lowered.results]
        return (wanted is None or given == wanted) and self._same_sizes(given)

    def _same_sizes(self, names: Sequence[str | None]) -> bool:
        """Sizes that nobody knew are learnt from the call."""
        found = [
            (run, name, size)
            for run, sizes in zip(self.values.runs, self.lowered.sizes, strict=True)
            for name, size in zip(names, sizes, strict=True)
        ]
        if not all(name is not None and self._fits(name, run, size) for run, name, size in found):
            return False
        for run, name, size in found:
            self.values.learn(str(name), run, size)
        return True

    def _fits(self, name: str, run: int, size: Sizes) -> bool:
        try:
            known = self.values.known_sizes(name, run)
        except UnknownValueError:
            return False
        return len(known) == len(size) and all(old in (None, new) for old, new in zip(known, size, strict=True))

    def _same_node(self, node: gs.Node, now: gs.Node, traced: Sequence[str]) -> bool:
        alike = (node.op, node.domain or "") == (now.op, now.domain or "") and len(node.outputs) == len(now.outputs)
        if not alike or len(now.inputs) < len(traced):
            return False
        meanings = _meaning(node, self.lowered.types, node), _meaning(now, self.lowered.types, node)
        if meanings[0] is not None and meanings[0] == meanings[1]:
            return self._same_input(node.inputs[0], now.inputs[0], traced[0])
        pairs = zip(node.inputs, now.inputs, traced, strict=False)
        counts = len(node.inputs) == len(now.inputs) == len(traced)
        return counts and node.attrs == now.attrs and all(self._same_input(*one) for one in pairs)

    def _same_input(self, tensor: gs.Tensor, now: gs.Tensor, traced: str) -> bool:
        if not isinstance(tensor, gs.Constant):
            # What the call is given was traced under the name that the lowering knows it by.
            same = now.name == self.inner[tensor.name] if tensor.name in self.inner else tensor.name == traced
            return bool(same) and bool(now.name) == bool(traced)
        if not isinstance(now, gs.Constant) or tuple(tensor.shape) != tuple(now.shape):
            return False
        if not isinstance(tensor._values, ParameterValues):
            ours, theirs = constant_array(tensor), constant_array(now)
            return ours.dtype == theirs.dtype and bool(np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"))
        known = self.record.parameters.get(traced)
        same_source = known is not None and self.sources.get(id(tensor._values.source)) == id(known.source)
        return same_source and known is not None and known.transposed == tensor._values.transposed


def _meaning(node: gs.Node, types: TensorTypes, sized: gs.Node) -> Any | None:
    """What a node with a shape operand does to a tensor of the sizes of `sized`'s first input; None if not known."""
    if node.op not in _MEANINGS or any(not isinstance(t, gs.Constant) for t in node.inputs[1:] if t.name):
        return None
    sizes = types.sizes(sized.inputs[0])
    operands = [[int(n) for n in constant_array(t).reshape(-1)] if t.name else None for t in node.inputs[1:]]
    return None if min(sizes, default=0) < 0 else _MEANINGS[node.op](sizes, operands, node)


def _reshaped(sizes: Sizes, operands: Sequence[Any], node: gs.Node) -> Any:
    target = [sizes[i] if n == 0 and i < len(sizes) else n for i, n in enumerate(operands[0])]
    rest = int(np.prod([n for n in target if n != -1], dtype=np.int64))
    total = int(np.prod(sizes, dtype=np.int64))
    return tuple(total // rest if n == -1 and rest else n for n in target)


def _split(sizes: Sizes, operands: Sequence[Any], node: gs.Node) -> Any:
    axis = int(node.attrs.get("axis", 0)) % len(sizes)
    if operands and operands[0] is not None:
        return axis, tuple(operands[0])
    count = len(node.outputs)
    each = -(-sizes[axis] // count)
    return axis, tuple(min(each, sizes[axis] - each * place) for place in range(count))


def _sliced(sizes: Sizes, operands: Sequence[Any], node: gs.Node) -> Any:
    starts, ends, axes, steps = [*operands, None, None][:4]
    axes = list(range(len(starts))) if axes is None else [axis % len(sizes) for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    parts = zip(axes, starts, ends, steps, strict=True)
    if min(steps) < 0:
        return None
    taken = ((axis, slice(start, end, step).indices(sizes[axis])) for axis, start, end, step in parts)
    return tuple(sorted(one for one in taken if one[1] != (0, sizes[one[0]], 1)))


def _expanded(sizes: Sizes, operands: Sequence[Any], node: gs.Node) -> Any:
    return tuple(np.broadcast_shapes(sizes, tuple(operands[0])))


_MEANINGS: Mapping[str, Any] = {"Reshape": _reshaped, "Split": _split, "Slice": _sliced, "Expand": _expanded}
