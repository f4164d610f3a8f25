"""Types and shapes of tensors, from and to ValueInfoProto."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from graphmorph.onnx_door.element_types import numpy_type, onnx_type

Shape = list[int | str | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model says of a tensor: numpy type, dims (None: unknown) and kind of value."""

    dtype: np.dtype | None = None
    shape: Shape | None = None
    kind: str = "tensor_type"


UNKNOWN = Facts()


def collect_facts(graph: onnx.GraphProto) -> dict[str, Facts]:
    """The facts by tensor name; of repeated entries the first that says something counts."""
    facts: dict[str, Facts] = {}
    for entries in (graph.value_info, graph.input, graph.output):
        for entry in entries:
            said = facts_of(entry)
            known = facts.get(entry.name)
            facts[entry.name] = said if known is None else _merged(known, said)
    return facts


def _merged(known: Facts, said: Facts) -> Facts:
    if known.dtype is not None and known.shape is not None:
        return known
    return Facts(
        known.dtype if known.dtype is not None else said.dtype,
        known.shape if known.shape is not None else said.shape,
        known.kind if known.kind != "tensor_type" else said.kind,
    )


def facts_of(entry: onnx.ValueInfoProto) -> Facts:
    """The facts of one entry; sequences, maps and optionals have no shape of their own."""
    kind = entry.type.WhichOneof("value")
    if kind is None:
        return UNKNOWN
    if kind not in ("tensor_type", "sparse_tensor_type"):
        inner = entry.type
        while inner.WhichOneof("value") in ("sequence_type", "optional_type"):
            inner = getattr(inner, inner.WhichOneof("value")).elem_type
        return Facts(numpy_type(inner.tensor_type.elem_type), None, kind)
    tensor = getattr(entry.type, kind)
    shape = [_dim(dim) for dim in tensor.shape.dim] if tensor.HasField("shape") else None
    return Facts(numpy_type(tensor.elem_type), shape, kind)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    kind = dim.WhichOneof("value")
    return None if kind is None else getattr(dim, kind)


def make_variable(name: str, facts: Facts) -> gs.Variable:
    """A variable of these facts, with a shape list of its own."""
    return gs.Variable(name, facts.dtype, None if facts.shape is None else list(facts.shape), facts.kind)


def says_the_same(variable: gs.Variable, facts: Facts) -> bool:
    """Whether nobody changed the type or shape of a variable that was made of these facts."""
    shape = None if variable.shape is None else list(variable.shape)
    same_type = facts.dtype is None if variable.dtype is None else _same_dtype(variable.dtype, facts.dtype)
    return same_type and shape == facts.shape


def _same_dtype(dtype: np.dtype | type | int, known: np.dtype | None) -> bool:
    return known is not None and onnx_type(dtype) == onnx_type(known)


def write_facts(
    entry: onnx.ValueInfoProto, dtype: np.dtype | int | None, shape: Iterable[int | str | None] | None
) -> None:
    """Give the entry a tensor type; doc_string, metadata and denotations of unchanged dims stay."""
    tensor = entry.type.tensor_type
    tensor.SetInParent()
    if dtype is not None:
        tensor.elem_type = onnx_type(dtype)
    if shape is None:
        tensor.ClearField("shape")
        return
    old = [onnx.TensorShapeProto.Dimension.FromString(dim.SerializeToString()) for dim in tensor.shape.dim]
    tensor.ClearField("shape")
    tensor.shape.SetInParent()
    dims = list(shape)
    for index, dim in enumerate(dims):
        new = tensor.shape.dim.add()
        if len(old) == len(dims) and _dim(old[index]) == dim:
            new.CopyFrom(old[index])
        elif isinstance(dim, str):
            new.dim_param = dim
        elif dim is not None and int(dim) >= 0:
            new.dim_value = int(dim)
