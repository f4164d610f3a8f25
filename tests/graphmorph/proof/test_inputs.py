"""Inputs that are drawn, and sizes that are guessed."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.proof.inputs import Case, InputSpec, draw, fix_shapes, guess_shapes, input_specs, jitter

IMAGE = InputSpec("x", "float32", ("N", 3, "H", "W"))
TOKENS = InputSpec("ids", "int64", ("N", "L"))
MASK = InputSpec("attention_mask", "int64", ("N", "L"))


def test_a_symbol_has_one_size() -> None:
    for shapes in guess_shapes([TOKENS, MASK]):
        assert shapes["ids"] == shapes["attention_mask"]


def test_unnamed_batch_dimensions_go_together() -> None:
    specs = [InputSpec("a", "float32", (None, 4)), InputSpec("b", "float32", (None, 5))]
    for shapes in guess_shapes(specs):
        assert shapes["a"][0] == shapes["b"][0]


def test_fixed_shapes_are_tried_once() -> None:
    assert list(guess_shapes([InputSpec("x", "float32", (2, 3))])) == [{"x": (2, 3)}]
    assert list(guess_shapes([])) == [{}]


def test_guesses_hold_the_common_sizes() -> None:
    sizes = {shapes["x"][2:] for shapes in guess_shapes([IMAGE])}
    assert {(224, 224), (32, 32), (28, 28)} <= sizes


def test_given_shapes_reach_the_same_symbols() -> None:
    fixed = fix_shapes([TOKENS, MASK], {"ids": (2, 7)})
    assert [spec.shape for spec in fixed] == [(2, 7), (2, 7)]


def test_given_shapes_are_checked() -> None:
    with pytest.raises(UsageError, match="2 sizes given"):
        fix_shapes([IMAGE], {"x": (1, 3)})
    with pytest.raises(UsageError, match=r"\[1,4,8,8\] does not fit the shape \[N,3,H,W\]"):
        fix_shapes([IMAGE], {"x": (1, 4, 8, 8)})


def test_inputs_that_are_no_tensors() -> None:
    with pytest.raises(UsageError, match=r"seq\(tensor\(float\)\)"):
        input_specs([{"name": "s", "type": "seq(tensor(float))", "shape": []}])


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "bfloat16", "bool", "int8", "uint8", "int32", "int64", "str"]
)
@pytest.mark.parametrize("style", ["normal", "unit", "ones"])
def test_every_type_is_drawn(dtype: str, style: str) -> None:
    array = draw(np.random.default_rng(0), dtype, (3, 4), style)
    assert array.shape == (3, 4)
    assert array.dtype.name == ("object" if dtype == "str" else dtype)


def test_masks_leave_something_unmasked() -> None:
    mask = draw(np.random.default_rng(0), "int64", (50, 3), "normal", is_mask=True)
    assert (mask[:, 0] == 1).all()
    assert set(np.unique(mask)) == {0, 1}


def test_feeds_depend_on_seed_sample_and_input_only() -> None:
    specs = (InputSpec("a", "float32", (4,)), InputSpec("b", "float32", (4,)))
    case = Case({"a": (4,), "b": (4,)}, "seeded", 0, 3, "normal", specs)
    assert np.array_equal(case.feeds()["a"], case.feeds()["a"])
    assert not np.array_equal(case.feeds()["a"], case.feeds()["b"])
    alone = Case({"a": (4,)}, "seeded", 0, 3, "normal", specs[:1])
    assert np.array_equal(case.feeds()["a"], alone.feeds()["a"])


_EPSILONS = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_jitter_moves_by_the_last_bit(dtype: Any) -> None:
    array = np.linspace(0.5, 2, 50).astype(dtype)
    moved = jitter({"x": array, "n": np.arange(3)}, 0, None)
    assert np.array_equal(moved["n"], np.arange(3))
    relative = np.abs(moved["x"].astype(np.float64) / array.astype(np.float64) - 1)
    assert moved["x"].dtype == array.dtype
    assert 0 < relative.max() <= 2.1 * _EPSILONS[np.dtype(dtype).name]
    assert relative.min() > 0
