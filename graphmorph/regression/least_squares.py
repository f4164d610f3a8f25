"""Least squares from a Gram matrix, in float64: what DESIGN calls repair, and equation 11 of CompNet.

With A (rows, n) and O (rows, m), only G = AᵀA and C = AᵀO are needed:

    W = argmin ‖O - A W‖² + r ‖W‖²    solves    (G + r I) W = C

Columns are brought to length 1 before the rank is decided, so that a column of small numbers is not taken for a
missing one. A system of full rank is solved by Cholesky factors; otherwise eigenvalues up to a cutoff, relative to the
largest, count as zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphmorph.errors import UsageError

Array = NDArray[np.float64]

#: Eigenvalues below this share of the largest are the rounding of sums over many rows, in float64.
CUTOFF = 1e-12

#: How far `repair` trusts directions in which columns hardly vary, in units of the mean square column: below it,
#: float32 noise in the activations would be fitted by weights that grow as the noise shrinks.
SHRINKAGE = 1e-6

#: A column's variance is nothing below this share of its mean square.
_CONSTANT = 1e-12


@dataclass(frozen=True, eq=False)
class Repair:
    """The weight (out, kept) of the kept columns, what to add to the bias (out,), and R² of each output (out,)."""

    weight: Array
    bias: Array
    explained: Array


def ridge(gram: ArrayLike, cross: ArrayLike, penalty: float = 0.0, *, cutoff: float = CUTOFF) -> Array:
    """W (n, m) of (gram + penalty I) W = cross, for gram (n, n) and cross (n, m); with cross (n,), W is (n,).

    Where the system is singular, the W of least norm among those that solve it best.

    Raises:
        UsageError: shapes that do not fit, a negative penalty, numbers that are not finite, or no Gram matrix.
    """
    system, right = _checked(gram, cross, penalty)
    energy = np.diagonal(system)
    solution = np.zeros((len(right), right[:1].size))
    live = np.flatnonzero(energy > 0)
    if live.size:
        scale = 1.0 / np.sqrt(energy[live])
        unit = system[np.ix_(live, live)] * scale[:, None] * scale
        solution[live] = _solve(unit, right.reshape(len(right), -1)[live], scale, cutoff)
    return solution.reshape(right.shape)


def repair(
    gram: ArrayLike,
    kept: ArrayLike,
    weight: ArrayLike,
    *,
    mean: ArrayLike | None = None,
    count: float = 1.0,
    shrinkage: float = SHRINKAGE,
) -> Repair:
    """The weight W' on the kept columns that best stands in for W on all: argmin ‖A Wᵀ - A[:, kept] W'ᵀ‖².

    Written as a change of the kept weights, W' = W[:, kept] + D, where D Gkk = W[:, removed] Grk: what is
    shrunk is the change, and where Gkk is singular, the smallest change is made.

    Args:
        gram: (n, n), AᵀA, or its average over rows (with `count` 1).
        kept: (k,) distinct column indices, in the order that the new weight has them.
        weight: (out, n); further axes of a kernel are columns, as `columns_of` numbers them.
        mean: (n,) mean of every column. Given, an intercept is fitted as well: it is the `bias` of the result.
        count: number of rows that `gram` is the sum of.
        shrinkage: a ridge on D, in units of the mean diagonal of Gkk.

    Raises:
        UsageError: shapes or indices that do not fit.
    """
    full, columns = np.asarray(gram, np.float64), np.asarray(kept, np.int64)
    old = np.asarray(weight, np.float64)
    if old.ndim != 2 or full.shape != (old.shape[1], old.shape[1]):
        raise UsageError(f"repair: a weight {old.shape} needs a Gram matrix of its columns, not {full.shape}")
    _check_indices(columns, old.shape[1])
    means = np.zeros(old.shape[1]) if mean is None else np.asarray(mean, np.float64)
    if means.shape != (old.shape[1],):
        raise UsageError(f"repair: {old.shape[1]} columns need as many means, not {means.shape}")
    centred = _centred(full, means, count)
    change = -old
    change[:, columns] = 0.0
    inner = centred[np.ix_(columns, columns)]
    wanted = -(centred[columns] @ change.T)
    change[:, columns] = ridge(inner, wanted, shrinkage * _mean_diagonal(inner)).T
    bias = -(change @ means)
    return Repair(old[:, columns] + change[:, columns], bias, explained_share(centred, old, change))


def columns_of(channels: ArrayLike, taps: int) -> NDArray[np.int64]:
    """Column indices of channels (k,) in a flattened kernel (in, taps): k * taps of them, channel by channel."""
    return (np.asarray(channels, np.int64)[:, None] * taps + np.arange(taps)).reshape(-1)


def _centred(gram: Array, mean: Array, count: float) -> Array:
    """The Gram matrix of columns less their means; what is rounding noise in a column without variance becomes 0."""
    centred = gram - count * np.outer(mean, mean)
    flat = np.diagonal(centred) <= _CONSTANT * np.diagonal(gram)
    centred[flat], centred[:, flat] = 0.0, 0.0
    return centred


def _mean_diagonal(gram: Array) -> float:
    return float(np.mean(np.diagonal(gram))) if gram.size else 0.0


def explained_share(gram: Array, weight: Array, change: Array) -> Array:
    """1 - ‖A Dᵀ‖² / ‖A Wᵀ‖² for each output; an output that is zero everywhere is explained."""
    total = np.einsum("oi,ij,oj->o", weight, gram, weight, optimize=True)
    missed = np.maximum(np.einsum("oi,ij,oj->o", change, gram, change, optimize=True), 0.0)
    share: Array = np.divide(missed, total, out=np.zeros_like(missed), where=total > 0)
    return 1.0 - share


def _solve(unit: Array, right: Array, scale: Array, cutoff: float) -> Array:
    """`scale unit⁻¹ scale right`, for a matrix with ones on its diagonal; of least norm where that is singular."""
    solution = _cholesky(unit, scale[:, None] * right, cutoff)
    if solution is not None:
        return np.asarray(scale[:, None] * solution)
    from scipy.linalg import eigh, qr

    values, vectors = eigh(unit)
    large = values > cutoff * values[-1]
    basis = vectors[:, large]
    found = scale[:, None] * (basis @ ((basis.T @ (scale[:, None] * right)) / values[large, None]))
    # The null space of the matrix as it was given: what of the solution lies in it is superfluous.
    null = qr(scale[:, None] * vectors[:, ~large], mode="economic")[0]
    return np.asarray(found - null @ (null.T @ found), np.float64)


def _cholesky(unit: Array, right: Array, cutoff: float) -> Array | None:
    """The solution of a well-conditioned positive definite system, else None."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve
    from scipy.linalg.lapack import dpocon

    try:
        factor = cho_factor(unit, lower=False)
    except LinAlgError:
        return None
    reciprocal, _ = dpocon(factor[0], np.abs(unit).sum(axis=0).max())
    if reciprocal <= 10 * cutoff:
        return None
    return np.asarray(cho_solve(factor, right), np.float64)


def _checked(gram: ArrayLike, cross: ArrayLike, penalty: float) -> tuple[Array, Array]:
    system, right = np.array(gram, np.float64), np.asarray(cross, np.float64)
    if system.ndim != 2 or system.shape[0] != system.shape[1] or right.shape[:1] != system.shape[:1]:
        raise UsageError(f"least squares: a Gram matrix {system.shape} and a right side {right.shape} do not fit")
    if right.ndim > 2:
        raise UsageError(f"least squares: the right side has shape {right.shape}, it needs one or two axes")
    if penalty < 0 or not np.isfinite(penalty):
        raise UsageError(f"least squares: a penalty of {penalty} is not a finite number of 0 or more")
    if not (np.isfinite(system).all() and np.isfinite(right).all()):
        raise UsageError("least squares: the sums hold numbers that are not finite")
    system[np.diag_indices_from(system)] += penalty
    if system.size and np.diagonal(system).min() < 0:
        raise UsageError("least squares: no Gram matrix has a negative diagonal")
    return system, right


def _check_indices(columns: NDArray[np.int64], count: int) -> None:
    if columns.ndim != 1 or np.unique(columns).size != columns.size:
        raise UsageError("repair: the kept columns have to be distinct indices")
    if columns.size and not 0 <= columns.min() <= columns.max() < count:
        raise UsageError(f"repair: kept columns {columns.min()} to {columns.max()}, there are {count}")
