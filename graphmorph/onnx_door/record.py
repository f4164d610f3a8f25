"""What the door keeps of a model that graphsurgeon's graph cannot hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnx_graphsurgeon as gs

from graphmorph.onnx_door.storage import SpillStorage
from graphmorph.onnx_door.tensors import TensorReader
from graphmorph.onnx_door.value_info import Facts


@dataclass(eq=False)
class DoorRecord:
    """The model as it was read, shared by a graph and its copies and never changed.

    skeleton: the model with tokens in place of large payloads. facts: what it says of the outermost graph's
    tensors. defaults: values of overridable initializers, by the name of the graph input. unread:
    initializers that nothing read when the model was loaded; they are written again unless a pass takes them
    out of this set. spill: where new large weights go, for models too large to hold.
    """

    model: str
    path: Path | None
    skeleton: onnx.ModelProto
    tensors: TensorReader
    opset: int
    weight_bytes: int
    defaults: dict[str, gs.Constant] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    facts: dict[str, Facts] = field(default_factory=dict)
    spill: SpillStorage | None = None

    @property
    def external(self) -> bool:
        """Whether the model keeps weights in external files."""
        return bool(self.tensors.external.storages)
