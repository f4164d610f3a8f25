"""A graph that grows node by node, with weights of a size that keeps sums in bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDE, CLASSES, OPSET = 4, 4, 3, 21

#: One of several, as hypothesis draws it.
Pick = Callable[[Iterable[Any]], Any]
Shape = tuple[int, ...]


class Program:
    """Images (N, C, H, W) and tokens (N, T, C), by name with their sizes. Steps go on from the current one.

    pool: what steps have left, and may be joined to; what they have on the way has its axes in other places.
    free: batch and image size are symbols, and no step may write them down.
    """

    def __init__(self, seed: int, *, free: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.free = free
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.sizes: dict[str, Shape] = {}
        self._enter("x", (2, CHANNELS, SIDE, SIDE))
        self.pool = ["x"]

    def _enter(self, name: str, shape: Shape) -> None:
        self.sizes[name], self.current = shape, name

    @property
    def shape(self) -> Shape:
        return self.sizes[self.current]

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 4

    @property
    def channels(self) -> int:
        return self.shape[1] if self.is_image else self.shape[-1]

    def divisors(self, *others: int) -> list[int]:
        """Numbers that divide the channels, and others."""
        return [n for n in range(1, self.channels + 1) if all(one % n == 0 for one in (self.channels, *others))]

    def weight(self, *shape: int) -> str:
        """Gaussian, (outputs, inputs ...)."""
        return self.constant(self.random.standard_normal(shape) / max(prod(shape[1:]), 1) ** 0.5)

    def vector(self, size: int, low: float = -1.0, high: float = 1.0) -> str:
        return self.constant(self.random.uniform(low, high, size))

    def constant(self, values: Any) -> str:
        array = np.asarray(values)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return str(self.constants[-1].name)

    def add(self, op: str, inputs: list[str], *shapes: Shape, **attributes: Any) -> list[str]:
        """A node with as many outputs as there are shapes; the first becomes the current tensor."""
        outputs = [f"{op}{len(self.nodes)}{'abc'[place]}" for place in range(len(shapes))]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        for name, shape in [*zip(outputs, shapes, strict=True)][::-1]:
            self._enter(name, shape)
        return outputs

    def apply(self, op: str, *others: str, **attributes: Any) -> str:
        """A node that keeps the sizes of the current tensor, which it reads first."""
        return self.add(op, [self.current, *others], self.shape, **attributes)[0]

    def transpose(self, *perm: int) -> str:
        return self.add("Transpose", [self.current], tuple(self.shape[axis] for axis in perm), perm=perm)[0]

    def reshape(self, *target: int) -> str:
        """To a target as ONNX has it, with 0 for what stays and -1 for what is left."""
        sizes = [self.shape[place] if n == 0 else n for place, n in enumerate(target)]
        left = prod(self.shape) // prod(n for n in sizes if n > 0)
        shape = tuple(left if n < 0 else n for n in sizes)
        return self.add("Reshape", [self.current, self.constant(list(target))], shape)[0]

    def reshape_like(self, other: str) -> str:
        """To the sizes of another tensor, read at run time: how free sizes are exported."""
        moved = self.current
        sizes = self.add("Shape", [other], (len(self.sizes[other]),))[0]
        return self.add("Reshape", [moved, sizes], self.sizes[other])[0]

    def finish_step(self) -> None:
        """What is current may be joined to later."""
        if self.current not in self.pool:
            self.pool.append(self.current)

    def alike(self) -> list[str]:
        """Tensors that may be joined to the current one, itself among them: they differ in channels at most."""
        axis = 1 if self.is_image else 2
        mine = [n for place, n in enumerate(self.shape) if place != axis]
        found = [
            name
            for name in self.pool
            if len(self.sizes[name]) == len(self.shape)
            and [n for place, n in enumerate(self.sizes[name]) if place != axis] == mine
        ]
        return list(dict.fromkeys([*found, self.current]))

    def model(self) -> onnx.ModelProto:
        """With a head for whatever is not read: an output must not keep channels from going."""
        read = {name for node in self.nodes for name in node.input}
        outputs = []
        for name in [name for name in self.sizes if name not in read]:
            self.current = name
            self.apply("Sigmoid")
            if self.is_image:
                head, shape = self.weight(CLASSES, self.channels, 1, 1), (2, CLASSES, *self.shape[2:])
            else:
                head, shape = self.constant(self.random.standard_normal((self.channels, CLASSES))), (2, CLASSES)
            self.add("Conv" if self.is_image else "MatMul", [self.current, head], shape)
            outputs.append(helper.make_tensor_value_info(self.current, TensorProto.FLOAT, None))
        sizes: list[Any] = ["N", CHANNELS, "H", "W"] if self.free else [2, CHANNELS, SIDE, SIDE]
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)
        graph = helper.make_graph(self.nodes, "random", [given], outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
