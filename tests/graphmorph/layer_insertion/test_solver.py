"""From settings to a new layer: how many channels stay, what is said of them, statistics, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.activations.moments import Moments
from graphmorph.errors import RefusedError, UsageError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.insertion import captured_from, insertion_of
from graphmorph.layer_insertion.new_layer import FirstHalf, NewLayer
from graphmorph.layer_insertion.place import Place, place_behind
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.solver import kernel_of, with_statistics
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.direct import columns, convolved, multiplied, patches
from tests.graphmorph.layer_insertion.networks import images, samples
from tests.passes.text_models import Weights, build

COMPNET = ["compnet-1", "compnet-2", "compnet-3"]


class Solver:
    """Makes layers for one model, in a child process that all share."""

    def __init__(self, runtime: Runtime, text: str, weights: Weights) -> None:
        graph = load(build(text, weights))
        self.runtime, self.facts = runtime, Facts(graph, lambda: Oracle(runtime).shapes(graph))

    def place(self, after: str = "a") -> Place:
        return place_behind(after, self.facts)

    def layer(self, data: Any, after: str = "a", **options: Any) -> NewLayer:
        capturing = captured_from(self.facts, data, self.runtime)
        return insertion_of(self.facts, LayerSettings(**options), after, None, capturing, self.runtime).layer


@pytest.fixture
def dense(runtime: Runtime) -> Solver:
    return Solver(runtime, networks.DENSE, networks.DENSE_WEIGHTS)


@pytest.fixture
def convolutions(runtime: Runtime) -> Solver:
    return Solver(runtime, networks.CONVOLUTIONS, networks.CONVOLUTIONS_WEIGHTS)


def mean(layer: NewLayer) -> float:
    assert layer.explained is not None
    return float(layer.explained.mean())


@pytest.mark.parametrize("algorithm", COMPNET)
@pytest.mark.parametrize("count", [1, 5, 12])
def test_as_many_stay_as_are_wanted(dense: Solver, algorithm: str, count: int) -> None:
    layer = dense.layer(samples(300, 4), algorithm=algorithm, channels=12, survivors=count)
    assert layer.first.channels == count
    assert layer.redundant == 12
    assert layer.rows == 300
    assert layer.next_weight.shape == (count, 3)
    assert layer.notes == ()


@pytest.mark.parametrize("algorithm", COMPNET)
def test_the_fewest_that_explain_enough(convolutions: Solver, algorithm: str) -> None:
    data = images()
    options: dict[str, Any] = {"algorithm": algorithm, "channels": 16, "after": "p", "kernel": (1,)}
    layer = convolutions.layer(data, explained=0.9, **options)
    assert mean(layer) >= 0.9
    assert layer.first.channels < 16
    fewer = convolutions.layer(data, survivors=layer.first.channels - 1, **options)
    assert mean(fewer) < 0.9
    same = convolutions.layer(data, survivors=layer.first.channels, **options)
    assert np.array_equal(same.first.weight, layer.first.weight)


@pytest.mark.parametrize("algorithm", COMPNET)
def test_weights_are_the_least_squares_of_what_stays(dense: Solver, algorithm: str) -> None:
    data = samples(300, 4)
    layer = dense.layer(data, algorithm=algorithm, channels=12, survivors=6, ridge=0.0)
    a = np.maximum(data["x"].astype(np.float64) @ _weight(dense, "w0") + _weight(dense, "b0"), 0)
    outputs = a @ _weight(dense, "w1").T
    rows = np.column_stack([multiplied(layer.first, a), np.ones(len(a))])
    expected, *_ = np.linalg.lstsq(rows, outputs, rcond=None)
    assert layer.next_bias is not None
    assert layer.explained is not None
    np.testing.assert_allclose(layer.next_weight, expected[:-1], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(layer.next_bias, expected[-1], rtol=1e-3, atol=1e-3)
    missed = ((outputs - rows @ expected) ** 2).sum(axis=0)
    share = 1 - missed / ((outputs - outputs.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(layer.explained, share, atol=1e-6)


def _weight(solver: Solver, name: str) -> np.ndarray:
    tensor = solver.facts.tensors[name]
    return np.asarray(tensor.values, np.float64)


def test_a_layer_without_a_bias_gets_none_where_it_cannot_have_one(runtime: Runtime) -> None:
    text = "g (float[N,4] x) => (float[N,3] y) { a = Relu(x) y = MatMul(a, w) }"
    layer = Solver(runtime, text, {"w": (4, 3)}).layer(samples(80, 4), channels=8, survivors=6)
    assert layer.next_bias is None
    assert mean(layer) > 0.9


def test_a_penalty_decides_where_nothing_else_does(dense: Solver) -> None:
    data = samples(300, 4)
    counts = [
        dense.layer(data, algorithm="compnet-3", channels=20, penalty=penalty).first.channels
        for penalty in (0.001, 0.02, 0.2)
    ]
    assert counts[0] > counts[1] > counts[2] > 0
    alike = [dense.layer(data, algorithm="compnet-1", channels=20, alpha=alpha).first.channels for alpha in (0.1, 10.0)]
    assert alike[0] > alike[1] > 0
    faded = [
        dense.layer(data, algorithm="compnet-2", channels=20, penalty=penalty).first.channels
        for penalty in (0.001, 0.2)
    ]
    assert faded[0] > faded[1] > 0


def test_who_keeps_everything_is_told_how_to_keep_less(dense: Solver) -> None:
    layer = dense.layer(samples(300, 4), algorithm="compnet-1", channels=6, alpha=0.0)
    assert layer.first.channels == 6
    (note,) = layer.notes
    assert note.startswith("compnet-1 kept all 6 channels at a penalty of 0.1 and an alpha of 0: ")
    assert "--survivors" in note
    assert "--explained" in note


def test_few_rows_are_warned_of(dense: Solver) -> None:
    (note,) = dense.layer(samples(12, 4), channels=6, survivors=5).notes
    assert note.startswith("5 columns were fitted to 12 rows")


def test_fewer_than_wanted_is_said(runtime: Runtime) -> None:
    """One input that varies makes one column, whatever the weights."""
    data = samples(50, 4)
    data["x"][:, 1:] = 0
    solver = Solver(
        runtime, "g (float[N,4] x) => (float[N,3] y) { a = Identity(x) y = Gemm<transB=1>(a, w) }", {"w": (3, 4)}
    )
    layer = solver.layer(data, algorithm="compnet-2", channels=6, survivors=3)
    assert layer.first.channels == 1
    assert layer.notes == ("1 channels are left, not 3: the others are copies, or never vary",)


@pytest.mark.parametrize(
    ("after", "given", "kernel"), [("a", (3,), (3, 3)), ("a", (1, 5), (1, 5)), ("q", (3,), ()), ("q", (1, 2), ())]
)
def test_sizes_of_a_window(convolutions: Solver, after: str, given: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    assert kernel_of(convolutions.place(after), LayerSettings(kernel=given)) == kernel


def test_statistics_are_those_of_what_the_layer_gives() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 3, 7, 5)) + 1
    first = FirstHalf(rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4), "leaky-relu", 1.0)
    sums = Moments(27)
    sums.update(columns(patches(x, (3, 3), (1, 1, 1, 1)), 3))
    found = with_statistics(first, sums).statistics
    assert found is not None
    made = convolved(first, x)
    np.testing.assert_allclose(found.mean, made.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(found.variance, made.var(axis=(0, 2, 3)))
    some = with_statistics(first, sums).taken(np.array([2, 0])).statistics
    assert some is not None
    assert some.mean.tolist() == found.mean[[2, 0]].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": None}, "compnet-3 looks at activations"),
        ({"data": None, "algorithm": "netmorph", "batch_norm": True}, "statistics of a batch normalisation"),
        ({"channels": 3, "survivors": 4}, "survivors is 4, but there are 3"),
        ({"kernel": (3, 3, 3)}, "has 2 spatial axes"),
    ],
)
def test_what_does_not_fit_is_said(convolutions: Solver, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        convolutions.layer(**{"data": images(4), **options})


@pytest.mark.parametrize("algorithm", COMPNET)
def test_a_penalty_that_leaves_nothing_is_refused(dense: Solver, algorithm: str) -> None:
    with pytest.raises(RefusedError, match="a penalty of 100 leaves no channel that varies: lower it"):
        dense.layer(samples(50, 4), algorithm=algorithm, penalty=100.0)


@pytest.mark.parametrize("algorithm", COMPNET)
def test_more_than_all_channels_explain_is_refused(dense: Solver, algorithm: str) -> None:
    with pytest.raises(RefusedError, match=r"all 1 channels explain 0\.\d+ of .* less than 0.99"):
        dense.layer(samples(50, 4), algorithm=algorithm, channels=1, explained=0.99)
