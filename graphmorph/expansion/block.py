"""Puts the nodes of a block where its convolution stood.

The constants of a branch have a role each, by which the editor tells them apart: layers that share their weights get
branches that share theirs, and branches of one layer share nothing, even if they start alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.editor import Editor
from graphmorph.expansion.branch import Branch
from graphmorph.expansion.contents import EPSILON, Content
from graphmorph.expansion.layer import Layer
from graphmorph.expansion.normalisation import Norm
from graphmorph.expansion.windows import Pair, Window, window
from graphmorph.facts import Dimension

#: A Slice that ends here ends with its input.
TO_THE_END = 2**63 - 1

#: Slice has inputs instead of attributes from here on.
SLICE_INPUTS_OPSET = 10

#: And Pad from here on.
PAD_INPUTS_OPSET = 11


class BlockWriter:
    """Stages the edit of one layer.

    training: normalisations that no one is there to take after normalise by the batch, as those of the graph do.
    """

    def __init__(self, layer: Layer, branches: Sequence[Branch], editor: Editor, *, training: bool) -> None:
        self.layer, self.branches, self.editor = layer, tuple(branches), editor
        self.training = training
        self.output = layer.output
        self.source: gs.Tensor = layer.conv.inputs[0]

    def write(self, contents: Sequence[Content], norm_after: Norm | None) -> None:
        """The branches, their sum, and a normalisation after it where one is given.

        Raises:
            RefusedError: values leave the range of their type.
        """
        total = self._square(contents[0])
        for number, (branch, content) in enumerate(zip(self.branches[1:], contents[1:], strict=True), 2):
            value = self._branch(branch, content)
            last = number == len(self.branches) and norm_after is None
            output = self._inner("sum") if not last else self.editor.root_stand_in(self.output)
            self.editor.node("Add", f"{self.layer.name}_sum", [total, value], output)
            total = output
        if norm_after is not None:
            self._norm("", total, norm_after, self.editor.root_stand_in(self.output))

    def _inner(self, name: str) -> gs.Variable:
        return self.editor.tensor(self.output, f"{self.layer.name}_{name}_output")

    def _square(self, content: Content) -> gs.Tensor:
        """The convolution and its normalisation keep their names, and what does not change of their constants."""
        conv, norm = self.layer.conv, self.layer.norm
        value = conv.outputs[0]
        if content.kernel is not None or norm is None:
            inputs = list(conv.inputs)
            if content.kernel is not None:
                inputs[1] = self._kernel(self.branches[0], content.kernel, self.layer.name)
            if content.kernel is not None and content.norm is not None and norm is None:
                inputs = inputs[:2]  # its bias went into the normalisations
            value = self._inner("square")
            name = conv.name or f"{self.layer.name}_square"
            self.editor.node("Conv", name, inputs, value, conv.attrs, in_place_of=conv)
            self.editor.remove([conv])
        if norm is None:
            return value if content.norm is None else self._norm("", value, content.norm, self._inner("norm"))
        output = self._inner("norm")
        name = norm.name or f"{self.layer.name}_norm"
        parameters = norm.inputs[1:] if content.norm is None else self._norm_constants("", name, content.norm)
        made = self.editor.node("BatchNormalization", name, [value, *parameters], output, norm.attrs, in_place_of=norm)
        made.outputs.extend(self.editor.root_stand_in(statistics) for statistics in norm.outputs[1:])
        self.editor.remove([norm])
        return output

    def _branch(self, branch: Branch, content: Content) -> gs.Tensor:
        value = self.source
        if content.kernel is not None:
            name = f"{self.layer.name}_{branch.name}"
            placed = window(self.layer.geometry, branch)
            inputs = [self._seen(name, placed), self._kernel(branch, content.kernel, name)]
            value = self._inner(branch.name)
            self.editor.node("Conv", name, inputs, value, self._attributes(branch, placed))
        if content.norm is None:
            return value
        return self._norm(branch.name, value, content.norm, self._inner(f"{branch.name}_norm"))

    def _attributes(self, branch: Branch, placed: Window) -> dict[str, Any]:
        geometry, size = self.layer.geometry, list(branch.size or (1, 1))
        return {
            "dilations": [d if n > 1 else 1 for d, n in zip(geometry.dilations, size, strict=True)],
            "group": geometry.groups,
            "kernel_shape": size,
            "pads": [*placed.pads_begin, *placed.pads_end],
            "strides": list(geometry.strides),
        }

    def _kernel(self, branch: Branch, exact: np.ndarray, name: str) -> gs.Constant:
        weight, role = self.layer.weight, (self.branches, branch)
        return self.editor.constant(f"{name}.weight", exact, weight.dtype, (str(weight.name),), role=role)

    def _norm(self, branch: str, value: gs.Tensor, norm: Norm, output: gs.Variable) -> gs.Tensor:
        """A new normalisation. It has the attributes of the layer's own, if there is one."""
        own = self.layer.norm
        name = "_".join(part for part in (self.layer.name, branch, "norm") if part)
        attrs = dict(own.attrs) if own is not None else {"epsilon": EPSILON, "momentum": 0.9}
        if own is None and self.training:
            attrs["training_mode"] = 1
        constants = self._norm_constants(branch, name, norm)
        node = self.editor.node("BatchNormalization", name, [value, *constants], output, attrs)
        statistics = len(own.outputs) - 1 if own is not None else 2 * self.training
        for suffix in ("running_mean", "running_var")[:statistics]:
            node.outputs.append(gs.Variable(self.editor.names.fresh(f"{name}.{suffix}_output"), dtype=value.dtype))
        return output

    def _norm_constants(self, branch: str, name: str, norm: Norm) -> list[gs.Constant]:
        types = self.layer.norm_types()
        values = (
            ("weight", norm.gamma, types.parameters),
            ("bias", norm.beta, types.parameters),
            ("running_mean", norm.mean, types.statistics),
            ("running_var", norm.variance, types.statistics),
        )
        made_from, role = self.layer.parameters, (self.branches, branch)
        return [
            self.editor.constant(f"{name}.{part}", exact, dtype, made_from, role=(*role, part))
            for part, exact, dtype in values
        ]

    def _seen(self, name: str, placed: Window) -> gs.Tensor:
        """The input as the branch's convolution reads it: without what the square, which pads less, never reaches."""
        seen = self.source
        if placed.pads_first:
            seen = self._padded(f"{name}_pad", seen, placed.zeros_begin, placed.zeros_end)
        return self._cropped(f"{name}_crop", seen, placed) if placed.crops else seen

    def _padded(self, name: str, source: gs.Tensor, begin: Pair, end: Pair) -> gs.Tensor:
        pads = [0, 0, *begin, 0, 0, *end]
        output = self.editor.tensor(source, f"{name}_output", self._resized(source, begin, end, 1))
        if self.editor.facts.opset < PAD_INPUTS_OPSET:
            self.editor.node("Pad", name, [source], output, {"pads": pads})
        else:
            self.editor.node("Pad", name, [source, self._bounds(f"{name}.pads", pads)], output)
        return output

    def _cropped(self, name: str, source: gs.Tensor, placed: Window) -> gs.Tensor:
        axes = [axis for axis in (0, 1) if placed.crop_begin[axis] or placed.crop_end[axis]]
        bounds = {
            "starts": [placed.crop_begin[axis] for axis in axes],
            "ends": [-placed.crop_end[axis] or TO_THE_END for axis in axes],
            "axes": [axis + 2 for axis in axes],
        }
        shape = self._resized(source, placed.crop_begin, placed.crop_end, -1)
        output = self.editor.tensor(source, f"{name}_output", shape)
        if self.editor.facts.opset < SLICE_INPUTS_OPSET:
            self.editor.node("Slice", name, [source], output, bounds)
        else:
            operands = [self._bounds(f"{name}.{part}", values) for part, values in bounds.items()]
            self.editor.node("Slice", name, [source, *operands], output)
        return output

    def _bounds(self, name: str, values: list[int]) -> gs.Constant:
        return self.editor.values(name, np.array(values, dtype=np.int64))

    def _resized(self, source: gs.Tensor, begin: Pair, end: Pair, sign: int) -> list[Dimension] | None:
        """The shape of `source` with its rows and columns padded (sign 1) or cropped (-1), where that is known."""
        known = self.editor.facts.shape(source)
        if known is None:
            return None
        more = (0, 0, *(sign * (b + e) for b, e in zip(begin, end, strict=True)))
        return [n + m if isinstance(n, int) else n if m == 0 else None for n, m in zip(known, more, strict=True)]
