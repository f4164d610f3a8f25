"""What removed elements are masked with: a constant along an axis, or a tensor where the size of the axis is free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.elements import Axes, ReadKind
from graphmorph.channels.masking_site import MaskingSite
from graphmorph.errors import RefusedError

#: What only moves elements does to a mask what it does to the tensor.
_MOVES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")

Along = NDArray[np.bool_]


@dataclass(frozen=True)
class _Values:
    """What a mask holds for an element that stays, and for one that goes."""

    stays: float
    goes: float
    dtype: np.dtype[Any]

    def of(self, keep: Along) -> NDArray[Any]:
        return np.where(keep, self.stays, self.goes).astype(self.dtype)


class Factors:
    """Makes masks for one set of kept elements."""

    def __init__(self, analysis: Analysis, kept: Kept) -> None:
        self.analysis, self.kept = analysis, kept

    def along(self, axes: Axes | None, axis: int) -> Along | None:
        """(size) which elements of an axis stay; None where all of them do."""
        ids = None if axes is None else axes[axis]
        keep = None if ids is None else self.kept[ids]
        return None if keep is None or keep.all() else keep

    def of_input(self, node: gs.Node, index: int, axis: int) -> Along | None:
        """(size) which elements of an axis of an input stay; None where all of them do."""
        return self.along(self.analysis.operand(node, index), axis)

    def factor(
        self, site: MaskingSite, index: int, axis: int, kind: ReadKind, dtype: np.dtype[Any] | None = None
    ) -> gs.Tensor:
        """A tensor that broadcasts against an input: to be added for a maximum or minimum, else multiplied by.

        dtype: of the mask; that of the input unless one is given.
        """
        keep = self.of_input(site.node, index, axis)
        assert keep is not None
        tensor = site.node.inputs[index]
        values = _values(site, dtype or site.dtype(tensor), keep, kind)
        if isinstance(tensor, gs.Constant):
            return _constant(site, tensor.name, values.of(keep), axis, tensor.values.ndim)
        return self._mask(site, tensor.name, axis, keep, values)

    def _mask(self, site: MaskingSite, name: str, axis: int, keep: Along, values: _Values) -> gs.Tensor:
        """The mask of an axis of a variable."""
        if not self.analysis.sizes.is_free(name, axis):
            return _constant(site, name, values.of(keep), axis, len(self.analysis.axes[name]))
        made = self._replayed(site, name, axis, keep, values)
        if made is None:
            raise RefusedError(
                f"{site.node.op} {site.node.name}: axis {axis} of {name} has removed elements and a free size, and "
                "what makes it cannot be replayed on a mask; give fixed input sizes"
            )
        return made

    def _replayed(self, site: MaskingSite, name: str, axis: int, keep: Along, values: _Values) -> gs.Tensor | None:
        """The mask of an axis that is a product with a free size: what made the tensor makes it of a mask, too."""
        maker = self.analysis.facts.producer.get(name)
        if maker is None:
            return None
        if maker.op in _MOVES:
            source = maker.inputs[0].name
            for place in range(len(self.analysis.axes.get(source, ()))):
                before = self.along(self.analysis.axes[source], place)
                if before is not None and self._becomes(maker, source, (place, before), (axis, keep)):
                    return self._moved(site, maker, self._mask(site, source, place, before, values))
            return None
        for source in (t.name for t in maker.inputs if t.name in self.analysis.axes):
            same_sizes = self.analysis.sizes.get(source) == self.analysis.sizes.get(name)
            before = self.along(self.analysis.axes[source], axis) if same_sizes else None
            if before is not None and np.array_equal(before, keep):
                return self._mask(site, source, axis, before, values)
        return None

    def _becomes(self, maker: gs.Node, source: str, given: tuple[int, Along], wanted: tuple[int, Along]) -> bool:
        """Whether a mask of an axis, moved as the tensor is, is that of an axis of the result, in one run."""
        sizes = self.analysis.sizes.get(source), self.analysis.sizes.get(maker.outputs[0].name)
        if sizes[0] is None or sizes[1] is None:
            return False
        full = np.broadcast_to(_shaped(given[1], given[0], len(sizes[0])), sizes[0])
        moved = np.transpose(full, maker.attrs.get("perm")) if maker.op == "Transpose" else full.reshape(sizes[1])
        return bool((moved == _shaped(wanted[1], wanted[0], len(sizes[1]))).all())

    def _moved(self, site: MaskingSite, maker: gs.Node, mask: gs.Tensor) -> gs.Tensor:
        """The mask at the size of what it masks, moved as that is."""
        tensors = site.facts.tensors
        source, output = tensors[maker.inputs[0].name], tensors[maker.outputs[0].name]
        rank = len(self.analysis.axes[source.name])
        sizes = site.emit("Shape", [source], gs.Variable("", np.int64), shape=(rank,))
        full = site.emit("Expand", [mask, sizes], mask, shape=site.shape(source))
        rest = [tensors[t.name] for t in maker.inputs[1:]]
        return site.emit(maker.op, [full, *rest], mask, maker.attrs, shape=site.shape(output))


def _values(site: MaskingSite, dtype: np.dtype[Any], keep: Along, kind: ReadKind) -> _Values:
    if kind in ("contraction", "sum"):
        return _Values(1, 0, dtype)
    if dtype.kind in "iub":
        raise RefusedError(f"{site.node.op} {site.node.name}: the {kind} of {dtype} cannot be masked")
    if kind in ("maximum", "minimum"):
        return _Values(0, -np.inf if kind == "maximum" else np.inf, dtype)
    return _Values(keep.size / max(int(keep.sum()), 1), 0, dtype)


def _shaped(values: NDArray[Any], axis: int, rank: int) -> NDArray[Any]:
    """Values along an axis, to be broadcast against a tensor of a rank."""
    return values.reshape(-1, *(1,) * (rank - axis - 1))


def _constant(site: MaskingSite, name: str, values: NDArray[Any], axis: int, rank: int) -> gs.Constant:
    return site.constant(f"{name}_mask", _shaped(values, axis, rank))
