"""What a kept mask costs, and what a unit saves: parameters and multiply-adds, exactly, in a millisecond.

Both are sums of products of sizes (graphmorph/summary.py has the convention); a size is that of an axis, and an axis
has as many entries as elements of it are kept. So all distinct axes are counted at once, then multiplied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.affine.candidates import WEIGHTED
from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot
from graphmorph.channels.elements import Ids
from graphmorph.channels.groups import Group
from graphmorph.channels.products import AxisCounts, Products
from graphmorph.schema import violation
from graphmorph.summary import is_parameter


@dataclass(frozen=True)
class Cost:
    """Parameters (elements of distinct floating-point constants) and multiply-adds of one run on one sample."""

    parameters: int
    multiply_adds: int


class Costs:
    """Costs of the graph under analysis, for any mask.

    Multiply-adds are those of the run whose sizes the analysis has, for one sample where its batch is free. Nodes of
    unknown sizes are in `uncounted`, by their first output.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._axes = AxisCounts()
        self._shared: list[list[Slot]] = []
        self._parameters = Products()
        self._multiply_adds = Products()
        self._add_constants()
        batch = _batch(analysis)
        weighted = (n for n in analysis.facts.order if n.op in WEIGHTED and analysis.facts.is_standard(n))
        self.uncounted = tuple(str(node.outputs[0].name) for node in weighted if not self._add_node(node, batch))

    def of(self, kept: Kept) -> Cost:
        """Of what is left. kept: by element id, whether it stays (`Analysis.kept_without`)."""
        counts = self._axes.counts(kept)
        shared = sum(_distinct_elements(slots, kept) for slots in self._shared)
        return Cost(self._parameters.total(counts) + shared, self._multiply_adds.total(counts))

    def without(self, units: NDArray[np.int64]) -> Cost:
        """Of what is left when some units (labels of components) go."""
        return self.of(self._analysis.kept_without(units))

    def saving(self, group: Group) -> Cost:
        """What one unit of a group saves; all of them save the same."""
        whole, less = self.of(self._analysis.all_kept()), self.without(group.units[:1])
        return Cost(whole.parameters - less.parameters, whole.multiply_adds - less.multiply_adds)

    def _add_constants(self) -> None:
        by_name: dict[str, list[Slot]] = defaultdict(list)
        for slot in self._analysis.slots:
            if is_parameter(self._analysis.facts.tensors[slot.name]):
                by_name[slot.name].append(slot)
        for slots in by_name.values():
            if len(slots) > 1:
                self._shared.append(slots)
            else:
                self._parameters.add(*self._sizes(slots[0].shape, slots[0].axes))

    def _add_node(self, node: gs.Node, batch: int) -> bool:
        """Whether the multiply-adds of a node are known."""
        if violation(node, self._analysis.facts.opset) is not None:
            return False
        operands = [self._operand(node, 0), self._operand(node, 1), self._output(node)]
        if any(operand is None for operand in operands):
            return False
        data, weights, output = (operand for operand in operands if operand is not None)
        if node.op == "Conv":
            factors = [*output, *weights[1:]]
        elif node.op == "ConvTranspose":
            factors = [*data, *weights[1:]]
        else:
            factors = [*output, data[0] if node.attrs.get("transA", 0) else data[-1]]
        size, axes = self._sizes(*zip(*factors, strict=True)) if factors else (1, [])
        if size % batch == 0 and self._follows_batch(node):
            size //= batch
        self._multiply_adds.add(size, axes)
        return True

    def _operand(self, node: gs.Node, index: int) -> list[tuple[int, Ids | None]] | None:
        tensor = node.inputs[index]
        constant = isinstance(tensor, gs.Constant)
        shape = tuple(int(n) for n in tensor.shape) if constant else self._analysis.sizes.get(tensor.name)
        axes = self._analysis.operand(node, index)
        return None if shape is None or axes is None else list(zip(shape, axes, strict=True))

    def _output(self, node: gs.Node) -> list[tuple[int, Ids | None]] | None:
        name = node.outputs[0].name
        shape, axes = self._analysis.sizes.get(name), self._analysis.axes.get(name)
        return None if shape is None or axes is None else list(zip(shape, axes, strict=True))

    def _sizes(self, shape: Sequence[int], axes: Sequence[Ids | None]) -> tuple[int, list[int]]:
        """The product of the sizes that stay, and the numbers of the axes that may shrink."""
        fixed, numbers = 1, []
        for size, ids in zip(shape, axes, strict=True):
            if ids is None or not ids.size:
                fixed *= size
            else:
                numbers.append(self._axes.number(ids))
        return fixed, numbers

    def _follows_batch(self, node: gs.Node) -> bool:
        """Whether some size of what the node makes is free."""
        tensor = node.outputs[0]
        inferred = self._analysis.facts.shape(tensor)
        return bool(self._analysis.sizes.free.get(tensor.name)) or any(
            not isinstance(n, int) for n in (inferred if inferred is not None else ())
        )


def _batch(analysis: Analysis) -> int:
    """The first size of the inputs in the run, where it is free; 1 where it is not."""
    for tensor in analysis.facts.graph.inputs:
        shape = analysis.facts.shape(tensor)
        sizes = analysis.sizes.get(tensor.name)
        if shape and sizes and not isinstance(shape[0], int):
            return max(sizes[0], 1)
    return 1


def _distinct_elements(slots: Sequence[Slot], kept: Kept) -> int:
    """Elements of a constant that becomes as many as its readers keep different parts of it."""
    distinct: dict[tuple[bytes, ...], int] = {}
    for slot in slots:
        axes = zip(slot.shape, slot.axes, strict=True)
        patterns = tuple(bytes([True]) * size if ids is None else kept[ids].tobytes() for size, ids in axes)
        if patterns not in distinct:
            sizes = zip(slot.shape, slot.axes, strict=True)
            distinct[patterns] = prod(size if ids is None else int(kept[ids].sum()) for size, ids in sizes)
    return sum(distinct.values())
