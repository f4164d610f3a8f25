"""Where pooling windows lie: torch's own output sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional as F

from graphmorph.torch_door.pooling_windows import PoolingWindows


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3))
def test_overhanging_and_dropped_windows(size, kernel, stride, pad, dilation):
    assume(2 * pad <= kernel and size + 2 * pad > dilation * (kernel - 1))
    x = torch.zeros(1, 1, size)
    down, up = (F.max_pool1d(x, kernel, stride, pad, dilation, ceil_mode=mode).shape[2] for mode in (False, True))
    windows = PoolingWindows([size], [kernel], [stride], [pad], [dilation])
    assert (windows.overhanging(0) and not windows.dropped(0)) == (up > down)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3))
def test_empty_windows(size, kernel, stride, pad, dilation):
    assume(2 * pad <= kernel and size + 2 * pad > dilation * (kernel - 1))
    out = F.max_pool1d(torch.zeros(1, 1, size), kernel, stride, pad, dilation)
    windows = PoolingWindows([size], [kernel], [stride], [pad], [dilation])
    assert windows.empty(0, out.shape[2]) == bool(torch.isinf(out).any())


@pytest.mark.parametrize(("kernel", "volume"), [([2], 2), ([2, 3], 6), ([1, 2, 3], 6)])
def test_volume(kernel, volume):
    ones = [1] * len(kernel)
    assert PoolingWindows(ones, kernel, ones, ones, ones).volume == volume
