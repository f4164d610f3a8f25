"""What lowering rules write with: nodes, constants and shapes of one site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch.utils import _pytree as pytree

from graphmorph.onnx_door.element_types import onnx_type
from graphmorph.torch_door.element_types import numpy_dtype
from graphmorph.torch_door.tensor_facts import Dimension, TensorTypes
from graphmorph.torch_door.values import is_derived

__all__ = ["SiteBuilder", "Unsupported", "is_derived"]

_RESULT: Any = object()


class Unsupported(Exception):
    """A rule does not understand a call; the reason is kept with the opaque node."""


class SiteBuilder:
    """Collects the nodes of one site. `result` is what torch gives, as fake tensors."""

    def __init__(self, base: str, result: Any, types: TensorTypes) -> None:
        self.base = base
        self.result = result
        self.types = types
        self.new: list[gs.Node] = []
        self.special: list[str] = []

    @property
    def result_sizes(self) -> tuple[int, ...]:
        """Traced sizes of a result that is one tensor."""
        return tuple(int(n) for n in self._single().shape)

    @property
    def result_dtype(self) -> torch.dtype:
        """Element type of a result that is one tensor."""
        return self._single().dtype

    def _single(self) -> torch.Tensor:
        if not isinstance(self.result, torch.Tensor):
            raise Unsupported("its result is not one tensor")
        return self.result

    def _leaves(self) -> list[torch.Tensor]:
        return [leaf for leaf in pytree.tree_leaves(self.result) if isinstance(leaf, torch.Tensor)]

    def dims(self, tensor: gs.Tensor) -> tuple[Dimension, ...]:
        """Sizes, with a name such as "batch" for those that follow the batch."""
        return self.types.dims(tensor)

    def sizes(self, tensor: gs.Tensor) -> tuple[int, ...]:
        """Sizes of the traced example."""
        return self.types.sizes(tensor)

    def rank(self, tensor: gs.Tensor) -> int:
        return len(self.sizes(tensor))

    def dtype(self, tensor: gs.Tensor) -> torch.dtype:
        return self.types.dtype(tensor)

    def axis(self, tensor: gs.Tensor, dim: Any) -> int:
        """A dimension counted from the front."""
        rank = self.rank(tensor)
        self.require(isinstance(dim, int) and -rank <= dim < rank, f"dimension {dim} of a tensor of rank {rank}")
        return dim % rank if rank else 0

    def require(self, condition: bool, reason: str) -> None:
        """Give up with a reason unless a condition holds.

        Raises:
            Unsupported: it does not.
        """
        if not condition:
            raise Unsupported(reason)

    def specialised(self, reason: str) -> None:
        """What this site became holds for the traced sizes only: passes leave it as it is."""
        self.special.append(reason)

    def node(
        self,
        op: str,
        inputs: Sequence[gs.Tensor | None],
        attrs: dict[str, Any] | None = None,
        *,
        shape: Sequence[Dimension] | None = _RESULT,
        dtype: torch.dtype = _RESULT,
    ) -> gs.Variable:
        """A node with one output; its type is that of the torch result unless given."""
        sizes = self.types.described(self._single())[0] if shape is _RESULT else shape
        output = self._output(sizes, self.result_dtype if dtype is _RESULT else dtype)
        self._add(op, inputs, attrs, [output])
        return output

    def nodes(
        self,
        op: str,
        inputs: Sequence[gs.Tensor | None],
        attrs: dict[str, Any] | None = None,
        *,
        outputs: int,
        shapes: Sequence[Sequence[Dimension] | None] | None = None,
        dtypes: Sequence[torch.dtype] | None = None,
    ) -> list[gs.Variable]:
        """A node with several outputs; their types are those of the torch result's tensors unless given."""
        if shapes is None:
            described = [self.types.described(leaf) for leaf in self._leaves()]
            self.require(len(described) == outputs, f"{op} has {outputs} outputs, torch gives {len(described)} tensors")
            shapes, dtypes = [d[0] for d in described], [d[1] for d in described] if dtypes is None else dtypes
        if dtypes is None:
            dtypes = [self._leaves()[0].dtype] * outputs
        made = [self._output(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        self._add(op, inputs, attrs, made)
        return made

    def batch_size(self) -> gs.Tensor:
        """The size of the batch as a vector of one int64, for operands that follow it.

        Raises:
            Unsupported: no input of the graph begins with it.
        """
        source = self.types.batch_input
        if source is None:
            raise Unsupported("the size of the batch is not known from any input")
        return self.node("Shape", [source], {"start": 0, "end": 1}, shape=(1,), dtype=torch.int64)

    def _output(self, shape: Sequence[Dimension] | None, dtype: torch.dtype) -> gs.Variable:
        element = numpy_dtype(dtype)
        self.require(element is not None, f"ONNX has no element type for {dtype}")
        name = self.types.fresh(self.base)
        return gs.Variable(name, dtype=element, shape=None if shape is None else list(shape))

    def _add(
        self,
        op: str,
        inputs: Sequence[gs.Tensor | None],
        attrs: dict[str, Any] | None,
        outputs: list[gs.Variable],
    ) -> None:
        attrs = dict(attrs or {})
        if any(is_derived(leaf) for leaf in pytree.tree_leaves(attrs)):
            self.specialised(f"{op} was given numbers computed from the traced shapes")
        name = self.base if not self.new else f"{self.base}_{op.lower()}"
        given = [gs.Variable.empty() if tensor is None else tensor for tensor in inputs]
        self.new.append(gs.Node(op, self.types.fresh_node(name), _plain(attrs), given, list(outputs)))

    def constant(self, values: Any, dtype: Any = None) -> gs.Constant:
        """A literal constant."""
        if any(is_derived(leaf) for leaf in pytree.tree_leaves(values)):
            self.specialised("a constant was computed from the traced shapes")
        array = np.asarray(_plain(values), dtype=dtype)
        return self.types.literal(array)

    def ints(self, values: Sequence[int]) -> gs.Constant:
        """A constant vector of int64."""
        return self.constant(list(values), np.int64)

    def scalar(self, value: Any, like: gs.Tensor) -> gs.Constant:
        """A Python number in the element type of a tensor, as torch's weak scalars are.

        Raises:
            Unsupported: the type does not hold it.
        """
        dtype = numpy_dtype(self.dtype(like))
        self.require(isinstance(value, int | float | bool) and dtype is not None, f"a scalar {value!r}")
        integral = np.dtype(dtype).kind in "iub"
        self.require(not (integral and isinstance(value, float)), f"{value!r} beside a tensor of {self.dtype(like)}")
        with np.errstate(over="ignore"):
            cast = np.asarray(_plain(value)).astype(dtype)
        self.require(not integral or int(cast) == int(value), f"{value!r} does not fit {self.dtype(like)}")
        if is_derived(value):
            twin = getattr(value, "doubled", None)
            self.require(twin is None or twin == value, "a scalar follows the size of the batch")
            self.specialised("a scalar was computed from the traced shapes")
        return self.types.literal(cast)

    def parameter(self, tensor: torch.Tensor, transposed: bool = False) -> gs.Constant:
        """A tensor of the module as a constant, read when it is asked for."""
        try:
            return self.types.parameter(tensor, transposed)
        except TypeError as error:
            raise Unsupported(str(error)) from error

    def cast(self, tensor: gs.Tensor, dtype: torch.dtype) -> gs.Tensor:
        """A Cast, unless the tensor is of that type already."""
        if self.dtype(tensor) == dtype:
            return tensor
        element = numpy_dtype(dtype)
        self.require(element is not None, f"ONNX has no element type for {dtype}")
        return self.node("Cast", [tensor], {"to": onnx_type(np.dtype(element))}, shape=self.dims(tensor), dtype=dtype)


def _plain(value: Any) -> Any:
    """Numbers as plain ints and floats."""
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if type(value) is bool or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value
