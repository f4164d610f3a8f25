"""Which axis holds the channels: settled once for every set of tensors that element-wise steps tie together."""

from __future__ import annotations

from collections.abc import Mapping

from graphmorph.affine.form import Layout
from graphmorph.affine.operators.steps import Scale, Step, Sum, Window, inputs_of
from graphmorph.facts import Dimension, Facts


class Layouts:
    """Union of tensors over element-wise steps; convolutions, matrix products and vectors label their set."""

    def __init__(self, steps: Mapping[str, Step], facts: Facts) -> None:
        self._facts = facts
        self._parent: dict[str, str] = {}
        self._label: dict[str, Layout] = {}
        self._channels: dict[str, int] = {}
        self._asked: dict[str, tuple[Dimension, ...]] = {}
        for output, step in steps.items():
            if not isinstance(step, Window):
                for data in inputs_of(step):
                    self._join(output, data)
        for output, step in steps.items():
            self._mark(output, step)

    def of(self, name: str) -> Layout:
        """ "first" where nothing says otherwise."""
        return self._label.get(self._find(name), "first")

    def channels(self, name: str) -> int | None:
        """Channels of a tensor whose shape does not say them, from the weights that read it."""
        return self._channels.get(name)

    def shape(self, name: str) -> tuple[Dimension, ...] | None:
        """The shape of a tensor; where nobody inferred it, the rank and channels that a convolution asks of it."""
        known = self._facts.shapes.get(name)
        if known is not None and known.shape is not None:
            return known.shape
        return self._asked.get(name)

    def _mark(self, output: str, step: Step) -> None:
        if isinstance(step, Window):
            self._label.setdefault(self._find(output), step.axis)
            self._label.setdefault(self._find(step.data), step.axis)
            self._channels.setdefault(step.data, step.kernel.in_channels)
            if step.kernel.rank:
                self._asked.setdefault(step.data, (None, step.kernel.in_channels, *(None,) * step.kernel.rank))
        elif isinstance(step, Scale | Sum):
            if step.axis is not None:
                self._label.setdefault(self._find(output), step.axis)
        else:
            self._label.setdefault(self._find(output), "first")

    def _find(self, name: str) -> str:
        root = name
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while name != root:
            self._parent[name], name = root, self._parent.get(name, root)
        return root

    def _join(self, left: str, right: str) -> None:
        self._parent[self._find(left)] = self._find(right)
