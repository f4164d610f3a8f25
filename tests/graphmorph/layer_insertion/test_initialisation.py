"""First weights: their variance is what the papers say."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.initialisation import Initialisation, initial_weight, variance
from graphmorph.layer_insertion.new_layer import Activation

SHAPE = (64, 32, 3, 3)
INPUTS, OUTPUTS = 288, 576


@pytest.mark.parametrize(
    ("activation", "initialisation", "expected"),
    [
        ("relu", "he", 2 / INPUTS),
        ("relu", "auto", 2 / INPUTS),
        ("leaky-relu", "auto", 2 / (1.04 * INPUTS)),
        ("tanh", "he", 2 / INPUTS),
        ("relu", "xavier", 2 / (INPUTS + OUTPUTS)),
        ("sigmoid", "xavier", 2 / (INPUTS + OUTPUTS)),
        ("tanh", "kumar", 1 / INPUTS),
        ("tanh", "auto", 1 / INPUTS),
        ("sigmoid", "auto", 12.8 / INPUTS),
        ("gelu", "auto", 4 / INPUTS),
        ("silu", "kumar", 4 / INPUTS),
    ],
)
def test_variances(activation: Activation, initialisation: Initialisation, expected: float) -> None:
    assert variance(SHAPE, activation, initialisation, 0.2) == pytest.approx(expected)
    drawn = initial_weight(SHAPE, activation, initialisation, 0, 0.2)
    assert drawn.shape == SHAPE
    assert drawn.dtype == np.float64
    assert drawn.var() == pytest.approx(expected, rel=0.03)
    assert abs(drawn.mean()) < 4 * np.sqrt(expected / drawn.size)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_kumar_is_for_functions_without_a_kink(activation: Activation) -> None:
    with pytest.raises(UsageError, match=f"differentiable at 0; for {activation} use he"):
        initial_weight((4, 4), activation, "kumar", 0)


def test_a_product_has_one_tap() -> None:
    assert variance((10, 50), "relu", "he", 0.0) == pytest.approx(2 / 50)
    assert variance((10, 50), "relu", "xavier", 0.0) == pytest.approx(2 / 60)


def test_a_seed_draws_the_same_and_another_another() -> None:
    one, same, other = (initial_weight((8, 4), "relu", "auto", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "silu"])
def test_kumar_keeps_the_variance_of_what_passes_through(activation: Activation) -> None:
    """Near 0, where h is a line: a layer behind another of the same kind sees numbers as large as that one did."""
    step, wide = 1e-5, 400
    low, value, high = _applied(activation, np.array([-step, 0.0, step]))
    slope = (high - low) / (2 * step)
    expected = 1 / (slope**2 * (1 + value**2) * wide)
    assert variance((wide, wide), activation, "kumar", 0.0) == pytest.approx(float(expected), rel=1e-6)


def _applied(activation: str, x: np.ndarray) -> np.ndarray:
    gate = 1 / (1 + np.exp(-1.702 * x if activation == "gelu" else -x))
    made = {"tanh": np.tanh(x), "sigmoid": gate, "silu": x * gate, "gelu": x * gate}
    return np.asarray(made[activation])
