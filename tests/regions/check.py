"""Judge a rewrite of a whole model in float64, at several sizes, with the evaluator that shares no code with
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx.reference import ReferenceEvaluator

from graphmorph.affine.evaluator import EvaluationError, evaluate, in_order
from graphmorph.graph import Graph, constant_array
from graphmorph.onnx_door import load, to_model
from tests.regions.builder import Feeds, Region
from tests.regions.near_misses import NearMiss

RewriteFunction = Callable[[Graph], Graph]
Arrays = dict[str, np.ndarray]
TOLERANCE = 1e-10
ROUNDING_STEPS = 16
_FINFO: Any = ml_dtypes.finfo  # has no annotations
_NONLINEAR: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "Relu": lambda x: np.maximum(x, 0.0),
    "Tanh": np.tanh,
}


class MismatchError(AssertionError):
    """A rewrite that changed what the model computes, with all that it takes to see it again."""


@dataclass(frozen=True)
class Outcome:
    """Whether the rewrite did anything, at how many input sizes it was compared, and the worst relative
    error.
    """

    changed: bool
    compared: int
    worst: float
    nodes_before: tuple[str, ...]
    nodes_after: tuple[str, ...]


def check_region(region: Region, rewrite: RewriteFunction, seed: int = 0) -> Outcome:
    return check_model(region.model, rewrite, region.feeds, seed)


def check_model(model: onnx.ModelProto, rewrite: RewriteFunction, feeds: Sequence[Feeds], seed: int = 0) -> Outcome:
    """Rewrite the model and compare all of its outputs at each of the input shapes in `feeds`.

    Sizes at which a tensor of a model with several of them is empty are passed over: a rewrite may speak of
    the sizes at which every tensor has elements. Raises MismatchError.
    """
    before = load(model)
    after = rewrite(load(model))
    compared, worst = 0, 0.0
    for place, shapes in enumerate(feeds):
        arrays = _inputs(shapes, seed + place)
        tensors = evaluate_graph(before, arrays)
        if len(feeds) > 1 and any(array.size == 0 for array in tensors.values()):
            continue
        try:
            worst = max(worst, _compare(before, after, tensors, arrays))
        except (MismatchError, EvaluationError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise MismatchError(_describe(model, after, shapes, seed + place, error)) from error
        compared += 1
    kinds = tuple(node.op for node in before.nodes), tuple(node.op for node in after.nodes)
    changed = _signature(before) != _signature(after)
    return Outcome(changed, compared, worst, *kinds)


def check_near_miss(miss: NearMiss, rewrite: RewriteFunction, seed: int = 0) -> None:
    """What is guarded has to stay where it was, and the outputs what they were. Raises MismatchError."""
    after = rewrite(load(miss.model))
    producers = {tensor.name: node.op for node in after.nodes for tensor in node.outputs}
    for tensor, op in miss.guarded.items():
        if producers.get(tensor) != op:
            raise MismatchError(
                f"{miss.condition}: '{tensor}' was to stay the output of {op}, but is that of {producers.get(tensor)}"
            )
    if miss.evaluable:
        check_model(miss.model, rewrite, miss.feeds, seed)


def _signature(graph: Graph) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(n.op, tuple(t.name for t in n.inputs), tuple(t.name for t in n.outputs)) for n in graph.nodes]


def _inputs(shapes: Feeds, seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape) for name, shape in shapes.items()}


def evaluate_graph(graph: Graph, arrays: Arrays, constants: Arrays | None = None, *, magnitude: bool = False) -> Arrays:
    """Every tensor of the graph in float64, by name; onnx's own reference where a node is outside the
    evaluator.
    """
    names = {tensor.name for tensor in graph.inputs}
    values = {name: (np.abs(x) if magnitude else x) for name, x in arrays.items() if name in names}
    try:
        return _walk(graph, values, constants, magnitude)
    except EvaluationError:
        if magnitude:
            raise
        return _reference(graph, values)


def _walk(graph: Graph, fed: Arrays, constants: Arrays | None, magnitude: bool) -> Arrays:
    values = dict(fed)
    for node in in_order(list(graph.nodes), set(values)):
        if node.op in _NONLINEAR:
            x = values[node.inputs[0].name]
            values[node.outputs[0].name] = x if magnitude else _NONLINEAR[node.op](x)
        else:
            values |= evaluate([node], values, graph.opset, constants=constants, magnitude=magnitude)
    return values


def _reference(graph: Graph, values: Arrays) -> Arrays:
    model = to_model(graph)
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
    fed = {name: x.astype(onnx.helper.tensor_dtype_to_np_dtype(types[name])) for name, x in values.items()}
    results = ReferenceEvaluator(model).run(None, fed)
    return {info.name: np.asarray(array) for info, array in zip(model.graph.output, results, strict=True)}


def _compare(before: Graph, after: Graph, tensors: Arrays, arrays: Arrays) -> float:
    """Worst relative error over the outputs. Raises MismatchError."""
    names = [output.name for output in before.outputs]
    if [output.name for output in after.outputs] != names:
        raise MismatchError(f"outputs {names} became {[output.name for output in after.outputs]}")
    if {i.name for i in after.inputs} != {i.name for i in before.inputs}:
        raise MismatchError("the graph inputs changed")
    found, scale, precision = evaluate_graph(after, arrays), _scales(before, after, arrays), _precision(after)
    worst = 0.0
    for name in names:
        expected, got = tensors[name], found[name]
        if expected.shape != got.shape:
            raise MismatchError(f"output '{name}' has shape {got.shape} instead of {expected.shape}")
        size = scale[name] if name in scale else np.full(got.shape, 100 * np.max(np.abs(expected), initial=0))
        error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        relative = np.where(same, 0.0, error / np.maximum(size, np.finfo(np.float64).tiny))
        if not (relative <= TOLERANCE + ROUNDING_STEPS * precision).all():
            place = np.unravel_index(int(np.argmax(np.nan_to_num(relative, nan=np.inf))), relative.shape)
            raise MismatchError(
                f"output '{name}' at {tuple(map(int, place))}:"
                f" {got[place]:.12g} instead of {expected[place]:.12g},"
                f" relative error {relative[place]:.3g}"
            )
        worst = max(worst, float(np.max(relative, initial=0.0)))
    return worst


def _scales(before: Graph, after: Graph, arrays: Arrays) -> Arrays:
    """Magnitude of what is summed up in every tensor; none for graphs that only the reference can
    evaluate.
    """
    try:
        original = evaluate_graph(before, arrays, magnitude=True)
        rounded = evaluate_graph(after, arrays, _lifted(after), magnitude=True)
    except EvaluationError:
        return {}
    return {
        name: np.maximum(original[name], rounded[name])
        for name in original.keys() & rounded.keys()
        if original[name].shape == rounded[name].shape
    }


def _floats(graph: Graph) -> dict[str, np.ndarray]:
    constants = {t.name: t for node in graph.nodes for t in node.inputs if isinstance(t, gs.Constant)}
    arrays = {name: constant_array(constant) for name, constant in constants.items()}
    return {name: a for name, a in arrays.items() if a.dtype.kind == "f" or a.dtype == ml_dtypes.bfloat16}


def _lifted(graph: Graph) -> Arrays:
    """Below the smallest normal number rounding is absolute: count such weights as that large."""
    return {
        name: np.maximum(np.abs(array.astype(np.float64)), float(_FINFO(array.dtype).smallest_normal))
        for name, array in _floats(graph).items()
        if array.dtype != np.float64
    }


def _precision(graph: Graph) -> float:
    """Machine epsilon of the least precise weights; nothing for float64, whose rounding the tolerance
    covers.
    """
    types = {array.dtype for array in _floats(graph).values()} - {np.dtype(np.float64)}
    return max((float(_FINFO(dtype).eps) for dtype in types), default=0.0)


def _describe(model: onnx.ModelProto, after: Graph, shapes: Feeds, seed: int, error: Exception) -> str:
    rows = [f"{n.outputs[0].name} = {n.op}({', '.join(t.name for t in n.inputs)}) {dict(n.attrs)}" for n in after.nodes]
    text = onnx.printer.to_text(_without_values(model))
    return f"{error}\nfed {shapes} (seed {seed})\n--- before\n{text}\n--- after\n" + "\n".join(rows)


def _without_values(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the values of its larger weights left out, for printing."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    for tensor in small.graph.initializer:
        if len(tensor.raw_data) > 64:
            tensor.ClearField("raw_data")
    return small
