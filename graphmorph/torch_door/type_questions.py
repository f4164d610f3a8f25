"""isinstance in the user's code: asked of a traced value, it goes by the type of what the value stands for.

The name is bound anew in the modules that the model's classes come from, for as long as tracing takes. Letting the
stand-in claim torch.Tensor for its class would be simpler; torch's compiled operators believe it, and crash.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from graphmorph.torch_door.proxies import TracedValue


def _isinstance(value: object, kinds: Any) -> bool:
    if not builtins.isinstance(value, TracedValue):
        return builtins.isinstance(value, kinds)
    examples = value.tracer.examples(value.node)
    return bool(examples) and builtins.isinstance(examples[0], kinds)


@contextmanager
def answered_isinstance(root: nn.Module) -> Iterator[None]:
    """Answer isinstance for traced values in the code of a module and its parts, torch's own aside, and is_tensor."""
    scopes = {
        id(scope): scope
        for module in root.modules()
        for cls in type(module).__mro__
        for scope in [getattr(cls.__dict__.get("forward"), "__globals__", None)]
        if scope is not None and not str(scope.get("__name__")).startswith("torch.") and "isinstance" not in scope
    }
    is_tensor = torch.is_tensor
    try:
        torch.is_tensor = lambda value: _isinstance(value, torch.Tensor)  # type: ignore[assignment]
        for scope in scopes.values():
            scope["isinstance"] = _isinstance
        yield
    finally:
        torch.is_tensor = is_tensor
        for scope in scopes.values():
            scope.pop("isinstance", None)
