"""Constants and duplicates behind a border that is written over, as unfused diverse branch blocks have it."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.values.test_scattering import SIDES
from tests.passes.text_models import assert_same_function, build, initializers, run, weights_of

TEXT = """g (float[2,3,8,8] x) => (float[2,4,8,8] y) {
    a = Conv(x, w, b)
    s = Pad(a, pads)
    s0 = ScatterND(s, i0, u0)
    s1 = ScatterND(s0, i1, u1)
    s2 = ScatterND(s1, i2, u2)
    s3 = ScatterND(s2, i3, u3)
    d = Conv(s3, v)
    y = Relu(d)
}"""


@pytest.mark.parametrize(
    ("changed", "left"),
    [({}, 4), ({2: 0.25}, 5), ({4: 0.25}, 5), ({2: 0.25, 4: 0.25}, 6)],
    ids=["as inside", "another constant", "another duplicate", "both"],
)
def test_a_border_that_is_written_over(changed: dict[int, float], left: int, runtime: Runtime) -> None:
    """Channel 2 is a constant, and 4 is equal to 1. changed: on the right side only, by channel."""
    weights = weights_of({"w": (6, 3, 1, 1), "b": (6,), "v": (4, 6, 3, 3)})
    weights["w"][2] = 0
    weights["w"][4], weights["b"][4] = weights["w"][1], weights["b"][1]
    weights["pads"] = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    for number, (rows, columns) in enumerate(SIDES):
        border = weights["b"].copy()
        for channel, value in changed.items() if number == 3 else ():
            border[channel] = value
        places = np.arange(2), np.arange(6), np.arange(10)[rows], np.arange(10)[columns]
        weights[f"i{number}"] = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1)
        shape = weights[f"i{number}"].shape[:-1]
        weights[f"u{number}"] = np.broadcast_to(border[:, np.newaxis, np.newaxis], shape).copy()
    ran = run(build(TEXT, weights), runtime, "fold-constants", "remove-channels")
    assert tuple(initializers(ran.after)["v"].dims) == (4, left, 3, 3)
    assert_same_function(ran, {"x": (2, 3, 8, 8)})
