"""Normalisations: constants behind a scale of 0, duplicates where statistics are shared."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.channels.sizes import Sizes
from graphmorph.channels.values.values import find_values
from graphmorph.facts import Facts
from graphmorph.onnx_door import load
from tests.graphmorph.channels.values.oracle import check, constants, duplicates, inputs, run
from tests.graphmorph.channels.values.planted import NAN, planted
from tests.passes.text_models import Weight, norm

SCALE = np.array([1.0, 1.0, 2.0, 2.0, 0.0, 3.0])
SHIFT = np.array([0.5, 0.5, -1.0, 1.0, 0.25, -2.0])


def statistics() -> dict[str, Weight]:
    found = norm(6)
    for values in found.values():
        assert isinstance(values, np.ndarray)
        values[1] = values[0]
    return {**found, "s": SCALE, "b": SHIFT}


def test_batch_normalization() -> None:
    weights = statistics()
    values = check(planted("y = BatchNormalization(t, s, b, m, v)", weights))
    mean, variance = np.asarray(weights["m"]), np.asarray(weights["v"])
    expected = (np.array([0, 0, 0, 0.75, 0, 0]) - mean) / np.sqrt(variance + 1e-5) * SCALE + SHIFT
    np.testing.assert_allclose(constants(values, "y"), [NAN, NAN, *expected[2:5], NAN], rtol=1e-5)
    assert constants(values, "y")[4] == 0.25
    assert duplicates(values, "y") == [(0, 1)]


def test_statistics_of_the_batch_are_not_known() -> None:
    """Only a scale of zero leaves nothing of them; equal channels have equal statistics."""
    model = planted("y, m2, v2 = BatchNormalization<training_mode=1>(t, s, b, m, v)", statistics())
    values = check(model, kinds=("usual", "positive"))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert duplicates(values, "y") == [(0, 1)]


def test_dead_by_sign_behind_a_normalisation() -> None:
    """Not positive, shifted down, scaled up, shifted down: not positive. A mean on the other side says nothing."""
    weights: dict[str, Weight] = {
        "s": np.ones(6),
        "b": np.array([0, 0, 0, -1e-7, 1e-7, 0.0]),
        "m": np.array([1.0, 1.0, 0.0, 0.0, 0.0, -1e-7]),
        "v": np.ones(6),
    }
    values = check(planted("n = Neg(p) a = BatchNormalization(n, s, b, m, v) y = Relu(a)", weights))
    assert constants(values, "y")[:4] == [0, 0, 0, 0]
    assert np.isnan(constants(values, "y")[4])
    assert constants(values, "y")[5] != 0


def test_a_scale_is_off_by_one_number() -> None:
    """A constant near a large mean times a large scale, and a bias: what the scale is off cancels, too. Where all but
    the last digits of the terms cancel, rounding decides."""
    weights: dict[str, Weight] = {
        "s": np.ones(6),
        "b": np.array([0, 0, 0, 0.05, 0.05, 0.05]),
        "m": np.array([0.0, 0, 0.05, 0.75, 0, 0]),
        "v": np.array([1, 1, 1e-9, 0.0, 1, 1]),
    }
    text = "y = BatchNormalization(t, s, b, m, v)"
    found = constants(check(planted(text, weights)), "y")
    np.testing.assert_allclose(found[3], 0.05, rtol=2.0**-7)
    assert np.isnan(constants(check(planted(text, {**weights, "b": np.full(6, 1e-4)})), "y")[3])


def test_layer_normalization() -> None:
    weights: dict[str, Weight] = {"s": SCALE, "b": SHIFT, "shape": np.array([0, 6, -1])}
    text = "r = Reshape(t, shape) k = Transpose<perm=[0,2,1]>(r) y = LayerNormalization(k, s, b)"
    values = check(planted(text, weights))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert duplicates(values, "y") == [(0, 1)]


def test_layer_normalization_in_parts() -> None:
    text = """m = ReduceMean<axes=[1]>(t) d = Sub(t, m) h = Mul(d, d) v = ReduceMean<axes=[1]>(h)
        e = Add(v, eps) r = Sqrt(e) n = Div(d, r) k = Mul(n, s) y = Add(k, b)"""
    weights: dict[str, Weight] = {"s": SCALE.reshape(6, 1, 1), "b": SHIFT.reshape(6, 1, 1), "eps": np.array(1e-5)}
    values = check(planted(text, weights))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert duplicates(values, "y") == [(0, 1)]
    assert (values.low("r") > 0).all()


def test_instance_normalization() -> None:
    values = check(planted("y = InstanceNormalization(t, s, b)", {"s": SCALE, "b": SHIFT}))
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert duplicates(values, "y") == [(0, 1)]


@pytest.mark.parametrize(("groups", "found"), [(3, [(0, 1)]), (2, [(0, 1)]), (1, [(0, 1)]), (6, [])])
def test_group_normalization(groups: int, found: list[tuple[int, int]]) -> None:
    """Duplicates in one group stay duplicates; in two groups they meet other statistics."""
    model = planted(f"y = GroupNormalization<num_groups={groups}>(t, s, b)", {"s": SCALE, "b": SHIFT}, opset=21, ir=10)
    values = check(model)
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert duplicates(values, "y") == found


def test_group_normalization_by_reshaping() -> None:
    """As torch exports it."""
    weights: dict[str, Weight] = {
        "s": SCALE.reshape(6, 1, 1),
        "b": SHIFT.reshape(6, 1, 1),
        "one": np.ones(2),
        "zero": np.zeros(2),
        "grouped": np.array([0, 2, -1]),
        "back": np.array([0, 6, 8, 8]),
    }
    text = """r = Reshape(t, grouped) i = InstanceNormalization(r, one, zero) u = Reshape(i, back)
        k = Mul(u, s) y = Add(k, b)"""
    values = check(planted(text, weights))
    found = values.along("y", 1)
    assert found is not None
    np.testing.assert_array_equal(found.constant, [NAN, NAN, NAN, NAN, 0.25, NAN])
    assert found.number[0] == found.number[1]
    assert np.unique(found.number).size == 5


@pytest.mark.parametrize("operator", ["Softmax<axis=1>", "LogSoftmax<axis=1>", "LpNormalization<axis=1>"])
def test_along_the_channels(operator: str) -> None:
    values = check(planted(f"y = {operator}(p)"), kinds=("usual", "positive"))
    assert duplicates(values, "y") == [(0, 1), (2, 5)]
    assert np.isnan(constants(values, "y")).all()
    if operator.startswith("Softmax"):
        assert (values.low("y") == 0).all()


def test_a_module_in_training_has_other_statistics() -> None:
    model = planted("d = Dropout(t) y = BatchNormalization(t, s, b, m, v)", statistics())

    class Training(Facts):
        training = True

    arrays = run(model, inputs(model, "usual"))
    sizes = Sizes({name: array.shape for name, array in arrays.items()})
    values = find_values(Training(load(model)), sizes)
    assert np.isnan(values.constant("d")).all()
    np.testing.assert_array_equal(constants(values, "y"), [NAN, NAN, NAN, NAN, 0.25, NAN])
