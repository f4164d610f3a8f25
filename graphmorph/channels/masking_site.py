"""One node of the original that counts removed elements, and the nodes that are put before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Dimension, Facts
from graphmorph.graph import constant_array
from graphmorph.onnx_door.element_types import numpy_type


@dataclass(frozen=True, eq=False)
class MaskingSite:
    """Where masks are made. New nodes stand right before `node`. original: facts of the graph without masks."""

    editor: Editor
    node: gs.Node
    original: Facts

    @property
    def facts(self) -> Facts:
        return self.editor.facts

    def dtype(self, tensor: gs.Tensor) -> np.dtype[Any]:
        """The element type of a tensor: inferred, or else that of what the node reads beside it, or the nodes before.

        Raises:
            RefusedError: it is not known.
        """
        pending, seen = [*reversed(self.node.inputs), tensor], set[str]()
        while pending:
            current = pending.pop()
            known = self._known_dtype(current)
            if known is not None and (current is tensor or known.kind not in "iubO"):
                return known
            maker = self.original.producer.get(current.name)
            if maker is not None and current.name not in seen:
                seen.add(current.name)
                pending[:0] = maker.inputs
        raise RefusedError(f"{self.node.op} {self.node.name}: the element type of {tensor.name} is not known")

    def _known_dtype(self, tensor: gs.Tensor) -> np.dtype[Any] | None:
        if isinstance(tensor, gs.Constant):
            return constant_array(tensor).dtype
        number = self.facts.dtype(tensor)
        known = numpy_type(number) if number else tensor.dtype
        return None if known is None else np.dtype(known)

    def constant(self, name: str, values: NDArray[Any]) -> gs.Constant:
        """A new constant."""
        return self.editor.values(name, values)

    def emit(
        self,
        op: str,
        inputs: Sequence[gs.Tensor],
        like: gs.Tensor,
        attrs: Mapping[str, Any] | None = None,
        shape: Sequence[Dimension] | None = None,
    ) -> gs.Variable:
        """The output of a new node: of the type of a tensor, and of its shape unless one is given."""
        output = self.editor.tensor(like, f"{self.node.outputs[0].name}_{op}", shape)
        self.editor.node(op, output.name, inputs, output, attrs, ahead_of=self.node)
        return output

    def shape(self, tensor: gs.Tensor) -> tuple[Dimension, ...] | None:
        """The sizes of a tensor as far as they are known."""
        known = self.facts.shape(tensor)
        return tuple(tensor.shape) if known is None and tensor.shape is not None else known
