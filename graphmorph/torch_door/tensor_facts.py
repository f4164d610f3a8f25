"""Names, sizes and element types of the tensors of a graph that is being lowered."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.element_types import torch_dtype
from graphmorph.torch_door.parameters import ParameterValues

Dimension = int | str | None


class TensorTypes:
    """Hands out names and constants, and knows what is known of every tensor.

    batch: the size of the example's batch. doubled: for a fake tensor of the first run, its twin in the run with twice
    the batch, where there was one.
    """

    def __init__(self, batch: int | None, doubled: dict[int, torch.Tensor]) -> None:
        self.batch = batch
        self._doubled = doubled
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._twice: dict[str, tuple[int, ...]] = {}
        self._names: set[str] = set()
        self._node_names: set[str] = set()
        self._parameters: dict[tuple[int, bool], gs.Constant] = {}
        self._literals: dict[tuple[str, tuple[int, ...], bytes], gs.Constant] = {}
        self.paths: dict[int, str] = {}
        self.batch_input: gs.Variable | None = None
        self.made: dict[str, ParameterValues] = {}

    def described(self, fake: torch.Tensor) -> tuple[tuple[Dimension, ...], torch.dtype]:
        """Sizes and element type of a fake tensor; a size that follows the batch by its name."""
        twin = self._doubled.get(id(fake))
        sizes = tuple(int(n) for n in fake.shape)
        if twin is None or len(twin.shape) != len(sizes):
            return sizes, fake.dtype
        return tuple(self.dimension(n, int(m)) for n, m in zip(sizes, twin.shape, strict=True)), fake.dtype

    def dimension(self, size: int, doubled: int) -> Dimension:
        """One size, from what it is in both runs."""
        if doubled == size:
            return size
        if self.batch and doubled == 2 * size and size % self.batch == 0:
            factor = size // self.batch
            return "batch" if factor == 1 else f"{factor}*batch"
        return None

    def variable(self, name: str, fake: torch.Tensor, dtype: np.dtype[Any] | None) -> gs.Variable:
        """A tensor of the graph for a fake one."""
        variable = gs.Variable(self.fresh(name), dtype=dtype, shape=list(self.described(fake)[0]))
        self.learn(variable, fake)
        return variable

    def learn(self, tensor: gs.Tensor, fake: torch.Tensor) -> None:
        """Remember the traced sizes of a tensor."""
        self._sizes[tensor.name] = tuple(int(n) for n in fake.shape)
        twin = self._doubled.get(id(fake))
        if twin is not None:
            self._twice[tensor.name] = tuple(int(n) for n in twin.shape)

    def dims(self, tensor: gs.Tensor) -> tuple[Dimension, ...]:
        return tuple(tensor.shape)

    def sizes(self, tensor: gs.Tensor) -> tuple[int, ...]:
        if isinstance(tensor, gs.Constant):
            return tuple(int(n) for n in tensor.shape)
        if tensor.name in self._sizes:
            return self._sizes[tensor.name]
        return tuple(self._traced(n) for n in tensor.shape)

    def traced_sizes(self) -> dict[str, tuple[int, ...]]:
        """The sizes on the example of every tensor that stood for a fake one, by name."""
        return dict(self._sizes)

    def doubled_sizes(self) -> dict[str, tuple[int, ...]]:
        """The same with twice the batch, of those that are known."""
        return dict(self._twice)

    def _traced(self, dimension: Dimension) -> int:
        if isinstance(dimension, str) and self.batch is not None:
            factor, _, _ = dimension.partition("*batch")
            return self.batch if dimension == "batch" else int(factor) * self.batch
        return int(dimension) if isinstance(dimension, int) else -1

    def dtype(self, tensor: gs.Tensor) -> torch.dtype:
        return torch_dtype(np.dtype(tensor.dtype))

    def fresh(self, wanted: str) -> str:
        """A name that no tensor has."""
        return _fresh(wanted, self._names)

    def fresh_node(self, wanted: str) -> str:
        """A name that no node has."""
        return _fresh(wanted, self._node_names)

    def literal(self, array: np.ndarray) -> gs.Constant:
        """A constant that is written in the model; equal ones are one."""
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._literals:
            array = array.copy()
            array.flags.writeable = False
            self._literals[key] = gs.Constant(self.fresh("literal"), array)
        return self._literals[key]

    def literals(self) -> dict[str, np.ndarray]:
        """The values of every literal by name."""
        return {constant.name: np.asarray(constant._values) for constant in self._literals.values()}

    def parameter(self, tensor: torch.Tensor, transposed: bool) -> gs.Constant:
        """A tensor of the module; one constant for all its readers.

        Raises:
            TypeError: an element type that ONNX does not have.
        """
        key = (id(tensor), transposed)
        if key not in self._parameters:
            values = ParameterValues(tensor, transposed)
            path = self.paths.get(id(tensor), "constant")
            name = self.fresh(f"{path}.transposed" if transposed else path)
            self.made[name] = values
            self._parameters[key] = gs.Constant(name, values)
        return self._parameters[key]


def _fresh(wanted: str, used: set[str]) -> str:
    name, count = wanted, 1
    while name in used:
        count += 1
        name = f"{wanted}_{count}"
    used.add(name)
    return name
