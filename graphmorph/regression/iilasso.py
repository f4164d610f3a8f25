"""Independently interpretable Lasso by coordinate descent on a Gram matrix (Takada, Suzuki, Fujisawa 2018).

CompNet's equations 6 to 10. With Q = XᵀX / N and c = XᵀO / N, the loss over b is, but for a constant,

    ½ bᵀQb - cᵀb + λ (|b|₁ + α/2 |b|ᵀR|b|),    R_jk = |r_jk| / (1 - |r_jk|),    R_jj = 0,

and its minimum in one coordinate, with the soft threshold S(a, t) = sgn(a) (|a| - t)₊, is

    b_j = S(c_j - Σ_k≠j Q_jk b_k, λ (1 + α Σ_k R_jk |b_k|)) / Q_jj.

The paper prints (8) for standardised columns (Q_jj = 1); nothing here asks for them. For α = 0 it is the Lasso. The
loss is convex in every coordinate, not as a whole: what comes out is a local minimum, reached from zero (or from a
solution at a larger λ), and the loss never rises on the way.

The limit r -> 1: R is infinite for columns that are multiples of each other; only one of them can be nonzero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphmorph.errors import UsageError

Array = NDArray[np.float64]

#: Correlations nearer to 1 than this are 1.
_ALIKE = 1e-12


@dataclass(frozen=True, eq=False)
class Problem:
    """Q (n, n), c (n,) and α; the similarity R (n, n) is that of Q's columns unless it is given (inf: excluded)."""

    gram: Array
    linear: Array
    alpha: float
    given_similarity: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.linear)
        if self.linear.ndim != 1 or self.gram.shape != (count, count):
            raise UsageError(f"iiLasso: a Gram matrix {self.gram.shape} and {self.linear.shape} do not fit")
        if self.alpha < 0 or not np.isfinite(self.alpha):
            raise UsageError(f"iiLasso: alpha is {self.alpha}, it has to be 0 or more")
        if not (np.isfinite(self.gram).all() and np.isfinite(self.linear).all()):
            raise UsageError("iiLasso: the sums hold numbers that are not finite")

    @cached_property
    def exclusive(self) -> NDArray[np.bool_]:
        """(n, n) pairs of which only one can be nonzero."""
        return np.isinf(self._similarity) & (self.alpha > 0)

    def blocked(self, coefficients: Array) -> NDArray[np.int64]:
        """(n,) by how many nonzero coefficients each one is excluded."""
        return np.asarray(self.exclusive[self._excluding & (coefficients != 0)].sum(axis=0), np.int64)

    @cached_property
    def _excluding(self) -> NDArray[np.bool_]:
        return np.asarray(self.exclusive.any(axis=0))

    @cached_property
    def finite(self) -> Array:
        """(n, n) α R where it is finite, else 0."""
        return self.alpha * np.where(np.isinf(self._similarity), 0.0, self._similarity)

    @cached_property
    def _similarity(self) -> Array:
        given = self.given_similarity
        return similarity(self.gram) if given is None else given

    @property
    def largest_penalty(self) -> float:
        """The λ from which on all coefficients are zero."""
        return float(np.abs(self.linear[np.diagonal(self.gram) > 0]).max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients (n,) at a λ, the loss there, the number of sweeps, and whether they had come to rest."""

    coefficients: Array
    penalty: float
    loss: float
    sweeps: int
    converged: bool

    @property
    def support(self) -> NDArray[np.int64]:
        """Indices of the coefficients that are not zero."""
        return np.flatnonzero(self.coefficients)


def similarity(gram: ArrayLike) -> Array:
    """R (n, n) of equation 7 from a Gram matrix (n, n), of columns of any length; inf where columns are alike."""
    square = np.asarray(gram, np.float64)
    length = np.sqrt(np.diagonal(square))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    correlation = np.minimum(np.abs(square) * scale[:, None] * scale, 1.0)
    alike = 1.0 - correlation < _ALIKE
    ratio: Array = np.divide(correlation, 1.0 - correlation, out=np.full_like(correlation, np.inf), where=~alike)
    np.fill_diagonal(ratio, 0.0)
    return ratio


def loss(problem: Problem, coefficients: ArrayLike, penalty: float) -> float:
    """The loss at some coefficients (n,), without the constant ½ ‖O‖²/N; inf where two exclude each other."""
    b = np.asarray(coefficients, np.float64)
    size, used = np.abs(b), b != 0
    if problem.blocked(b)[used].any():
        return float("inf")
    fit = 0.5 * b @ problem.gram @ b - problem.linear @ b
    return float(fit + penalty * (size.sum() + 0.5 * size @ problem.finite @ size))


def solve(
    problem: Problem,
    penalty: float,
    *,
    start: ArrayLike | None = None,
    tolerance: float = 1e-7,
    max_sweeps: int = 10_000,
) -> Solution:
    """Coordinate descent at λ = `penalty`, from `start` (zero, or a solution near by).

    It rests when no coefficient moves its column by more than `tolerance` times the longest |b_j| ‖X_j‖, and no zero
    coefficient wants to leave zero. Only coefficients that are, or want to be, nonzero are visited.

    Raises:
        UsageError: a negative penalty, or a start of another length.
    """
    if penalty < 0 or not np.isfinite(penalty):
        raise UsageError(f"iiLasso: a penalty of {penalty} is not a finite number of 0 or more")
    descent = _Descent(problem, penalty, start)
    sweeps, active = 0, descent.violators() | (descent.b != 0)
    while active.any() and sweeps < max_sweeps:
        moved = descent.sweep(np.flatnonzero(active), tolerance)
        sweeps += 1
        if moved:
            continue
        descent.refresh()
        wanting = descent.violators() & ~active
        if not wanting.any():
            break
        active |= wanting
    done = sweeps < max_sweeps
    return Solution(descent.b, penalty, loss(problem, descent.b, penalty), sweeps, done)


class _Descent:
    """Coefficients b with the sums that updates read: Q b, α R |b|, and how many that exclude each are nonzero."""

    def __init__(self, problem: Problem, penalty: float, start: ArrayLike | None) -> None:
        self.problem, self.penalty = problem, penalty
        self.energy = np.diagonal(problem.gram)
        self.b = np.zeros(len(problem.linear)) if start is None else np.array(start, np.float64)
        if self.b.shape != problem.linear.shape:
            raise UsageError(f"iiLasso: a start of shape {self.b.shape} for {len(problem.linear)} coefficients")
        self.b[self.energy <= 0] = 0.0
        self._keep_the_largest()
        self.refresh()

    def _keep_the_largest(self) -> None:
        """Of coefficients that exclude each other, the start keeps the one whose column is longest."""
        reach = np.abs(self.b) * np.sqrt(np.maximum(self.energy, 0.0))
        for j in np.argsort(-reach, kind="stable"):
            if self.b[j] != 0:
                self.b[self.problem.exclusive[j]] = 0.0

    def refresh(self) -> None:
        """Recompute the sums, so that rounding does not gather in them."""
        self.fit = self.problem.gram @ self.b
        self.weight = self.problem.finite @ np.abs(self.b)
        self.blocked = self.problem.blocked(self.b)

    def violators(self) -> NDArray[np.bool_]:
        """Coefficients that would leave zero."""
        pull = np.abs(self.problem.linear - self.fit)
        free = (self.b == 0) & (self.blocked == 0) & (self.energy > 0)
        limit = self.penalty * (1.0 + self.weight)
        return np.asarray(free & (pull > limit * (1 + 1e-12)))

    def sweep(self, indices: NDArray[np.int64], tolerance: float) -> bool:
        """Update the coordinates in turn; whether any moved by more than the tolerance."""
        largest = change = 0.0
        for j in indices.tolist():
            old, energy = float(self.b[j]), float(self.energy[j])
            new = 0.0
            if not self.blocked[j]:
                pull = float(self.problem.linear[j] - self.fit[j]) + energy * old
                excess = abs(pull) - self.penalty * (1.0 + float(self.weight[j]))
                new = float(np.copysign(excess, pull)) / energy if excess > 0 else 0.0
            if new != old:
                self._move(j, old, new)
            length = energy**0.5
            largest = max(largest, abs(new) * length)
            change = max(change, abs(new - old) * length)
        return change > tolerance * largest

    def _move(self, j: int, old: float, new: float) -> None:
        self.b[j] = new
        self.fit += self.problem.gram[j] * (new - old)
        if self.problem.alpha > 0:
            self.weight += self.problem.finite[j] * (abs(new) - abs(old))
            if (new == 0) != (old == 0):
                self.blocked += np.where(self.problem.exclusive[j], 1 if new else -1, 0)
