"""What the ONNX specification asks of a node: which version of its operator is in force, and whether it keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import onnx.defs
import onnx_graphsurgeon as gs

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "INT": int,
    "FLOAT": (float, int),
    "STRING": str,
    "INTS": int,
    "FLOATS": (float, int),
    "STRINGS": str,
    "TENSOR": gs.Constant,
}


@dataclass(frozen=True)
class Signature:
    """Least and most inputs and outputs of an operator, and its attributes' types by name."""

    version: int
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    attributes: dict[str, str]


@lru_cache(maxsize=1024)
def signature_of(op: str, opset: int) -> Signature | None:
    """The signature in force under an opset; None where this onnx package does not know the operator or the opset."""
    if opset > onnx.defs.onnx_opset_version():
        return None
    try:
        schema = onnx.defs.get_schema(op, max_inclusive_version=opset)
    except onnx.defs.SchemaError:
        return None
    return Signature(
        int(schema.since_version),
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        {name: str(attribute.type).rpartition(".")[2] for name, attribute in schema.attributes.items()},
    )


def version_of(op: str, opset: int) -> int:
    """The since-version in force; 0 where it is not known."""
    signature = signature_of(op, opset)
    return signature.version if signature is not None else 0


def violation(node: gs.Node, opset: int) -> str | None:
    """How a node of the ONNX domain breaks its operator's signature, or None."""
    signature = signature_of(node.op, opset)
    if signature is None:
        return f"{node.op} is not an operator of opset {opset}"
    least, most = signature.inputs
    if not least <= len(node.inputs) <= most or any(not t.name for t in node.inputs[:least]):
        return f"{node.op} has {len(node.inputs)} inputs; {least} to {most} are allowed"
    least, most = signature.outputs
    if not max(least, 1) <= len(node.outputs) <= most or not node.outputs[0].name:
        return f"{node.op} has {len(node.outputs)} outputs; {least} to {most} are allowed"
    for name, value in node.attrs.items():
        kind = signature.attributes.get(name)
        if kind is not None and not _has_kind(value, kind):
            return f"attribute {name} of {node.op} is not of type {kind}"
    return None


def _has_kind(value: object, kind: str) -> bool:
    expected = _PYTHON_TYPES.get(kind)
    if expected is None:
        return True
    if kind.endswith("S"):
        return isinstance(value, list | tuple) and all(isinstance(item, expected) for item in value)
    return isinstance(value, expected)
