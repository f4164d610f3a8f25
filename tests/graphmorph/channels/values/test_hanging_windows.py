"""The mean of a constant is the constant, or a part of it, where all windows hold as many elements.

With zeros that count, the last window that hangs over the edge is not known: onnxruntime counts what hangs over up to
version 1.20, and does not any more.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.channels.values.oracle import check, constants
from tests.graphmorph.channels.values.planted import planted
from tests.passes.text_models import build, weights_of

TEXT = """g (float[2,3,SIZE] x) => (y) {
    a = Conv(x, w, b)
    y = AveragePool<kernel_shape=[2,2], strides=[STRIDE,STRIDE], ceil_mode=1, count_include_pad=INCLUDE>(a)
}"""


@pytest.mark.parametrize(
    ("size", "stride", "include", "known"),
    [
        ("8,8", 2, 0, True),
        ("8,8", 2, 1, True),
        ("8,7", 2, 0, True),
        ("8,7", 2, 1, False),
        ("8,W", 2, 0, True),
        ("8,W", 2, 1, False),
        ("8,W", 3, 0, False),
    ],
)
def test_means_of_constants(size: str, stride: int, include: int, known: bool) -> None:
    """With these strides and free sizes, some runtimes have a window of nothing behind the edge."""
    weights = weights_of({"w": (4, 3, 1, 1), "b": (4,)})
    weights["w"][2] = 0
    text = TEXT.replace("SIZE", size).replace("INCLUDE", str(include)).replace("STRIDE", str(stride))
    found = check(build(text, weights), free=6).constant("y")
    assert found is not None
    assert (not np.isnan(found).all()) == known


@pytest.mark.parametrize(
    ("attributes", "size", "part"),
    [
        ("pads=[1,1,1,1], count_include_pad=1", "1,1", 1 / 9),
        ("pads=[1,1,1,1], count_include_pad=1", "2,1", 2 / 9),
        ("pads=[1,1,1,1], count_include_pad=1", "3,1", None),
        ("count_include_pad=1, strides=[3,3]", "2,2", None),
        ("pads=[1,1,1,1], count_include_pad=1, strides=[8,8]", "8,8", 4 / 9),
        ("pads=[1,1,1,1], count_include_pad=1, strides=[2,2]", "8,8", None),
        ("pads=[1,1,1,1], count_include_pad=1, strides=[8,1]", "8,W", None),
        ("pads=[1,0,1,0], count_include_pad=1, strides=[8,1]", "8,W", 2 / 3),
        ("pads=[1,1,1,1], strides=[2,2]", "8,W", 1),
        ('auto_pad="SAME_UPPER", strides=[2,2]', "7,W", 1),
    ],
)
def test_parts_of_constants(attributes: str, size: str, part: float | None) -> None:
    values = check(planted(f"y = AveragePool<kernel_shape=[3,3], {attributes}>(t)", shape=f"2,4,{size}"), free=6)
    found = constants(values, "y")
    assert found[2] == 0
    np.testing.assert_allclose(found[3], np.nan if part is None else 0.75 * part, rtol=1e-6)
    assert np.isnan(found[:2]).all()


@pytest.mark.parametrize("pool", ["AveragePool", "MaxPool"])
def test_taps_that_all_miss(pool: str) -> None:
    """One tap lies before the only element, the other one behind it. Along a longer axis, one of them is inside."""
    text = f"y = {pool}<kernel_shape=[2,2], dilations=[2,1], pads=[1,0,1,0]>(t)"
    for size, known in ((1, False), (2, True), (3, True)):
        model = planted(text, shape=f"2,4,{size},8", opset=19)
        found = check(model, kinds=("usual",) if known else ()).constant("y")
        assert found is not None
        assert (0.75 in found) == known
