"""Conv, ConvTranspose, Gemm and MatMul: dead, constant and duplicate rows, and what padding does to them."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.channels.values.rows import equal_rows
from tests.graphmorph.channels.values.oracle import check, constants, duplicates
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import Weight, build


def rows(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_equal_rows_of_a_convolution_are_duplicates() -> None:
    weight = rows(5, 6, 3, 3)
    weight[4] = weight[1]
    values = check(planted("y = Conv<pads=[1,1,1,1]>(t, w)", {"w": weight}))
    assert duplicates(values, "y") == [(1, 4)]


def test_another_bias_makes_them_different() -> None:
    weight = rows(5, 6, 1, 1)
    weight[4] = weight[3] = weight[1]
    values = check(planted("y = Conv(t, w, b)", {"w": weight, "b": np.array([0, 1, 0, 1, 2.0])}))
    assert duplicates(values, "y") == [(1, 3)]


def test_weights_of_equal_channels_are_added() -> None:
    """Channels 0 and 1 of t are equal, and 2 is 0: only the sum of the weights counts, and nothing of the third."""
    weight = np.ones((3, 6, 1, 1))
    weight[0, :3, 0, 0] = 0.25, 0.5, 7
    weight[1, :3, 0, 0] = 0.75, 0, -7
    weight[2, :3, 0, 0] = 0.5, 0.5, 7
    values = check(planted("y = Conv(t, w)", {"w": weight}))
    assert duplicates(values, "y") == [(0, 1)]


def test_sums_that_cancel_do_not_count() -> None:
    """In float32, 1e8 x - (1e8 - 1) x is not x."""
    weight = np.ones((3, 6, 1, 1))
    weight[0, :2, 0, 0] = 1e8, -99999992.0
    weight[1, :2, 0, 0] = 8, 0
    weight[2] = weight[0]
    values = check(planted("y = Conv(t, w)", {"w": weight}), kinds=("zero",))
    assert duplicates(values, "y") == [(0, 2)]


@pytest.mark.parametrize(
    ("attributes", "found"), [("", 0.75 * 3), ("<pads=[1,1,1,1]>", NAN), ('<auto_pad="SAME_UPPER">', NAN)]
)
def test_a_constant_is_none_at_a_padded_border(attributes: str, found: float) -> None:
    weight = np.zeros((3, 6, 3, 3))
    weight[0, 3], weight[1, 2], weight[2, 4] = 1 / 3, 5.0, 1.0
    values = check(planted(f"y = Conv{attributes}(t, w)", {"w": weight}))
    np.testing.assert_allclose(constants(values, "y"), [found, 0, NAN])


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("group", [2, 3, 6])
def test_groups(operator: str, group: int) -> None:
    shape = (6, 6 // group, 3, 3) if operator == "Conv" else (6, 2, 3, 3)
    weight = rows(*shape)
    weight[1] = weight[0]
    weight[5] = 0
    values = check(planted(f"y = {operator}<group={group}, pads=[1,1,1,1], strides=[2,2]>(t, w)", {"w": weight}))
    if operator == "Conv":
        assert duplicates(values, "y")[0] == (0, 1)
        assert constants(values, "y")[5] == 0
    elif group == 6:
        assert duplicates(values, "y") == [(0, 2), (1, 3)]
        assert constants(values, "y")[10:] == [0, 0]


def test_depthwise_constants_and_duplicates() -> None:
    weight = rows(6, 1, 3, 3)
    weight[1], weight[3] = weight[0], 1 / 9
    values = check(planted("y = Conv<group=6>(t, w, b)", {"w": weight, "b": np.array([1.0, 1, 2, 3, 4, 5])}))
    np.testing.assert_allclose(constants(values, "y"), [NAN, NAN, 2, 3.75, NAN, NAN], rtol=1e-6)
    assert duplicates(values, "y") == [(0, 1)]


def test_groups_of_equal_inputs_have_equal_outputs() -> None:
    """The channels of a stacked twice, convolved group by group with the same weights."""
    weight = rows(2, 3, 3, 3)
    weights: dict[str, Weight] = {"a": rows(3, 6, 1, 1), "w": np.concatenate([weight, weight])}
    values = check(
        planted("a1 = Conv(t, a) s = Concat<axis=1>(a1, a1) y = Conv<group=2, pads=[1,1,1,1]>(s, w)", weights)
    )
    assert duplicates(values, "s") == [(0, 3), (1, 4), (2, 5)]
    assert duplicates(values, "y") == [(0, 2), (1, 3)]


def test_rows_of_two_convolutions_are_compared() -> None:
    first, second = rows(3, 6, 1, 1), rows(4, 6, 1, 1, seed=9)
    second[2] = first[1]
    weights: dict[str, Weight] = {"v": first, "w": second}
    values = check(
        planted("a = Conv(t, v) b = Conv(t, w) c = Conv<strides=[2,2]>(t, w) y = Concat<axis=1>(a, b)", weights)
    )
    assert duplicates(values, "y") == [(1, 5)]
    assert not np.isin(values.number("c"), values.number("y")).any()


def test_dead_by_sign() -> None:
    """Negative weights on what is not negative, and no positive bias; the border reads zeros."""
    weight = rows(4, 6, 3, 3)
    weight[1], weight[2] = -np.abs(weight[1]), -np.abs(weight[2])
    bias = np.array([0, 0, 1e-6, -100.0])
    values = check(planted("a = Conv<pads=[1,1,1,1]>(p, w, b) y = Relu(a)", {"w": weight, "b": bias}))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, 0, NAN, NAN])


def test_bounded_inputs_have_bounded_sums() -> None:
    values = check(
        planted("s = Sigmoid(t) a = Conv(s, w, b) y = Relu(a)", {"w": 0.01 * rows(3, 6, 1, 1), "b": np.full(3, -9.0)})
    )
    assert constants(values, "y") == [0, 0, 0]
    assert np.isfinite(values.low("a")).all()


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(transposed: int) -> None:
    weight = rows(4, 6)
    weight[3], weight[1] = weight[0], 0
    weights: dict[str, Weight] = {"w": weight if transposed else weight.T, "c": np.array([1.0, 2, 3, 1])}
    text = f"g = GlobalAveragePool(t) f = Flatten(g) y = Gemm<alpha=0.5, beta=2.0, transB={transposed}>(f, w, c)"
    values = check(planted(text, weights))
    assert duplicates(values, "y") == [(0, 3)]
    np.testing.assert_array_equal(constants(values, "y"), [NAN, 4, NAN, NAN])


def test_weights_on_either_side_of_a_product() -> None:
    weight = rows(5, 6)
    weight[3], weight[1] = weight[0], 0
    weights: dict[str, Weight] = {"w": weight, "v": weight.T[np.newaxis], "shape": np.array([0, 6, -1])}
    text = "r = Reshape(t, shape) a = MatMul(w, r) s = Transpose<perm=[0,2,1]>(r) y = MatMul(s, v)"
    values = check(planted(text, weights))
    for name in ("a", "y"):
        assert duplicates(values, name) == [(0, 3)]
        assert constants(values, name)[1] == 0


def test_products_of_tensors_keep_zeros_and_duplicates() -> None:
    """Attention: columns of the values that are 0 or equal stay so, whatever the weights."""
    weights: dict[str, Weight] = {"shape": np.array([0, 6, -1])}
    text = "v = Reshape(t, shape) k = Transpose<perm=[0,2,1]>(v) a = MatMul(k, v) s = Softmax(a) y = MatMul(s, k)"
    values = check(planted(text, weights))
    assert duplicates(values, "y") == [(0, 1)]
    assert constants(values, "y")[2] == 0
    assert constants(values, "y")[3] == pytest.approx(0.75)


def test_products_of_bounded_tensors_are_bounded() -> None:
    values = check(planted("s = Sigmoid(t) a = MatMul(s, s) b = Sub(a, most) y = Relu(b)", {"most": np.array(8.001)}))
    assert (values.low("a") >= 0).all()
    assert (values.constant("y") == 0).all()


def test_sampling_columns_decides_nothing() -> None:
    """Rows that agree in most columns are compared in all."""
    matrix = np.zeros((4, 1000), np.float32)
    matrix[1, 501] = 1
    matrix[2, 501] = -0.0
    labels = equal_rows(matrix)
    assert labels[0] == labels[2] == labels[3] != labels[1]


def test_a_few_rows_of_a_large_layer_are_found() -> None:
    """Most rows are told apart by a few of their columns."""
    weight = rows(256, 512, 3, 3).astype(np.float32)
    weight[7], weight[200] = 0, weight[100]
    model = build("g (float[N,512,5,5] x) => (y) { y = Conv(x, w) }", {"w": weight})
    values = check(model, kinds=("usual",))
    assert constants(values, "y")[7] == 0
    assert duplicates(values, "y") == [(100, 200)]
