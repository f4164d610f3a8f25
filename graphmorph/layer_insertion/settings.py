"""What a user can ask of a new layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.initialisation import Initialisation
from graphmorph.layer_insertion.new_layer import Activation
from graphmorph.option_values import require_finite, require_share, require_whole

Algorithm = Literal["compnet-1", "compnet-2", "compnet-3", "netmorph", "net2deeper"]

COMPNET: tuple[Algorithm, ...] = ("compnet-1", "compnet-2", "compnet-3")


@dataclass(frozen=True)
class LayerSettings:
    """A new layer.

    channels: N_redundant, how many it has at first; 0: twice as many as the tensor it goes behind, or more where
    `explained` needs them. kernel: sizes of its window, or one for all axes. survivors: how many channels stay;
    explained: as few as explain this share of the next layer's outputs (mean R²); neither: those that the penalty
    leaves (λ and α of equation 6). ridge: of the least squares (equation 11), in units of the mean square column.
    positions: rows of each sample, drawn by seed; 0: all.
    """

    algorithm: Algorithm = "compnet-3"
    channels: int = 0
    kernel: tuple[int, ...] = (3,)
    activation: Activation = "relu"
    slope: float = 0.01
    initialisation: Initialisation = "auto"
    survivors: int | None = None
    explained: float | None = None
    penalty: float = 0.1
    alpha: float = 0.1
    ridge: float = 1e-6
    positions: int = 10
    batch_norm: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for option, choices in (
            ("algorithm", Algorithm),
            ("activation", Activation),
            ("initialisation", Initialisation),
        ):
            if getattr(self, option) not in get_args(choices):
                given = ", ".join(get_args(choices))
                raise UsageError(f"{option} is {getattr(self, option)}; give one of {given}")
        self._require_numbers()
        if self.survivors is not None and self.explained is not None:
            raise UsageError("survivors and explained both say how many channels stay: give one of them")
        if not self.is_compnet and (self.survivors, self.explained) != (None, None):
            raise UsageError(f"{self.algorithm} drops no channels: say with channels how many there are")

    def _require_numbers(self) -> None:
        for option in ("channels", "positions", "seed"):
            require_whole(option, getattr(self, option), least=0)
        if not self.kernel:
            raise UsageError("kernel has no size: give one for all axes, or one for each")
        for size in self.kernel:
            require_whole("kernel", size, least=1)
        if self.survivors is not None:
            require_whole("survivors", self.survivors, least=1)
        for option in ("penalty", "alpha", "ridge"):
            require_finite(option, getattr(self, option))
        if self.explained is not None:
            require_share("explained", self.explained)
            if self.explained == 0:
                raise UsageError("explained is 0: that no channel is needed for")
        if not np.isfinite(self.slope):
            raise UsageError(f"slope {self.slope}: a finite number is needed")

    @property
    def is_compnet(self) -> bool:
        """Whether channels are dropped again."""
        return self.algorithm in COMPNET
