"""Reductions, cumulative sums and softmaxes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphmorph.torch_door.translation.imported import check, layers, refusal

FREE = "g (float[A,B,C] x) => (float y)"
OPS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"]
SHAPE = (2, 3, 4)
X = np.random.default_rng(0).uniform(0.5, 2, SHAPE)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [(0,), (1, -1), (-3, -2, -1), None])
@pytest.mark.parametrize("op", OPS)
def test_reductions(op: str, axes: tuple[int, ...] | None, keep: int, dtype: str) -> None:
    """Axes as an input and, in older versions, as an attribute."""
    x = X.astype({"float": np.float32, "double": np.float64}[dtype])
    weights = {} if axes is None else {"a": ints(*axes)}
    text = f"{FREE} {{ y = Reduce{op}<keepdims={keep}>(x{'' if axes is None else ', a'}) }}"
    check(text, weights, dtype=dtype, x=x)
    attributes = f"keepdims={keep}" + ("" if axes is None else f", axes={[*axes]}")
    check(f"{FREE} {{ y = Reduce{op}<{attributes}>(x) }}", opset=12, dtype=dtype, x=x)


@pytest.mark.parametrize("op", OPS)
def test_no_axes_at_all(op: str) -> None:
    """The reduction is left out; what else the operator does is not."""
    x = -X if op not in ("LogSum", "LogSumExp") else X
    check(f"{FREE} {{ y = Reduce{op}<noop_with_empty_axes=1>(x) }}", x=x.astype(np.float32))
    check(f"{FREE} {{ y = Reduce{op}(x, a) }}", {"a": ints()}, x=np.abs(x).astype(np.float32))


@pytest.mark.parametrize("op", ["Sum", "Prod", "Max", "Min", "L1", "SumSquare"])
@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_reductions_of_integers_keep_their_type(op: str, kind: str) -> None:
    x = np.arange(-3, 3).reshape(2, 3).astype(kind)
    check(f"g ({kind}[A,B] x) => ({kind} y) {{ y = Reduce{op}(x, a) }}", {"a": ints(1)}, x=x)


@pytest.mark.parametrize("op", ["Mean", "L2", "LogSum", "LogSumExp"])
def test_fractions_of_integers_are_refused(op: str) -> None:
    text = f"g (int32[A,B] x) => (int32 y) {{ y = Reduce{op}(x) }}"
    assert "of torch.int32; cast to float before it" in refusal(text)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", ["", "axis=1", "axis=-1, keepdims=0", "axis=1, select_last_index=1"])
def test_the_place_of_an_extreme(op: str, attributes: str) -> None:
    x = np.array([[3, 1, 3, 1], [0, 0, 0, 0]], np.float32)
    check(f"g (float[A,B] x) => (int64 y) {{ y = {op}{f'<{attributes}>' if attributes else ''}(x) }}", x=x)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("kind", ["float", "double", "int32", "int64"])
def test_cumulative_sums(exclusive: int, reverse: int, kind: str) -> None:
    x = (10 * X).astype({"float": np.float32, "double": np.float64}.get(kind, kind))
    text = f"g ({kind}[A,B,C] x) => ({kind} y) {{ y = CumSum<exclusive={exclusive}, reverse={reverse}>(x, a) }}"
    check(text, {"a": np.asarray(-2)}, x=x)


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_along_an_axis(op: str, axis: int, dtype: str) -> None:
    module = check(f"{FREE} {{ y = {op}<axis={axis}>(x) }}", dtype=dtype, x=SHAPE)
    assert layers(module) == ([] if op == "Hardmax" else [f"{op}(dim={axis})"])


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, -2])
def test_softmax_over_all_axes_from_one_on(op: str, axis: int | None) -> None:
    """So it was before version 13."""
    check(f"{FREE} {{ y = {op}{'' if axis is None else f'<axis={axis}>'}(x) }}", opset=12, x=SHAPE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[A] x, int64[1] a) => (float y) { y = ReduceSum(x, a) }", "its input a is not constant"),
        ("g (float[2,0] x) => (float y) { y = ReduceMax(x) }", "it reduces an axis of size 0"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(text, {"a": ints(0)} if "int64[1]" not in text else None)
