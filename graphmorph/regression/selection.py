"""Which columns to keep so that targets can be rebuilt: CompNet's algorithm 3 (equation 3) in Gram form.

Column (or channel) i contributes T_i = A_i W_i,: to O ≈ A W, and one factor b_i scales all of it. With G = AᵀA and
C = AᵀO, nothing of the size of A is needed:

    <T_i, T_j> = G_ij (W Wᵀ)_ij,    <T_i, O> = (C Wᵀ)_ii,

summed over the columns of each channel where channels have several (taps of a convolution).

Readings where the paper leaves a choice. Its step 4 brings every T_i to length 1, which charges a factor for the
length of what it scales: of 64 channels half kept, 11 % of the next layer's variance was lost so, 9 % with one length
for all, after refitting in both cases (forward greedy search: 9 %). So all T_i are divided by one number. Nothing is
centred here: pass centred sums (`Moments.covariance`) where an intercept will be fitted. The number of survivors is met
by bisection over λ, each λ solved from the sparser side; where the count jumps over the wanted one, the least
contributions of the denser solution go.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphmorph.errors import UsageError
from graphmorph.regression.iilasso import Array, Problem, Solution, solve
from graphmorph.regression.least_squares import ridge

#: A path over λ goes down to this share of the largest, in this many steps.
_LOWEST, _STEPS = 1e-5, 60
_BISECTIONS = 30


@dataclass(frozen=True, eq=False)
class Selection:
    """The channels to keep, ascending; the factors b (channels,) they were chosen by; the λ of these."""

    kept: NDArray[np.int64]
    factors: Array
    penalty: float


def contributions(
    gram: ArrayLike,
    cross: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    channels: ArrayLike | None = None,
    alpha: float = 0.1,
) -> Problem:
    """The iiLasso problem whose coefficients scale what channels contribute to the targets, in units of their mean.

    The arguments are those of `inner_products`; alpha: weight of the similarity.

    Raises:
        UsageError: shapes that do not fit.
    """
    inner, linear = inner_products(gram, cross, weight, channels=channels)
    energy = float(np.mean(np.diagonal(inner))) if linear.size else 0.0
    unit = 1.0 / energy if energy > 0 else 1.0
    return Problem(inner * unit, linear * unit, alpha)


def inner_products(
    gram: ArrayLike, cross: ArrayLike, weight: ArrayLike | None = None, *, channels: ArrayLike | None = None
) -> tuple[Array, Array]:
    """<T_i, T_j> (channels, channels) and <T_i, O> (channels,).

    Args:
        gram: (n, n) AᵀA. cross: (n, m) AᵀO, or (n,) for one target.
        weight: (n, m) by which columns make the targets; None for the least squares one.
        channels: (n,) the channel, from 0 on, that each column belongs to; None where each is one of its own.

    Raises:
        UsageError: shapes that do not fit.
    """
    square, targets = np.asarray(gram, np.float64), _matrix(cross)
    scale = ridge(square, targets) if weight is None else _matrix(weight)
    if scale.shape != targets.shape or square.shape != (len(targets), len(targets)):
        raise UsageError(f"selection: Gram matrix {square.shape}, cross {targets.shape}, weight {scale.shape}")
    inner, linear = square * (scale @ scale.T), np.einsum("nm,nm->n", targets, scale)
    return (inner, linear) if channels is None else _by_channel(inner, linear, np.asarray(channels, np.int64))


def select(
    gram: ArrayLike,
    cross: ArrayLike,
    count: int,
    *,
    weight: ArrayLike | None = None,
    channels: ArrayLike | None = None,
    alpha: float = 0.1,
) -> Selection:
    """The `count` channels to keep for rebuilding the targets; the arguments are those of `contributions`.

    Raises:
        UsageError: a count outside 0 to the number of channels, or shapes that do not fit.
    """
    return select_from(contributions(gram, cross, weight, channels=channels, alpha=alpha), count)


def select_from(problem: Problem, count: int) -> Selection:
    """The `count` channels to keep of a problem whose coefficients are factors of channels.

    Raises:
        UsageError: a count outside 0 to the number of channels.
    """
    if not 0 <= count <= len(problem.linear):
        raise UsageError(f"selection: {count} of {len(problem.linear)} channels cannot be kept")
    solution = _with_count(problem, count)
    order = _by_importance(problem, solution)
    return Selection(np.sort(order[:count]), solution.coefficients, solution.penalty)


def entry_penalties(problem: Problem) -> Array:
    """(n,) the λ of a path downwards at which each coefficient leaves zero, in units of the largest; 0 where none does.

    Coefficients that leave within one step of the path are ordered by what they contribute there.
    """
    entered = np.zeros(len(problem.linear))
    solution = solve(problem, problem.largest_penalty)
    path = np.geomspace(1.0, _LOWEST, _STEPS)
    for before, share in pairwise(path):
        if entered.all():
            break
        solution = _from(problem, share * problem.largest_penalty, solution)
        new = solution.support[entered[solution.support] == 0]
        order = np.argsort(_sizes(problem, solution)[new], kind="stable")
        entered[new[order]] = share * (before / share) ** (np.arange(new.size) / max(new.size, 1))
    return entered


def _with_count(problem: Problem, count: int) -> Solution:
    """A solution with `count` nonzero coefficients; with more where none was met, with fewer where there is none."""
    sparse = solve(problem, problem.largest_penalty)
    dense = sparse
    for share in np.geomspace(1.0, _LOWEST, _STEPS)[1:]:
        if dense.support.size >= count:
            break
        sparse, dense = dense, _from(problem, share * problem.largest_penalty, dense)
    for _ in range(_BISECTIONS):
        if dense.support.size <= count:
            break
        middle = _from(problem, float(np.sqrt(sparse.penalty * dense.penalty)), sparse)
        if middle.support.size >= count:
            dense = middle
        else:
            sparse = middle
    return dense


def _from(problem: Problem, penalty: float, start: Solution) -> Solution:
    return solve(problem, penalty, start=start.coefficients, tolerance=1e-5)


def _by_importance(problem: Problem, solution: Solution) -> NDArray[np.int64]:
    """Channels, best first: by what they contribute; those that do not, by what they would still explain."""
    left = np.abs(problem.linear - problem.gram @ solution.coefficients)
    return np.lexsort((-left, -_sizes(problem, solution)))


def _sizes(problem: Problem, solution: Solution) -> Array:
    """(n,) the length of what each coefficient contributes."""
    lengths = np.sqrt(np.maximum(np.diagonal(problem.gram), 0.0))
    return np.asarray(np.abs(solution.coefficients) * lengths)


def _by_channel(inner: Array, linear: Array, channels: NDArray[np.int64]) -> tuple[Array, Array]:
    if channels.shape != linear.shape or (channels.size and channels.min() < 0):
        raise UsageError(f"selection: {linear.size} columns need as many channel numbers, not {channels.shape}")
    order = np.argsort(channels, kind="stable")
    numbers, starts = np.unique(channels[order], return_index=True)
    if numbers.size and numbers[-1] != numbers.size - 1:
        raise UsageError(f"selection: channels are numbered 0 to {numbers[-1]}, but {numbers.size} have columns")
    rows = np.add.reduceat(inner[np.ix_(order, order)], starts, axis=0)
    return np.add.reduceat(rows, starts, axis=1), np.add.reduceat(linear[order], starts)


def _matrix(values: ArrayLike) -> Array:
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array
