"""Near misses of borders that constants are written into: values, places and readers that do not fit."""

from __future__ import annotations

import numpy as np

from tests.regions.borders import biased, filled
from tests.regions.builder import FLOAT, FLOAT16, Builder, Tensor
from tests.regions.near_misses_base import Maker, Parts, broken, image

AMOUNTS = ((1, 1), (2, 0))


def _over(b: Builder, full: Tensor, *guarded: str) -> Parts:
    outer = b.conv(full, 4, [3, 3])
    return Parts((outer.name,), (outer.name, full.name, *guarded))


def _nearly(factor: float, *, at_once: bool) -> Maker:
    """One channel of the border is off by a factor."""

    def make(b: Builder) -> Parts:
        inner, bias = biased(b, image(b), 4)
        bias[int(np.argmax(np.abs(bias)))] *= factor
        return _over(b, filled(b, inner, AMOUNTS, bias, at_once=at_once))

    return make


broken("border that differs from the bias in one channel")(_nearly(1.01, at_once=False))
broken("border that differs in float64")(_nearly(1 + 1e-13, at_once=True))
broken("border that differs in float32", dtype=FLOAT)(_nearly(1 + 1e-5, at_once=True))
broken("border that differs in float16", dtype=FLOAT16)(_nearly(1.03, at_once=True))


@broken("border filled on one axis only")
def _half(b: Builder) -> Parts:
    inner, bias = biased(b, image(b), 4)
    return _over(b, filled(b, inner, AMOUNTS, bias, skip=1))


@broken("border that belongs to the other channels")
def _reversed(b: Builder) -> Parts:
    inner, bias = biased(b, image(b), 4)
    return _over(b, filled(b, inner, AMOUNTS, bias[::-1].copy()))


@broken("border of zeros under a bias")
def _zeros(b: Builder) -> Parts:
    """Zeros around the output of a convolution are its zero padding, but never that of the convolution's own input."""
    inner, bias = biased(b, image(b), 4)
    outer = b.conv(filled(b, inner, AMOUNTS, np.zeros_like(bias)), 4, [3, 3])
    return Parts((outer.name,), (outer.name,))


@broken("constants written inside the border")
def _inside(b: Builder) -> Parts:
    inner, bias = biased(b, image(b), 4)
    full = filled(b, inner, AMOUNTS, bias)
    place = b.integers([[0, 1, 3, 3]])
    changed = b.node("ScatterND", [full.name, place, b.constant(bias[1:2])])
    return _over(b, Tensor(changed, 4, full.sizes))


@broken("constants added to the border", opset=18)
def _added(b: Builder) -> Parts:
    inner, bias = biased(b, image(b), 4)
    full = filled(b, inner, AMOUNTS, bias)
    place = b.integers([[0, 1, 0, 0]])
    changed = b.node("ScatterND", [full.name, place, b.constant(bias[1:2])], reduction="add")
    return _over(b, Tensor(changed, 4, full.sizes))


@broken("border that is read transposed")
def _transposed(b: Builder) -> Parts:
    inner, bias = biased(b, image(b, 4, (7, 7)), 4)
    full = filled(b, inner, ((1, 1), (1, 1)), bias, at_once=True)
    turned = b.node("Transpose", [full.name], perm=[0, 1, 3, 2])
    return _over(b, Tensor(turned, 4, full.sizes))


@broken("border that is read before it is full")
def _early(b: Builder) -> Parts:
    inner, bias = biased(b, image(b), 4)
    padded = b.pad(inner, [1, 1], [1, 1])
    place = b.integers([[0, 1, 0, 0]])
    changed = b.node("ScatterND", [padded.name, place, b.constant(bias[1:2])])
    pair = [b.conv(padded, 4, [3, 3]), b.conv(Tensor(changed, 4, padded.sizes), 4, [3, 3])]
    return Parts((b.binary("Add", *pair).name,), (changed, padded.name))


@broken("constants over all of a cropped tensor")
def _all_written(b: Builder) -> Parts:
    """The border of a shift is one row, but everything is overwritten: nothing of the image is left."""
    inner, bias = biased(b, image(b), 12)
    moved = b.pad(inner, [-1, 0], [1, 0])
    places = np.argwhere(np.ones((1, 12, *inner.sizes[0])))
    constants = b.constant(bias[places[:, 1]])
    return _over(b, Tensor(b.node("ScatterND", [moved.name, b.integers(places.tolist()), constants]), 12, inner.sizes))


@broken("Transpose of an image")
def _turned(b: Builder) -> Parts:
    x = image(b, 4, (4, 4))
    turned = b.node("Transpose", [b.conv(x, 4, [1, 1]).name], perm=[0, 2, 1, 3])
    return _over(b, Tensor(turned, 4, x.sizes))
