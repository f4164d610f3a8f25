"""What is claimed of the values of a model, against what onnxruntime computes on several inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from graphmorph.channels.sizes import Sizes
from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.values import Values, find_values
from graphmorph.facts import Facts
from graphmorph.onnx_door import load

Arrays = dict[str, np.ndarray]

#: Inputs as a model may meet them: usual, positive, negative, large, and all zeros.
KINDS = ("usual", "positive", "negative", "large", "zero")


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> Arrays:
    """All tensors of the model, without onnxruntime's optimizations; inputs too."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    given = {output.name for output in exposed.graph.output}
    names = [name for node in exposed.graph.node for name in node.output if name and name not in given]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(exposed.SerializeToString(), options)
    outputs = [output.name for output in session.get_outputs()]
    return {**feeds, **dict(zip(outputs, session.run(outputs, dict(feeds)), strict=True))}


def inputs(model: onnx.ModelProto, kind: str, free: int = 2, seed: int = 0) -> Arrays:
    """One input of each name; named dimensions get a size."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    made = {}
    for tensor in model.graph.input:
        shape = [d.dim_value if d.HasField("dim_value") else free for d in tensor.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type)
        values = rng.standard_normal(shape)
        if np.dtype(dtype).kind in "iu":
            made[tensor.name] = rng.integers(0, 3, shape).astype(dtype)
            continue
        values = {
            "positive": np.abs(values),
            "negative": -np.abs(values),
            "large": 30 * values,
            "zero": 0 * values,
        }.get(kind, values)
        made[tensor.name] = values.astype(dtype)
    return made


def find(model: onnx.ModelProto, free: int = 2) -> Values:
    """The values of a model whose sizes come from two runs."""
    graph = load(model)
    first, second = (run(model, inputs(model, "usual", size)) for size in (free, free + 1))
    sizes = {name: array.shape for name, array in first.items()}
    differ = {
        name: frozenset(axis for axis, (n, m) in enumerate(zip(shape, second[name].shape, strict=True)) if n != m)
        for name, shape in sizes.items()
    }
    return find_values(Facts(graph), Sizes(sizes, differ))


def check(model: onnx.ModelProto, free: int = 2, seed: int = 0, kinds: Sequence[str] = KINDS) -> Values:
    """Find values, and hold every claim against several runs."""
    values = find(model, free)
    for size in (free, free + 2):
        for kind in kinds:
            arrays = run(model, inputs(model, kind, size, seed))
            assert_true(values, arrays)
    return values


def assert_true(values: Values, arrays: Arrays) -> None:
    """Every constant, bound and equality holds in one run."""
    slices: dict[int, list[tuple[str, np.ndarray, float]]] = defaultdict(list)
    for name, array in arrays.items():
        fact = values.facts.get(name)
        if fact is None or array.dtype.kind not in "fbiu":
            continue
        rtol = 4 * float(np.finfo(np.float16).eps) if array.dtype == np.float16 else 1e-4
        array = array.astype(np.float64)
        _assert_values(name, fact, array, rtol)
        scale = rtol * float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
        for place, number in np.ndenumerate(fact.number):
            one = array[
                tuple(slice(None) if n == 1 else slice(i, i + 1) for n, i in zip(fact.extents, place, strict=True))
            ]
            slices[int(number)].append((name, one, scale))
    for number, equal in slices.items():
        _assert_equal(number, equal)


def _assert_values(name: str, fact: Fact, array: np.ndarray, rtol: float) -> None:
    assert len(fact.extents) == array.ndim, name
    constant = np.broadcast_to(fact.constant, array.shape)
    known = ~np.isnan(constant)
    np.testing.assert_allclose(array[known], constant[known], rtol=rtol, err_msg=f"constant of {name}")
    assert (array[constant == 0] == 0).all(), name
    assert not (array < fact.low).any(), f"{name} is below its bound"
    assert not (array > fact.high).any(), f"{name} is above its bound"


def _assert_equal(number: int, equal: Iterable[tuple[str, np.ndarray, float]]) -> None:
    """Slices of one number are equal as rows, whichever axes they lie along; constants have no shape."""
    (first_name, first, scale), *others = equal
    constant = first.min() == first.max()
    for name, other, other_scale in others:
        text = f"{first_name} and {name} have number {number}"
        if constant and first.size != other.size:
            assert other.min() == other.max(), text
            first, other = first.reshape(-1)[:1], other.reshape(-1)[:1]
        np.testing.assert_allclose(
            other.reshape(-1), first.reshape(-1), rtol=1e-4, atol=max(scale, other_scale), err_msg=text
        )


def constants(values: Values, name: str) -> list[float]:
    """The constants of a tensor along its only axis that is told apart; NaN where there is none."""
    found = values.constant(name)
    assert found is not None
    return [float(value) for value in found.reshape(-1)]


def duplicates(values: Values, name: str) -> list[tuple[int, ...]]:
    """Places along its only axis that have one number, where there are two or more; constants left out."""
    numbers, constant = values.number(name), values.constant(name)
    assert numbers is not None
    assert constant is not None
    groups: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(numbers.reshape(-1)):
        if np.isnan(constant.reshape(-1)[place]):
            groups[int(number)].append(place)
    return [tuple(group) for group in groups.values() if len(group) > 1]
