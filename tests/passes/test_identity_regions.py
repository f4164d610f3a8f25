"""Regions that compute their own source: the clean-up of the next sweep takes what is left of them."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import assert_same_function, assert_untouched, build, run

ONE = {"one": np.ones((3, 1, 1)), "zero": np.zeros((3, 1, 1))}


def test_a_multiplication_by_one_stays(runtime: Runtime) -> None:
    text = "g (float[1,3,4,4] x) => (float[1,3,4,4] y) { r = Relu (x) a = Mul (r, one) y = Relu (a) }"
    ran = run(build(text, {"one": np.ones((3, 1, 1))}), runtime)
    assert_untouched(ran)


@pytest.mark.parametrize("reader", ["y = Relu (b)", "y = Identity (b)"])
def test_several_nodes_that_do_nothing_go(runtime: Runtime, reader: str) -> None:
    steps = f"r = Relu (x) a = Mul (r, one) b = Add (zero, a) {reader}"
    ran = run(build(f"g (float[1,3,4,4] x) => (float[1,3,4,4] y) {{ {steps} }}", ONE), runtime)
    assert ran.ops == {"Relu": steps.count("Relu")}
    assert "Mul, Add -> 1 node" in ran.summaries
    assert_same_function(ran, {"x": (1, 3, 4, 4)})


def test_two_negations_become_one_node(runtime: Runtime) -> None:
    text = "g (float[1,3,4,4] x) => (float[1,3,4,4] y) { r = Relu (x) a = Neg (r) b = Neg (a) y = Relu (b) }"
    ran = run(build(text), runtime)
    assert ran.ops == {"Relu": 2, "Mul": 1}
    assert_same_function(ran, {"x": (1, 3, 4, 4)})
