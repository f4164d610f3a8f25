"""Attributes of nodes, between AttributeProto and what graphsurgeon's nodes hold."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.util.misc import convert_from_onnx_attr_type, convert_to_onnx_attr_type

from graphmorph.onnx_door.element_types import onnx_type

_A = onnx.AttributeProto
_FIELDS = {
    _A.FLOAT: "f",
    _A.INT: "i",
    _A.STRING: "s",
    _A.TENSOR: "t",
    _A.GRAPH: "g",
    _A.FLOATS: "floats",
    _A.INTS: "ints",
    _A.STRINGS: "strings",
}
_SINGLE = ("f", "i", "s", "t", "g")


@dataclass(frozen=True)
class OpaqueAttribute:
    """An attribute of a kind that graphsurgeon has no place for: lists of tensors, types, bytes that are no
    text.

    It stands in the node's attributes, so that passes see that there is something, and is written as it was
    read.
    """

    proto: onnx.AttributeProto


def field_of(attribute: onnx.AttributeProto) -> str | None:
    """The field that holds the value, or None for kinds that a node of graphsurgeon cannot hold.

    The first version of ONNX had no `type`: there the field that is set tells it.
    """
    if attribute.type:
        known = _FIELDS.get(attribute.type)
        return None if known in ("t", "g") and not attribute.HasField(known) else known
    for name in _SINGLE:
        if attribute.HasField(name):
            return name
    return next((name for name in ("floats", "ints", "strings") if len(getattr(attribute, name))), None)


def read_attribute(
    attribute: onnx.AttributeProto,
    tensor: Callable[[onnx.TensorProto], gs.Constant],
    graph: Callable[[onnx.GraphProto], gs.Graph],
) -> Any:
    """The value of an attribute as graphsurgeon holds it, or an OpaqueAttribute."""
    if attribute.ref_attr_name:
        return gs.Node.AttributeRef(attribute.ref_attr_name, convert_from_onnx_attr_type(attribute.type))
    name = field_of(attribute)
    if name is None:
        return OpaqueAttribute(attribute)
    value = getattr(attribute, name)
    if name == "t":
        return tensor(value)
    if name == "g":
        return graph(value)
    try:
        if name == "s":
            return value.decode()
        if name == "strings":
            return [item.decode() for item in value]
    except UnicodeDecodeError:
        return OpaqueAttribute(attribute)
    return list(value) if name in ("floats", "ints") else value


def is_unchanged(attribute: onnx.AttributeProto, value: Any) -> bool:
    """Whether a value that is no tensor and no graph is still the one that was read."""
    if isinstance(value, OpaqueAttribute):
        return value.proto == attribute
    if isinstance(value, gs.Node.AttributeRef):
        return bool(attribute.ref_attr_name == value.name)
    name = field_of(attribute)
    if attribute.ref_attr_name or name is None or name in ("t", "g"):
        return False
    stored = getattr(attribute, name)
    if name in ("floats", "ints"):
        is_sequence = isinstance(value, list | tuple | np.ndarray)
        return is_sequence and len(value) == len(stored) and all(map(_same_number, stored, value))
    if name in ("f", "i"):
        return not isinstance(value, str | bytes | list | tuple | gs.Tensor) and _same_number(stored, value)
    if name == "strings":
        return isinstance(value, list | tuple) and [_as_bytes(item) for item in value] == list(stored)
    return isinstance(value, str | bytes) and _as_bytes(value) == stored


def _same_number(stored: float, value: Any) -> bool:
    if stored == value:
        return isinstance(stored, float) == isinstance(value, float | np.floating)
    if not isinstance(value, float) or not math.isnan(stored):
        return False
    return struct.pack("<d", stored) == struct.pack("<d", value)


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def write_attribute(name: str, value: Any, kind: int = _A.UNDEFINED) -> onnx.AttributeProto:
    """An attribute of a value that is no tensor and no graph; raises TypeError for what ONNX cannot hold.

    `kind` is the type that the attribute had before: an int that takes the place of a float is written as a
    float.
    """
    if isinstance(value, OpaqueAttribute):
        copied = _A()
        copied.CopyFrom(value.proto)
        copied.name = name
        return copied
    if isinstance(value, gs.Node.AttributeRef):
        return _A(name=name, ref_attr_name=value.name, type=convert_to_onnx_attr_type(value.type))
    if isinstance(value, type | np.dtype):
        value = onnx_type(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray) and not len(value):
        return _A(name=name, type=_A.AttributeType.Name(kind or _A.INTS))
    if kind == _A.FLOAT and isinstance(value, int | np.integer):
        value = float(value)
    elif kind == _A.FLOATS and isinstance(value, list | tuple | np.ndarray):
        value = [float(item) for item in value]
    return onnx.helper.make_attribute(name, value)
