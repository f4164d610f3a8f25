"""Sums that are captured for a new layer, against rows that are written out.

Numbers are small integers, so that float32 holds every product and sum of them exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from graphmorph.activations.capture import capture
from graphmorph.activations.rows import Sampling
from graphmorph.errors import RefusedError, UsageError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.new_layer import Activation, FirstHalf
from graphmorph.layer_insertion.place import place_behind
from graphmorph.layer_insertion.sums import Source
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion.direct import activated, columns, convolved, multiplied, patches
from tests.passes.text_models import Weights, build

CHANNELS, NEW = 3, 4


def source_of(
    runtime: Runtime, text: str, weights: Weights, x: np.ndarray, sampling: Sampling | None = None, opset: int = 17
) -> Source:
    """Of the place behind a."""
    graph = load(build(text, weights, opset=opset))
    facts = Facts(graph, lambda: Oracle(runtime).shapes(graph))

    def capturing(listeners: Any) -> int:
        return capture(graph, listeners, {"x": x}, batch=2, runtime=runtime)

    return Source(place_behind("a", facts), capturing, runtime, opset, np.dtype(np.float32), sampling)


def half(kernel: tuple[int, ...], activation: Activation = "relu") -> FirstHalf:
    return FirstHalf(drawn(NEW, CHANNELS, *kernel, seed=1), drawn(NEW, seed=2), activation, 0.25)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64)


def weights_for(case: Case) -> dict[str, np.ndarray]:
    return {"w": drawn(*case.weight, seed=3), "b": drawn(2, seed=4), "s": np.array([-1, 18])}


def conv(x: np.ndarray, weight: np.ndarray, **how: tuple[int, ...]) -> np.ndarray:
    """(N, outputs, *positions)."""
    read = patches(x, weight.shape[2:], **how)
    made = read.reshape(*read.shape[: x.ndim - 1], -1) @ weight.reshape(len(weight), -1).T
    return np.moveaxis(made, -1, 1)


@dataclass(frozen=True)
class Case:
    """A model in which a = relu(x), the rows that the next layer reads of a new layer's output, and what it gives."""

    text: str
    shape: tuple[int, ...]
    weight: tuple[int, ...]
    kernel: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]
    given: Callable[[np.ndarray, np.ndarray], np.ndarray]
    first: Callable[[FirstHalf, np.ndarray], np.ndarray] = convolved


def pooled(x: np.ndarray) -> np.ndarray:
    """Maxima over 2 x 2, stride 2."""
    return np.asarray(patches(x, (2, 2), strides=(2, 2)).max(axis=(-2, -1)).transpose(0, 3, 1, 2))


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


CONV = "g (float[N,3,H,W] x) => (float[N,2,P,Q] y) {{ a = Relu(x) y = Conv<{}>(a, w, b) }}"
STRIDED: dict[str, tuple[int, ...]] = {"pads": (1, 0, 2, 1), "strides": (2, 1), "dilations": (1, 2)}
CASES: dict[str, Case] = {
    "convolution": Case(
        CONV.format("strides=[2,1], pads=[1,0,2,1], dilations=[1,2]"),
        (5, 3, 7, 6),
        (2, 3, 3, 2),
        (3, 3),
        lambda made: columns(patches(made, (3, 2), **STRIDED), 3),
        lambda a, w: columns(np.moveaxis(conv(a, w, **STRIDED), 1, -1), 1),
    ),
    "an even window": Case(
        CONV.format("pads=[0,0,0,0]"),
        (5, 3, 5, 6),
        (2, 3, 1, 1),
        (2, 4),
        lambda made: columns(patches(made, (1, 1)), 3),
        lambda a, w: columns(np.moveaxis(conv(a, w), 1, -1), 1),
    ),
    "behind a pooling": Case(
        "g (float[N,3,8,6] x) => (float[N,2,P,Q] y) {"
        " a = Relu(x) p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) y = Conv(p, w, b) }",
        (5, 3, 8, 6),
        (2, 3, 2, 2),
        (3, 1),
        lambda made: columns(patches(pooled(made), (2, 2)), 3),
        lambda a, w: columns(np.moveaxis(conv(pooled(a), w), 1, -1), 1),
    ),
    "flattened": Case(
        "g (float[N,3,2,3] x) => (float[N,2] y) { a = Relu(x) f = Flatten(a) y = Gemm<transB=1>(f, w, b) }",
        (9, 3, 2, 3),
        (2, 18),
        (3, 3),
        flat,
        lambda a, w: flat(a) @ w.T,
    ),
    "reshaped": Case(
        "g (float[N,3,2,3] x) => (float[N,2] y) { a = Relu(x) f = Reshape(a, s) y = Gemm<transB=1>(f, w, b) }",
        (9, 3, 2, 3),
        (2, 18),
        (1, 1),
        flat,
        lambda a, w: flat(a) @ w.T,
    ),
    "dense": Case(
        "g (float[N,3] x) => (float[N,2] y) { a = Relu(x) y = Gemm<transB=1>(a, w, b) }",
        (9, 3),
        (2, 3),
        (),
        flat,
        lambda a, w: a @ w.T,
        multiplied,
    ),
    "tokens": Case(
        "g (float[N,T,3] x) => (float[N,T,2] y) { a = Relu(x) m = MatMul(a, w) y = Add(b, m) }",
        (5, 7, 3),
        (3, 2),
        (),
        lambda made: columns(made, 1),
        lambda a, w: columns(a @ w, 1),
        multiplied,
    ),
    "one axis": Case(
        "g (float[N,3,L] x) => (float[N,2,P] y) { a = Relu(x) y = Conv<strides=[2]>(a, w, b) }",
        (5, 3, 9),
        (2, 3, 3),
        (3,),
        lambda made: columns(patches(made, (3,), strides=(2,)), 2),
        lambda a, w: columns(np.moveaxis(conv(a, w, strides=(2,)), 1, -1), 1),
    ),
    "three axes": Case(
        "g (float[N,3,D,H,W] x) => (float[N,2,P,Q,R] y) { a = Relu(x) y = Conv<pads=[1,0,0,1,0,0]>(a, w, b) }",
        (3, 3, 3, 4, 3),
        (2, 3, 3, 2, 1),
        (1, 3, 2),
        lambda made: columns(patches(made, (3, 2, 1), pads=(1, 0, 0, 1, 0, 0)), 4),
        lambda a, w: columns(np.moveaxis(conv(a, w, pads=(1, 0, 0, 1, 0, 0)), 1, -1), 1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_pairs_are_the_rows_written_out(name: str, runtime: Runtime) -> None:
    case = CASES[name]
    x, weights = drawn(*case.shape), weights_for(case)
    first = half(case.kernel)
    pairs = source_of(runtime, case.text, weights, x).pairs(first)
    a = np.maximum(x, 0)
    rows, outputs = case.read(case.first(first, a)), case.given(a, weights["w"]) + weights["b"]
    assert pairs.inputs.count == len(rows)
    assert np.array_equal(pairs.inputs.gram, rows.T @ rows)
    assert np.array_equal(pairs.cross, rows.T @ outputs)
    assert np.array_equal(pairs.outputs.squares, (outputs**2).sum(axis=0))
    assert np.array_equal(pairs.outputs.total, outputs.sum(axis=0))


@pytest.mark.parametrize("name", CASES)
def test_inputs_are_what_the_new_layer_reads(name: str, runtime: Runtime) -> None:
    case = CASES[name]
    x = drawn(*case.shape)
    sums = source_of(runtime, case.text, weights_for(case), x).inputs(case.kernel)
    a = np.maximum(x, 0)
    if case.kernel:
        pads = (*((size - 1) // 2 for size in case.kernel), *(size // 2 for size in case.kernel))
        rows = columns(patches(a, case.kernel, pads), len(case.kernel) + 1)
    else:
        rows = columns(a, 1)
    assert sums.count == len(rows)
    assert np.array_equal(sums.gram, rows.T @ rows)


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu"])
def test_every_activation_function(activation: Activation, opset: int, runtime: Runtime) -> None:
    case = CASES["dense"]
    x, first = drawn(*case.shape), half((), activation)
    pairs = source_of(runtime, case.text, weights_for(case), x, opset=opset).pairs(first)
    rows = activated(first, np.maximum(x, 0) @ first.weight.T + first.bias)
    np.testing.assert_allclose(pairs.inputs.gram, rows.T @ rows, rtol=1e-5, atol=1e-4)


def test_sampled_positions_are_some_of_all_and_do_not_depend_on_anything_but_the_seed(runtime: Runtime) -> None:
    case = CASES["convolution"]
    x, weights, first = drawn(*case.shape), weights_for(case), half(case.kernel)
    some, again, other = (
        source_of(runtime, case.text, weights, x, Sampling(4, seed)).pairs(first) for seed in (0, 0, 1)
    )
    assert some.inputs.count == 4 * len(x)
    assert np.array_equal(some.inputs.gram, again.inputs.gram)
    assert not np.allclose(some.inputs.gram, other.inputs.gram)
    everything = source_of(runtime, case.text, weights, x, Sampling(10_000)).pairs(first)
    assert np.array_equal(everything.inputs.gram, source_of(runtime, case.text, weights, x).pairs(first).inputs.gram)


def test_too_many_columns_are_refused_before_anything_runs(runtime: Runtime) -> None:
    case = CASES["flattened"]
    source = source_of(runtime, case.text, weights_for(case), drawn(*case.shape))
    with pytest.raises(UsageError, match=r"5000 channels, read by Gemm .*30000 columns.*start with fewer channels"):
        source.pairs(FirstHalf(np.zeros((5000, 3, 1, 1)), np.zeros(5000), "relu"))
    with pytest.raises(UsageError, match=r"a kernel \(60, 60\) over 3 channels: sums over 10800 columns"):
        source.inputs((60, 60))


def test_numbers_that_are_not_finite_are_refused(runtime: Runtime) -> None:
    case = CASES["dense"]
    x = drawn(*case.shape)
    x[0, 0] = np.inf
    source = source_of(runtime, case.text, weights_for(case), x)
    with pytest.raises(UsageError, match="NaN or infinity"):
        source.inputs(())
    with pytest.raises(UsageError, match="NaN or infinity"):
        source.pairs(half(()))


def test_a_type_that_onnxruntime_has_no_operator_for_is_refused_with_its_name(runtime: Runtime) -> None:
    case = CASES["dense"]
    graph = load(build(case.text, weights_for(case), dtype="double"))
    place = place_behind("a", Facts(graph, lambda: Oracle(runtime).shapes(graph)))
    source = Source(place, lambda listeners: None, runtime, 17, np.dtype(np.float64))
    with pytest.raises(RefusedError, match=r"onnxruntime cannot run the new layer \(gelu, float64\)"):
        source.pairs(half((), "gelu"))
