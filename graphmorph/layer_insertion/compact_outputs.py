"""CompNet's algorithm 3: channels of the new layer that the next layer's outputs need least go.

With T_i what channel i contributes to those outputs (A_i W_i,: of equation 3), summed over the positions and taps by
which the next layer reads it, <T_i, T_j> and <T_i, O> follow from AᵀA and AᵀO (`graphmorph.regression.selection`).

Readings. For a given λ, every T_i and O have mean square 1, as step 4 says; equation 9's 1 / (N D_2) is that mean.
For a wanted count all T_i are divided by one length (see `graphmorph.regression.selection`), which keeps more of
the outputs at the same count. Survivors are refitted by least squares in both cases, where step 7 would keep the
rows that they had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.layer_insertion.outgoing_weights import Sums, fitted
from graphmorph.regression.iilasso import Problem, solve
from graphmorph.regression.selection import Selection, inner_products

Array = NDArray[np.float64]


def survivors(sums: Sums, channels: int, ridge: float, alpha: float, penalty: float) -> Selection:
    """Those at a λ, with every T_i and O brought to mean square 1."""
    inner, linear = _products(sums, channels, ridge)
    problem = standardised(inner, linear, float(sums.energy.sum()), alpha)
    solution = solve(problem, penalty, start=np.ones(channels))
    return Selection(solution.support, solution.coefficients, penalty)


def of_one_length(sums: Sums, channels: int, ridge: float, alpha: float) -> Problem:
    """The problem for a wanted count: all T_i divided by one length."""
    inner, linear = _products(sums, channels, ridge)
    energy = float(np.mean(np.diagonal(inner)))
    unit = 1.0 / energy if energy > 0 else 1.0
    return Problem(inner * unit, linear * unit, alpha)


def standardised(inner: Array, linear: Array, energy: float, alpha: float) -> Problem:
    """<T_i, T_j> and <T_i, O> for columns of mean square 1; energy: the mean square of O."""
    length = np.sqrt(np.maximum(np.diagonal(inner), 0.0))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    unit = 1.0 / np.sqrt(energy) if energy > 0 else 1.0
    return Problem(inner * inverse[:, None] * inverse, linear * inverse * unit, alpha)


def _products(sums: Sums, channels: int, ridge: float) -> tuple[Array, Array]:
    """<T_i, T_j> and <T_i, O> for the weights of least squares on all channels (step 3 of the algorithm)."""
    owner = np.repeat(np.arange(channels), len(sums.gram) // channels)
    return inner_products(sums.gram, sums.cross, fitted(sums, ridge).weight, channels=owner)
