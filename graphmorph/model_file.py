"""A file for every model: what came as an object is written to a temporary one."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from graphmorph.graph import Graph

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


def as_file(model: Model, name: str, stack: ExitStack) -> str:
    """The model's file; a graph or a ModelProto is saved as `name`.onnx, into a folder that goes with the stack."""
    if isinstance(model, str | os.PathLike):
        return os.path.abspath(os.fspath(model))
    import onnx  # heavy, and needed for objects only

    from graphmorph.onnx_door import load, save

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="graphmorph-"))
    path = os.path.join(folder, f"{name}.onnx")
    save(load(model) if isinstance(model, onnx.ModelProto) else model, path)
    return path
