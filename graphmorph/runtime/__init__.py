"""A child process for all native code that may crash: onnxruntime, onnx.shape_inference, onnx.checker.

The parent imports numpy only; the child imports onnxruntime at once and onnx when a request needs it.
A crash of the child becomes a `RuntimeCrashError`, and the next request starts a fresh child.
"""

from graphmorph.runtime.client import Runtime
from graphmorph.runtime.protocol import TensorFacts
from graphmorph.runtime.ticket import Ticket

__all__ = ["Runtime", "TensorFacts", "Ticket"]
