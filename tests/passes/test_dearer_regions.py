"""Fewer nodes do not pay for more multiply-adds: a crop is not turned into a convolution of its own."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.passes.text_models import build, norm, run

CROP = {
    "s3": np.array([[[2.0]], [[3.0]], [[-1.0]]]),
    "from": np.array([0]),
    "to": np.array([4]),
    "axes": np.array([2]),
}


@pytest.mark.parametrize(("before", "last"), [("a = Neg (r)", "a"), ("a = Neg (r) c = Mul (a, s3)", "c")])
def test_scales_and_a_crop_do_not_become_a_convolution(runtime: Runtime, before: str, last: str) -> None:
    steps = f"r = Relu (x) {before} n = BatchNormalization ({last}, s, b, m, v) y = Slice (n, from, to, axes)"
    text = f"g (float[1,3,6,6] x) => (float[1,3,4,6] y) {{ {steps} }}"
    ran = run(build(text, {**norm(3), **CROP}), runtime, "fuse-branches", "fold-batchnorm")
    assert "Conv" not in ran.ops
    assert ran.result.after.macs == 0
