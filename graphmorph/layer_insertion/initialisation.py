"""First weights of a new layer, by its activation function.

he: variance 2 / ((1 + slope²) n) for n inputs (He et al. 2015, CompNet's reference [10]). xavier: 2 / (n + m) for m
outputs (Glorot and Bengio 2010). kumar: 1 / (h'(0)² (1 + h(0)²) n) for an h that is differentiable at 0 (Kumar
2017, reference [17]): 1 / n for tanh, 12.8 / n for sigmoid. he-middle: he for the middle tap of the kernel alone, n
being the channels that are read; the other taps start at zero. Channels then mix and nothing is blurred, so that
fewer of them give the outputs again. auto: he for relu and leaky-relu, kumar for the others, as CompNet cites the
two.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.new_layer import Activation

Initialisation = Literal["auto", "he", "he-middle", "xavier", "kumar"]

Array = NDArray[np.float64]

#: h(0) and h'(0).
_AT_ZERO: dict[str, tuple[float, float]] = {
    "tanh": (0.0, 1.0),
    "sigmoid": (0.5, 0.25),
    "gelu": (0.0, 0.5),
    "silu": (0.0, 0.5),
}


def initial_weight(
    shape: tuple[int, ...], activation: Activation, initialisation: Initialisation, seed: int, slope: float = 0.01
) -> Array:
    """A weight (channels, inputs, *kernel), drawn from a normal distribution around zero.

    Raises:
        UsageError: kumar for a function with a kink at 0.
    """
    random = np.random.default_rng(seed)
    if initialisation == "he-middle":
        weight = np.zeros(shape)
        middle = tuple((size - 1) // 2 for size in shape[2:])
        spread = np.sqrt(variance(shape[:2], activation, "he", slope))
        index: tuple[Any, ...] = (..., *middle)
        weight[index] = spread * random.standard_normal(shape[:2])
        return weight
    spread = np.sqrt(variance(shape, activation, initialisation, slope))
    return np.asarray(spread * random.standard_normal(shape), np.float64)


def variance(shape: tuple[int, ...], activation: Activation, initialisation: Initialisation, slope: float) -> float:
    """The variance of the entries."""
    taps = int(np.prod(shape[2:], dtype=np.int64))
    into, out = shape[1] * taps, shape[0] * taps
    bent = activation in ("relu", "leaky-relu")
    if initialisation == "xavier":
        return 2.0 / (into + out)
    if initialisation == "he" or (initialisation == "auto" and bent):
        low = slope if activation == "leaky-relu" else 0.0
        return 2.0 / ((1.0 + low**2) * into)
    if bent:
        raise UsageError(
            f"kumar's initialisation is for functions that are differentiable at 0; for {activation} use he"
        )
    value, derivative = _AT_ZERO[activation]
    return 1.0 / (derivative**2 * (1.0 + value**2) * into)
