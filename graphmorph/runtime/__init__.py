"""A child process for all native code that may crash: onnxruntime, onnx.shape_inference, onnx.checker.

The parent imports numpy only; the child imports onnxruntime at once and onnx when a request needs it.
A crash of the child becomes a `RuntimeCrashError`, and the next request starts a fresh child. Names are loaded
when they are first used, so that `spawn` can be had before numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphmorph.runtime.client import Runtime
    from graphmorph.runtime.protocol import TensorFacts
    from graphmorph.runtime.ticket import Ticket

_HOMES = {"Runtime": "client", "TensorFacts": "protocol", "Ticket": "ticket"}

__all__ = ["Runtime", "TensorFacts", "Ticket"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
