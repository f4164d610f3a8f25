"""Writes a plan back as ONNX nodes: one Conv, Gemm or MatMul a group, and Adds between groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.affine.kernel import Window, enclosing_window, merged_weights
from graphmorph.affine.plan import Group, Plan, carries_bias, is_matrix, uses_gemm
from graphmorph.affine.region import Search
from graphmorph.editor import Editor
from graphmorph.onnx_door.element_types import numpy_type


class Emitter:
    """Builds the nodes of one plan through an editor; numbers are computed here, and only here."""

    def __init__(self, plan: Plan, search: Search, editor: Editor) -> None:
        self.plan, self.search, self.editor = plan, search, editor
        self.facts = search.facts
        self.root = self.facts.tensors[plan.cone.root]
        self.dtype = self._dtype()
        self.made_from = tuple(t.name for node in plan.cone.nodes for t in node.inputs if isinstance(t, gs.Constant))
        self.pending_bias = plan.form.bias

    def _dtype(self) -> np.dtype[Any]:
        known = numpy_type(self.facts.dtype(self.root) or 0)
        if known is not None:
            return known
        constants = (t for node in self.plan.cone.nodes for t in node.inputs if isinstance(t, gs.Constant))
        first: np.dtype[Any] = next(c.dtype for c in constants if "float" in str(c.dtype))
        return first

    def emit(self) -> None:
        """Stage the whole replacement."""
        groups = sorted(self.plan.groups, key=lambda group: -group.cost)
        bias_apart = self.pending_bias is not None and not carries_bias(self.plan.groups, self.plan.form)
        remaining = len(groups) - 1 + (1 if bias_apart else 0)
        total: gs.Tensor | None = None
        for group in groups:
            value = self._group(group, last=remaining == 0 and total is None)
            if total is None:
                total = value
                continue
            remaining -= 1
            total = self._add(total, value, last=remaining == 0)
        if bias_apart and total is not None and self.pending_bias is not None:
            self._add(total, self._vector(self.pending_bias, "bias"), last=True)
        if self.plan.form.is_source and total is not None:
            self.editor.node("Identity", f"{self.root.name}_identity", [total], self._output(True, ""))
        self.editor.remove(self.plan.cone.nodes)

    def _output(self, last: bool, name: str) -> gs.Variable:
        return (
            self.editor.root_stand_in(self.root) if last else self.editor.tensor(self.root, f"{self.root.name}_{name}")
        )

    def _add(self, left: gs.Tensor, right: gs.Tensor, *, last: bool) -> gs.Tensor:
        output = self._output(last, "sum")
        self.editor.node("Add", f"{self.root.name}_add", [left, right], output)
        return output

    def _group(self, group: Group, *, last: bool) -> gs.Tensor:
        source = self.facts.tensors[group.source]
        if group.is_identity:
            return source
        node = self._main_node(group)
        output = self._output(last, "branch")
        if group.is_scale:
            scale = sum((term.kernel.weights()[:, 0, 0] for term in group.terms), np.zeros(self.plan.form.channels))
            self.editor.node(
                "Mul",
                f"{self.root.name}_scale",
                [source, self._vector(scale, "scale")],
                output,
                in_place_of=node,
            )
        elif self.plan.form.rank > 0:
            self._convolution(group, source, output, node)
        else:
            self._linear(group, source, output, node)
        return output

    def _main_node(self, group: Group) -> gs.Node | None:
        """The node whose name lives on: the one with the most multiply-adds."""
        costs = {name: cost for term in group.terms for name, cost in term.costs.items()}
        if not costs:
            return None
        return self.facts.producer[max(costs, key=lambda name: costs[name])]

    def _stem(self, node: gs.Node | None) -> str:
        """Weights are called after the weights that they replace."""
        if node is not None and len(node.inputs) > 1 and isinstance(node.inputs[1], gs.Constant):
            return str(node.inputs[1].name)
        return f"{self.root.name}_weight"

    def _take_bias(self) -> NDArray[np.float64] | None:
        bias, self.pending_bias = self.pending_bias, None
        return bias

    def _convolution(self, group: Group, source: gs.Tensor, output: gs.Tensor, node: gs.Node | None) -> None:
        kernels = [term.kernel for term in group.terms]
        into = enclosing_window([o for kernel in kernels for o in kernel.offsets], kernels[0].size_term)
        weights, groups = merged_weights(kernels, into)
        stem = self._stem(node)
        inputs: list[gs.Tensor] = [source, self._constant(f"{stem}_fused", weights)]
        bias = self._take_bias()
        if bias is not None:
            inputs.append(self._constant(f"{stem}_fused_bias", bias))
        attrs = _conv_attributes(into, kernels[0].stride, groups)
        self.editor.node("Conv", f"{self.root.name}_conv", inputs, output, attrs, in_place_of=node)

    def _linear(self, group: Group, source: gs.Tensor, output: gs.Tensor, node: gs.Node | None) -> None:
        kernels = [term.kernel for term in group.terms]
        weights, _ = merged_weights(kernels, enclosing_window([()], ()))
        matrix, stem = weights.reshape(weights.shape[:2]), self._stem(node)
        if is_matrix(self.plan.form) and (self.pending_bias is not None or uses_gemm(self.search, (group,))):
            bias = self._take_bias()
            if bias is None and self.facts.opset < 11:
                bias = np.zeros(len(matrix))
            inputs: list[gs.Tensor] = [source, self._constant(f"{stem}_fused", matrix)]
            if bias is not None:
                inputs.append(self._constant(f"{stem}_fused_bias", bias))
            attrs: dict[str, Any] = {"transB": 1}
            if self.facts.opset < 7:
                attrs["broadcast"] = 1
            self.editor.node("Gemm", f"{self.root.name}_gemm", inputs, output, attrs, in_place_of=node)
            return
        weight = self._constant(f"{stem}_fused", np.ascontiguousarray(matrix.T))
        self.editor.node("MatMul", f"{self.root.name}_matmul", [source, weight], output, in_place_of=node)

    def _constant(self, name: str, exact: NDArray[np.float64]) -> gs.Constant:
        return self.editor.constant(name, exact, self.dtype, self.made_from)

    def _vector(self, values: NDArray[np.float64], name: str) -> gs.Constant:
        """One number a channel, shaped to meet the channel axis."""
        trailing = self.plan.form.rank if self.plan.form.layout == "first" else 0
        return self._constant(f"{self.root.name}_{name}", values.reshape(-1, *(1,) * trailing))


def _conv_attributes(window: Window, stride: Sequence[int], groups: int) -> dict[str, Any]:
    return {
        "dilations": list(window.dilation),
        "group": groups,
        "kernel_shape": list(window.shape),
        "pads": [*window.pads_begin, *window.pads_end],
        "strides": list(stride),
    }
