"""Which pairs of taps of two kernels add up to which tap of one, where the border of padding is not to show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

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
