"""Whatever is claimed of constants behind a pool holds in onnxruntime, for all kinds of windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.graphmorph.channels.values.oracle import check
from tests.graphmorph.channels.values.planted import planted


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, int, int, int, int]:
    """Along one axis: the size, of the window and of the input, then stride, dilation, and pads that runtimes take."""
    taps = draw(st.integers(1, 4))
    pads = draw(st.tuples(*[st.integers(0, taps - 1)] * 2))
    apart, stride = draw(st.integers(1, 2)), draw(st.integers(1, 5))
    return taps, draw(st.integers(max(1, (taps - 1) * apart + 1 - sum(pads)), 9)), stride, apart, *pads


@given(axes(), axes(), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_constants(
    one: tuple[int, ...], other: tuple[int, ...], largest: bool, ceil: bool, counted: bool, free: bool
) -> None:
    taps, sizes, strides, apart, before, after = (list(pair) for pair in zip(one, other, strict=True))
    attributes = f"kernel_shape={taps}, strides={strides}, dilations={apart}, pads={before + after}"
    attributes += f", ceil_mode={int(ceil)}" + ("" if largest else f", count_include_pad={int(counted)}")
    text = f"y = {'MaxPool' if largest else 'AveragePool'}<{attributes}>(t)"
    model = planted(text, shape=f"2,4,{sizes[0]},{'W' if free else sizes[1]}", opset=19)
    found = check(model, free=max(8, sizes[1]), kinds=("usual",)).constant("y")
    assert found is not None
    padded = any(before + after) or ceil or max(apart) > 1
    assert padded or 0.75 in np.round(found, 6)
