"""Taking a layer apart into two: two kernels, one behind the other, that are to be a given kernel together.

Wei, Wang, Rui, Chen, Network Morphism (ICML 2016): G̃ = F_{l+1} ⊛ F_l is linear in each of the two while the other is
fixed, and their algorithm 1 solves for one and the other in turn, by least squares.

First kernel F (c, D, U): c channels of D inputs, U taps. Second kernel S (c, O, V): the same c channels, O outputs, V
taps. What the two have to fulfil together is a list of equations, each over pairs of a tap of either (`Equations`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphmorph.layer_insertion.tap_equations import Array, Equations
from graphmorph.regression.least_squares import ridge

#: A relative squared error that is rounding: 1e-9 of the numbers, below the step of float32.
EXACT = 1e-18

#: Rounds end when one of them lowers the error by less than this share of it.
_PROGRESS = 1e-4


@dataclass(frozen=True, eq=False)
class Kernels:
    """Both kernels, and the share of the parent's square that they miss."""

    first: Array
    second: Array
    loss: float


def second_given(first: Array, target: Array, equations: Equations) -> Array:
    """The second kernel (c, O, V) that does best, and has the least norm of those, behind a first (c, D, U)."""
    mixed = _mixed(first, equations.pairs)
    right = target.reshape(len(target), -1)
    if len(mixed) <= mixed.shape[1]:
        solution = ridge(mixed @ mixed.T, mixed @ right.T)
    else:
        solution = mixed @ ridge(mixed.T @ mixed, right.T)
    return np.ascontiguousarray(solution.reshape(len(first), -1, len(target)).transpose(0, 2, 1))


def first_given(second: Array, target: Array, equations: Equations) -> Array:
    """The first kernel (c, D, U) that does best, and has the least norm of those, before a second (c, O, V)."""
    turned = Equations(equations.pairs.transpose(0, 2, 1), equations.wanted)
    return second_given(second, target.transpose(1, 0, 2), turned)


def composite(first: Array, second: Array, equations: Equations) -> Array:
    """The left sides (O, D, E)."""
    mixed = _mixed(first, equations.pairs)
    flat = second.transpose(1, 0, 2).reshape(second.shape[1], -1)
    return (flat @ mixed).reshape(second.shape[1], first.shape[1], -1)


def _mixed(first: Array, pairs: Array) -> Array:
    """(c * V, D * E): what the left sides are linear in."""
    mixed = np.tensordot(first, pairs, axes=(2, 2))
    return mixed.transpose(0, 3, 1, 2).reshape(len(first) * pairs.shape[1], -1)


def taken_apart(parent: Array, first: Array, equations: Equations, rounds: int) -> Kernels:
    """Both kernels, from a first to start with; the loss never rises from round to round.

    The first one keeps its norm: a scale can go from one to the other.
    """
    target = equations.target(parent)
    found = _behind(first, target, equations)
    for _ in range(rounds):
        if found.loss <= EXACT:
            break
        before = found.loss
        found = min(found, _behind(_as_large(first, found.second, target, equations), target, equations), key=_loss)
        if found.loss > before * (1 - _PROGRESS):
            break
    return found


def _as_large(like: Array, second: Array, target: Array, equations: Equations) -> Array:
    first = first_given(second, target, equations)
    size = float(np.linalg.norm(first))
    return first * (float(np.linalg.norm(like)) / size) if size else like


def _behind(first: Array, target: Array, equations: Equations) -> Kernels:
    second = second_given(first, target, equations)
    size = float(np.square(target).sum())
    missed = float(np.square(composite(first, second, equations) - target).sum())
    return Kernels(first, second, missed / size if size else 0.0)


def _loss(kernels: Kernels) -> float:
    return kernels.loss
