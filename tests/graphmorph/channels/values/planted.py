"""Models that begin with a convolution whose channels are planted: what follows it is up to the test."""

from __future__ import annotations

import re

import numpy as np
import onnx

from tests.passes.text_models import Weight, build

NAN = float("nan")

#: Channels of `t`: 0 and 1 are duplicates, 2 is 0, 3 is 0.75, 4 and 5 are neither; 5 of `p` is dead by its sign.
PLANTED = "x0 = Relu(x) t = Conv(x0, w0, b0) p = Relu(t)"


def planted(
    text: str,
    weights: dict[str, Weight] | None = None,
    *,
    shape: str = "N,4,8,8",
    opset: int = 17,
    dtype: str = "float",
    ir: int = 8,
) -> onnx.ModelProto:
    """A model of some steps on t and p, with six channels."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((6, 4, 1, 1))
    rows[1], rows[2], rows[3], rows[5] = rows[0], 0.0, 0.0, -np.abs(rows[5])
    bias = np.array([0.25, 0.25, 0.0, 0.75, 0.5, -0.125])
    own: dict[str, Weight] = {"w0": rows, "b0": bias, **(weights or {})}
    output = re.findall(r"(\w+) = ", text)[-1]
    body = f"g (float[{shape}] x) => ({output}) {{ {PLANTED} {text} }}"
    return build(body, own, opset=opset, dtype=dtype, ir=ir)
