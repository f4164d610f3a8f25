"""Which input makes two affine maps differ: bisect the input that showed it, down to one unit impulse."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphmorph.affine.evaluator_arrays import Array

Map = Callable[[Mapping[str, Array]], Array]


def localise(original: Map, rewritten: Map, feeds: Mapping[str, Array], place: tuple[int, ...]) -> str:
    """Say, in words, which constant term or input element makes the output element `place` differ.

    Takes about log2(input size) runs of both maps. `feeds` are inputs on which the two are known to differ
    there.
    """
    zeros = {name: np.zeros_like(x) for name, x in feeds.items()}
    before, after = float(original(zeros)[place]), float(rewritten(zeros)[place])
    whole = float(rewritten(feeds)[place]) - float(original(feeds)[place])
    if not np.isfinite([before, after, whole]).all():
        return "it is not finite"
    shift = after - before
    if abs(shift) >= 0.5 * abs(whole):
        return f"on the zero input it is {after:.9g} instead of {before:.9g}"

    def effect(name: str, chosen: Array) -> float:
        fed = {**zeros, name: np.where(chosen, feeds[name], 0.0)}
        return abs(float(rewritten(fed)[place]) - float(original(fed)[place]) - shift)

    name = max(feeds, key=lambda source: effect(source, np.ones(feeds[source].shape)))
    kept = np.flatnonzero(feeds[name])
    while len(kept) > 1:
        halves = np.array_split(kept, 2)
        kept = max(halves, key=lambda half: effect(name, _mask(half, feeds[name].shape)))
    impulse = _mask(kept, feeds[name].shape)
    fed = {**zeros, name: impulse}
    weights = float(original(fed)[place]) - before, float(rewritten(fed)[place]) - after
    where = tuple(int(i) for i in np.unravel_index(int(kept[0]), impulse.shape))
    return f"a unit impulse at {where} of '{name}' gives {weights[1]:.9g} instead of {weights[0]:.9g}"


def _mask(flat: Array | np.ndarray[tuple[int, ...], np.dtype[np.intp]], shape: tuple[int, ...]) -> Array:
    """1.0 at the given flat positions, 0.0 elsewhere."""
    mask = np.zeros(int(np.prod(shape)))
    mask[flat] = 1.0
    return mask.reshape(shape)
