"""Regions: maximal cones of affine nodes in which no tensor is read from outside, and the affine form of each.

One pass backwards finds the cones, whatever the order in which a sum was written; one pass forwards computes forms.
Where a step is not exact the cone is cut at that step's inputs and its parts are tried again, so the cost is linear
in nodes times the nesting depth of such failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.form import Form, InexactError, Layout, Passage, added, applied, scaled, source_form
from graphmorph.affine.layout import Layouts
from graphmorph.affine.margin import Margin, closed, padded, permuted, scattered
from graphmorph.affine.operators.rules import step_of
from graphmorph.affine.operators.steps import (
    Border,
    Permute,
    Scale,
    Scatter,
    Step,
    Sum,
    Wall,
    Window,
    inputs_of,
)
from graphmorph.facts import Facts


@dataclass(frozen=True, eq=False)
class Cone:
    """Affine nodes, in topological order, that all flow into the tensor `root` and nowhere else."""

    root: str
    nodes: tuple[gs.Node, ...]

    @property
    def outputs(self) -> frozenset[str]:
        return frozenset(node.outputs[0].name for node in self.nodes)


@dataclass(frozen=True, eq=False)
class Region:
    """A cone and the form of its root."""

    cone: Cone
    form: Form


@dataclass
class Search:
    """Finds regions.

    `merge_branches`: sums of tensors and convolutions of convolutions belong to a region; without it each region is
    one convolution with the scales, offsets and paddings around it. By node output, `walls` says why a node is in no
    region, and `blame` why one that could be is not in the region that it would have joined.
    """

    facts: Facts
    merge_branches: bool
    blame: dict[str, str] = field(default_factory=dict)
    walls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.steps: dict[str, Step] = {}
        for node in self.facts.order:
            step = self._step(node)
            if isinstance(step, Wall):
                if node.outputs:
                    self.walls[node.outputs[0].name] = step.reason
            else:
                self.steps[node.outputs[0].name] = step
        self.layouts = Layouts(self.steps, self.facts)
        self.cuts: set[str] = set()

    def _step(self, node: gs.Node) -> Step | Wall:
        step = step_of(node, self.facts)
        if node.outputs and node.outputs[0].name in self.facts.kept:
            return Wall(f"{node.name or node.op} is kept as asked")
        if any(tensor.name for tensor in node.outputs[1:]) and not isinstance(step, Wall) and node.op != "Dropout":
            return Wall(f"{node.op} has further outputs")
        if isinstance(step, Sum) and not self.merge_branches:
            for tensor in node.inputs:
                if tensor.name in self.facts.overridable:
                    return Wall(f"{node.op} has no constant operand ({self.facts.variable(tensor)})")
            return Wall("a sum of tensors is left to fuse-branches")
        return step

    def regions(self) -> Iterator[Region]:
        """Every cone with its form; cones that fail are cut and their parts are yielded instead."""
        nodes = [node for node in self.facts.order if node.outputs and node.outputs[0].name in self.steps]
        for cone in self.cones(nodes):
            yield from self.settle(cone)

    def settle(self, cone: Cone) -> Iterator[Region]:
        """The region of a cone, or those of its parts where its form cannot be had as a whole."""
        waiting = [cone]
        while waiting:
            current = waiting.pop()
            form = self.form_of(current)
            if form is not None:
                yield Region(current, form)
            else:
                waiting.extend(self.parts(current))

    def parts(self, cone: Cone) -> list[Cone]:
        """The cones that a cone falls into under the cuts made since."""
        return self.cones([node for node in cone.nodes if node.outputs[0].name in self.steps])

    def cones(self, nodes: list[gs.Node]) -> list[Cone]:
        """Partition affine nodes (in topological order) into cones, by one pass backwards."""
        root: dict[str, str] = {}
        members: dict[str, list[gs.Node]] = {}
        inside = {node.outputs[0].name for node in nodes}
        for node in reversed(nodes):
            name = node.outputs[0].name
            roots = {
                root.get(reader.node.outputs[0].name, "") if self._flows(name, reader.node, inside) else ""
                for reader in self.facts.readers[name]
            }
            single = len(roots) == 1 and "" not in roots
            mine = roots.pop() if single and name not in self.cuts and not self.facts.is_pinned(name) else name
            root[name] = mine
            members.setdefault(mine, []).append(node)
        return [Cone(name, tuple(reversed(found))) for name, found in members.items()]

    def _flows(self, name: str, reader: gs.Node, inside: set[str]) -> bool:
        output = reader.outputs[0].name if reader.outputs else ""
        return output in inside and name in inputs_of(self.steps[output])

    def form_of(self, cone: Cone) -> Form | None:
        """The form of the cone's root, or None after cutting the cone where it could not be had."""
        forms: dict[str, Form | Margin] = {}
        for node in cone.nodes:
            name = node.outputs[0].name
            step = self.steps[name]
            try:
                forms[name] = self._apply(step, name, forms, cone)
            except InexactError as problem:
                self._cut(name, step, forms, str(problem))
                return None
        try:
            return self._closed(cone.root, forms)
        except InexactError as problem:
            self._cut(cone.root, self.steps[cone.root], forms, str(problem))
            return None

    def _closed(self, name: str, forms: dict[str, Form | Margin]) -> Form:
        form = forms[name]
        if isinstance(form, Margin):
            form = forms[name] = closed(form, self.facts.dtype(self.facts.producer[name].outputs[0]))
        return form

    def _input(self, name: str, forms: dict[str, Form | Margin], open_margin: bool = False) -> Form | Margin:
        if name not in forms:
            forms[name] = self._source(name)
        return forms[name] if open_margin else self._closed(name, forms)

    def _source(self, name: str) -> Form:
        layout: Layout = self.layouts.of(name)
        shape = self.layouts.shape(name)
        if shape is None or len(shape) < 2:
            raise InexactError(f"the shape of {name} is not known")
        axis = 1 if layout == "first" else len(shape) - 1
        channels = shape[axis] if isinstance(shape[axis], int) else self.layouts.channels(name)
        if not isinstance(channels, int) or channels < 1:
            raise InexactError(f"the channels of {name} are not known (shape {shape})")
        spatial = shape[2:] if layout == "first" else ()
        size = tuple(n if isinstance(n, int) else None for n in spatial)
        return source_form(name, channels, layout, size, shape[:1] if layout == "first" else shape[:-1])

    def _apply(self, step: Step, name: str, forms: dict[str, Form | Margin], cone: Cone) -> Form | Margin:
        if isinstance(step, Scatter | Permute):
            margin = self._input(step.data, forms, open_margin=True)
            if not isinstance(margin, Margin):
                raise InexactError(f"{self.facts.producer[name].op} is affine only on a border that a Pad added")
            return scattered(step, margin) if isinstance(step, Scatter) else permuted(step, margin)
        inputs = [self._input(data, forms) for data in inputs_of(step)]
        first = inputs[0]
        assert isinstance(first, Form)
        if isinstance(step, Scale):
            _check_axis(step.axis, first)
            return scaled(first, _wide(step.scale, first), _wide(step.offset, first))
        if isinstance(step, Sum):
            total = added([f for f in inputs if isinstance(f, Form)], [sign for _, sign in step.operands])
            _check_axis(step.axis, total)
            return scaled(total, np.ones(total.channels), _wide(step.offset, total)) if np.any(step.offset) else total
        _check_axis(step.axis, first)
        if isinstance(step, Border):
            if len(step.begin) != first.rank:
                raise InexactError(f"Pad has {len(step.begin)} spatial axes on a tensor of {first.rank}")
            passage = Passage(name, 0.0, step.data, name if name != cone.root else None)
            return padded(step, first, passage, written=self._is_written(name))
        return self._window(step, first, name, cone)

    def _is_written(self, name: str) -> bool:
        """Whether a ScatterND writes into a tensor, or into a transpose of it."""
        for reader in self.facts.readers[name]:
            output = reader.node.outputs[0].name if reader.node.outputs else ""
            step = self.steps.get(output)
            if isinstance(step, Scatter) or (isinstance(step, Permute) and self._is_written(output)):
                return reader.index == 0
        return False

    def _window(self, step: Window, form: Form, name: str, cone: Cone) -> Form:
        if step.kernel.in_channels != form.channels or step.kernel.rank != form.rank:
            raise InexactError(
                f"{name} wants {step.kernel.in_channels} channels, {step.kernel.rank} spatial dimensions; "
                f"{step.data} has {form.channels}, {form.rank}"
            )
        if not self.merge_branches and any(term.costs for term in form.terms) and step.cost:
            raise InexactError("a convolution of a convolution is left to fuse-branches")
        after = name if step.merges_only and name != cone.root else None
        return applied(step.kernel, form, step.bias, Passage(name, step.cost, step.data, after))

    def _cut(self, name: str, step: Step, forms: dict[str, Form | Margin], reason: str) -> None:
        """Cut before the node that failed; one that fails even on its own bare inputs is a wall."""
        self.blame.setdefault(name, reason)
        fresh = [data for data in inputs_of(step) if data in self.steps and data not in self.cuts]
        opened = [
            form.passage.before
            for data in inputs_of(step)
            if isinstance(form := forms.get(data), Margin)
            and form.passage.before in self.steps
            and form.passage.before not in self.cuts
        ]
        if opened or fresh:
            self.cuts.update(opened or fresh)
        else:
            del self.steps[name]


def _check_axis(axis: Layout | None, form: Form) -> None:
    if axis is not None and axis != form.layout:
        raise InexactError("a constant, or a kernel, runs along another axis than the channels of the rest")


def _wide(values: np.ndarray, form: Form) -> np.ndarray:
    if values.size not in (1, form.channels):
        raise InexactError(
            f"a constant has {values.size} elements for {form.channels} channels, so it broadcasts the data"
        )
    return np.broadcast_to(values, (form.channels,))
