"""What forward assigns to attributes of its module while it is traced: a graph has no node for it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

_IN_PLACE = frozenset(
    getattr(operator, name)
    for name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor")
)


@contextmanager
def watched_assignments(root: nn.Module, notes: list[str]) -> Iterator[None]:
    """`self.count += 1` writes into the buffer and assigns the same tensor again, which is nothing; any other traced
    value in the place of a parameter or buffer is refused, and one in a plain attribute noted.
    """
    assign = nn.Module.__setattr__

    def watched(module: nn.Module, name: str, value: Any) -> None:
        if not isinstance(value, fx.Proxy):
            assign(module, name, value)
            return
        state = module._buffers.get(name, module._parameters.get(name))
        if state is None:
            notes.append(f"forward of {type(module).__name__} sets self.{name}: the materialised module does not")
            assign(module, name, value)  # type: ignore[arg-type]
        elif not _is_same_tensor(root, value.node, state):
            raise fx.proxy.TraceError(
                f"it assigns to self.{name}, which a graph cannot; write into it: self.{name}.copy_(...)"
            )

    nn.Module.__setattr__ = watched  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.__setattr__ = assign  # type: ignore[method-assign]


def _is_same_tensor(root: nn.Module, node: fx.Node, state: torch.Tensor) -> bool:
    """Whether a node gives the very tensor of the module, after writes in place."""
    while node.op in ("call_function", "call_method"):
        name = str(node.target)
        in_place = node.target in _IN_PLACE or (node.op == "call_method" and name.endswith("_") and name[-2:] != "__")
        if not in_place or not isinstance(node.args[0], fx.Node):
            return False
        node = node.args[0]
    if node.op != "get_attr":
        return False
    above, _, name = str(node.target).rpartition(".")
    owner = root.get_submodule(above)
    return owner._buffers.get(name, owner._parameters.get(name)) is state
