"""What may lie between a new layer and the next one, and what becomes of shapes that are stated there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.layer_insertion.path import flattens, is_elementwise, operands, step_obstacle
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion.inserted_text import facts_of

HEAD = "g (float[2,3,4,5] x) => (float[A,B,C,D] y)"
FREE = "g (float[N,3,4,5] x) => (float[A,B,C,D] y)"


def obstacle(step: str, runtime: Runtime, weights: Any = None, head: str = HEAD, opset: int = 17) -> str | None:
    facts = facts_of(runtime, f"{head} {{ t = {step} y = Identity(t) }}", weights or {}, opset=opset)
    return step_obstacle(facts.producer["t"], 0, facts)


@pytest.mark.parametrize(
    "step",
    [
        *("Relu(x)", "LeakyRelu(x)", "Tanh(x)", "Sigmoid(x)", "Elu(x)", "HardSwish(x)", "Abs(x)", "Clip(x)"),
        *("Identity(x)", "Dropout(x)", "Softplus(x)", "Erf(x)", "GlobalAveragePool(x)", "GlobalMaxPool(x)"),
        *("MaxPool<kernel_shape=[2,2]>(x)", "AveragePool<kernel_shape=[2,2]>(x)", "LpPool<kernel_shape=[2,2]>(x)"),
        *("Flatten(x)", "ReduceMean<axes=[2,3]>(x)", "ReduceMean<axes=[-1]>(x)", "ReduceMax<axes=[2,3],keepdims=0>(x)"),
    ],
)
def test_steps_that_treat_channels_alike(step: str, runtime: Runtime) -> None:
    assert obstacle(step, runtime) is None


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("Softmax(x)", "does not treat channels alike"),
        ("Transpose<perm=[0,1,3,2]>(x)", "does not treat channels alike"),
        ("LRN<size=3>(x)", "does not treat channels alike"),
        ("Add(x, x)", "does not treat channels alike"),
        ("Flatten<axis=2>(x)", "does not flatten"),
        ("Flatten<axis=0>(x)", "does not flatten"),
        ("ReduceMean<axes=[1]>(x)", "does not flatten"),
        ("ReduceMean<axes=[-3,3]>(x)", "does not flatten"),
        ("ReduceMean(x)", "does not flatten"),
    ],
)
def test_steps_that_do_not(step: str, reason: str, runtime: Runtime) -> None:
    assert reason in (obstacle(step, runtime) or "")


def test_an_operand_that_is_computed_is_no_way(runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{HEAD} {{ y = Clip(x, x) }}", {})
    assert "computed" in (step_obstacle(facts.producer["y"], 0, facts) or "")
    assert "not a layer" in (step_obstacle(facts.producer["y"], 1, facts) or "")


def test_indices_of_a_maximum_that_somebody_reads(runtime: Runtime) -> None:
    text = f"{HEAD[:-1]}, int64[A,B,C,D] z) {{ y, i = MaxPool<kernel_shape=[2,2]>(x) z = Identity(i) }}"
    facts = facts_of(runtime, text, {})
    assert "more than one result" in (step_obstacle(facts.producer["y"], 0, facts) or "")


@pytest.mark.parametrize(
    ("head", "target", "whole"),
    [
        (HEAD, [2, 60], True),
        (HEAD, [2, -1], True),
        (HEAD, [0, 60], True),
        (HEAD, [-1, 60], True),
        (HEAD, [0, -1], True),
        (FREE, [0, 60], True),
        (FREE, [-1, 60], True),
        (FREE, [1, -1], True),
        (HEAD, [1, -1], False),  # puts the samples together, too
        (HEAD, [-1, 30], False),
        (HEAD, [4, 30], False),
        (HEAD, [2, 3, 20], False),
        (HEAD, [-1], False),
        ("g (float[N,3,H,5] x) => (float[A,B] y)", [0, -1], True),
        ("g (float[N,3,H,5] x) => (float[A,B] y)", [0, 60], False),
    ],
)
def test_reshapes_that_flatten(head: str, target: list[int], whole: bool, runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{head} {{ y = Reshape(x, to) }}", {"to": np.array(target)})
    node = facts.producer["y"]
    assert flattens(node, facts) == whole
    assert (step_obstacle(node, 0, facts) is None) == whole


def test_a_reshape_to_sizes_that_are_computed_does_not_flatten(runtime: Runtime) -> None:
    facts = facts_of(runtime, "g (float[N,3,4,5] x, int64[2] to) => (float[A,B] y) { y = Reshape(x, to) }", {})
    assert not flattens(facts.producer["y"], facts)


@pytest.mark.parametrize(("axes", "whole"), [([2, 3], True), ([-1], True), ([1], False)])
def test_squeezed_axes(axes: list[int], whole: bool, runtime: Runtime) -> None:
    text = "g (float[N,1,1,1] x) => (float[A,B] y) { y = Squeeze(x, axes) }"
    facts = facts_of(runtime, text, {"axes": np.array(axes)})
    assert flattens(facts.producer["y"], facts) == whole


def test_axes_as_an_operand(runtime: Runtime) -> None:
    text = "g (float[N,3,4,5] x) => (float[A,B] y) { y = ReduceMean<keepdims=0>(x, axes) }"
    facts = facts_of(runtime, text, {"axes": np.array([2, 3])}, opset=18)
    assert flattens(facts.producer["y"], facts)


@pytest.mark.parametrize(
    ("target", "expected"),
    [([0, 60], [0, 140]), ([-1, 60], [-1, 140]), ([2, -1], None)],
)
def test_the_sizes_that_another_number_of_channels_gives(
    target: list[int], expected: list[int] | None, runtime: Runtime
) -> None:
    facts = facts_of(runtime, f"{HEAD} {{ y = Reshape(x, to) }}", {"to": np.array(target)})
    new = operands(facts.producer["y"], (3, 7))
    assert [(index, value.tolist()) for index, value in new.items()] == ([] if expected is None else [(1, expected)])


def test_only_reshapes_state_channels(runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{HEAD} {{ t = Flatten(x) y = Clip(t, low) }}", {"low": np.array(0.0)})
    assert operands(facts.producer["t"], (3, 7)) == operands(facts.producer["y"], (3, 7)) == {}
    assert [is_elementwise(facts.producer[name]) for name in "ty"] == [False, True]
