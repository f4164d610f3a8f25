"""What a user can ask of a new layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from graphmorph.errors import UsageError
from graphmorph.layer_insertion.initialisation import Initialisation
from graphmorph.layer_insertion.new_layer import Activation

Algorithm = Literal["compnet-1", "compnet-2", "compnet-3", "netmorph", "net2deeper"]

COMPNET: tuple[Algorithm, ...] = ("compnet-1", "compnet-2", "compnet-3")


@dataclass(frozen=True)
class LayerSettings:
    """A new layer.

    channels: N_redundant, how many it has at first; 0: twice as many as the tensor it goes behind. kernel: sizes of its
    window, or one for all axes. survivors: how many channels stay; explained: as few as explain this share of the next
    layer's outputs (mean R²); neither: those that the penalty leaves (λ and α of equation 6). ridge: of the least
    squares (equation 11), in units of the mean square column. positions: rows of each sample, drawn by seed; 0: all.
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
        if self.channels < 0 or min(self.kernel, default=0) < 1 or self.positions < 0:
            raise UsageError("channels and positions are 0 or more, and sizes of a kernel at least 1")
        if self.survivors is not None and self.explained is not None:
            raise UsageError("survivors and explained both say how many channels stay: give one of them")
        if self.survivors is not None and self.survivors < 1:
            raise UsageError(f"survivors is {self.survivors}: at least one channel has to survive")
        if self.explained is not None and not 0.0 < self.explained <= 1.0:
            raise UsageError(f"explained is {self.explained}: it is a share, above 0 and up to 1")
        if min(self.penalty, self.alpha, self.ridge) < 0:
            raise UsageError("penalty, alpha and ridge are 0 or more")
        if not self.is_compnet and (self.survivors, self.explained) != (None, None):
            raise UsageError(f"{self.algorithm} drops no channels: say with channels how many there are")

    @property
    def is_compnet(self) -> bool:
        """Whether channels are dropped again."""
        return self.algorithm in COMPNET
