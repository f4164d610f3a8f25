"""The record of edits to constants: it moves optimizer state along with parameters, and tells their provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: An entry of `Slice.taken` that no entry of the old constant became.
NEW = -1


@dataclass(frozen=True)
class Slice:
    """One axis of a new constant: entry i is entry `taken[i]` of the old one, or new."""

    axis: int
    taken: tuple[int, ...]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """The same, to index arrays with."""
        return np.array(self.taken, np.int64)

    @cached_property
    def has_new(self) -> bool:
        """Whether some entries are new."""
        return bool((self.places == NEW).any())


@dataclass(frozen=True)
class ConstantEdit:
    """A constant that a rewrite made, and the constants whose values went into it.

    slices: where the new constant has entries of the first of `made_from`, axis by axis; empty where it was computed.
    """

    rewrite: str
    name: str
    made_from: tuple[str, ...]
    slices: tuple[Slice, ...] = ()


@dataclass
class Journal:
    """Edits in the order in which they were made."""

    edits: list[ConstantEdit] = field(default_factory=list)
    nodes_removed: int = 0
    nodes_added: int = 0
    nodes_changed: int = 0

    def __len__(self) -> int:
        """Edits of any kind so far: a number that moves when the graph does."""
        return len(self.edits) + self.nodes_removed + self.nodes_added + self.nodes_changed

    @property
    def modified(self) -> bool:
        return len(self) > 0
