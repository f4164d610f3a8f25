"""CompNet's algorithms 1 and 2: channels of the new layer that are like others go, seen before its activation function.

Equation 1 compares every column of X = A⁽¹⁾ W⁽ⁿᵉʷ¹⁾ with itself times β_i, so that but for their likeness R the columns
are apart. Brought to mean 0 and mean square 1 (step 3), O⁽ⁿᵉʷ⁾ being X, the loss is

    Σ_i ½ (1 - β_i)² + λ (‖β‖₁ + α/2 |β|ᵀ R |β|),    R_jk = |r_jk| / (1 - |r_jk|),    r_jk = correlation of X_j and X_k.

Everything follows from the covariance of A⁽¹⁾, which is captured once.

Readings. Algorithm 1's loop minimises one loss again and again: it is minimised once, from ones. Its coefficients
shrink with 1 - λ all together, so the support depends on λα alone, and a wanted count is met by bisection over α.
Algorithm 2's step 5.2 as printed, the W that minimises the loss, is W / β: X β stays what it was for ever smaller
β, the penalty tends to 0 and no channel ever goes (and where X is standardised again, it is algorithm 1). It is
read as X := X diag(β), the target and R staying as they were. Channels that are like many others then fade out over
the rounds: with w_j = 1 + α Σ_k R_jk over the survivors, those with λ w_j <= 1/4 come to rest at (1 + sqrt(1 - 4 λ
w_j)) / 2, and the others vanish. A count is met by bisection over λ, below 1/4. Survivors keep the scale of their
first weights, which is that for the activation function.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.regression.iilasso import Problem, Solution, similarity, solve
from graphmorph.regression.selection import Selection

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_BISECTIONS = 40
_ROUNDS, _REST = 500, 1e-9

#: A λ of algorithm 2 from which on nothing survives.
_NOTHING = 0.25


def standardised(weight: Array, covariance: Array, alpha: float) -> Problem:
    """The loss above.

    Args:
        weight: (channels, D_1, *kernel). covariance: (columns, columns) of what the layer reads. A channel that never
            varies has no column, and goes.
    """
    matrix = weight.reshape(len(weight), -1)
    of_columns = matrix @ covariance @ matrix.T
    varies = (np.diagonal(of_columns) > 0).astype(np.float64)
    return Problem(np.diag(varies), varies, alpha, similarity(of_columns))


def minimised(problem: Problem, penalty: float) -> Selection:
    """Algorithm 1 at a λ: one minimum, from ones."""
    solution = solve(problem, penalty, start=np.ones(len(problem.linear)))
    return Selection(solution.support, solution.coefficients, penalty)


def minimised_to(problem: Problem, count: int, penalty: float) -> Selection:
    """Algorithm 1 for a number of survivors: the α that leaves so many, or a few more of which the smallest go."""
    low, high, dense = 0.0, 1.0, minimised(_with_alpha(problem, 0.0), penalty)
    while (found := minimised(_with_alpha(problem, high), penalty)).kept.size > count and high < 1e9:
        low, high, dense = high, 4.0 * high, found
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        found = minimised(_with_alpha(problem, middle), penalty)
        if found.kept.size >= count:
            low, dense = middle, found
        else:
            high = middle
        if dense.kept.size == count:
            break
    return _largest(dense, count)


def faded(problem: Problem, penalty: float) -> Selection:
    """Algorithm 2 at a λ: X := X diag(β) in every round, until nothing moves."""
    scale = np.diagonal(problem.gram).copy()
    for _ in range(_ROUNDS):
        beta = _round(problem, scale, penalty)
        moved = np.abs(scale * beta - scale).max(initial=0.0)
        scale = scale * beta
        if moved <= _REST:
            break
    return Selection(np.flatnonzero(scale > _REST), scale, penalty)


def faded_to(problem: Problem, count: int) -> Selection:
    """Algorithm 2 for a number of survivors: the λ that leaves so many, or a few more of which the smallest go."""
    low, high = 0.0, _NOTHING
    dense = faded(problem, 0.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        found = faded(problem, middle)
        if found.kept.size >= count:
            low, dense = middle, found
        else:
            high = middle
        if dense.kept.size == count:
            break
    return _largest(dense, count)


def _round(problem: Problem, scale: Array, penalty: float) -> Array:
    """β of one round: columns are `scale` times their first length, and are still compared with the first."""
    present = Problem(np.diag(scale**2), scale, problem.alpha, problem.given_similarity)
    solution: Solution = solve(present, penalty, start=(scale > _REST).astype(np.float64))
    return solution.coefficients


def _with_alpha(problem: Problem, alpha: float) -> Problem:
    return Problem(problem.gram, problem.linear, alpha, problem.given_similarity)


def _largest(found: Selection, count: int) -> Selection:
    if found.kept.size <= count:
        return found
    order = np.argsort(-np.abs(found.factors[found.kept]), kind="stable")
    return Selection(np.sort(found.kept[order[:count]]), found.factors, found.penalty)
