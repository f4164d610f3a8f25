"""Constants behind means over windows with zeros: removed where every window holds as many elements, else kept."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import assert_same_function, build, initializers, run, weights_of

TEXT = """g (float[N,3,8,8] x) => (float[N,4,h,w] y) {
    a = Conv<strides=[STRIDE,STRIDE]>(x, w, b)
    r = Relu(a)
    p = AveragePool<kernel_shape=[3,3], POOL>(r)
    d = Conv(p, v)
    y = Relu(d)
}"""


@pytest.mark.parametrize(
    ("stride", "pool", "left"),
    [
        (8, "pads=[1,1,1,1], count_include_pad=1", 4),
        (4, "pads=[1,1,1,1], count_include_pad=1", 4),
        (2, "pads=[1,1,1,1], count_include_pad=1", 5),
        (2, "pads=[1,1,1,1], count_include_pad=0", 4),
        (1, "strides=[2,2], ceil_mode=1, count_include_pad=0", 4),
        (1, "strides=[2,2], ceil_mode=1, count_include_pad=1", 5),
    ],
)
def test_constants_behind_a_mean(stride: int, pool: str, left: int, runtime: Runtime) -> None:
    """One of two channels that nothing makes is zero, and goes anyway."""
    weights = weights_of({"w": (6, 3, 1, 1), "b": (6,), "v": (4, 6, 1, 1)})
    weights["w"][[2, 4]] = 0
    weights["b"][[2, 4]] = 0.5, 0
    ran = run(
        build(TEXT.replace("STRIDE", str(stride)).replace("POOL", pool), weights),
        runtime,
        "fold-constants",
        "remove-channels",
    )
    assert tuple(initializers(ran.after)["v"].dims) == (4, left, 1, 1)
    assert_same_function(ran, {"x": (2, 3, 8, 8)})
    assert (np.asarray(weights["v"]) != 0).all()
