"""Batch normalisations of the branches, such that they add up to the one behind the convolution.

With a = gamma / sigma, sigma = sqrt(var + epsilon), and a convolution bias c, ACNet eq. 6 to 8 give

    sum over i of  a_i K_i x + beta_i - a_i mu_i  =  a (K x + c) + beta - a mu

Kernels that add up to K (`splitting`) need a_i = a in every branch; the identity, whose kernel is a one instead of the
coefficient t that K contains, needs a_i = a t. For inputs whose elements are alike and independent a branch's variance
is var |K_i|^2 / |K|^2, which fixes gamma_i = a sqrt(var_i + epsilon). What is left is eq. 7,

    beta_0 + a (c - mu_0) + sum over i > 0 of (beta_i - a_i mu_i)  =  beta + a (c - mu)           (7')

beta and mu - c are divided evenly. Means and betas are rounded to their type first, and beta_0, of the square branch,
takes the exact difference. The bias c stays in the square convolution, and in mu_0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.expansion.splitting import Float64, rounded

#: A branch's share of the variance is at least this, so that sigma_i is not epsilon's alone.
LEAST_ENERGY = 1e-3

#: Between these the variance of the identity's input is guessed; |K|, which the guess divides by, may be anything.
INPUT_VARIANCES = (1e-4, 1e4)


@dataclass(frozen=True, eq=False)
class Norm:
    """Parameters and statistics of a batch normalisation, each (channels,) in float64."""

    gamma: Float64
    beta: Float64
    mean: Float64
    variance: Float64
    epsilon: float

    @property
    def scale(self) -> Float64:
        return self.gamma / np.sqrt(self.variance + self.epsilon)


@dataclass(frozen=True)
class NormTypes:
    """Element types of gamma and beta, and of mean and variance; ONNX allows two from opset 15 on."""

    parameters: np.dtype[Any]
    statistics: np.dtype[Any]


def untrained(channels: int, epsilon: float) -> Norm:
    """As a new layer has it."""
    ones, zeros = np.ones(channels), np.zeros(channels)
    return Norm(ones, zeros, zeros, ones, epsilon)


def adding(offset: Float64, epsilon: float) -> Norm:
    """One that does no more than to add `offset`, (channels,): where the variance is 1, gamma is sqrt(1 + epsilon)."""
    ones, zeros = np.ones_like(offset), np.zeros_like(offset)
    return Norm(np.sqrt(ones + epsilon), offset, zeros, ones, epsilon)


def divide(
    norm: Norm, bias: Float64, energies: Sequence[Float64], coefficients: Sequence[Float64 | None], types: NormTypes
) -> list[Norm]:
    """The normalisation of each branch, the square's first, by eq. 7'.

    bias: c, (channels,). energies: |K_i|^2 / |K|^2, (channels,). coefficients: t of the identity, None elsewhere.
    """
    scale, number = norm.scale, len(energies)
    convolutions = sum(coefficient is None for coefficient in coefficients)
    mean, beta = (norm.mean - bias) / convolutions, rounded(norm.beta / number, types.parameters)
    rest = norm.beta + scale * (bias - norm.mean)
    branches: list[Norm] = []
    for energy, coefficient in zip(energies, coefficients, strict=True):
        variance = _variance(norm, energy, coefficient is not None, types)
        ratio = scale if coefficient is None else scale * coefficient
        own = np.zeros_like(mean) if coefficient is not None else mean if branches else bias + mean
        own = rounded(own, types.statistics)
        rest += ratio * own
        if branches:
            rest -= beta
        branches.append(Norm(ratio * np.sqrt(variance + norm.epsilon), beta, own, variance, norm.epsilon))
    first = branches[0]
    branches[0] = Norm(first.gamma, rest - scale * bias, first.mean, first.variance, first.epsilon)
    return branches


def _variance(norm: Norm, energy: Float64, of_input: bool, types: NormTypes) -> Float64:
    if of_input:
        variance = np.clip(norm.variance * energy, *INPUT_VARIANCES)
    else:
        variance = norm.variance * np.maximum(energy, LEAST_ENERGY)
    variance = rounded(variance, types.statistics)
    # Rounded to zero, it would leave nothing to divide by where epsilon is zero too.
    return np.where(variance + norm.epsilon > 0, variance, norm.variance)
