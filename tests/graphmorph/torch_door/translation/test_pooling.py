"""Pooling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.graphmorph.torch_door.translation.imported import check, compare, import_text, layers, refusal, run_torch

TWO = "g (float[N,3,H,W] x) => (float[N,3,h,w] y)"


def node(op: str, **attributes: object) -> str:
    return f"{{ y = {op}<{', '.join(f'{name}={value}' for name, value in attributes.items())}>(x) }}"


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("dtype", ["float", "double"])
def test_pools_become_modules(op: str, rank: int, dtype: str) -> None:
    dims = ",".join("DHW"[-rank:])
    attributes = {"kernel_shape": [3] * rank, "strides": [2] * rank, "pads": [1] * (2 * rank)}
    text = f"g (float[N,3,{dims}] x) => (float[N,3,{dims.lower()}] y) {node(op, **attributes)}"
    made = layers(check(text, dtype=dtype, x=(2, 3, *[7] * rank)))
    assert made[0].startswith(f"{op.replace('Average', 'Avg')}{rank}d(")


@st.composite
def windows(draw: st.DrawFn) -> dict[str, list[int]]:
    kernel = draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))
    return {
        "kernel_shape": kernel,
        "strides": draw(st.lists(st.integers(1, 3), min_size=2, max_size=2)),
        "pads": [draw(st.integers(0, k - 1)) for k in kernel * 2],
    }


@settings(max_examples=40, deadline=None)
@given(windows(), st.lists(st.integers(1, 2), min_size=2, max_size=2), st.booleans())
def test_any_max_pool(window: dict[str, list[int]], dilations: list[int], ceil: bool) -> None:
    """Pads that torch's pool takes, and larger ones; only ceil_mode with the latter is refused."""
    text = f"{TWO} {node('MaxPool', dilations=dilations, ceil_mode=int(ceil), **window)}"
    pads, kernel = window["pads"], window["kernel_shape"]
    halves = all(2 * p <= k for p, k in zip(pads, kernel * 2, strict=True))
    if ceil and not (pads[:2] == pads[2:] and halves):
        assert "ceil_mode with pads that torch's pool does not take" in refusal(text)
    else:
        check(text, x=(2, 3, 11, 10))


def test_pads_of_more_than_half_an_undilated_kernel() -> None:
    pads = node("MaxPool", kernel_shape=[1, 3], strides=[1, 1], pads=[0, 2, 0, 2], dilations=[1, 2])
    check(f"{TWO} {pads}", x=(2, 3, 11, 10))


@settings(max_examples=60, deadline=None)
@given(windows(), st.booleans(), st.booleans())
def test_any_average_pool(window: dict[str, list[int]], counted: bool, ceil: bool) -> None:
    text = f"{TWO} {node('AveragePool', count_include_pad=int(counted), ceil_mode=int(ceil), **window)}"
    pads, kernel = window["pads"], window["kernel_shape"]
    inside = pads[:2] == pads[2:] and all(2 * p <= k for p, k in zip(pads, kernel * 2, strict=True))
    if inside or (counted and not ceil):
        check(text, x=(2, 3, 11, 10))
    else:
        assert "that torch's pool does not take" in refusal(text)


def test_a_plain_average_pool_keeps_its_pads() -> None:
    text = f"{TWO} {node('AveragePool', kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)}"
    assert layers(check(text, x=(2, 3, 5, 5))) == ["AvgPool2d(kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"]


@pytest.mark.parametrize("opset", [11, 12, 19, 22])
@pytest.mark.parametrize("size", range(5, 10))
def test_windows_that_start_in_the_right_pad_are_ignored(opset: int, size: int) -> None:
    """Said by version 22 of the operators; onnxruntime does so in all."""
    shared = {"kernel_shape": [3, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    check(f"{TWO} {node('MaxPool', **shared)}", opset=opset, x=(1, 3, size, size))
    check(f"{TWO} {node('AveragePool', **shared)}", opset=opset, x=(1, 3, size, size))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool<p=3>"])
def test_global_pools(op: str, rank: int) -> None:
    dims = ",".join("ABCD"[:rank])
    text = f"g (float[N,3,{dims}] x) => (float[N,3{',1' * rank}] y) {{ y = {op}(x) }}"
    module = check(text, x=(2, 3, *range(2, 2 + rank)))
    adaptive = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    if op == "GlobalAveragePool":
        assert isinstance(module.get_submodule("y"), adaptive)


@pytest.mark.parametrize(("op", "function"), [("GlobalAveragePool", np.mean), ("GlobalMaxPool", np.max)])
def test_global_pools_over_four_axes(op: str, function: Callable[..., np.ndarray]) -> None:
    """Neither torch's modules nor onnxruntime have them."""
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 3, 2, 3))
    module = import_text(f"g (double[N,3,A,B,C,D] x) => (double y) {{ y = {op}(x) }}")
    compare(run_torch(module, x), [function(x, axis=(2, 3, 4, 5), keepdims=True)], 1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1]])
def test_lp_pool(p: int, pads: list[int]) -> None:
    check(f"{TWO} {node('LpPool', kernel_shape=[2, 3], strides=[2, 1], pads=pads, p=p)}", x=(2, 3, 6, 7))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{TWO} {node('MaxPool', kernel_shape=[2, 2], pads=[2, 0, 0, 0])}", "may lie in its pads altogether"),
        (f"{TWO} {node('AveragePool', kernel_shape=[2, 2], dilations=[2, 1])}", "torch's average pools have none"),
        (f"{TWO} {node('AveragePool', kernel_shape=[2, 2], pads=[0, 0, 1, 1])}", "count_include_pad=1 could be"),
        (
            f"{TWO} {node('MaxPool', kernel_shape=[2, 2], auto_pad=chr(34) + 'SAME_LOWER' + chr(34))}",
            "auto_pad is SAME",
        ),
        (f"{TWO} {node('LpPool', kernel_shape=[2, 2], ceil_mode=1)}", "torch's Lp pool has no such window"),
        ("g (float[N,3] x) => (float[N,3] y) { y = GlobalMaxPool(x) }", "its input has rank 2, so no spatial axes"),
        (
            "g (float[N,3,H] x) => (float[N,3,h] y, int64[N,3,h] i) { y, i = MaxPool<kernel_shape=[2]>(x) }",
            "it gives indices, which count otherwise in torch",
        ),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_pads_of_a_maximum_never_win() -> None:
    """Below zero everywhere; the pads exceed half of the window."""
    text = f"{TWO} {node('MaxPool', kernel_shape=[3, 3], pads=[2, 2, 2, 2])}"
    check(text, x=-np.ones((1, 3, 4, 4), np.float32))
