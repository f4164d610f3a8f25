"""The new layer, its activation function, and the new weights of the layer behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Activation = Literal["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and variance (channels,) of what the new layer gives before its activation function."""

    mean: Array
    variance: Array


@dataclass(frozen=True, eq=False)
class FirstHalf:
    """The new layer alone: L⁽ⁿᵉʷ⁾ with W⁽ⁿᵉʷ¹⁾, and its activation function h.

    weight: (channels, D_1, *kernel). bias: (channels,). slope: of leaky-relu. linear_share: (channels,) a in
    a x + (1 - a) h(x), which training may change (NetMorph's parametric activation); None for h alone. statistics:
    those of a batch normalisation between layer and activation; None for no normalisation.
    """

    weight: Array
    bias: Array
    activation: Activation
    slope: float = 0.01
    linear_share: Array | None = None
    statistics: Statistics | None = None

    @property
    def channels(self) -> int:
        return len(self.weight)

    def taken(self, kept: NDArray[np.int64]) -> FirstHalf:
        """Only some of its channels."""
        share, known = self.linear_share, self.statistics
        return replace(
            self,
            weight=self.weight[kept],
            bias=self.bias[kept],
            linear_share=None if share is None else share[kept],
            statistics=None if known is None else Statistics(known.mean[kept], known.variance[kept]),
        )


@dataclass(frozen=True, eq=False)
class NewLayer:
    """Both halves.

    next_weight: (columns, outputs) of the next layer, columns being (channels, *positions, *taps) in C order.
    next_bias: (outputs,), None where it stays as it is. redundant: N_redundant, the channels there were at first.
    explained: (outputs,) R² of the next layer's outputs on the calibration rows, None where nothing was captured.
    penalty: λ. rows: how many were captured.
    """

    first: FirstHalf
    next_weight: Array
    next_bias: Array | None
    redundant: int
    explained: Array | None = None
    penalty: float | None = None
    rows: int = 0
    notes: tuple[str, ...] = field(default=())
