"""Normalisations of branches add up to that of the layer (eq. 7'), whatever is rounded on the way."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.expansion.normalisation import INPUT_VARIANCES, Norm, NormTypes, adding, divide, untrained
from graphmorph.expansion.splitting import rounded

CHANNELS = 5


def types(dtype: Any) -> NormTypes:
    return NormTypes(np.dtype(dtype), np.dtype(dtype))


def norm(rng: np.random.Generator, dtype: Any = np.float32, epsilon: float = 1e-5) -> Norm:
    gamma, beta, mean = (rounded(rng.standard_normal(CHANNELS), np.dtype(dtype)) for _ in range(3))
    return Norm(gamma, beta, mean, rounded(rng.uniform(0.01, 3, CHANNELS), np.dtype(dtype)), epsilon)


@given(
    st.integers(0, 999), st.sampled_from([np.float16, ml_dtypes.bfloat16, np.float32]), st.booleans(), st.integers(1, 4)
)
def test_scales_and_offsets_are_those_of_the_layer(seed: int, dtype: Any, identity: bool, extra: int) -> None:
    rng = np.random.default_rng(seed)
    layer, bias = norm(rng, dtype), rng.standard_normal(CHANNELS)
    layer.gamma[0] = 0.0
    coefficient = rng.uniform(0, 2, CHANNELS)
    coefficients = [None] * (1 + extra) + [coefficient] * identity
    energies = [rng.uniform(0, 2, CHANNELS) * 10.0 ** rng.integers(-6, 2) for _ in coefficients]
    branches = divide(layer, bias, energies, coefficients, types(dtype))
    for branch, t in zip(branches, coefficients, strict=True):
        np.testing.assert_allclose(branch.scale, layer.scale * (1.0 if t is None else t), rtol=1e-12, atol=0)
        for statistics in (branch.mean, branch.variance):
            np.testing.assert_array_equal(statistics, rounded(statistics, np.dtype(dtype)))
        assert np.all(branch.variance + branch.epsilon > 0)
    offset = branches[0].beta + branches[0].scale * (bias - branches[0].mean)
    offset += sum(branch.beta - branch.scale * branch.mean for branch in branches[1:])
    np.testing.assert_allclose(offset, layer.beta + layer.scale * (bias - layer.mean), rtol=1e-9, atol=1e-9)


def test_variances_follow_the_energy_of_the_kernel() -> None:
    layer = norm(np.random.default_rng(0))
    energies = [np.full(CHANNELS, share) for share in (1.5, 0.25, 1e-9)]
    branches = divide(layer, np.zeros(CHANNELS), energies, [None] * 3, types(np.float64))
    np.testing.assert_allclose(branches[0].variance, 1.5 * layer.variance)
    np.testing.assert_allclose(branches[1].variance, 0.25 * layer.variance)
    np.testing.assert_allclose(branches[2].variance, 1e-3 * layer.variance)


def test_means_and_betas_are_divided_evenly() -> None:
    layer, bias = norm(np.random.default_rng(1)), np.arange(5.0)
    branches = divide(layer, bias, [np.ones(CHANNELS)] * 3, [None, None, np.ones(CHANNELS)], types(np.float64))
    np.testing.assert_allclose(branches[0].mean, bias + (layer.mean - bias) / 2)
    np.testing.assert_allclose(branches[1].mean, (layer.mean - bias) / 2)
    np.testing.assert_allclose([branch.beta for branch in branches], [layer.beta / 3] * 3, rtol=1e-7, atol=1e-7)
    assert not np.any(branches[2].mean)


def test_the_guess_at_the_inputs_variance_stays_plausible() -> None:
    layer = norm(np.random.default_rng(0))
    energies = [np.ones(CHANNELS), np.array([1e-20, 1e-3, 1.0, 1e3, 1e20])]
    identity = divide(layer, np.zeros(CHANNELS), energies, [None, np.ones(CHANNELS)], types(np.float64))[1]
    assert identity.variance[[0, 4]].tolist() == list(INPUT_VARIANCES)
    assert identity.variance[2] == pytest.approx(layer.variance[2])


def test_without_epsilon_a_variance_does_not_vanish() -> None:
    layer = Norm(np.ones(1), np.zeros(1), np.zeros(1), np.array([6e-8]), 0.0)
    branches = divide(layer, np.zeros(1), [np.array([1e-2])] * 2, [None, None], types(np.float16))
    for branch in branches:
        assert branch.variance > 0
        np.testing.assert_allclose(branch.scale, layer.scale)


def test_one_that_only_adds() -> None:
    offset = np.arange(3.0)
    one = adding(offset, 1e-5)
    np.testing.assert_allclose(one.scale, 1.0, rtol=1e-15)
    assert (one.beta is offset, one.mean.any(), one.variance.tolist()) == (True, False, [1.0] * 3)


def test_an_untrained_one() -> None:
    one = untrained(2, 1e-5)
    assert [v.tolist() for v in (one.gamma, one.beta, one.mean, one.variance)] == [[1, 1], [0, 0], [0, 0], [1, 1]]
