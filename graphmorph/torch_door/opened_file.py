"""An exported file in onnxruntime: optimizations off and on, fed with tensors by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from graphmorph.errors import ModelRunError, RuntimeCrashError
from graphmorph.runtime import Runtime
from graphmorph.torch_door.element_types import array_of
from graphmorph.torch_door.flat_module import Interface
from graphmorph.torch_door.free_axes import FreeAxes

Arrays = dict[str, np.ndarray]


class OpenedFile:
    """The sessions of a file, closed at the end.

    Raises:
        ModelRunError, RuntimeCrashError: onnxruntime does not load it.
    """

    def __init__(self, path: Path, interface: Interface, runtime: Runtime) -> None:
        self._interface, self._runtime = interface, runtime
        self._headers: list[Mapping[str, Any]] = []
        try:
            for optimized in (False, True):
                self._headers.append(runtime.submit_open(path, optimized=optimized).result().header)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for header in self._headers:
            try:
                self._runtime.close(int(header["session"]))
            except (ModelRunError, RuntimeCrashError):  # it went with a child that crashed
                continue

    @property
    def _inputs(self) -> dict[str, Sequence[Any]]:
        return {value["name"]: value["shape"] for value in self._headers[0]["inputs"]}

    @property
    def unused(self) -> list[str]:
        """Inputs of the module that the file lacks, because nothing depends on them."""
        return [name for name in self._interface.input_names if name not in self._inputs]

    def ports_problem(self, free: FreeAxes) -> str | None:
        """What is wrong with the inputs and outputs, in words."""
        inputs = self._inputs
        extra = [name for name in inputs if name not in self._interface.input_names]
        if extra:
            return f"the file has an input {', '.join(extra)} that the module has not"
        outputs = tuple(value["name"] for value in self._headers[0]["outputs"])
        if outputs != self._interface.output_names:
            return f"the outputs {', '.join(self._interface.output_names)} became {', '.join(outputs)}"
        for name, axes in zip(self._interface.input_names, free, strict=True):
            for axis, symbol in axes.items():
                if axis < len(inputs.get(name, ())) and isinstance(inputs[name][axis], int):
                    return f"axis {axis} of {name} ({symbol}) is fixed at {inputs[name][axis]} in the file"
        return None

    def run(self, tensors: Sequence[torch.Tensor]) -> tuple[Arrays, Arrays]:
        """Outputs by name, with optimizations off and on.

        Raises:
            ModelRunError, RuntimeCrashError: onnxruntime does not run it.
        """
        inputs = self._inputs
        named = zip(self._interface.input_names, tensors, strict=True)
        # ascontiguousarray would give a scalar an axis
        feeds = {name: np.array(array_of(tensor), order="C") for name, tensor in named if name in inputs}
        off, on = (self._runtime.run(int(header["session"]), feeds) for header in self._headers)
        return off, on
