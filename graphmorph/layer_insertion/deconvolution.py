"""Taking a layer apart into two: two kernels, one behind the other, that are to be a given kernel together.

Wei, Wang, Rui, Chen, Network Morphism (ICML 2016), equation 6: G̃ = F_{l+1} ⊛ F_l. It is linear in each of the two while
the other is fixed, and their algorithm 1 solves for one and the other in turn, by least squares.

First kernel F (c, D, U): c channels of D inputs, U taps. Second kernel S (c, O, V): the same c channels, O outputs, V
taps. What the two have to fulfil together is a list of equations, each over pairs of a tap of either (`Equations`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.regression.least_squares import ridge

Array = NDArray[np.float64]

#: A relative squared error that is rounding: 1e-9 of the numbers, below the step of float32.
EXACT = 1e-18

#: Rounds end when one of them lowers the error by less than this share of it.
_PROGRESS = 1e-4


#: What is left of a row of zeros and ones that follows from others is rounding below this.
_DEPENDENT = 1e-6


@dataclass(frozen=True, eq=False)
class Equations:
    """For each e: Σ pairs[e, v, u] S[:, :, v]ᵀ F[:, :, u] = Σ wanted[e, v] G[:, :, v].

    pairs (E, V, U): which pairs of taps add up. wanted (E, V): the tap of the parent's kernel that they have to give;
    none where they have to cancel. crowding: the most equations for each tap of the second kernel, and of the first,
    over all taps or over a range of them that equations have to themselves.
    """

    pairs: Array
    wanted: Array
    crowding: tuple[float, float] = (1.0, 1.0)

    def target(self, parent: Array) -> Array:
        """The right sides (O, D, E), for the parent's kernel (O, D, V)."""
        return np.asarray(np.tensordot(parent, self.wanted, axes=(2, 1)))

    def channels_for(self, outputs: int, inputs: int) -> int:
        """How many channels one kernel needs at least to meet all equations, whatever the other is.

        NetMorph's condition, for the kernel that needs fewer. For most windows so many are enough.
        """
        return min(math.ceil(inputs * self.crowding[0] - 1e-9), math.ceil(outputs * self.crowding[1] - 1e-9))


#: One tap each: two products, one behind the other.
PRODUCT = Equations(np.ones((1, 1, 1)), np.ones((1, 1)))


def windows(second: int, dilation: int, first: int, pads: tuple[int, int]) -> Equations:
    """Along one axis: a second kernel that reads at v * dilation, over a first that keeps positions.

    Where the second pads with zeros, it reads nothing there, while the first would have gone on to read what is within
    its reach. So besides the pairs for each offset (the interior), those that a border leaves out have to cancel.
    """
    reads = np.arange(second) * dilation
    last = int(reads[-1])
    offsets = reads[:, None] + np.arange(first) - (first - 1) // 2
    begin, end = (min(pad, last + first) for pad in pads)
    left_out = [(reads < beyond, offsets >= beyond) for beyond in range(1, begin + 1)]
    left_out += [(reads > last - beyond, offsets <= last - beyond) for beyond in range(1, end + 1)]
    equations: dict[bytes, tuple[NDArray[Any], NDArray[Any]]]
    equations = {(offsets == at).tobytes(): (offsets == at, reads == at) for at in np.unique(offsets)}
    for taps, inside in left_out:
        for at in np.unique(offsets):
            pairs = taps[:, None] & inside & (offsets == at)
            if pairs.any():
                equations.setdefault(pairs.tobytes(), (pairs, np.zeros(second, bool)))
    return _independent(equations.values())


def positions(count: int, first: int) -> Equations:
    """Along one axis that the second layer reads whole, `count` positions of it: as many equations as taps."""
    offsets = np.arange(count)[:, None] + np.arange(first) - (first - 1) // 2
    pairs = np.array([offsets == at for at in range(count)], np.float64)
    return Equations(pairs, np.eye(count), (1.0, float(count)))


def _independent(equations: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> Equations:
    """Equations, less those that follow from others; fewer pairs go first. The middle taps fulfil all of them."""
    basis: list[Array] = []
    kept = []
    for pairs, wanted in sorted(equations, key=lambda one: int(one[0].sum())):
        rest = pairs.astype(np.float64).reshape(-1)
        for _ in range(2):
            rest -= sum((float(rest @ known) * known for known in basis), np.zeros(rest.size))
        size = float(np.linalg.norm(rest))
        if size > _DEPENDENT:
            basis.append(rest / size)
            kept.append((pairs, wanted))
    taken: NDArray[Any] = np.array([pairs for pairs, _ in kept])
    crowding = _crowding(np.any(taken, axis=2)), _crowding(np.any(taken, axis=1))
    return Equations(taken.astype(np.float64), np.array([wanted for _, wanted in kept], np.float64), crowding)


def _crowding(reads: NDArray[Any]) -> float:
    """The most equations for each tap, over ranges of taps, for what reads which (E, V)."""
    taps = reads.shape[1]
    ranges = [(low, high) for low in range(taps) for high in range(low + 1, taps + 1)]
    alone = [
        (~np.any(reads[:, :low], axis=1) & ~np.any(reads[:, high:], axis=1)).sum() / (high - low)
        for low, high in ranges
    ]
    return float(max(alone))


def over_axes(axes: Sequence[Equations]) -> Equations:
    """Equations over several axes: taps, and what a border leaves out, are products of those along each."""
    return reduce(_product, axes)


def _product(one: Equations, other: Equations) -> Equations:
    pairs, wanted = np.kron(one.pairs, other.pairs), np.kron(one.wanted, other.wanted)
    crowding = one.crowding[0] * other.crowding[0], one.crowding[1] * other.crowding[1]
    return Equations(np.asarray(pairs, np.float64), np.asarray(wanted, np.float64), crowding)


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
