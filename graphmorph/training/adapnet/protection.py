"""Which filters of a group no decision is taken of: new ones for two LSEPs, and those that are about to be removed.

AdapNet, section 3.3: "During the next two LSEP, the new filter will not become a pruning/merging candidate." Inserted
at the end of an LSEP, it is passed over at the ends of the next two, and judged at the third. Section 3.2: a candidate
for pruning is not updated during the next LSEP, and removed after it: it is not chosen again. A merged filter is not
protected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.training.adapnet.activity import rows_taken
from graphmorph.training.adapnet.state import State


class Protection:
    """left: (filters,) evaluations for which each is still passed over. frozen: (filters,).

    Args:
        filters: how many the group has.
        lseps: for how long new filters are protected.
    """

    def __init__(self, filters: int, lseps: int = 2) -> None:
        self._lseps = lseps
        self.left = np.zeros(filters, np.int64)
        self.frozen = np.zeros(filters, np.bool_)

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """(filters,) those that decisions may be taken of."""
        eligible: NDArray[np.bool_] = (self.left == 0) & ~self.frozen
        return eligible

    def end_lsep(self) -> None:
        """An evaluation is over: after its decisions, and before they are carried out."""
        self.left = np.maximum(self.left - 1, 0)

    def freeze(self, filters: Iterable[int]) -> None:
        """These are to be removed at the end of the next LSEP."""
        self.frozen[list(filters)] = True

    def follow(self, taken: Sequence[int]) -> None:
        """Filter i is now what filter taken[i] was, or NEW (journal.Slice): protected from now on.

        Raises:
            UsageError: there is no such filter.
        """
        self.frozen = rows_taken(self.frozen, taken, False)
        self.left = rows_taken(self.left, taken, self._lseps)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything; `from_state` makes the same again."""
        return {"left": self.left.copy(), "frozen": self.frozen.copy(), "lseps": np.array(self._lseps)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The protection that a state was taken of."""
        made = cls(len(state["left"]), int(state["lseps"]))
        made.left, made.frozen = state["left"].copy(), state["frozen"].copy()
        return made
