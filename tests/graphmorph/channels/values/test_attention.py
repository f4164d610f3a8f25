"""Softmax weights average what they are multiplied by; they do not where they run along another axis."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants
from tests.passes.text_models import build, weights_of

TEXT = """g (float[2,5,4] x) => (float[2,5,3] y) {
    q = MatMul(x, w)
    k = Transpose<perm=[0,2,1]>(x)
    s = MatMul(q, k)
    p = Softmax<axis=AXIS>(s)
    v = MatMul(x, u)
    h = Add(v, b)
    y = MatMul(p, h)
}"""


@pytest.mark.parametrize(("axis", "known"), [(-1, True), (2, True), (1, False)])
def test_a_mean_of_equal_values_is_that_value(axis: int, known: bool) -> None:
    weights = weights_of({"w": (4, 4), "u": (4, 3), "b": (3,)})
    weights["u"][:, 1] = 0
    found = constants(check(build(TEXT.replace("AXIS", str(axis)), weights)), "y")
    assert (len(found) > 1 and found[1] == pytest.approx(float(weights["b"][1]))) == known
    assert np.isnan(found[0])
