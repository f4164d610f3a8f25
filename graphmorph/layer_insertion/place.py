"""Where a layer can go: behind a tensor, with one layer reading it, maybe through pooling and the like.

In CompNet's words (section 2.1): the tensor is A⁽¹⁾, the layer that reads it is L⁽²⁾, and its output before its
activation is O⁽²⁾', which the new layer and the new weights of L⁽²⁾ are to give again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.errors import RefusedError, UsageError
from graphmorph.facts import Facts
from graphmorph.graph import constant_array
from graphmorph.layer_insertion.path import is_elementwise, step_obstacle

#: What the new layer is: a convolution over (N, C, *spatial), a product over (N, C), or one over (..., C).
Kind = Literal["convolution", "dense", "tokens"]

_LAYERS = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True, eq=False)
class NextLayer:
    """The layer whose inputs the new one makes: Conv, Gemm, or MatMul with the Add of its bias.

    weight, bias: constants; bias is None where there is none. output: the tensor that it gives, bias and all.
    """

    node: gs.Node
    weight: gs.Constant
    bias: gs.Constant | None
    output: str
    bias_node: gs.Node | None = None

    @property
    def kernel(self) -> tuple[int, ...]:
        """Sizes of the window; () for a product."""
        return tuple(int(n) for n in self.weight.shape[2:]) if self.node.op == "Conv" else ()

    @property
    def outputs(self) -> int:
        """How many channels it makes."""
        return int(self.weight.shape[0 if self._rows_are_outputs else 1])

    @property
    def takes_bias(self) -> bool:
        """Whether it has a bias, or can be given one."""
        return self.bias is not None or self.node.op != "MatMul"

    @property
    def _rows_are_outputs(self) -> bool:
        return self.node.op == "Conv" or (self.node.op == "Gemm" and bool(self.node.attrs.get("transB", 0)))

    def matrix(self) -> np.ndarray:
        """(columns, outputs) of the weights, columns being (channels, *kernel) in C order, in float64."""
        values = constant_array(self.weight).astype(np.float64)
        return values.reshape(values.shape[0], -1).T if self._rows_are_outputs else values

    def bias_values(self) -> np.ndarray | None:
        """(outputs,) in float64."""
        return None if self.bias is None else constant_array(self.bias).astype(np.float64).reshape(-1)

    def weight_of(self, matrix: np.ndarray) -> np.ndarray:
        """A weight in this layer's own axes, of (columns, outputs); the number of channels may be another."""
        if self.node.op == "Conv":
            return matrix.T.reshape(matrix.shape[1], -1, *self.kernel)
        return matrix.T if self._rows_are_outputs else matrix


@dataclass(frozen=True, eq=False)
class Place:
    """Between a tensor and the layer that reads it.

    after: name of the tensor. shape: its sizes, None where they are free. path: the nodes between.
    """

    after: str
    shape: tuple[int | None, ...]
    path: tuple[gs.Node, ...]
    next_layer: NextLayer
    kind: Kind

    @property
    def channels(self) -> int:
        """D_1: how many channels the tensor has."""
        return int(self.shape[self.axis])  # type: ignore[arg-type]

    @property
    def axis(self) -> int:
        """Where the channels are."""
        return -1 if self.kind == "tokens" else 1

    @property
    def spatial(self) -> int:
        """How many axes a kernel of the new layer has."""
        return len(self.shape) - 2 if self.kind == "convolution" else 0

    @property
    def reader(self) -> gs.Node:
        """The node that reads the tensor, and will read what the new layer gives."""
        return self.path[0] if self.path else self.next_layer.node

    def __str__(self) -> str:
        between = " through " + ", ".join(node.op for node in self.path) if self.path else ""
        node = self.next_layer.node
        return (
            f"{self.after} ({self.channels} channels), read by {node.op} {node.name or node.outputs[0].name}{between}"
        )


def places(facts: Facts) -> Iterator[Place]:
    """Every place of a graph, in its order."""
    for node in facts.order:
        for tensor in node.outputs:
            if tensor.name:
                yield from _places_behind(tensor.name, facts)[0]


def place_behind(name: str, facts: Facts, before: str | None = None) -> Place:
    """The place behind a node or a tensor; `before` names the layer that reads it, where several do.

    Raises:
        UsageError: there is no such node or tensor, or several layers read it and none was named.
        RefusedError: nothing can be inserted there; the message says why.
    """
    tensor = _tensor(name, facts)
    found, reasons = _places_behind(tensor, facts)
    if before is not None:
        wanted = [one for one in found if before in (one.next_layer.node.name, one.next_layer.node.outputs[0].name)]
        if not wanted:
            readers = ", ".join(_name(one.next_layer.node) for one in found) or "none"
            raise UsageError(f"no layer {before} reads {name} so that one could go between; those that do: {readers}")
        return wanted[0]
    if len(found) > 1:
        readers = ", ".join(_name(one.next_layer.node) for one in found)
        raise UsageError(f"several layers read {name}: {readers}; say before which of them the new one goes")
    if not found:
        raise RefusedError(f"no layer can be inserted after {name}: {'; '.join(reasons) or 'nothing reads it'}")
    return found[0]


def _tensor(name: str, facts: Facts) -> str:
    node = next((node for node in facts.order if node.name == name), None)
    if node is not None and name:
        return str(node.outputs[0].name)
    if name in facts.producer or any(t.name == name for t in facts.graph.inputs):
        return name
    raise UsageError(f"the model has no node or tensor {name}: `graphmorph inspect` lists the nodes")


def _places_behind(tensor: str, facts: Facts) -> tuple[list[Place], list[str]]:
    """The places behind a tensor, and why there are none along the other ways."""
    known = facts.shapes.get(tensor)
    if known is None or known.shape is None or not facts.readers.get(tensor):
        return [], [f"the sizes of {tensor} are not known"] if facts.readers.get(tensor) else []
    shape = tuple(size if isinstance(size, int) else None for size in known.shape)
    found, reasons = [], []
    for reader in facts.readers[tensor]:
        try:
            found.append(_place(tensor, shape, reader.node, reader.index, facts))
        except RefusedError as refused:
            reasons.append(str(refused))
    return found, reasons


def _place(tensor: str, shape: tuple[int | None, ...], node: gs.Node, index: int, facts: Facts) -> Place:
    """The place on one way from a tensor.

    Raises:
        RefusedError: the way does not lead to a layer.
    """
    path: list[gs.Node] = []
    while node.op not in _LAYERS or not facts.is_standard(node):
        obstacle = step_obstacle(node, index, facts)
        if obstacle is not None:
            raise RefusedError(f"{node.op} {_name(node)} {obstacle}")
        path.append(node)
        readers = facts.readers.get(node.outputs[0].name, [])
        if len(readers) != 1 or facts.is_pinned(node.outputs[0].name):
            raise RefusedError(f"what {node.op} {_name(node)} gives is read by {len(readers)} nodes, or is an output")
        node, index = readers[0].node, readers[0].index
    layer = _next_layer(node, index, facts)
    kind = _kind(shape, path, layer, facts)
    channels = shape[-1 if kind == "tokens" else 1]
    if channels is None:
        raise RefusedError(f"the number of channels of {tensor} is not known")
    return Place(tensor, shape, tuple(path), layer, kind)


def _next_layer(node: gs.Node, index: int, facts: Facts) -> NextLayer:
    what = f"{node.op} {_name(node)}"
    if index != 0 or len(node.inputs) < 2 or not isinstance(node.inputs[1], gs.Constant):
        raise RefusedError(f"{what} does not read it as a layer with constant weights does")
    weight, output = node.inputs[1], str(node.outputs[0].name)
    if node.op == "Conv" and (node.attrs.get("group", 1) != 1 or node.attrs.get("auto_pad", "NOTSET") != "NOTSET"):
        raise RefusedError(f"{what} has groups, or pads by itself")
    if node.op == "Gemm" and not (node.attrs.get("alpha", 1.0) == 1.0 == node.attrs.get("beta", 1.0)):
        raise RefusedError(f"{what} is scaled by alpha or beta")
    if node.op == "Gemm" and node.attrs.get("transA", 0):
        raise RefusedError(f"{what} transposes what it reads")
    if node.op == "MatMul" and len(weight.shape) != 2:
        raise RefusedError(f"{what} multiplies by several matrices")
    if node.op == "MatMul":
        return _with_bias_node(node, weight, output, facts)
    bias = node.inputs[2] if len(node.inputs) > 2 and node.inputs[2].name else None
    if bias is not None and (not isinstance(bias, gs.Constant) or bias.values.size != _outputs(node)):
        raise RefusedError(f"{what} has a bias that is computed, or shared by its outputs")
    return NextLayer(node, weight, bias, output)


def _outputs(node: gs.Node) -> int:
    return int(node.inputs[1].shape[0 if node.op == "Conv" or node.attrs.get("transB", 0) else 1])


def _with_bias_node(node: gs.Node, weight: gs.Constant, output: str, facts: Facts) -> NextLayer:
    """A product, with the Add of a constant behind it where there is one."""
    readers = facts.readers.get(output, [])
    if len(readers) == 1 and readers[0].node.op == "Add" and not facts.is_pinned(output):
        add = readers[0].node
        other = add.inputs[1 - readers[0].index]
        if isinstance(other, gs.Constant) and tuple(other.shape) == (int(weight.shape[1]),):
            return NextLayer(node, weight, other, str(add.outputs[0].name), add)
    return NextLayer(node, weight, None, output)


def _kind(shape: tuple[int | None, ...], path: list[gs.Node], layer: NextLayer, facts: Facts) -> Kind:
    if len(shape) == 2:
        return "dense"
    known = facts.shapes.get(layer.node.inputs[0].name)
    axes = len(known.shape) if known is not None and known.shape is not None else None
    if layer.node.op == "Conv" or axes == 2:
        if not 3 <= len(shape) <= 5:
            raise RefusedError(f"a tensor of {len(shape)} axes is not what convolutions read")
        return "convolution"
    if layer.node.op == "MatMul" and all(is_elementwise(node) for node in path):
        return "tokens"
    raise RefusedError(
        f"{layer.node.op} {_name(layer.node)} reads a tensor of {axes or 'an unknown number of'} axes, and the "
        "channels are not on the last of them"
    )


def _name(node: gs.Node) -> str:
    return str(node.name or node.outputs[0].name)
