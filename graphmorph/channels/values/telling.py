"""Making facts, and telling elements apart along an axis or no longer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from graphmorph.channels.values.fact import LIMIT, Fact, Float64, Numbers, Outline
from graphmorph.channels.values.numbering import Numbering
from graphmorph.channels.values.rounding import largest
from graphmorph.channels.values.rows import equal_rows

#: Bounds that are this near to each other, as a part of the value, are a constant: 1 + erf(x) for a tiny x, say.
NARROW = 2.0**-18

#: A value that rounding may change by more than this part of it (cancellation) does not count as a constant.
LOOSE = 2.0**-7


def agreed(constants: Sequence[Float64]) -> Float64:
    """The value that all have, up to rounding; NaN where there is none."""
    first = constants[0]
    same = [np.abs(other - first) <= NARROW * np.abs(first) for other in constants]
    return np.where(np.all(np.broadcast_arrays(*same), axis=0), first, np.nan)


def settle(
    numbering: Numbering,
    outline: Outline,
    number: Numbers,
    constant: Float64 | None = None,
    low: Float64 | None = None,
    high: Float64 | None = None,
) -> Fact:
    """A fact from what an operator's rule found, checked: only constants that their bounds confirm stay.

    Elements are not told apart along free axes, nor more of them than `LIMIT`.

    Raises:
        LookupError: the arrays do not fit the sizes.
    """
    value, least, most, number = np.broadcast_arrays(
        np.float64(np.nan) if constant is None else constant,
        np.float64(-np.inf) if low is None else low,
        np.float64(np.inf) if high is None else high,
        number,
    )
    if any(extent not in (1, size) for extent, size in zip(number.shape, outline.sizes, strict=True)):
        raise LookupError("the sizes are not what was expected")
    reach = largest(outline.dtype)
    least = np.where(np.isnan(least) | (least < -reach), -np.inf, least)
    most = np.where(np.isnan(most) | (most > reach), np.inf, most)
    wrong = least > most
    least, most = np.where(wrong, -np.inf, least), np.where(wrong, np.inf, most)
    with np.errstate(invalid="ignore"):
        middle = least / 2 + most / 2
        narrow = np.isnan(value) & np.isfinite(middle) & (most - least <= NARROW * np.abs(middle))
        value = np.where(narrow, middle, value) + 0.0
        spread = np.maximum(most, value) - np.minimum(least, value)
        value = np.where(np.isfinite(spread) & (spread <= LOOSE * np.abs(value)), value, np.nan)
    least, most = np.fmin(least, value), np.fmax(most, value)
    return coarse(numbering, Fact(outline, value, least, most, number))


def coarse(numbering: Numbering, fact: Fact) -> Fact:
    """A fact that tells apart no more than it should, and has the numbers of constants where it has their values."""
    return limited(numbering, collapse(numbering, _with_exact(numbering, fact), fact.free))


def _with_exact(numbering: Numbering, fact: Fact) -> Fact:
    """With the numbers of constants where no rounding is involved. The others keep the number of how they came about:
    what is equal up to rounding may part later, at a step."""
    exact = fact.low == fact.high
    if not exact.any():
        return fact
    number = fact.number.copy()
    number[exact] = numbering.of_constants(fact.constant[exact])
    return replace(fact, number=number)


def unknown(numbering: Numbering, outline: Outline) -> Fact:
    """Of a tensor nothing is known: one slice, equal to no other."""
    return settle(numbering, outline, numbering.fresh(*(1,) * outline.rank))


def limited(numbering: Numbering, fact: Fact) -> Fact:
    """Coarsened until it is small enough: along the axes without which most is known, the largest first."""
    while fact.number.size > LIMIT:
        if not np.isnan(fact.constant).any():
            fact = collapse(numbering, fact, [int(np.argmax(fact.extents))])
            continue
        told = [axis for axis in range(fact.rank) if fact.told_apart(axis)]
        without = [(collapse(numbering, fact, [axis]), fact.extents[axis]) for axis in told]
        fact = max(without, key=lambda found: (_known(found[0]), found[1]))[0]
    return fact


def _known(fact: Fact) -> float:
    """The share of slices that are constant, or equal to another."""
    _, which, counts = np.unique(fact.number, return_inverse=True, return_counts=True)
    return float(np.mean(~np.isnan(fact.constant).reshape(-1) | (counts[which.reshape(-1)] > 1)))


def collapse(numbering: Numbering, fact: Fact, axes: Iterable[int]) -> Fact:
    """No longer telling elements apart along some axes: a slice now is all the slices there were."""
    apart = [axis for axis in axes if fact.told_apart(axis)]
    if not apart:
        return fact
    extents = tuple(1 if axis in apart else extent for axis, extent in enumerate(fact.extents))
    width = fact.number.size // max(int(np.prod(extents, dtype=np.int64)), 1)
    ends = tuple(range(fact.rank - len(apart), fact.rank))

    def rows(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(array, apart, ends).reshape(-1, width)

    constant, number = rows(fact.constant), rows(fact.number)
    constant = np.where((constant == constant[:, :1]).all(axis=1), constant[:, 0], np.nan)
    collapsed = Fact(
        fact.outline,
        constant.reshape(extents),
        rows(fact.low).min(axis=1).reshape(extents),
        rows(fact.high).max(axis=1).reshape(extents),
        numbering.labelled(equal_rows(number)).reshape(extents),
    )
    return _with_exact(numbering, collapsed)


def tell_apart(numbering: Numbering, fact: Fact, axis: int) -> Fact:
    """Telling elements apart along one more axis: the places of a slice are values of their own.

    Raises:
        LookupError: the axis is free, or there would be too many.
    """
    if not fact.in_slice(axis):
        return fact
    size = fact.sizes[axis]
    if axis in fact.free:
        raise LookupError("elements along an axis whose size differs between runs are not told apart")
    if fact.number.size * size > LIMIT:
        raise LookupError("there are too many elements to tell apart")
    places = np.arange(size).reshape([-1 if a == axis else 1 for a in range(fact.rank)])
    number = numbering.combine(("at", fact.slice_shape, axis), fact.number, places)
    number = np.where(fact.low == fact.high, fact.number, number)
    constant, low, high = (np.broadcast_to(a, number.shape) for a in (fact.constant, fact.low, fact.high))
    return Fact(fact.outline, constant, low, high, number)
