"""Shape inference and the checker, in the child: both are native code that hostile models have crashed."""

from __future__ import annotations

from typing import Any

import onnx
import onnx.checker
import onnx.shape_inference

from graphmorph.runtime.reasons import RefusedModelError, one_line

Fact = tuple[str, int, list[int | str | None] | None]


def infer_shapes(model_bytes: bytes) -> list[Fact]:
    """Name, element type and shape of every tensor known after inference, initializers included."""
    model = onnx.load_model_from_string(model_bytes)
    for info in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        _open_negative(info)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    facts: dict[str, Fact] = {}
    for constant in inferred.graph.initializer:
        facts[constant.name] = (constant.name, constant.data_type, list(constant.dims))
    for info in (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input):
        if info.type.HasField("tensor_type"):
            facts.setdefault(info.name, _fact(info))
    return list(facts.values())


def check_model(model: str | bytes) -> None:
    """Run onnx.checker on a file, or on the bytes of a model.

    Raises RefusedModelError with the checker's reason.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        what = model if isinstance(model, str) else "the model"
        raise RefusedModelError(f"{what}: onnx.checker refuses it: {one_line(str(error))}") from error


def _open_negative(info: Any) -> None:
    """Some exporters write -1 for a size that is free; inference would reckon with it."""
    for dimension in info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else ():
        if dimension.WhichOneof("value") == "dim_value" and dimension.dim_value < 0:
            dimension.ClearField("dim_value")


def _fact(info: Any) -> Fact:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return info.name, tensor.elem_type, None
    return info.name, tensor.elem_type, [_size(dimension) for dimension in tensor.shape.dim]


def _size(dimension: Any) -> int | str | None:
    kind = dimension.WhichOneof("value")
    if kind == "dim_value":
        return int(dimension.dim_value)
    return str(dimension.dim_param) if kind == "dim_param" and dimension.dim_param else None
