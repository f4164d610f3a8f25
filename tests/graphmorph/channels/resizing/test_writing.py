"""ScatterND: indices into what loses elements, which say for each of them what is written there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from graphmorph.runtime import Runtime
from tests.graphmorph.channels.removed_text import assert_equals_masked, removed
from tests.passes.text_models import Weight, build

TEXT = """g (float[1,3,4,5] x) => (float[1,2,4,5] y) {
    a = Conv(x, w)
    m = Mul(a, k)
    b = ScatterND(m, i, u)
    l = Mul(b, k)
    y = Conv(l, v)
}"""


def mesh(*places: Iterable[int]) -> NDArray[np.int64]:
    return np.stack(np.meshgrid(*map(list, places), indexing="ij"), axis=-1).astype(np.int64)


def weights(channels: list[int], rows: list[int]) -> dict[str, Weight]:
    return {
        "w": (6, 3, 1, 1),
        "k": np.ones((6, 1, 1)),
        "v": (2, 6, 1, 1),
        "i": mesh([0], channels, rows, range(5)),
        "u": (1, len(channels), len(rows), 5),
    }


@pytest.mark.parametrize(
    ("channels", "expected"),
    [([0, 1, 2, 3, 4, 5], [0, 1, 2, 3]), ([5, -2, 0], [3, 0]), ([1, 4, 2], [1]), ([2, 3], [1, 2])],
)
def test_indices_count_what_is_kept(runtime: Runtime, channels: list[int], expected: list[int]) -> None:
    """1 and 4 go, and with them what is written there."""
    result = removed(build(TEXT, weights(channels, [0, 3])), runtime, [1, 4])
    assert_equals_masked(result, {"x": (1, 3, 4, 5)})
    assert result.read_by("b", 1)[1::4] == [place for place in expected for _ in range(2 * 5)]
    assert result.read_by("b", 1)[2::4] == ([0] * 5 + [3] * 5) * len(expected)


def test_all_that_is_written_goes(runtime: Runtime) -> None:
    """Nothing would be left of what is written into channel 1 alone: that one must stay."""
    result = removed(build(TEXT, weights([1, 4], [0])), runtime, [4])
    assert_equals_masked(result, {"x": (1, 3, 4, 5)})
    assert result.read_by("b", 1)[1::4] == [1] * 5


def test_trailing_axes_pass(runtime: Runtime) -> None:
    """A module's x[:, :, 0] = u, of which the door brings the axis that is indexed to the front."""
    text = """g (float[N,3,4,5] x) => (float[N,2,4,5] y) {
        a = Conv(x, w)
        m = Mul(a, k)
        t = Transpose<perm=[2,0,1,3]>(m)
        s = ScatterND(t, i, u)
        b = Transpose<perm=[1,2,0,3]>(s)
        l = Mul(b, k)
        y = Conv(l, v)
    }"""
    given: dict[str, Weight] = {**weights([0], [0]), "i": np.array([[0]]), "u": (1, 1, 6, 5)}
    result = removed(build(text, given), runtime, [1, 4])
    assert_equals_masked(result, {"x": (1, 3, 4, 5)})
