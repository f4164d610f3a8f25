"""Costs of masks: those of the smaller model, counted by the summary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphmorph.channels.analysis import analyse
from graphmorph.channels.costs import Cost, Costs
from graphmorph.channels.sizes import Sizes
from graphmorph.runtime import Runtime
from graphmorph.summary import multiply_adds, summarise
from tests.graphmorph.channels.analysed_text import analysed, facts_of, group_of
from tests.passes.text_models import Weight

Model = tuple[str, dict[str, Weight]]


def _bottleneck(width: int) -> Model:
    """A convolution, a depthwise one, a transposed one, and a matrix product behind a flatten."""
    text = f"""g (float[1,3,6,6] x) => (float[1,5] y) {{
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        b = Relu(a)
        c = Conv<group={width}, pads=[1,1,1,1]>(b, w2)
        d = ConvTranspose(c, w3)
        e = Flatten(d)
        y = Gemm<transB=1>(e, w4, b4)
    }}"""
    weights: dict[str, Weight] = {
        "w1": (width, 3, 3, 3),
        "b1": (width,),
        "w2": (width, 1, 3, 3),
        "w3": (width, 4, 1, 1),
        "w4": (5, 144),
        "b4": (5,),
    }
    return text, weights


def _flattened(width: int) -> Model:
    text = """g (float[1,3,6,6] x) => (float[1,5] y) {
        a = Conv<pads=[1,1,1,1]>(x, w1)
        b = Flatten(a)
        y = MatMul(b, w2)
    }"""
    return text, {"w1": (width, 3, 3, 3), "w2": (36 * width, 5)}


def _grouped(width: int) -> Model:
    text = """g (float[1,3,6,6] x) => (float[1,5,6,6] y) {
        a = Conv(x, w1)
        b = Conv<group=2>(a, w2)
        y = Conv(b, w3)
    }"""
    return text, {"w1": (2 * width, 3, 1, 1), "w2": (6, width, 1, 1), "w3": (5, 6, 1, 1)}


def _attention(width: int) -> Model:
    """A matrix product of two activations, whose contracted axis shrinks."""
    text = """g (float[1,7,6] x) => (float[1,7,7] y) {
        q = MatMul(x, wq)
        k = MatMul(x, wk)
        t = Transpose<perm=[0,2,1]>(k)
        y = MatMul(q, t)
    }"""
    return text, {"wq": (6, width), "wk": (6, width)}


@pytest.mark.parametrize(
    ("model", "constant", "removed"),
    [(_bottleneck, "w1", 3), (_flattened, "w1", 3), (_grouped, "w1", 2), (_attention, "wq", 3)],
)
def test_costs_are_those_of_the_smaller_model(
    runtime: Runtime, model: Callable[[int], Model], constant: str, removed: int
) -> None:
    analysis = analysed(runtime, *model(8))
    costs = Costs(analysis)
    for kept in (8, 8 - removed):
        smaller = summarise(facts_of(runtime, *model(kept)))
        units = group_of(analysis, constant, axis=1 if constant == "wq" else 0).units[: 8 - kept]
        assert costs.without(units) == Cost(smaller.parameters, smaller.macs or 0)
    assert costs.uncounted == ()


def test_a_saving_is_that_of_one_unit(runtime: Runtime) -> None:
    analysis = analysed(runtime, *_flattened(8))
    saved = Costs(analysis).saving(group_of(analysis, "w1"))
    assert saved == Cost(27 + 36 * 5, 36 * 27 + 36 * 5)


def test_a_free_batch_counts_once(runtime: Runtime) -> None:
    text = "g (float[N,4,8] x) => (float[N,6,8] y) { y = Conv(x, w) }"
    analysis = analysed(runtime, text, {"w": (6, 4, 1)}, free=3)
    costs = Costs(analysis)
    assert costs.of(analysis.all_kept()).multiply_adds == 6 * 4 * 8
    assert costs.of(analysis.all_kept()).multiply_adds == multiply_adds(analysis.facts)


def test_a_batch_merged_with_windows_counts_once(runtime: Runtime) -> None:
    text = """g (float[N,4,8] x) => (float[N,4,6] y) {
        a = Reshape(x, s)
        b = MatMul(a, w)
        y = Reshape(b, r)
    }"""
    weights: dict[str, Weight] = {"s": np.array([-1, 8]), "w": (8, 6), "r": np.array([-1, 4, 6])}
    analysis = analysed(runtime, text, weights, free=5)
    sizes = dict(analysis.sizes.sizes) | {"a": (20, 8), "b": (20, 6)}
    merged = analyse(analysis.facts, Sizes(sizes, {**analysis.sizes.free, "b": frozenset({0})}))
    assert Costs(merged).of(merged.all_kept()).multiply_adds == 4 * 8 * 6


def test_a_shared_constant_counts_once_for_each_part_that_is_kept(runtime: Runtime) -> None:
    text = """g (float[1,3,4,4] x) => (float[1,2,4,4] y) {
        a = Conv(x, w1, b)
        c = Relu(a)
        d = Conv(c, w2, b)
        e = Relu(d)
        y = Conv(e, w3)
    }"""
    weights: dict[str, Weight] = {"w1": (8, 3, 1, 1), "w2": (8, 8, 1, 1), "w3": (2, 8, 1, 1), "b": (8,)}
    analysis = analysed(runtime, text, weights)
    costs, first, second = Costs(analysis), group_of(analysis, "w1"), group_of(analysis, "w2")

    def parameters(*units: np.ndarray) -> int:
        return costs.without(np.concatenate(units)).parameters

    assert parameters(first.units[:0]) == summarise(analysis.facts).parameters == 24 + 64 + 16 + 8
    assert parameters(first.units[:3]) == 15 + 40 + 16 + (5 + 8)
    assert parameters(first.units[:3], second.units[:3]) == 15 + 25 + 10 + 5
    assert parameters(first.units[:3], second.units[3:6]) == 15 + 25 + 10 + (5 + 5)


def test_nodes_of_unknown_sizes_are_named(runtime: Runtime) -> None:
    text = """g (float[1,3,4,4] x) => (float[P,Q,R,S] y) {
        n = NonZero(x)
        f = Cast<to=1>(n)
        m = MatMul(v, f)
        y = Conv(x, w)
    }"""
    facts = facts_of(runtime, text, {"v": (2, 4), "w": (2, 3, 1, 1)})
    analysis = analyse(facts, Sizes({"x": (1, 3, 4, 4), "y": (1, 2, 4, 4)}))
    costs = Costs(analysis)
    assert costs.uncounted == ("m",)
    assert costs.of(analysis.all_kept()).multiply_adds == 2 * 16 * 3
