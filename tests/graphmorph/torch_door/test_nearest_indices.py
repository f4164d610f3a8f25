"""Which elements nearest-neighbour resizing takes: what is called the same is what torch takes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional as F

from graphmorph.torch_door.nearest_indices import same_elements


@given(st.integers(1, 64), st.integers(1, 8), st.booleans())
def test_whole_scales_are_safe(source, scale, exact):
    assert same_elements(source, source * scale, None, exact=exact)
    assert same_elements(source, source * scale, float(scale), exact=exact)


@pytest.mark.parametrize(("source", "target", "exact"), [(14, 46, False), (14, 2, False), (4, 41, True)])
def test_edges_are_told(source, target, exact):
    assert not same_elements(source, target, None, exact=exact)


@given(st.integers(1, 40), st.floats(0.05, 4))
def test_safe_positions_are_torchs(source, scale):
    target = int(source * scale)
    assume(target > 0 and same_elements(source, target, scale, exact=False))
    taken = F.interpolate(torch.arange(float(source))[None, None], scale_factor=scale, mode="nearest")[0, 0]
    positions = torch.arange(target, dtype=torch.float64) / torch.tensor(scale, dtype=torch.float32).double()
    assert torch.equal(taken.double(), positions.floor().clamp(max=source - 1))
