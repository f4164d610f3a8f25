"""The table of translations from ONNX operators to torch, keyed by operator and by the versions that are understood.

Only what a pass made or changed is translated; what it left alone is the module's own code again.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx, nn

from graphmorph.errors import MaterialiseError
from graphmorph.graph import constant_array
from graphmorph.schema import version_of
from graphmorph.torch_door.module_clones import cloned

if TYPE_CHECKING:
    from graphmorph.torch_door.emission import Emission

Translator = Callable[["Translation"], fx.Node | tuple[fx.Node, ...]]
Module = TypeVar("Module", bound=nn.Module)

_TRANSLATIONS: dict[str, tuple[Translator, frozenset[int]]] = {}


def translates(op: str, *versions: int) -> Callable[[Translator], Translator]:
    """Register the translation of an ONNX operator for the given since-versions."""

    def register(function: Translator) -> Translator:
        if op in _TRANSLATIONS:
            raise ValueError(f"two translations of operator {op}")
        _TRANSLATIONS[op] = (function, frozenset(versions))
        return function

    return register


@cache
def load_translations() -> dict[str, tuple[Translator, frozenset[int]]]:
    """Every translation; imports the modules of `graphmorph.torch_door.translation` once."""
    from graphmorph.torch_door import translation

    for module in pkgutil.iter_modules(translation.__path__):
        importlib.import_module(f"{translation.__name__}.{module.name}")
    return _TRANSLATIONS


class Translation:
    """One ONNX node on its way to torch.

    `following` is the Add of a constant vector behind a MatMul, where nobody else reads the product: a linear layer
    takes both (`take_following` gives the constant), and the result then stands for the Add's output.
    """

    def __init__(self, emission: Emission, node: gs.Node, following: gs.Node | None = None) -> None:
        self.emission = emission
        self.node = node
        self.following_node = following
        self.took_following = False
        self.version = version_of(node.op, emission.opset)

    def translate(self) -> tuple[fx.Node, ...]:
        """The values of the node's outputs (of the following node's, if it was taken).

        Raises:
            MaterialiseError: the operator, its version, or this form of it has no translation.
        """
        entry = load_translations().get(self.node.op)
        if self.node.domain not in (None, "", "ai.onnx") or entry is None:
            raise self.error("has no translation to torch")
        translator, versions = entry
        if self.version not in versions:
            raise self.error(f"version {self.version} of the operator is not known")
        made = translator(self)
        return made if isinstance(made, tuple) else (made,)

    def error(self, reason: str) -> MaterialiseError:
        """An error about this node."""
        return MaterialiseError(f"node {self.node.name or self.node.outputs[0].name} ({self.node.op}): {reason}")

    def attr(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    @property
    def count(self) -> int:
        """How many inputs are given, optional ones at the end that are left out not counted."""
        return max((i + 1 for i in range(len(self.node.inputs)) if self.has(i)), default=0)

    def has(self, i: int) -> bool:
        return i < len(self.node.inputs) and bool(self.node.inputs[i].name)

    def is_constant(self, i: int) -> bool:
        return self.has(i) and isinstance(self.node.inputs[i], gs.Constant)

    def array(self, i: int) -> np.ndarray:
        """A constant input's values, read-only."""
        if not self.is_constant(i):
            raise self.error(f"input {i} is not constant")
        return constant_array(self.node.inputs[i])

    def ints(self, i: int) -> list[int]:
        return [int(value) for value in self.array(i).reshape(-1)]

    def dims(self, i: int) -> tuple[int | str | None, ...] | None:
        """Sizes of an input, or None where even the rank is not known."""
        return self.emission.dims(self.node.inputs[i])

    def output_dims(self, i: int = 0) -> tuple[int | str | None, ...] | None:
        return self.emission.dims(self.node.outputs[i])

    def value(self, i: int) -> Any:
        """An input as an argument: a traced value, or for a constant of rank 0 a Python number."""
        tensor = self.node.inputs[i]
        if isinstance(tensor, gs.Constant) and len(tensor.shape) == 0 and not self.emission.state.is_state(tensor):
            return constant_array(tensor).item()
        return self.emission.value(tensor)

    def buffer(self, i: int) -> Any:
        """Like `value`, for an input that is not trained: a constant becomes a buffer."""
        tensor = self.node.inputs[i]
        return self.emission.access(tensor, trained=False) if isinstance(tensor, gs.Constant) else self.value(i)

    def parameter(self, i: int, transpose: bool = False) -> nn.Parameter:
        """A constant as a Parameter: the module's own where it still is that; else new, like what it was made from."""
        return self.emission.state.parameter(self._constant(i), transpose)

    def vector(self, i: int) -> nn.Parameter:
        """Like `parameter`, for a constant of one axis that is not 1: a Parameter of that axis alone."""
        return self.emission.state.vector(self._constant(i))

    def tensor(self, i: int, transpose: bool = False) -> torch.Tensor:
        """A constant as a plain tensor, for buffers."""
        return self.emission.state.tensor(self._constant(i), transpose)

    def _constant(self, i: int) -> gs.Constant:
        if not self.is_constant(i):
            raise self.error(f"input {i} is not constant")
        constant: gs.Constant = self.node.inputs[i]
        return constant

    def replaced(self, cls: type[Module]) -> Module | None:
        """The module that this node was before a pass changed it, if of exactly this class: its settings are kept."""
        before = self.emission.module_before(self.node.name)
        return before if type(before) is cls else None

    def clone(self, module: Module, *, tensors: dict[str, torch.Tensor | None], **settings: Any) -> Module:
        """The same class with the same settings, but for some attributes and the given parameters and buffers."""
        return cloned(module, tensors, settings)

    def following(self, op: str) -> gs.Node | None:
        return self.following_node if self.following_node is not None and self.following_node.op == op else None

    def take_following(self) -> gs.Constant:
        """The constant of the Add behind, which the result then contains; read it by `parameter_of`."""
        assert self.following_node is not None
        self.took_following = True
        return next(t for t in self.following_node.inputs if isinstance(t, gs.Constant))

    def parameter_of(self, constant: gs.Constant) -> nn.Parameter:
        """Like `parameter`, for a constant of the following node; a vector whatever its leading ones."""
        return self.emission.state.vector(constant)

    def layer(self, build: Callable[[], nn.Module], *args: Any) -> fx.Node:
        """A call of a module, registered at a path after the node's name; equal nodes on the very same constants share
        one. Arguments default to the first input."""
        nodes = [self.node] + ([self.following_node] if self.took_following and self.following_node else [])
        return self.emission.layer(nodes, build, args or (self.value(0),))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self.emission.graph.call_function(function, args, kwargs)

    def method(self, name: str, *args: Any, **kwargs: Any) -> fx.Node:
        return self.emission.graph.call_method(name, args, kwargs)
