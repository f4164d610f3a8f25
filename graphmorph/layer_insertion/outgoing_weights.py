"""The next layer's new weights by least squares (CompNet, equations 2 and 11), from sums alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.moments import CrossMoments
from graphmorph.regression.least_squares import ridge

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sums:
    """AᵀA (n, n), AᵀO (n, m) and the energy of O (m,), per row; of columns less their means where an intercept is
    fitted. column_mean (n,), output_mean (m,): zero where none is."""

    gram: Array
    cross: Array
    energy: Array
    column_mean: Array
    output_mean: Array


@dataclass(frozen=True, eq=False)
class Fit:
    """O ≈ A weight + bias: weight (n, m), bias (m,), and R² of each output (m,)."""

    weight: Array
    bias: Array
    explained: Array


def sums_of(pairs: CrossMoments, *, intercept: bool) -> Sums:
    """The sums that a fit needs. R² is about the mean of the outputs with an intercept, else about zero."""
    inputs, outputs = pairs.inputs, pairs.outputs
    if intercept:
        return Sums(inputs.covariance, pairs.covariance, outputs.variance, inputs.mean, outputs.mean)
    count = max(inputs.count, 1)
    nothing = np.zeros(pairs.cross.shape[0]), np.zeros(pairs.cross.shape[1])
    return Sums(inputs.gram / count, pairs.cross / count, outputs.squares / count, *nothing)


def fitted(sums: Sums, penalty: float, columns: NDArray[np.int64] | None = None) -> Fit:
    """Ridge regression on some of the columns. penalty: in units of their mean square.

    The residual of W is E - 2 <C, W> + <W, G W> for each output, whatever W is.
    """
    gram, cross, mean = sums.gram, sums.cross, sums.column_mean
    if columns is not None:
        gram, cross, mean = gram[np.ix_(columns, columns)], cross[columns], mean[columns]
    unit = float(np.mean(np.diagonal(gram))) if gram.size else 0.0
    weight = ridge(gram, cross, penalty * unit)
    missed = sums.energy - 2 * np.einsum("nm,nm->m", cross, weight) + np.einsum("nm,nm->m", weight, gram @ weight)
    share = np.divide(np.maximum(missed, 0.0), sums.energy, out=np.zeros_like(missed), where=sums.energy > 0)
    return Fit(weight, sums.output_mean - mean @ weight, 1.0 - share)


def explained_by(pairs: CrossMoments, weight: Array, bias: Array | None) -> Array:
    """R² of each output (m,) for a given weight (n, m) and bias (m,), about the mean of the output."""
    count, shift = max(pairs.inputs.count, 1), np.zeros(weight.shape[1]) if bias is None else bias
    quadratic = np.einsum("nm,nm->m", weight, pairs.inputs.gram @ weight)
    product = np.einsum("nm,nm->m", pairs.cross, weight)
    linear = pairs.outputs.total - pairs.inputs.total @ weight
    missed = pairs.outputs.squares - 2 * product + quadratic - 2 * shift * linear + count * shift**2
    energy = count * pairs.outputs.variance
    share: Array = np.divide(np.maximum(missed, 0.0), energy, out=np.zeros_like(missed), where=energy > 0)
    return 1.0 - share
