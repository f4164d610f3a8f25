"""Conv and ConvTranspose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.graphmorph.torch_door.translation.imported import check, import_text, layers, refusal

AXES = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def spatial(rank: int) -> str:
    return ",".join("DHW"[-rank:])


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_convolution_becomes_a_module(rank: int, dtype: str) -> None:
    sizes = spatial(rank)
    text = f"g (float[N,4,{sizes}] x) => (float[N,6,{sizes.lower()}] y) {{ y = Conv<group=2>(x, w, b) }}"
    weights = {"w": (6, 2, *[3] * rank), "b": (6,)}
    module = check(text, weights, dtype=dtype, x=(2, 4, *[7] * rank))
    assert type(module.get_submodule("y")) is AXES[rank]
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "y.weight": (6, 2, *[3] * rank),
        "y.bias": (6,),
    }


def attributes(**values: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


@st.composite
def windows(draw: st.DrawFn) -> dict[str, list[int]]:
    pair = st.lists(st.integers(1, 3), min_size=2, max_size=2)
    return {
        "strides": draw(pair),
        "dilations": draw(pair),
        "pads": draw(st.lists(st.integers(0, 3), min_size=4, max_size=4)),
    }


@settings(max_examples=30, deadline=None)
@given(windows(), st.sampled_from([1, 2]), st.booleans(), st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_any_window(window: dict[str, list[int]], group: int, bias: bool, kernel: tuple[int, int]) -> None:
    node = f"y = Conv<{attributes(group=group, **window)}>(x, w{', b' if bias else ''})"
    weights = {"w": (4, 4 // group, *kernel)} | ({"b": (4,)} if bias else {})
    check(f"g (float[N,4,H,W] x) => (float[N,4,h,w] y) {{ {node} }}", weights, x=(2, 4, 12, 13))


@settings(max_examples=30, deadline=None)
@given(windows(), st.sampled_from([1, 2]), st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_any_transposed_window(window: dict[str, list[int]], group: int, extra: tuple[int, int]) -> None:
    extra = tuple(min(e, stride - 1) for e, stride in zip(extra, window["strides"], strict=True))
    node = f"y = ConvTranspose<{attributes(group=group, output_padding=list(extra), **window)}>(x, w, b)"
    text = f"g (float[N,4,H,W] x) => (float[N,6,h,w] y) {{ {node} }}"
    weights = {"w": (4, 6 // group, 3, 2), "b": (6,)}
    ends = window["pads"][2:]
    if window["pads"][:2] == ends or all(e <= p for e, p in zip(extra, ends, strict=True)):
        check(text, weights, x=(2, 4, 9, 8))
    else:
        assert "exceeds the pads" in refusal(text, weights)


def test_pads_that_are_alike_stay_in_the_module() -> None:
    text = "g (float[N,3,H,W] x) => (float[N,4,h,w] y) { y = Conv<pads=[1,2,1,2]>(x, w) }"
    assert layers(import_text(text, {"w": (4, 3, 3, 3)})) == [
        "Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 2), bias=False)"
    ]


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_weights_that_are_computed(op: str) -> None:
    """As in a hypernetwork: the function instead of the module."""
    node = f"v = Abs(w) y = {op}<kernel_shape=[3,3], pads=[1,0,1,0], strides=[2,1]>(x, v, b)"
    module = check(
        f"g (float[N,4,H,W] x, float[4,4,3,3] w) => (float[N,4,h,w] y) {{ {node} }}",
        {"b": (4,)},
        x=(2, 4, 6, 5),
        w=(4, 4, 3, 3),
    )
    assert layers(module) == []


def test_valid_pads_by_name() -> None:
    text = 'g (float[N,3,H,W] x) => (float[N,4,h,w] y) { y = Conv<auto_pad="VALID">(x, w) }'
    check(text, {"w": (4, 3, 3, 3)}, x=(1, 3, 5, 5))


def test_the_same_constants_make_one_module() -> None:
    text = "g (float[N,4,H,W] x) => (float[N,4,h,w] y) { t = Conv(x, w) y = Conv(t, w) }"
    assert len(layers(check(text, {"w": (4, 4, 3, 3)}, x=(1, 4, 7, 7)))) == 1


def test_parameters_are_trained_as_they_are() -> None:
    text = "g (float[N,3,H,W] x) => (float[N,4,h,w] y) { y = Conv(x, w) }"
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    parameter = import_text(text, {"w": weight}).get_parameter("y.weight")
    assert parameter.requires_grad
    np.testing.assert_array_equal(parameter.detach().numpy(), weight)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ('Conv<auto_pad="SAME_UPPER">(x, w)', "node y (Conv): no translation to torch: auto_pad is SAME_UPPER"),
        ("ConvTranspose<output_shape=[9,9]>(x, w)", "output_shape is given; replace it by the pads"),
        ("ConvTranspose<strides=[2,2], output_padding=[2,2]>(x, w)", "not below stride or dilation, as torch asks"),
    ],
)
def test_what_is_refused(node: str, reason: str) -> None:
    text = f"g (float[N,4,8,8] x) => (float[N,4,h,w] y) {{ y = {node} }}"
    assert reason in refusal(text, {"w": (4, 4, 3, 3)})


def test_four_spatial_axes_are_refused() -> None:
    text = "g (float[N,2,A,B,C,D] x) => (float[N,2,a,b,c,d] y) { y = Conv(x, w) }"
    assert "4 spatial axes; torch has windows over 1 to 3" in refusal(text, {"w": (2, 2, 1, 1, 1, 1)})
