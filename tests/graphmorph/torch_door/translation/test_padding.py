"""Pad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphmorph.torch_door.translation.imported import check, refusal

NCHW = "g (float[2,3,5,6] x) => (float y)"
FREE = "g (float[N,C,H,W] x) => (float y)"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=8, max_size=8), st.sampled_from([None, 0.0, -2.5]))
def test_any_constant_pad(pads: list[int], value: float | None) -> None:
    weights = {"p": ints(*pads)} | ({} if value is None else {"v": np.asarray(value, np.float32)})
    check(f"{FREE} {{ y = Pad(x, p{'' if value is None else ', v'}) }}", weights, x=(2, 3, 5, 6))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.sampled_from(["reflect", "edge", "wrap"]))
def test_any_pad_by_content(pads: list[int], mode: str) -> None:
    top, left, bottom, right = pads
    check(
        f'{FREE} {{ y = Pad<mode="{mode}">(x, p) }}',
        {"p": ints(0, 0, top, left, 0, 0, bottom, right)},
        x=(2, 3, 5, 6),
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(
    ("shape", "pads"), [((4, 5), (0, 2, 0, 1)), ((3, 4, 5), (0, 1, 2, 0, 3, 1)), ((2, 3, 5), (0, 0, 2, 0, 0, 1))]
)
def test_other_ranks(mode: str, shape: tuple[int, ...], pads: tuple[int, ...]) -> None:
    text = f'g (float{[*shape]} x) => (float y) {{ y = Pad<mode="{mode}">(x, p) }}'
    check(text, {"p": ints(*pads)}, x=shape)


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_pads_of_named_axes(mode: str) -> None:
    weights = {"p": ints(1, 2, 0, 1), "a": ints(-1, 2)}
    check(f'{FREE} {{ y = Pad<mode="{mode}">(x, p, , a) }}', weights, x=(2, 3, 5, 6))


@pytest.mark.parametrize("kind", ["int64", "int32", "bool", "double"])
def test_other_types(kind: str) -> None:
    dtype = {"double": np.float64}.get(kind, kind)
    x = np.arange(6).reshape(2, 3).astype(dtype)
    weights = {"p": ints(0, 1, 1, 2), "v": np.asarray(1).astype(dtype)}
    check(
        f"g ({kind}[2,3] x) => ({kind} y) {{ y = Pad(x, p, v) }}",
        weights,
        dtype="double" if kind == "double" else "float",
        x=x,
    )


def test_pads_by_attributes() -> None:
    check(f"{FREE} {{ y = Pad<pads=[0,0,1,2,0,0,0,1], value=1.5>(x) }}", opset=10, x=(2, 3, 5, 6))
    check(f'{FREE} {{ y = Pad<pads=[0,0,1,2,0,0,0,1], mode="edge">(x) }}', opset=10, x=(2, 3, 5, 6))


@pytest.mark.parametrize(
    ("mode", "pads", "reason"),
    [
        ("reflect", (0, 0, 5, 0, 0, 0, 0, 0), "it pads axis 2 of size 5 by 5; reflect by less than the size"),
        ("wrap", (0, 0, 6, 0, 0, 0, 0, 0), "it pads axis 2 of size 5 by 6; wrap by less than the size"),
        ("edge", (1, 0, 0, 0, 0, 0, 0, 0), "it pads 4 of 4 axes by edge; pad fewer axes"),
        ("reflect", (0, 0, -1, 1, 0, 0, 0, 0), "it cuts, and pads by reflect; use Slice for the negative pads"),
    ],
)
def test_what_is_refused(mode: str, pads: tuple[int, ...], reason: str) -> None:
    assert reason in refusal(f'{NCHW} {{ y = Pad<mode="{mode}">(x, p) }}', {"p": ints(*pads)})
