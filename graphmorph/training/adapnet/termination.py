"""When the evaluation phase ends (AdapNet, section 3): fewer than k filters pruned in n consecutive LSEPs.

Read as the sum over the last n, of all layers; merged filters are not pruned ones. With k = 0, which the paper allows
"in extreme circumstances", it never ends by itself.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.state import State


class Termination:
    """lseps: n. pruned: k."""

    def __init__(self, lseps: int = 2, pruned: int = 3) -> None:
        self._lseps, self._pruned = lseps, pruned
        self._counts: list[int] = []

    @property
    def is_reached(self) -> bool:
        """Whether fine-tuning begins."""
        return len(self._counts) == self._lseps and sum(self._counts) < self._pruned

    def record(self, pruned: int) -> None:
        """An LSEP is over, in which so many filters were chosen for pruning."""
        self._counts = [*self._counts, pruned][-self._lseps :]

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything; `from_state` makes the same again."""
        limits = {"lseps": np.array(self._lseps), "pruned": np.array(self._pruned)}
        return {"counts": np.array(self._counts, np.int64), **limits}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The termination that a state was taken of."""
        made = cls(int(state["lseps"]), int(state["pruned"]))
        made._counts = [int(one) for one in state["counts"]]
        return made
