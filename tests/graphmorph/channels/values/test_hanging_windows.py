"""The mean of a constant is the constant, unless the last window hangs over the edge, where runtimes differ."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check
from tests.passes.text_models import build, weights_of

TEXT = """g (float[2,3,SIZE] x) => (y) {
    a = Conv(x, w, b)
    y = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1, count_include_pad=INCLUDE>(a)
}"""


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(("size", "known"), [("8,8", True), ("8,7", False), ("8,W", False)])
def test_means_of_constants(size: str, known: bool, include: int) -> None:
    weights = weights_of({"w": (4, 3, 1, 1), "b": (4,)})
    weights["w"][2] = 0
    text = TEXT.replace("SIZE", size).replace("INCLUDE", str(include))
    found = check(build(text, weights), free=6).constant("y")
    assert found is not None
    assert (not np.isnan(found).all()) == known
