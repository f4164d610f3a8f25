"""Sums compared, kind by kind."""

from __future__ import annotations

import numpy as np

from graphmorph.activations.watches import SumsByTensor


def assert_same(found: SumsByTensor, expected: SumsByTensor, tolerance: float = 1e-12) -> None:
    """The same tensors, and every sum the same but for the rounding of additions."""
    assert found.keys() == expected.keys()
    for key, one in expected.items():
        arrays = found[key].arrays()
        for name, array in one.arrays().items():
            scale = np.abs(array).max(initial=0)
            np.testing.assert_allclose(arrays[name], array, rtol=0, atol=tolerance * scale, err_msg=f"{key} {name}")
        assert arrays.keys() == one.arrays().keys()
