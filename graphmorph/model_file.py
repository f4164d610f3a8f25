"""A file for every model: what came as an object is written to a temporary one."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from graphmorph.graph import Graph

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model as a file that stays as it is, and as a graph of its own that may be edited."""

    name: str
    path: Path
    graph: Graph


def opened_model(model: Model, stack: ExitStack, *, freeze_initializers: bool) -> OpenedModel:
    """Read a model; what came as an object is written to a file that goes with the stack.

    Raises:
        ModelFileError: it cannot be read.
    """
    from graphmorph.graph import Graph
    from graphmorph.onnx_door import load

    given = model if isinstance(model, Graph) else load(model, freeze_initializers=freeze_initializers)
    is_file = isinstance(model, str | os.PathLike)
    path = as_file(model if is_file else given, "original", stack)
    name = str(model) if is_file else "model"
    return OpenedModel(name, Path(path), given.copy() if isinstance(model, Graph) else given)


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
